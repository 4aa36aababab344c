"""The engine that Keras' backends without TensorFlow share; each adds training steps with its own gradients.

TensorFlow is never imported, not even where it is installed.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.recipe import Weights
from engines.keras.augment import build_augment
from engines.keras.model import build_model
from engines.keras.optimizer import build_optimizer
from engines.keras.state import EngineState

sys.modules.setdefault("tensorflow", None)  # type: ignore[arg-type]  # Keras would import it to save a model


class KerasEngineBase(EngineState):
    """An engine without training steps and predictions, which need the backend itself."""

    build_augment = staticmethod(build_augment)
    build_optimizer: Callable[[TrainConfig], Any] = staticmethod(build_optimizer)

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights, device: str) -> None:
        random.seed(config.seed)  # Keras draws its seeds from it; its own set_random_seed would import TensorFlow
        self.device = device
        self.batch_size = config.batch_size
        with keras.device(self.device):
            self.train_images, self.train_labels = to_device(digits.train_images, digits.train_labels)
            self.test_images, _ = to_device(digits.test_images, digits.test_labels)
            self.model = build_model(config.dropout)
            self.augment = self.build_augment(config.augment)
            self.augment.build((None, 28, 28, 1))
            self.optimizer = self.build_optimizer(config)
            self.optimizer.build(self.model.trainable_variables)
        self.load_weights(weights)


# Data


def to_device(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> tuple[Any, Any]:
    """Put images (n, 28, 28, 1) as uint8 and labels (n,) on the device, undivided: 47 MB for all of MNIST."""
    return ops.convert_to_tensor(images[..., None]), ops.convert_to_tensor(labels.astype(np.int32))


def scale(images: Any) -> Any:
    """Scale grey values from 0..255 to 0..1."""
    return ops.cast(images, "float32") / 255.0


# Train


def loss_and_correct(logits: Any, labels: Any) -> tuple[Any, Any]:
    """Return each digit's cross-entropy, shape (n,), and the number of correct answers, for logits (n, 10), labels (n,)."""
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    correct = ops.sum(ops.cast(ops.equal(ops.argmax(logits, axis=1), labels), "float32"))
    return losses, correct
