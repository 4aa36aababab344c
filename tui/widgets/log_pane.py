"""What one worker's process printed: colours kept, everything else that a terminal would obey removed, memory bounded."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import RichLog

from engines.api import TITLES, LogLine, RunHistory, plural
from tui import formatting

WITH_CLOCK = 44
"""From this width on each line begins with its time since the worker was started."""


class LogPane(RichLog, can_focus=False):
    """Follows its tail; stops following while scrolled up. Shows only the lines that hold what is searched for."""

    DEFAULT_CSS = """
    LogPane {
        width: 1fr;
        border: round $foreground 30%;
        padding: 0 1;
        background: $background;
        scrollbar-size-vertical: 1;
        &.-pytorch { border-title-color: $pytorch; }
        &.-keras { border-title-color: $keras; }
    }
    """

    def __init__(self, engine: str) -> None:
        super().__init__(id=f"log-{engine}", classes=f"-{engine}", max_lines=2_000, wrap=True, min_width=1)
        self.engine = engine
        self.border_title = f"{TITLES.get(engine, engine)} log"
        self._written = 0
        self._wanted = ""
        self._found = 0

    def show_log(self, history: RunHistory) -> None:
        """Append the lines that came since the last call."""
        if not self.display or not self.size.width:
            return
        if history.log_count < self._written:  # a recording was wound back
            self.clear()
            self._written = self._found = 0
        new = min(history.log_count - self._written, len(history.log))
        self._written = history.log_count
        for line in list(history.log)[len(history.log) - new :]:
            if self._matches(line):
                self._found += 1
                self.write(self._said(line, history.spawned_t), scroll_end=self.is_vertical_scroll_end)
        self.border_subtitle = Text(self._state(history))

    def find(self, text: str, history: RunHistory) -> None:
        """Show only the lines that hold this text, whatever its case; all lines for an empty one."""
        if text != self._wanted:
            self.clear()
            self._wanted, self._found, self._written = text, 0, history.log_count - len(history.log)
            self.show_log(history)

    def lines_of(self, history: RunHistory) -> list[str]:
        """What is shown, as plain text."""
        return [formatting.to_plain_text(line.text) for line in history.log if self._matches(line)]

    def _matches(self, line: LogLine) -> bool:
        return self._wanted.lower() in formatting.to_plain_text(line.text).lower()

    def _said(self, line: LogLine, since: float) -> Text:
        text = Text.from_ansi(formatting.strip_control(line.text))
        if self._wanted:
            text.highlight_words([self._wanted], "reverse", case_sensitive=False)
        if line.stream in ("supervisor", "worker"):
            text.stylize("italic")
        if self.size.width < WITH_CLOCK:
            return text
        return Text(f"{formatting.clock(line.t - since)} ", style="dim").append_text(text)

    def _state(self, history: RunHistory) -> str:
        if not history.log_count:
            return "nothing yet"
        parts = [plural(history.log_count, "line")]
        if self._wanted:
            parts.insert(0, f"{self._found:,} with “{formatting.to_plain_text(self._wanted)}”")
        if not self.is_vertical_scroll_end:
            parts.append("end follows again")
        return " · ".join(parts)
