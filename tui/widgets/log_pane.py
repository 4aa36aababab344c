"""What one worker's process printed: colours kept, everything else that a terminal would obey removed, memory bounded."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import RichLog

from engines.api import TITLES, RunHistory
from tui import formatting


class LogPane(RichLog):
    """Follows its tail; stops following while scrolled up."""

    def __init__(self, engine: str) -> None:
        super().__init__(id=f"log-{engine}", classes=f"log -{engine}", max_lines=2_000, wrap=True, min_width=1)
        self.engine = engine
        self.border_title = f"{TITLES.get(engine, engine)} log"
        self._written = 0

    def show_log(self, history: RunHistory) -> None:
        """Append the lines that came since the last call."""
        if not self.display or not self.size.width:
            return
        new = min(history.log_count - self._written, len(history.log))
        self._written = history.log_count
        for line in list(history.log)[len(history.log) - new :]:
            text = Text.from_ansi(formatting.safe(line.text))
            if line.stream in ("supervisor", "worker"):
                text.stylize("italic")
            self.write(text, scroll_end=self.is_vertical_scroll_end)
        if not history.log_count:
            self.border_subtitle = "nothing yet"
        else:
            self.border_subtitle = f"{history.log_count:,} lines"
