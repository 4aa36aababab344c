"""The launcher: what to train, where and with which preset, chosen by key or by mouse before a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.style import Style
from rich.text import Text
from textual.containers import Container
from textual.widgets import Static

from engines.api import PaceKey, RunRequest, RunSource
from tui import launch_options
from tui.commands import KEYS, SCREENS
from tui.launch_options import LaunchOption
from tui.widgets.text_line import TextLine

OPTIONS = ("framework", "device", "preset")
"""The rows with options, in order; each is the name of the command that chooses the next one."""
LABEL_WIDTH = 15
ROOMY_HEIGHT = 18
"""Rows from which there is room for the introduction and the tour."""
_INTRODUCTION = (
    "One network, written twice: in [b]PyTorch[/] and in [b]Keras[/].\n"
    "Same first weights, same digits in the same order. Watch both learn to read, side by side."
)
_TOUR = "\n".join(
    f"[@click=app.show_screen({one.number})][b]{one.number}[/b]  {one.title:9}{one.help}[/]" for one in SCREENS.values()
)


class Launcher(Container):
    """A box in the middle of its area."""

    DEFAULT_CSS = """
    Launcher {
        height: 1fr; min-height: 5; align: center middle; display: none;
        & > Static { width: 100%; max-width: 110; color: $foreground 80%; display: none; }
        & > #intro { margin-bottom: 1; text-align: center; }
        & > #tour { margin-top: 1; padding: 0 2; link-style: none; link-color: $foreground 80%; link-style-hover: bold; }
        & > #options { width: 100%; max-width: 110; height: 7; border: round $accent; border-title-style: bold; padding: 0 1; }
    }
    """

    def __init__(self) -> None:
        super().__init__(id="launcher")
        self._rows = TextLine(id="options")
        self._rows.border_title = "What to train"
        self._intro, self._tour = Static(_INTRODUCTION, id="intro"), Static(_TOUR, id="tour")
        self.options: dict[str, list[LaunchOption]] = {}
        """The options as they were last drawn, by row."""

    def on_mount(self) -> None:
        self.mount(self._intro, self._rows, self._tour)

    def show(self, source: RunSource, paces: Mapping[PaceKey, float], colors: Mapping[str, str]) -> None:
        """Draw the options; `paces` are those of saved runs."""
        self.options = launch_options.rows(source, paces)
        width = max(self._rows.size.width, 20)
        rows = [_render_options(name, self.options[name], width, colors) for name in OPTIONS]
        details = _fitting(launch_options.describe_run(source.request), " · ", width - LABEL_WIDTH)
        rows.append(Text(f"{'':{LABEL_WIDTH}}{details}", style=colors["$detail"], no_wrap=True))
        self._rows.set_text(*rows, _render_start(width, colors))
        roomy = self.size.height >= ROOMY_HEIGHT
        self._intro.display = self._tour.display = roomy

    def next_request(self, row: str, direction: int) -> RunRequest:
        """Return the request with the row's next option (1), or the one before it (-1)."""
        return launch_options.next_option(self.options[row], direction)


def _render_options(name: str, options: Sequence[LaunchOption], width: int, colors: Mapping[str, str]) -> Text:
    """Render a row: the chosen option always, the others while there is room, without their reasons where it is short."""
    parts = [_option_text(name, i, option, colors, full=True) for i, option in enumerate(options)]
    short = [_option_text(name, i, option, colors, full=False) for i, option in enumerate(options)]
    room = width - LABEL_WIDTH
    for i in reversed(range(len(parts))):
        if sum(part.cell_len + 3 for part in parts) - 3 > room:
            parts[i] = short[i]
    for i in reversed(range(len(parts))):
        if sum(part.cell_len + 3 for part in parts if part) - 1 > room and not options[i].chosen:
            parts[i] = Text()
    row = Text(no_wrap=True, overflow="ellipsis")
    row.append(f"{KEYS[name]} ", style=f"bold {colors['$accent']}")
    row.append(f"{name:{LABEL_WIDTH - 2}}")
    row.append_text(Text("   ").join(part for part in parts if part))
    return row if all(parts) else row.append(" …", style="dim")


def _option_text(name: str, index: int, option: LaunchOption, colors: Mapping[str, str], *, full: bool) -> Text:
    if option.reason:
        reason = f": {option.reason}" if full else ""
        return Text(f"✗ {option.label}{reason}", style="dim")
    click = Style.from_meta({"@click": f"screen.launch_option('{name}', {index})"})
    style = Style.parse(f"bold {colors['$success']}") if option.chosen else Style.null()
    return Text(f"{'●' if option.chosen else '○'} {option.label}", style=style + click)


def _fitting(parts: Sequence[str], separator: str, width: int) -> str:
    """Join the parts, without the last ones where they don't fit."""
    while len(parts) > 1 and len(separator.join(parts)) > width:
        parts = parts[:-1]
    return separator.join(parts)


def _render_start(width: int, colors: Mapping[str, str]) -> Text:
    row = Text(no_wrap=True, overflow="ellipsis")
    row.append(
        f" {KEYS['start']}  Start ", style=Style.parse(f"bold reverse {colors['$accent']}") + _click("app.start")
    )
    words = (
        (f"   {KEYS['settings']} all settings", "app.settings"),
        (f"   {KEYS['parity']} proof that both train the same", "app.parity"),
        ("   or watch a recorded run", "app.demo"),
    )
    for text, action in words:
        if row.cell_len + len(text) <= width:
            row.append(text, style=_click(action))
    return row


def _click(action: str) -> Style:
    return Style.from_meta({"@click": action})
