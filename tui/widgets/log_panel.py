"""The logs of all workers side by side, and the line that searches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from engines.api import RunHistory
from tui.widgets.log_pane import LogPane


class Logs(Vertical):
    """A pane for each engine; says what the user looks for."""

    DEFAULT_CSS = """
    Logs {
        height: 35%;
        & > Horizontal { height: 1fr; }
        #find { height: 1; background: $panel; }
    }
    """

    class Sought(Message):
        """Show only the lines that hold this text; all for an empty one."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, engines: Sequence[str]) -> None:
        super().__init__(id="logs")
        self._panes = {engine: LogPane(engine) for engine in engines}
        self._input = Input(
            placeholder="find in the logs · enter keeps it · esc shows all lines", id="find", compact=True
        )
        self._input.display = False

    def compose(self) -> ComposeResult:
        """The panes above the search."""
        yield Horizontal(*self._panes.values())
        yield self._input

    def show_logs(self, histories: Mapping[str, RunHistory]) -> None:
        """Append what came since the last call."""
        for engine, pane in self._panes.items():
            pane.show_log(histories[engine])

    def find(self, text: str, histories: Mapping[str, RunHistory]) -> None:
        """Show only the lines that hold this text."""
        for engine, pane in self._panes.items():
            pane.find(text, histories[engine])

    def lines_of(self, histories: Mapping[str, RunHistory], engine: str | None) -> list[str]:
        """What is shown of one engine, or of all, as plain text."""
        shown = [one for one in self._panes if engine in (None, one)]
        return [line for one in shown for line in self._panes[one].lines_of(histories[one])]

    def scroll_pages(self, pages: int) -> None:
        """By a page; by more than one at a time to the beginning or the end."""
        for pane in self._panes.values():
            if abs(pages) > 1:
                (pane.scroll_end if pages > 0 else pane.scroll_home)(animate=False)
            else:
                (pane.scroll_page_down if pages > 0 else pane.scroll_page_up)(animate=False)

    # The search

    @property
    def searching(self) -> bool:
        """Whether the user is typing what to find."""
        return self._input.has_focus

    def search(self) -> None:
        """Ask what to find."""
        self._input.display = True
        self._input.focus()

    def end_search(self, text: str | None) -> None:
        """Give the keys back; with the text that is to be found from now on, or None for what was typed."""
        if text is not None:
            self._input.value = text
        self._input.display = bool(self._input.value)
        self.screen.set_focus(None)

    def on_input_changed(self, event: Input.Changed) -> None:
        """As one types."""
        event.stop()
        self.post_message(self.Sought(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """What was found stays."""
        event.stop()
        self.end_search(None)
