"""A data set in memory, and the errors of loading one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class DataError(Exception):
    """Raised for digits that can't be loaded: `message` is one sentence naming what is wrong, `hint` what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DataCancelled(Exception):
    """Raised when the user cancels while digits are being loaded."""


def placeholder_dataset(train_size: int = 1) -> Digits:
    """Return blank training digits and one blank test digit, for an engine that predicts or warms up."""
    import numpy as np

    blank, labels = np.zeros((train_size, 28, 28), np.uint8), np.zeros(train_size, np.uint8)
    return Digits(blank, labels, blank[:1], labels[:1], dataset="none", source="")


@dataclass(frozen=True)
class Digits:
    """Training and test digits with their labels."""

    train_images: npt.NDArray[np.uint8]
    """Grey values, shape (train_size, 28, 28)."""
    train_labels: npt.NDArray[np.uint8]
    """0 to 9, shape (train_size,)."""
    test_images: npt.NDArray[np.uint8]
    """The digits to evaluate: any held-out ones, then the test digits."""
    test_labels: npt.NDArray[np.uint8]
    dataset: str
    """"mnist" (as published, bit for bit), "custom" (other digits in its format) or "drawn"."""
    source: str
    """Their origin, for the user."""
    held_out: int = 0
    """Number of training digits that were moved to the start of `test_images`, so that they judge and never train."""

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the four arrays' bytes: the same for the same digits, whatever their origin."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(array.tobytes())
        return digest.hexdigest()

    def limited(self, limit_train: int | None, limit_test: int | None) -> Digits:
        """Return the first `limit_train` training and `limit_test` test digits; None means all."""
        if limit_train is None and limit_test is None:
            return self
        return replace(
            self,
            train_images=self.train_images[:limit_train],
            train_labels=self.train_labels[:limit_train],
            test_images=self.test_images[:limit_test],
            test_labels=self.test_labels[:limit_test],
        )

    def hold_out(self, count: int, seed: int) -> Digits:
        """Hold out the last `count` digits of a permutation of the training digits, drawn from the seed. Raises DataError."""
        if not count:
            return self
        train_size = len(self.train_labels)
        if count >= train_size:
            raise DataError(
                f"{count:,} of {train_size:,} training digits can't be held out: none would be left to train on.",
                "Choose a smaller --validation.",
            )
        import numpy as np

        order = np.random.default_rng([seed, 2]).permutation(train_size)  # the recipe draws from streams 0 and 1
        kept, held_out = np.sort(order[:-count]), order[-count:]
        return replace(
            self,
            train_images=self.train_images[kept],
            train_labels=self.train_labels[kept],
            test_images=np.concatenate([self.train_images[held_out], self.test_images]),
            test_labels=np.concatenate([self.train_labels[held_out], self.test_labels]),
            held_out=count,
        )

    @property
    def test_size(self) -> int:
        """Number of test digits."""
        return len(self.test_labels) - self.held_out

    @property
    def validation_sha256(self) -> str:
        """SHA-256 of the bytes of the held-out images and labels; empty without any."""
        if not self.held_out:
            return ""
        parts = self.test_images[: self.held_out], self.test_labels[: self.held_out]
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
