"""The base of all screens but Train: the header with the tabs, the screen's own commands, and colours by name."""

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
"""The width in columns from which a screen places more widgets side by side."""


class BaseScreen(Screen[None]):
    """A screen that draws the session's histories and has no state of theirs."""

    HORIZONTAL_BREAKPOINTS = [(0, "-tight"), (56, "-narrow"), (80, "-normal"), (WIDE, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (23, "-medium"), (36, "-tall")]
    AUTO_FOCUS = ""
    NAME = ""
    """The screen's name in `SCREENS`."""

    def __init__(self, session: RunSource, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.session = session
        self.ascii_only = ascii_only
        self._ready = False

    @staticmethod
    def bindings(name: str) -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
        """Return the bindings of the commands that only this screen has."""
        return [command.binding for command in SCREENS[name].commands]

    @property
    def is_ready(self) -> bool:
        """True once all widgets are mounted and set up."""
        return self._ready

    def compose(self) -> ComposeResult:
        yield TextLine(id="header")
        yield from self.compose_body()
        yield KeyBar()

    def compose_body(self) -> ComposeResult:
        """Yield the widgets between the header and the key bar."""
        yield from ()

    @property
    def bar_rows(self) -> int:
        """The rows of the key bar, with the caption if captions are on."""
        return self.query_one(KeyBar).rows

    def on_mount(self) -> None:
        self.call_after_refresh(self._finish_setup)

    def _finish_setup(self) -> None:
        self._ready = True
        self.setup()
        self.show_frame(set(self.session.histories), True)

    def setup(self) -> None:
        """Prepare the screen once, when all of its widgets are mounted."""

    def on_resize(self) -> None:
        """Fit everything to the new size."""
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show an unexpected error of a thread; the app goes on."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            self.notify(f"{type(error).__name__}: {error}", title="Unexpected error", severity="error")

    def on_key(self, event: events.Key) -> None:
        """Stop a key of this screen whose command is disabled: the app may have another command for it."""
        active = self.active_bindings.get(event.key)
        if active is not None and active.node is self and not active.enabled:
            event.stop()

    def show_frame(self, changed: set[str], with_curves: bool) -> None:
        """Draw one frame; see FrameReceiver."""
        if not self._ready or not self.is_running:  # not composed yet, or already removed
            return
        number = SCREENS[self.NAME].number
        with self.app.batch_update():
            text = header.render_header(self.session, self.session.now(), self.size.width, number, self.palette)
            self.query_one("#header", TextLine).set_text(text)
            self.update_body(changed)

    def update_body(self, changed: set[str]) -> None:
        """Update what is between the header and the key bar; `changed` are the engines whose histories have changed."""

    def deliver(self, call: Callable[..., object], *args: Any, **named: Any) -> None:
        """Call a function in the app's thread from a worker thread, unless a newer worker has replaced this one."""
        worker = get_current_worker()

        def unless_superseded() -> None:
            if not worker.is_cancelled:  # checked in the app's thread, which is the one that cancels
                call(*args, **named)

        self.app.call_from_thread(unless_superseded)

    @property
    def palette(self) -> dict[str, str]:
        """The theme's colours in Rich's syntax, by name."""
        return themes.palette(self.app.theme_variables)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the Train screen's commands, which the app binds on every screen."""
        return hasattr(self, f"action_{action}")
