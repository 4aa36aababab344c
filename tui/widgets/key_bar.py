"""The last line of a screen: its keys and what they do; above it, where captions are on, the caption."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from rich.style import Style
from rich.text import Text
from textual.geometry import Size
from textual.screen import ModalScreen, Screen
from textual.strip import Strip
from textual.widget import Widget

from tui.commands import key_name

if TYPE_CHECKING:
    from tui.base_app import BaseApp

LAST = ("app.help()", "app.quit()")
"""Commands that are always at the end, in this order; what does not fit is behind the first of them."""
CAPTION_COLUMNS = 78
"""The widest caption: one line of a terminal of 80 columns."""
CAPTION_MARK = "▌"
MARGIN = 2
"""The columns of the mark and the blank before a caption."""


class KeyBar(Widget):
    """The shown bindings of a screen or a dialog in one line, clickable: first what is possible now, last help and quit.

    Textual's Footer mounts a widget for each key and each word, which would double the time to the first paint.
    """

    COMPONENT_CLASSES = {"key-bar--key", "key-bar--disabled", "key-bar--caption", "key-bar--mark"}
    DEFAULT_CSS = """
    KeyBar {
        height: auto;
        dock: bottom;
        background: $panel;
        & > .key-bar--key { color: $footer-key-foreground; text-style: bold; }
        & > .key-bar--disabled { color: $foreground; text-opacity: 40%; text-style: dim; }
        & > .key-bar--caption { color: $foreground; background: $surface; }
        & > .key-bar--mark { color: $accent; background: $surface; }
    }
    """

    @property
    def _app(self) -> BaseApp:
        return cast("BaseApp", self.app)

    @property
    def rows(self) -> int:
        """One row, and those of a caption, which has one from 80 columns."""
        return 1 if self._app.caption is None else 1 + math.ceil(CAPTION_COLUMNS / max(self.app.size.width - MARGIN, 1))

    def on_mount(self) -> None:
        """Repaint when commands become possible or impossible."""
        self.screen.bindings_updated_signal.subscribe(self, self._on_bindings_updated)

    def _on_bindings_updated(self, screen: Screen[object]) -> None:
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self.rows

    def render_line(self, y: int) -> Strip:
        width, caption_rows = self.size.width, self.rows - 1
        if y < caption_rows:
            return self._caption_strip(self._app.caption or "", y, caption_rows)
        segments = self.line(width).render(self.app.console) if y == caption_rows else ()
        return Strip(segments).adjust_cell_length(width).apply_style(self.rich_style)

    def _caption_strip(self, caption: str, y: int, rows: int) -> Strip:
        width, style = self.size.width, self.get_component_rich_style("key-bar--caption")
        lines = textwrap.wrap(caption, max(width - MARGIN, 1), max_lines=rows, placeholder="…")
        mark, line = (CAPTION_MARK, lines[y]) if y < len(lines) else (" ", "")
        text = Text.assemble((mark, self.get_component_rich_style("key-bar--mark")), (f" {line}", style))
        return Strip(text.render(self.app.console)).adjust_cell_length(width, style).apply_style(style)

    def line(self, width: int) -> Text:
        """Return the keys and words that fit into `width` cells."""
        by_action = {action: (key, word, enabled) for key, word, action, enabled in self._keys()}
        last = [(action, by_action.pop(action)) for action in LAST if action in by_action]
        first = sorted(by_action.items(), key=lambda item: not item[1][2])
        remark = self._app.key_remark
        room = width - len(remark)
        while (shown := first + last) and sum(len(key) + len(word) + 2 for _, (key, word, _) in shown) > room:
            (first or last).pop()
        key_style = self.get_component_rich_style("key-bar--key", partial=True)
        disabled_style = self.get_component_rich_style("key-bar--disabled", partial=True)
        text = Text(no_wrap=True, end="")
        for action, (key, word, enabled) in shown:
            click = Style.from_meta({"@click": action}) if enabled else Style()
            text.append(key, click + (key_style if enabled else disabled_style))
            text.append(f" {word}", click if enabled else disabled_style)
            text.append(" ")
        if remark:
            text.append(" " * (room - text.cell_len - 1))
            text.append(remark, disabled_style)
        return text

    def _keys(self) -> Iterator[tuple[str, str, str, bool]]:
        """Yield key, word, action and state of each command, once: by the shorter of its keys."""
        if self._app.only_keys:
            yield from ((*entry, True) for entry in self._app.only_keys)
            return
        dialog = self.app.screen if isinstance(self.app.screen, ModalScreen) else self.screen
        shortest: dict[str, tuple[str, str, str, bool]] = {}
        for _, binding, enabled, _ in dialog.active_bindings.values():
            key, action = key_name(binding.key), binding.action if "." in binding.action else f"screen.{binding.action}"
            if binding.show and (action not in shortest or len(key) < len(shortest[action][0])):
                shortest[action] = key, binding.description, action, enabled
        yield from shortest.values()
