"""The base of Draw and Inside, which show one digit: a random test digit, or the next one that an engine got wrong."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from textual import work

from engines.api import TITLES, DataError, RunHistory, RunSource, TrainConfig
from tui.digit_cache import DigitCache
from tui.drawing import Drawing
from tui.screens.prediction_base import PredictionScreen


class DigitScreen(PredictionScreen):
    """Loads test digits in a thread, since they may have to be downloaded, and hands them to `show_digit`."""

    def __init__(
        self,
        session: RunSource,
        digits: DigitCache,
        drawing: Drawing,
        config: Callable[[], TrainConfig],
        apply_events: Callable[[], None],
        *,
        ascii_only: bool = False,
    ) -> None:
        """`config` returns the settings whose digits are shown."""
        super().__init__(session, apply_events, ascii_only=ascii_only)
        self.drawing = drawing
        self._digits = digits
        self._config = config
        self._mistake = -1
        """The index of the last mistake that was shown."""
        self._loading = False
        """True while a test digit is loading; no other is loaded meanwhile."""

    def show_digit(self, image: Any, label: int, caption: str) -> None:
        """Show a test digit, shape (28, 28), with its true label."""

    def action_test_digit(self) -> None:
        if not self._loading:
            self._load(None)

    def action_next_mistake(self) -> None:
        """Show the next test digit that either engine got wrong, by index."""
        wrong: dict[int, dict[str, int]] = {}
        for engine, history in self.session.histories.items():
            for index, _, predicted in history.tested.mistakes if history.tested else ():
                wrong.setdefault(index, {})[engine] = predicted
        if not wrong:
            evaluated = any(history.tested for history in self.session.histories.values())
            self.notify("There are no mistakes." if evaluated else "There is no evaluation yet.", timeout=3)
            return
        if self._loading:
            return
        self._mistake = min((index for index in wrong if index > self._mistake), default=min(wrong))
        readings = " and ".join(f"{TITLES.get(e, e)} read {p}" for e, p in wrong[self._mistake].items())
        tested = next(history for history in self.session.histories.values() if history.tested)
        self._load(self._mistake, f"; at the last evaluation {readings}", tested)

    def _load(self, index: int | None, remark: str = "", tested: RunHistory | None = None) -> None:
        """Load a test digit, one that a run was tested on, or a random one without an index."""
        self._loading, config = True, self._config()
        if not self._digits.is_cached(config):
            self.notify("Reading the test digits…", timeout=3)
        self._load_digits(config, index, remark, tested)

    @work(thread=True, group="digits", exit_on_error=False)
    def _load_digits(self, config: TrainConfig, index: int | None, remark: str, tested: RunHistory | None) -> None:
        digits = None
        try:
            digits = self._digits.load_tested(tested) if tested is not None else self._digits.load(config)[:2]
        except DataError as error:
            self.deliver(self.notify, f"{error.message} {error.hint}".strip(), severity="error")
        finally:
            self.deliver(self._on_digits_loaded, digits, index, remark)

    def _on_digits_loaded(self, digits: tuple[Any, Any] | None, index: int | None, remark: str) -> None:
        self._loading = False
        if digits is None:
            return
        images, labels = digits
        if index is None:
            index = random.randrange(len(labels))
        if 0 <= index < len(labels):
            self.show_digit(images[index], int(labels[index]), f"Test digit {index:,}: a {labels[index]}{remark}")
