"""The title line: the screens, and what is running."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rich.style import Style
from rich.text import Text
from textual.screen import Screen

from engines.api import (
    RunHistory,
    preset_changes,
)
from tui import formatting, themes
from tui.commands import SCREENS
from tui.widgets.machine import ROOMY
from tui.widgets.text_line import TextLine


class HeaderSource(Protocol):
    """What the header needs of a session or a replay."""

    histories: dict[str, RunHistory]
    recorded: bool

    def now(self) -> float:
        """The present on the events' clock."""

    @property
    def length_seconds(self) -> float:
        """Seconds that a recording lasts."""

    @property
    def playback(self) -> str:
        """How a recording plays; empty for a live session."""


def header(told: HeaderSource, now: float, width: int, shown: int, colors: Mapping[str, str]) -> Text:
    """The title line: the screens, and as much of data, preset, seed, mode and clock as fits.

    Where not even data and clock fit, the other screens are numbers alone.
    """
    for short in (False, True):
        text, parts = _tabs(told, width, shown, colors, short=short), _facts(told, now)
        for least in (
            "sizes",
            "mode",
            "seed",
            "preset",
            *(("data", "progress", "clock") * (short and "clock" in parts)),
        ):
            if text.cell_len + len(_joined(parts)) > width:
                parts.pop(least, None)
        if text.cell_len + len(_joined(parts)) <= width or "clock" not in parts:
            break
    text.append(_joined(parts))
    return text


def show_tab(screen: Screen[Any], told: HeaderSource, number: int) -> None:
    """Show in the screen's header that another one is being opened."""
    colors = themes.palette(screen.app.theme_variables)
    for line in screen.query("#header").results(TextLine):
        line.set_text(header(told, told.now(), screen.size.width, number, colors))


def _playback(told: HeaderSource) -> str:
    """Where a recording ends and how it plays: " / 02:24 10x   ", as wide as "paused" so that nothing jumps."""
    return f" / {formatting.clock(told.length_seconds)} {told.playback:6}" if told.recorded else ""


def _joined(parts: Mapping[str, str]) -> str:
    return "".join(parts.values()).removeprefix(" · ")


def _tabs(told: HeaderSource, width: int, shown: int, colors: Mapping[str, str], *, short: bool) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    if width >= ROOMY:
        text.append(" mnist-tui ", style="bold reverse")
    for number, title in ((screen.number, screen.title) for screen in SCREENS.values()):
        tab = f" {number}" if short else f" {number} {title} "
        if number == shown:
            tab = f"{' ' * (short and number > 1)}[{number} {title}]"
        click = Style(bold=number == shown, meta={"@click": f"app.show_screen({number})"})
        text.append(tab, style=click)
    text.append(" ")
    if told.recorded:
        text.append(" RECORDED ", style=f"bold reverse {colors['$warning']}")
        text.append(" ")
    datasets = {h.data.dataset for h in told.histories.values() if h.data}
    for dataset in sorted(datasets - {"mnist"}):
        text.append(f" {formatting.digits_title(dataset)} ", style=f"bold reverse {colors['$warning']}")
    return text


def _facts(told: HeaderSource, now: float) -> dict[str, str]:
    """What is said beside the tabs, by name."""
    data = next((h.data for h in told.histories.values() if h.data), None)
    config = next((h.config for h in told.histories.values() if h.config), None)
    parts = {}
    if data is not None:
        parts["data"] = "MNIST" if data.dataset == "mnist" else ""
        parts["sizes"] = f" {data.train_size:,} + {data.test_size:,}"
    elif config is None:
        parts["data"] = "PyTorch and Keras train one convnet, side by side · s starts"
    if config is not None:
        running = [h for h in told.histories.values() if h.requested_t is not None]
        seeds = f" · one of {config.seeds} seeds" if config.seeds > 1 else ""
        preset = f"{config.preset}, changed" if preset_changes(config) else config.preset
        parts |= {"preset": f" · {preset}", "seed": f" · seed {config.seed}{seeds}", "mode": f" · {config.mode}"}
        clock = formatting.clock(max((h.wall_seconds(now) for h in running), default=0.0))
        parts |= {"clock": f" · {clock}", "progress": _playback(told)}
    return parts
