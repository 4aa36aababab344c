"""The logs of all workers side by side, and the line to search them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from engines.api import RunHistory, RunSource, plural
from tui.terminal.clipboard import copy
from tui.widgets.log_pane import LogPane


class LogPanel(Vertical):
    """A pane for each engine's log, and a search line."""

    DEFAULT_CSS = """
    LogPanel {
        height: 35%;
        & > Horizontal { height: 1fr; }
        #find { height: 1; background: $panel; }
    }
    """

    class SearchChanged(Message):
        """Posted when the user changes the search; an empty text matches all lines."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, engines: Sequence[str]) -> None:
        super().__init__(id="logs")
        self._panes = {engine: LogPane(engine) for engine in engines}
        self._input = Input(
            placeholder="find in the logs · enter keeps the search · esc shows all lines", id="find", compact=True
        )
        self._input.display = False

    def compose(self) -> ComposeResult:
        yield Horizontal(*self._panes.values())
        yield self._input

    def show_logs(self, histories: Mapping[str, RunHistory]) -> None:
        """Append the lines that came since the last call."""
        for engine, pane in self._panes.items():
            pane.show_log(histories[engine])

    def find(self, text: str, histories: Mapping[str, RunHistory]) -> None:
        """Show only the lines that contain this text."""
        for engine, pane in self._panes.items():
            pane.find(text, histories[engine])

    def copy_shown(self, source: RunSource, aim: str | None) -> None:
        """Copy the shown lines of the aimed engine, or of all, to the terminal's clipboard, over SSH too (OSC 52)."""
        lines = self.visible_lines(source.histories, aim)
        folder = next(filter(None, map(source.folder, source.histories)), None)
        record = f"All lines of the run are in {folder / 'events.jsonl'}." if folder else ""
        fallback = record or "Or select the lines with shift and the mouse."
        copy(self.app, "\n".join(lines), f"The log ({plural(len(lines), 'line')})", fallback)

    def visible_lines(self, histories: Mapping[str, RunHistory], engine: str | None) -> list[str]:
        """Return the shown lines of one engine, or of all for None, as plain text."""
        shown = {name: pane for name, pane in self._panes.items() if engine in (None, name)}
        return [line for name, pane in shown.items() for line in pane.visible_lines(histories[name])]

    def scroll_pages(self, pages: int) -> None:
        """Scroll by one page; more than one page scrolls to the start or the end."""
        for pane in self._panes.values():
            if abs(pages) > 1:
                (pane.scroll_end if pages > 0 else pane.scroll_home)(animate=False)
            else:
                (pane.scroll_page_down if pages > 0 else pane.scroll_page_up)(animate=False)

    # Search

    @property
    def searching(self) -> bool:
        """True while the user types into the search line."""
        return self._input.has_focus

    def start_search(self) -> None:
        """Open the search line."""
        self._input.display = True
        self._input.focus()

    def end_search(self, text: str | None) -> None:
        """Leave the search line, and set its text unless it is None."""
        if text is not None:
            self._input.value = text
        self._input.display = bool(self._input.value)
        self.screen.set_focus(None)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while the user types."""
        event.stop()
        self.post_message(self.SearchChanged(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Leave the search line; the search stays."""
        event.stop()
        self.end_search(None)
