"""The lines that span the screen: what runs, the race, and the machine."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from engines.api import FINISHED, STOPPED, TITLES, MachineHistory, RunHistory, Series, badge, p_text, verdict
from tui import formatting
from tui.charts.spark import bar, spark


def header(histories: Mapping[str, RunHistory], now: float, recorded: bool, colors: dict[str, str]) -> Text:
    """The title line: data, preset, seed, mode and the clock."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(" mnist-tui ", style="bold reverse")
    text.append(" ")
    if recorded:
        text.append(" RECORDED ", style=f"bold reverse {colors['$warning']}")
        text.append(" ")
    data = next((h.data for h in histories.values() if h.data), None)
    config = next((h.config for h in histories.values() if h.config), None)
    if data is not None:
        if data.dataset == "drawn":
            text.append(" DRAWN DIGITS, not MNIST ", style=f"bold reverse {colors['$warning']}")
            text.append(f" {data.train_size:,} + {data.test_size:,}")
        else:
            text.append(f"MNIST {data.train_size:,} + {data.test_size:,}")
    else:
        text.append("PyTorch and Keras train the same convnet")
    if config is not None:
        running = [h for h in histories.values() if h.requested_t is not None]
        wall = max((h.wall_seconds(now) for h in running), default=0.0)
        seeds = f" · one of {config.seeds} seeds" if config.seeds > 1 else ""
        text.append(f" · {config.preset} · seed {config.seed}{seeds} · {config.mode} · {formatting.clock(wall)}")
    return text


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
    lanes = [_lane(i, history, track, colors, ascii_only) for i, history in enumerate(histories.values())]
    short = max((min(map(len, said)) for said in remarks if said), default=0)
    over = max((lane.cell_len for lane in lanes), default=0) + 2 + short - width
    if over > 0:  # the shortest form of every remark has its place: the track gives way
        track = max(4, track - over)
        lanes = [_lane(i, history, track, colors, ascii_only) for i, history in enumerate(histories.values())]
    for i, (lane, said) in enumerate(zip(lanes, remarks, strict=False)):
        room = width - lane.cell_len - 2
        remark = next((one for one in said if len(one) <= room), "")
        if remark:
            lane.append(" " * (room - len(remark) + 1))
            lane.append(remark, style="bold" if i == 0 else "dim")
    return lanes


def _lane(i: int, history: RunHistory, track: int, colors: dict[str, str], ascii_only: bool) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f" {'race' if i == 0 else '':5}{TITLES.get(history.engine, history.engine):8}")
    done, rest = bar(history.fraction, track, ascii_only=ascii_only)
    text.append(done, style=colors[f"${history.engine}"])
    text.append(rest, style="dim")
    if history.phase == FINISHED:
        text.append(" finished", style="bold")
    for milestone in history.milestones:
        flag = "^" if ascii_only else "⚑"
        text.append(f"  {100 * milestone.accuracy:g}% {flag} {formatting.clock(milestone.wall_seconds)}")
    return text


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
    first, second = sorted(runs, key=lambda h: (h.global_step, -(h.ended_t or 0.0)), reverse=True)[:2]
    if first.global_step == 0 or first.phase == STOPPED or first.failure or second.failure:
        return ()
    name = TITLES.get(first.engine, first.engine)
    if first.finished and second.finished:
        gap = f"{abs((second.ended_t or 0.0) - (first.ended_t or 0.0)):.1f} s"
        return f"{name} was first by {gap}", f"{name} +{gap}"
    steps = first.global_step - second.global_step
    if not steps:
        return ("neck and neck",)
    return f"{name} leads by {steps} step{'s' * (steps != 1)}", f"{name} +{steps}"


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
    for gpu in usage.gpus[:4]:
        figures = [f"GPU {gpu.index} {gpu.name}"]
        for value, form in (
            (gpu.utilization_percent, "{:.0f} %"),
            (gpu.temperature_celsius, "{:.0f} °C"),
            (gpu.power_watts, "{:.0f} W"),
        ):
            figures.append(form.format(value) if value is not None else "n/a")
        if gpu.memory_used_bytes is not None and gpu.memory_total_bytes:
            figures.append(f"{gpu.memory_used_bytes / 1e9:.1f}/{gpu.memory_total_bytes / 1e9:.0f} GB")
        parts.append(" ".join(figures))
    if not usage.gpus:
        parts.append(f"GPU n/a: {usage.gpu_reason}")
    return Text(" machine  " + "   ".join(parts), no_wrap=True, overflow="ellipsis")
