"""The first line of a screen: the tabs, and the run that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.style import Style
from rich.text import Text
from textual.screen import Screen

from engines.api import TITLES, ConfigError, RunSource, plural, preset_changes
from tui import formatting, themes
from tui.commands import SCREENS
from tui.launch_options import chosen_device, name_devices
from tui.widgets.text_line import TextLine


def render_header(source: RunSource, now: float, width: int, shown: int, colors: Mapping[str, str]) -> Text:
    """Render the tabs, and as much of what trains, seed, mode, data and clock as fits; `shown` is the open tab's number.

    Where room is short, the app's name goes first, then details; at last the other tabs shrink to their numbers.
    """
    for named, short in ((True, False), (False, False), (False, True)):
        text, details = _render_tabs(source, shown, colors, named=named, short=short), _details(source, now)
        for least_important in (
            *("sizes", "mode", "seed", "data"),
            *(("epochs", "preset", "device") * (not named)),
            *(("framework", "progress", "clock") * (short and "clock" in details)),
        ):
            if text.cell_len + len(_join(details)) > width:
                details.pop(least_important, None)
        if text.cell_len + len(_join(details)) <= width:
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
    return f" / {formatting.clock(source.length_seconds)} {source.playback:6}" if source.playback else ""


def _join(details: Mapping[str, str]) -> str:
    return "".join(details.values()).removeprefix(" · ")


def _render_tabs(source: RunSource, shown: int, colors: Mapping[str, str], *, named: bool, short: bool) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    if named:
        text.append(" mnist-tui ", style="bold reverse")
    for number, title in ((screen.number, screen.title) for screen in SCREENS.values()):
        tab = f" {number}" if short else f" {number} {title} "
        if number == shown:
            tab = f"{' ' * (short and number > 1)}[{number} {title}]"
        click = Style(bold=number == shown, meta={"@click": f"app.show_screen({number})"})
        text.append(tab, style=click)
    text.append(" ")
    if source.badge:
        text.append(f" {source.badge} ", style=f"bold reverse {colors['$warning']}")
        text.append(" ")
    datasets = {h.data.dataset for h in source.histories.values() if h.data}
    for dataset in sorted(datasets - {"mnist"}):
        text.append(f" {formatting.digits_title(dataset)} ", style=f"bold reverse {colors['$warning']}")
    return text


def _details(source: RunSource, now: float) -> dict[str, str]:
    """Return the texts beside the tabs, by name: of the current or the last run, and before it of what is chosen."""
    runs = [source.histories[engine] for engine in source.engines if source.histories[engine].requested_t is not None]
    config = next((h.config for h in runs if h.config), None)
    engines = [h.engine for h in runs] or [engine for engine in source.request.engines if engine in source.histories]
    details = {"framework": f" · {'both' if len(engines) > 1 else ''.join(TITLES.get(e, e) for e in engines)}"}
    started = name_devices({h.engine: h.started.device for h in runs if h.started})
    details["device"] = f" · {started or chosen_device(source.request, source.histories)}"
    if config is None:
        try:
            config = source.request.config
        except ConfigError:
            return details
    changed = preset_changes(config) or any(history.rate_changes for history in runs)
    preset = f"{config.preset}, changed" if changed else config.preset
    details |= {"preset": f" · {preset}", "epochs": f" · {plural(config.epochs, 'epoch')}"}
    if not runs:
        return details
    seeds = f" · one of {config.seeds} seeds" if config.seeds > 1 else ""
    details["seed"] = f" · seed {config.seed}{seeds}"
    if len(engines) > 1:
        details["mode"] = f" · {config.mode}"
    data = next((h.data for h in runs if h.data), None)
    if data is not None:
        details["data"] = " · MNIST" if data.dataset == "mnist" else ""
        held_out = [data.validation_size] if data.validation_size else []
        sizes = (data.train_size, *held_out, data.test_size)
        details["sizes"] = f" {' + '.join(f'{size:,}' for size in sizes)}"
    clock = formatting.clock(max((h.wall_seconds(now) for h in runs), default=0.0))
    return details | {"clock": f" · {clock}", "progress": _playback(source)}
