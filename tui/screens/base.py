"""What the screens beside Train have in common: the header with the tabs, their own commands, and colours by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.worker import Worker, WorkerState, get_current_worker

from engines.api import RunSource
from tui import themes
from tui.commands import SCREENS
from tui.widgets import header
from tui.widgets.key_bar import KeyBar
from tui.widgets.text_line import TextLine

WIDE = 110
"""Columns from which on there is room for more beside each other."""


class ShownScreen(Screen[None]):
    """A screen beside Train: draws the session's histories and owns no state of theirs."""

    HORIZONTAL_BREAKPOINTS = [(0, "-tight"), (56, "-narrow"), (80, "-normal"), (WIDE, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (23, "-medium"), (36, "-tall")]
    AUTO_FOCUS = ""
    NAME = ""
    """As in `SCREENS`."""

    def __init__(self, session: RunSource, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.session = session
        self.ascii_only = ascii_only
        self._ready = False

    @staticmethod
    def bindings(name: str) -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
        """The keys of that screen's own commands, as Textual binds them."""
        return [command.binding for command in SCREENS[name]]

    def compose(self) -> ComposeResult:
        """Header, body, footer."""
        yield TextLine(id="header")
        yield from self.body()
        yield KeyBar()

    def body(self) -> ComposeResult:
        """What is between header and footer."""
        yield from ()

    def on_mount(self) -> None:
        """Begin once everything is in its place."""
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self._ready = True
        self.begin()
        self.show_frame(set(self.session.histories), True)

    def begin(self) -> None:
        """What a screen does once, when all of its widgets are there."""

    def on_resize(self) -> None:
        """Everything is cut to the new size."""
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """What nobody foresaw in a thread is said, and does not end the app."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            self.notify(f"{type(error).__name__}: {error}", title="That went wrong", severity="error")

    def on_key(self, event: events.Key) -> None:
        """A key of this screen's own is never the app's: while its command is grey, it does nothing."""
        active = self.active_bindings.get(event.key)
        if active is not None and active.node is self and not active.enabled:
            event.stop()

    def show_frame(self, changed: set[str], with_curves: bool) -> None:
        """One frame."""
        if not self._ready or not self.is_running:  # not composed yet, or already taken apart
            return
        number = list(SCREENS).index(self.NAME) + 1
        with self.app.batch_update():
            said = header.render_header(self.session, self.session.now(), self.size.width, number, self.palette)
            self.query_one("#header", TextLine).set_text(said)
            self.show(changed)

    def show(self, changed: set[str]) -> None:
        """What the histories say now; `changed` names those that have changed."""

    def deliver(self, call: Callable[..., object], *args: Any, **named: Any) -> None:
        """From a thread of `work`: have the app call that, unless another such thread has taken this one's place."""
        worker = get_current_worker()

        def unless_superseded() -> None:
            if not worker.is_cancelled:  # asked on the app's own thread, which is the one that cancels
                call(*args, **named)

        self.app.call_from_thread(unless_superseded)

    @property
    def palette(self) -> dict[str, str]:
        """The theme's colours as Rich says them."""
        return themes.palette(self.app.theme_variables)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The Train screen's own commands are bound by the app, and are not there."""
        return hasattr(self, f"action_{action}")
