"""The last line of a screen: its keys and what they do."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.screen import ModalScreen, Screen
from textual.strip import Strip
from textual.widget import Widget

from tui.commands import key_name

LAST = ("app.help()", "app.quit()")
"""Commands that are always at the end, in this order; what does not fit is behind the first of them."""


class KeyBar(Widget):
    """The shown bindings of a screen or a dialog in one line, clickable: first what is possible now, last help and quit.

    Textual's Footer mounts a widget for each key and each word, which would double the time to the first paint.
    """

    COMPONENT_CLASSES = {"key-bar--key", "key-bar--disabled"}
    DEFAULT_CSS = """
    KeyBar {
        height: 1;
        dock: bottom;
        background: $panel;
        & > .key-bar--key { color: $footer-key-foreground; text-style: bold; }
        & > .key-bar--disabled { color: $foreground; text-opacity: 40%; text-style: dim; }
    }
    """

    def on_mount(self) -> None:
        """Repaint when commands become possible or impossible."""
        self.screen.bindings_updated_signal.subscribe(self, self._on_bindings_updated)

    def _on_bindings_updated(self, screen: Screen[object]) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        segments = () if y else self.line(width).render(self.app.console)
        return Strip(segments).adjust_cell_length(width).apply_style(self.rich_style)

    def line(self, width: int) -> Text:
        """Return the keys and words that fit into `width` cells."""
        by_action: dict[str, tuple[str, str, bool]] = {}
        dialog = self.app.screen if isinstance(self.app.screen, ModalScreen) else self.screen
        for _, binding, enabled, _ in dialog.active_bindings.values():
            key, action = key_name(binding.key), binding.action if "." in binding.action else f"screen.{binding.action}"
            if binding.show and (action not in by_action or len(key) < len(by_action[action][0])):
                by_action[action] = (key, binding.description, enabled)
        last = [(action, by_action.pop(action)) for action in LAST if action in by_action]
        first = sorted(by_action.items(), key=lambda item: not item[1][2])
        while (shown := first + last) and sum(len(key) + len(word) + 2 for _, (key, word, _) in shown) > width:
            (first or last).pop()
        key_style = self.get_component_rich_style("key-bar--key", partial=True)
        disabled_style = self.get_component_rich_style("key-bar--disabled", partial=True)
        text = Text(no_wrap=True, end="")
        for action, (key, word, enabled) in shown:
            click = Style.from_meta({"@click": action}) if enabled else Style()
            text.append(key, click + (key_style if enabled else disabled_style))
            text.append(f" {word}", click if enabled else disabled_style)
            text.append(" ")
        return text
