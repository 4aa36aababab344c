"""The first line of a screen: the tabs, and the run that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.style import Style
from rich.text import Text
from textual.screen import Screen

from engines.api import RunSource, preset_changes
from tui import formatting, themes
from tui.commands import SCREENS
from tui.widgets.text_line import TextLine

APP_NAME_WIDTH = 110
"""Narrowest header that shows the app's name."""


def render_header(source: RunSource, now: float, width: int, shown: int, colors: Mapping[str, str]) -> Text:
    """Render the tabs, and as much of data, preset, seed, mode and clock as fits; `shown` is the open tab's number.

    Where neither data nor clock fits, the other tabs shrink to their numbers.
    """
    for short in (False, True):
        text, details = _render_tabs(source, width, shown, colors, short=short), _details(source, now)
        for least_important in (
            "sizes",
            "mode",
            "seed",
            "preset",
            *(("data", "progress", "clock") * (short and "clock" in details)),
        ):
            if text.cell_len + len(_join(details)) > width:
                details.pop(least_important, None)
        if text.cell_len + len(_join(details)) <= width or "clock" not in details:
            break
    text.append(_join(details))
    return text


def show_tab(screen: Screen[Any], source: RunSource, number: int) -> None:
    """Select a tab in the screen's header while its screen is still being opened."""
    colors = themes.palette(screen.app.theme_variables)
    for line in screen.query("#header").results(TextLine):
        line.set_text(render_header(source, source.now(), screen.size.width, number, colors))


def _playback(source: RunSource) -> str:
    """Return " / 02:24 10x   ": a recording's length and speed, padded to the width of "paused" so that nothing jumps."""
    return f" / {formatting.clock(source.length_seconds)} {source.playback:6}" if source.recorded else ""


def _join(details: Mapping[str, str]) -> str:
    return "".join(details.values()).removeprefix(" · ")


def _render_tabs(source: RunSource, width: int, shown: int, colors: Mapping[str, str], *, short: bool) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    if width >= APP_NAME_WIDTH:
        text.append(" mnist-tui ", style="bold reverse")
    for number, title in ((screen.number, screen.title) for screen in SCREENS.values()):
        tab = f" {number}" if short else f" {number} {title} "
        if number == shown:
            tab = f"{' ' * (short and number > 1)}[{number} {title}]"
        click = Style(bold=number == shown, meta={"@click": f"app.show_screen({number})"})
        text.append(tab, style=click)
    text.append(" ")
    if source.recorded:
        text.append(" RECORDED ", style=f"bold reverse {colors['$warning']}")
        text.append(" ")
    datasets = {h.data.dataset for h in source.histories.values() if h.data}
    for dataset in sorted(datasets - {"mnist"}):
        text.append(f" {formatting.digits_title(dataset)} ", style=f"bold reverse {colors['$warning']}")
    return text


def _details(source: RunSource, now: float) -> dict[str, str]:
    """Return the texts beside the tabs, by name."""
    data = next((h.data for h in source.histories.values() if h.data), None)
    config = next((h.config for h in source.histories.values() if h.config), None)
    details = {}
    if data is not None:
        details["data"] = "MNIST" if data.dataset == "mnist" else ""
        details["sizes"] = f" {data.train_size:,} + {data.test_size:,}"
    elif config is None:
        details["data"] = "PyTorch and Keras train one convnet, side by side · s starts"
    if config is not None:
        running = [h for h in source.histories.values() if h.requested_t is not None]
        seeds = f" · one of {config.seeds} seeds" if config.seeds > 1 else ""
        preset = f"{config.preset}, changed" if preset_changes(config) else config.preset
        details |= {"preset": f" · {preset}", "seed": f" · seed {config.seed}{seeds}", "mode": f" · {config.mode}"}
        clock = formatting.clock(max((h.wall_seconds(now) for h in running), default=0.0))
        details |= {"clock": f" · {clock}", "progress": _playback(source)}
    return details
