"""The last line: what can be asked for, by key or click."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from tui.commands import KEY_NAMES


class KeyBar(Widget):
    """The bindings that are to be shown, in one line; where room is short, first those go that make no sense now.

    Textual's Footer is a widget for each key and each word: half of what the first paint would have to mount.
    """

    COMPONENT_CLASSES = {"keys--key", "keys--off"}
    DEFAULT_CSS = """
    KeyBar {
        height: 1;
        dock: bottom;
        & > .keys--key { color: $footer-key-foreground; text-style: bold; }
        & > .keys--off { color: $foreground; text-opacity: 40%; text-style: dim; }
    }
    """

    def on_mount(self) -> None:
        """Hear when commands become possible or impossible."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The row of cells."""
        width = self.size.width
        segments = () if y else self.line(width).render(self.app.console)
        return Strip(segments).adjust_cell_length(width).apply_style(self.rich_style)

    def line(self, width: int) -> Text:
        """Key and word of each, clickable."""
        shown: dict[str, tuple[str, str, bool]] = {}
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            key = KEY_NAMES.get(binding.key, binding.key)
            if binding.show and (binding.action not in shown or len(key) < len(shown[binding.action][0])):
                shown[binding.action] = (key, binding.description, enabled)
        known = list(shown.items())
        while known and sum(len(key) + len(word) + 2 for _, (key, word, _) in known) > width:
            off = [one for one in known if not one[1][2]]
            known.remove((off or known)[-1])
        key_style = self.get_component_rich_style("keys--key", partial=True)
        off_style = self.get_component_rich_style("keys--off", partial=True)
        text = Text(no_wrap=True, end="")
        for action, (key, word, enabled) in known:
            click = Style.from_meta({"@click": action}) if enabled else Style()
            text.append(key, click + (key_style if enabled else off_style))
            text.append(f" {word}", click if enabled else off_style)
            text.append(" ")
        return text
