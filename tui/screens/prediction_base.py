"""What Draw and Results have in common: they ask the living models about a digit, and look for the answers."""

from __future__ import annotations

from collections.abc import Callable

from textual.timer import Timer

from engines.api import PredictionRequests, RunSource
from tui.screens.base import ShownScreen


class PredictionScreen(ShownScreen):
    """Looks for answers more often than frames are drawn, while some are awaited and the screen is shown."""

    LOOK_SECONDS = 1 / 20
    """From look to look."""

    def __init__(self, session: RunSource, fold: Callable[[], None], *, ascii_only: bool = False) -> None:
        super().__init__(session, ascii_only=ascii_only)
        self.questions = PredictionRequests(session)
        self._fold = fold
        self._looking: Timer | None = None

    def begin(self) -> None:
        """Nothing is awaited yet."""
        self._looking = self.set_interval(self.LOOK_SECONDS, self._look, pause=True)

    def show_answers(self) -> None:
        """What the models say now."""

    def resume_polling(self) -> None:
        """Something was asked: look for its answer."""
        if self._looking is not None:
            self._looking.resume()

    def _look(self) -> None:
        """Take the answers in before the next frame is due; nothing to do once all are there."""
        self._fold()
        self.show_answers()
        if not self.questions.waiting and self._looking is not None:
            self._looking.pause()

    def on_screen_suspend(self) -> None:
        """Nobody sees an answer."""
        if self._looking is not None:
            self._looking.pause()

    def on_screen_resume(self) -> None:
        """An answer may have come meanwhile, or not yet."""
        self.resume_polling()
