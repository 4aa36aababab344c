"""The lines that span the screen: what runs, the race, and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any, Protocol

from rich.style import Style
from rich.text import Text
from textual.screen import Screen

from engines.api import (
    BUILDING,
    CLEAR_SECONDS,
    EVALUATING,
    FINISHED,
    FIRST_STEP,
    IMPORTING,
    LOADING,
    OFF,
    READY,
    STOPPED,
    TITLES,
    TRAINING,
    GpuReading,
    MachineHistory,
    RunHistory,
    Series,
    badge,
    lead,
    p_text,
    plural,
    preset_changes,
    verdict,
)
from tui import formatting, themes
from tui.charts.sparkline import bar, spark
from tui.widgets.text_line import Line

TABS = ("Train", "Code", "Draw", "Results", "Runs")
"""The screens, by their keys."""


class Told(Protocol):
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


def header(told: Told, now: float, width: int, shown: int, colors: Mapping[str, str]) -> Text:
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


def show_tab(screen: Screen[Any], told: Told, number: int) -> None:
    """Show in the screen's header that another one is being opened."""
    colors = themes.palette(screen.app.theme_variables)
    for line in screen.query("#header").results(Line):
        line.say(header(told, told.now(), screen.size.width, number, colors))


def _playback(told: Told) -> str:
    """Where a recording ends and how it plays: " / 02:24 10x   ", as wide as "paused" so that nothing jumps."""
    return f" / {formatting.clock(told.length_seconds)} {told.playback:6}" if told.recorded else ""


def _joined(parts: Mapping[str, str]) -> str:
    return "".join(parts.values()).removeprefix(" · ")


def _tabs(told: Told, width: int, shown: int, colors: Mapping[str, str], *, short: bool) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    if width >= ROOMY:
        text.append(" mnist-tui ", style="bold reverse")
    for number, title in enumerate(TABS, 1):
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


def _facts(told: Told, now: float) -> dict[str, str]:
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


