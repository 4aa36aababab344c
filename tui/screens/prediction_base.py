"""The base of Draw and Results, which request predictions from the live models."""

from __future__ import annotations

from collections.abc import Callable

from textual.timer import Timer

from engines.api import PredictionRequests, RunSource
from tui.screens.base import BaseScreen


class PredictionScreen(BaseScreen):
    """Polls for predictions more often than frames are drawn, while some are pending and the screen is shown."""

    POLL_SECONDS = 1 / 20
    """Seconds between two polls."""
    INSIDE = False
    """True for predictions with the values inside the networks."""

    def __init__(self, session: RunSource, apply_events: Callable[[], None], *, ascii_only: bool = False) -> None:
        """`apply_events` applies the session's new events to its histories."""
        super().__init__(session, ascii_only=ascii_only)
        self.predictions = PredictionRequests(session, inside=self.INSIDE)
        self._apply_events = apply_events
        self._poll_timer: Timer | None = None

    def setup(self) -> None:
        self._poll_timer = self.set_interval(self.POLL_SECONDS, self._poll, pause=True)

    def show_predictions(self) -> None:
        """Show the newest predictions of the models."""

    def resume_polling(self) -> None:
        """Poll until every pending prediction has arrived."""
        if self._poll_timer is not None:
            self._poll_timer.resume()

    def _poll(self) -> None:
        self._apply_events()
        self.show_predictions()
        if not self.predictions.waiting and self._poll_timer is not None:
            self._poll_timer.pause()

    def on_screen_suspend(self) -> None:
        if self._poll_timer is not None:
            self._poll_timer.pause()

    def on_screen_resume(self) -> None:
        self.resume_polling()
