"""The GPU wall: a row for each GPU, over the whole screen."""

from __future__ import annotations

import os
from collections.abc import Mapping

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen
from textual.widgets import Input

from engines.api import RunSource
from tui import themes
from tui.gpu_rows import SORTS, GpuRow, filter_rows, machine_rows, sort_rows, summary
from tui.widgets.gpu_lines import heat_columns, lines_for, reasons, seconds_per_cell
from tui.widgets.key_bar import KeyBar
from tui.widgets.text_line import TextLine

MOST_LINES = 8
"""The most lines of one GPU."""
MOST_REASONS = 4


class GpuWall(ModalScreen[None]):
    """Shows the machine's history of the session, with as many lines for each GPU as fit."""

    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("tab", "sort(1)", "Sort"),
        Binding("shift+tab", "sort(-1)", show=False),
        Binding("slash", "find", "Filter"),
        Binding("v", "links", "Links or processes"),
        Binding("down", "scroll(1)", "Scroll"),
        Binding("up", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(8)", show=False),
        Binding("pageup", "scroll(-8)", show=False),
        Binding("escape", "back", "Close"),
        Binding("g,q", "close", show=False),
    ]
    CSS = """
    GpuWall { background: $background; }
    GpuWall #title { background: $panel; }
    GpuWall #rows { height: 1fr; }
    GpuWall #find { dock: bottom; height: 1; border: none; padding: 0 1; margin-bottom: 1; display: none; }
    """

    def __init__(self, session: RunSource, *, ascii_only: bool = False, hint: str = "") -> None:
        """Show a hint in the title, if there is one."""
        super().__init__()
        self._session, self._ascii_only, self._hint = session, ascii_only, hint
        self._unread = "not recorded" if session.recorded else "measuring"
        """The reason why a figure is missing that no monitor has failed to read."""
        self._environment: Mapping[str, str] = {} if session.recorded else os.environ
        """The variables of the process that trains; those of another one are unknown."""
        self._sort = next(iter(SORTS))
        self._links = False
        self._count = self._offset = self._hidden = 0
        """The lines of each GPU, those above the shown ones, and all that are not shown."""
        self._drawn: object = None
        """The state that the lines show: they are made again only when it has changed."""

    def compose(self) -> ComposeResult:
        yield TextLine(id="title")
        yield TextLine(id="rows")
        yield Input(placeholder="busy, idle, ours, visible, slowed, lost, gpu3, a user, a process", id="find")
        yield KeyBar()

    def on_mount(self) -> None:
        """Have the details read while the wall is open."""
        self._session.watch_gpu_details(True)
        self.call_after_refresh(self.show_frame, set(), True)

    def on_unmount(self) -> None:
        """Read the details no longer."""
        self._session.watch_gpu_details(False)

    def on_resize(self) -> None:
        """Fit the rows to the new size."""
        self.call_after_refresh(self.show_frame, set(), True)

    def show_frame(self, changed: set[str], with_curves: bool) -> None:
        """Draw one frame; see FrameReceiver."""
        if not self.is_mounted or not self.query("#rows"):
            return
        lines = self.query_one("#rows", TextLine)
        words = self.query_one("#find", Input).value
        machine = self._session.machine
        state = (machine.usage, lines.size, words, self._sort, self._links, self._offset, self.app.theme)
        if state == self._drawn or not lines.size.width:
            return
        self._drawn = state
        rows = machine_rows(machine, self._environment)
        shown = sort_rows(filter_rows(rows, words), self._sort)
        self.query_one("#title", TextLine).set_text(self._title(rows, shown, words))
        if rows:
            before = self._count, self._hidden > 0
            lines.set_text(*self._lines(shown, lines.size.width, lines.size.height))
            if before != (self._count, self._hidden > 0):
                self.refresh_bindings()
        else:
            reason = machine.usage.gpu_reason if machine.usage is not None else self._unread
            what = "No GPU was recorded" if self._session.recorded else "No GPU can be read here"
            lines.set_text(Text(), Text(f" {what}: {reason}."))

    def _title(self, rows: list[GpuRow], shown: list[GpuRow], words: str) -> Text:
        text = Text(" GPUs ", style="bold", no_wrap=True)
        if not rows:
            return text
        columns = heat_columns(self.size.width)
        parts = [
            summary(rows),
            *filter(None, [self._hint]),
            f"by {self._sort}",
            f"heat of {columns * seconds_per_cell(columns)} s",
        ]
        if (visible := self._environment.get("CUDA_VISIBLE_DEVICES")) is not None:
            parts.append(f"CUDA sees {visible or 'none'}")
        if words:
            parts.insert(0, f"{len(shown)} of {len(rows)}")
        text.append(" " + " · ".join(parts), style="not bold")
        return text

    def _lines(self, rows: list[GpuRow], width: int, height: int) -> list[Text]:
        """Return the lines of all rows, as many for each GPU as there is room for, and below them why figures are missing."""
        colors = themes.palette(self.app.theme_variables)
        why = [Text(f" {reason}", style=colors["$detail"]) for reason in reasons(rows)][:MOST_REASONS]
        self._count = min(max(height // max(len(rows), 1), 1), MOST_LINES)
        blocks = [
            lines_for(
                row, width, self._count, colors, ascii_only=self._ascii_only, links=self._links, unread=self._unread
            )
            for row in rows
        ]
        lines = [line for block in blocks for line in block]
        if len(lines) + len(blocks) + len(why) < height:  # room for a blank line after each GPU
            lines = [line for block in blocks for line in (*block, Text())]
        self._hidden = max(len(lines) - height, 0)
        self._offset = min(max(self._offset, 0), self._hidden)
        lines = lines[self._offset : self._offset + height]
        return [*lines, *why[: height - len(lines)]]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide keys that would change nothing: with another number of lines, a GPU has both links and processes, or neither."""
        useful = {"links": self._count == 2, "scroll": self._hidden > 0}
        return useful.get(action, True)

    def action_sort(self, step: int) -> None:
        names = list(SORTS)
        self._sort = names[(names.index(self._sort) + step) % len(names)]
        self.show_frame(set(), True)

    def action_links(self) -> None:
        self._links = not self._links
        self.show_frame(set(), True)

    def action_scroll(self, lines: int) -> None:
        self._offset += lines
        self.show_frame(set(), True)

    def action_find(self) -> None:
        box = self.query_one("#find", Input)
        box.display = True
        box.focus()

    @on(Input.Changed, "#find")
    def _on_filter_changed(self) -> None:
        self.show_frame(set(), True)

    @on(Input.Submitted, "#find")
    def _on_filter_submitted(self) -> None:
        self.set_focus(None)

    def action_back(self) -> None:
        """Clear the filter, or close the wall without one."""
        box = self.query_one("#find", Input)
        if not box.display:
            self.dismiss()
            return
        box.value, box.display = "", False
        self.set_focus(None)
        self.call_after_refresh(self.show_frame, set(), True)

    def action_close(self) -> None:
        self.dismiss()