def race(
    histories: Mapping[str, RunHistory],
    now: float,
    series: Series,
    width: int,
    colors: dict[str, str],
    ascii_only: bool,
) -> list[Text]:
    """A lane for each engine: how far it is, when it passed 97, 98, 99 % and its target, who leads, and the verdict."""
    remarks = _remarks(histories, series)
    track = max(10, min(60, width // 4))
    lanes = [_lane(i, history, now, track, width, colors, ascii_only) for i, history in enumerate(histories.values())]
    short = max((min(map(len, said)) for said in remarks if said), default=0)
    over = max((lane.cell_len for lane in lanes), default=0) + 2 + short - width
    if over > 0:  # the shortest form of every remark has its place: the track gives way
        track = max(4, track - over)
        lanes = [
            _lane(i, history, now, track, width, colors, ascii_only) for i, history in enumerate(histories.values())
        ]
    for lane in lanes:
        if lane.cell_len > width:  # the last milestones go, whole
            lane.right_crop(len(lane) - max(lane.plain.rfind("  ", 0, width + 1), 0))
    for i, (lane, said) in enumerate(zip(lanes, remarks, strict=False)):
        room = width - lane.cell_len - 2
        remark = next((one for one in said if len(one) <= room), "")
        if remark:
            lane.append(" " * (room - len(remark) + 1))
            lane.append(remark, style="bold" if i == 0 else "dim")
    return lanes


def _lane(
    i: int, history: RunHistory, now: float, track: int, width: int, colors: dict[str, str], ascii_only: bool
) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f" {'race' if i == 0 else '':5}{TITLES.get(history.engine, history.engine):8}")
    status = _status(history, now)
    if width >= ROOMY:  # a place of its own, so that nothing moves when it changes
        text.append(f"{status:17}", style="bold" if history.phase == FINISHED else "dim")
    done, rest = bar(history.fraction, track, ascii_only=ascii_only)
    text.append(done, style=colors[f"${history.engine}"])
    text.append(rest, style="dim")
    if width < ROOMY and (history.phase == FINISHED or not history.milestones):
        text.append(f" {status if history.phase not in (TRAINING, EVALUATING) else ''}")
    for wall, passed in groupby(history.milestones, lambda milestone: milestone.wall_seconds):  # at one evaluation
        text.append(f"  {' '.join(f'{100 * one.accuracy:g}' for one in passed)}% @ {formatting.clock(wall)}")
    return text


ROOMY = 110
"""From this width on, each lane says in words what it is doing."""
_TIMED = frozenset({IMPORTING, LOADING, BUILDING, FIRST_STEP})


def _status(history: RunHistory, now: float) -> str:
    """What the lane is doing, with a running clock while nothing moves in it yet."""
    if history.phase in (OFF, READY) and history.requested_t is None:
        return "" if history.phase == OFF else "ready"
    name = "stopping" if history.stopping else history.phase.removesuffix(" data")
    return f"{name} {now - history.phase_t:.1f} s" if history.phase in _TIMED else name


def _remarks(histories: Mapping[str, RunHistory], series: Series) -> list[tuple[str, ...]]:
    """What is said beside each lane, at full length and shorter: who is ahead, and whether times may be compared."""
    runs = {engine: h for engine, h in histories.items() if h.requested_t is not None}
    mode = next((h.config.mode for h in runs.values() if h.config), "race")
    honest = badge(runs)
    below = (honest, honest.partition(":")[0]) if honest else ()
    if not below and mode == "time-trial":
        below = ("time trial: one after the other, all cores each", "time trial")
    over_seeds, once = series.verdict(), verdict(runs)
    if over_seeds is not None:
        seeds = max(len(results) for results in series.results.values())
        said = f"{over_seeds.text} over {seeds} seeds, p {p_text(over_seeds.p_value)}"
        return [(said, over_seeds.text), below]
    if once is not None:
        return [(f"test accuracy: {once.text}, p {p_text(once.p_value)}", once.text), below]
    return [_leader(list(runs.values())) if len(runs) > 1 and mode == "race" else (), below]


def _leader(runs: list[RunHistory]) -> tuple[str, ...]:
    first = lead(*runs[:2])
    if first is None or any(h.phase == STOPPED or h.failure for h in runs):
        return ()
    name = TITLES.get(first.engine, first.engine)
    changes = f" · {plural(first.changes, 'lead change')}" if first.changes else ""
    if all(h.finished for h in runs):
        winner, other = sorted(runs, key=lambda h: h.wall_seconds(0.0))[:2]
        name, gap = (
            TITLES.get(winner.engine, winner.engine),
            f"{other.wall_seconds(0.0) - winner.wall_seconds(0.0):.1f} s",
        )
        return f"{name} was first by {gap}{changes}", f"{name} was first by {gap}", f"{name} +{gap}"
    if first.seconds < CLEAR_SECONDS:
        return f"neck and neck{changes}", "neck and neck"
    gap = f"{first.seconds:.1f} s"
    steps = f" ({plural(first.steps, 'step')})"
    return f"{name} leads by {gap}{steps}{changes}", f"{name} leads by {gap}", f"{name} +{gap}"


def _gpu(gpu: GpuReading, *, alone: bool) -> str:
    """One GPU; where it is one of several, without name, clock, heat and power, which its engine's pane has."""
    figures = [f"GPU {gpu.index} {gpu.name}" if alone else f"GPU {gpu.index}"]
    every = (
        (gpu.utilization_percent, "{:3.0f} %"), (gpu.temperature_celsius, "{:.0f} °C"), (gpu.power_watts, "{:3.0f} W"),
        (gpu.sm_clock_mhz, "{:4.0f} MHz"),
    )  # fmt: skip
    figures += [form.format(value) if value is not None else "n/a" for value, form in every[: None if alone else 1]]
    if gpu.memory_used_bytes is not None and gpu.memory_total_bytes:
        figures.append(f"{gpu.memory_used_bytes / 1e9:.1f}/{gpu.memory_total_bytes / 1e9:.0f} GB")
    if gpu.throttled:
        figures.append(f"slowed by {gpu.throttled}")
    return " ".join(figures)


def machine(history: MachineHistory, width: int, ascii_only: bool) -> Text:
    """CPU, cores, memory and GPUs of the whole machine."""
    usage = history.usage
    if usage is None:
        return Text(" machine  measuring…", style="dim", no_wrap=True)
    cores = spark(usage.per_core, min(len(usage.per_core), 16), maximum=100, ascii_only=ascii_only)
    parts = [
        f"CPU {usage.cpu_percent:3.0f} % {spark(history.cpu_percent, 12, maximum=100, ascii_only=ascii_only)}",
        f"cores {cores}",
        f"RAM {usage.memory_used_bytes / 1e9:.1f}/{usage.memory_total_bytes / 1e9:.1f} GB",
    ]
    parts += [_gpu(gpu, alone=len(usage.gpus) == 1) for gpu in usage.gpus]
    if not usage.gpus:
        parts.append(f"GPU n/a: {usage.gpu_reason}")
    text = " machine  " + parts[0]
    for part in parts[1:]:  # whole or not at all
        text += f"   {part}" if len(text) + 3 + len(part) <= width else ""
    return Text(text, no_wrap=True, overflow="ellipsis")
