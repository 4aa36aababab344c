"""One worker's log: its colours stay, other control sequences are removed, and memory is bounded."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import RichLog

from engines.api import TITLES, LogLine, RunHistory, plural
from tui import formatting

CLOCK_WIDTH = 44
"""Narrowest pane in which each line starts with its time since the worker was started."""


class LogPane(RichLog, can_focus=False):
    """The lines of one worker that match the search. Follows the end unless scrolled up."""

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
        self._filter_text = ""
        self._matches = 0
        self._wrapped_at = 0
        """The width for which the lines are wrapped."""

    def show_log(self, history: RunHistory) -> None:
        """Append the lines that came since the last call."""
        if not self.display or not self.size.width:
            return
        if history.log_count < self._written or self.size.width != self._wrapped_at:  # rewound, or another width
            self.clear()
            self._written, self._matches, self._wrapped_at = 0, 0, self.size.width
        new = min(history.log_count - self._written, len(history.log))
        self._written = history.log_count
        for line in list(history.log)[len(history.log) - new :]:
            if self._is_match(line):
                self._matches += 1
                self.write(self._format(line, history.spawned_t), scroll_end=self.is_vertical_scroll_end)
        self.border_subtitle = Text(self._subtitle(history))

    def find(self, text: str, history: RunHistory) -> None:
        """Show only the lines that contain this text, in any case; all lines for an empty text."""
        if text != self._filter_text:
            self.clear()
            self._filter_text, self._matches, self._written = text, 0, history.log_count - len(history.log)
            self.show_log(history)

    def visible_lines(self, history: RunHistory) -> list[str]:
        """Return the lines that match the search, as plain text."""
        return [formatting.to_plain_text(line.text) for line in history.log if self._is_match(line)]

    def _is_match(self, line: LogLine) -> bool:
        return self._filter_text.lower() in formatting.to_plain_text(line.text).lower()

    def _format(self, line: LogLine, since: float) -> Text:
        text = Text.from_ansi(formatting.strip_control(line.text))
        if self._filter_text:
            text.highlight_words([self._filter_text], "reverse", case_sensitive=False)
        if line.stream in ("app", "supervisor", "worker"):
            text.stylize("italic")
        if self.size.width < CLOCK_WIDTH:
            return text
        return Text(f"{formatting.clock(line.t - since)} ", style="dim").append_text(text)

    def _subtitle(self, history: RunHistory) -> str:
        if not history.log_count:
            return "nothing yet"
        parts = [plural(history.log_count, "line")]
        if self._filter_text:
            parts.insert(0, f"{self._matches:,} with “{formatting.to_plain_text(self._filter_text)}”")
        if not self.is_vertical_scroll_end:
            parts.append("press end to follow")
        return " · ".join(parts)
