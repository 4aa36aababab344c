"""The lines that span the screen: what runs, the race, and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from rich.text import Text

from engines.api import (
    BUILDING,
    CLEAR_LEAD_SECONDS,
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
    RunHistory,
    SeedResults,
    format_p_value,
    lead,
    plural,
    time_caveat,
    verdict,
)
from tui import formatting
from tui.charts.sparkline import bar
from tui.widgets.machine import ROOMY


def race(
    histories: Mapping[str, RunHistory],
    now: float,
    series: SeedResults,
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


_TIMED = frozenset({IMPORTING, LOADING, BUILDING, FIRST_STEP})


def _status(history: RunHistory, now: float) -> str:
    """What the lane is doing, with a running clock while nothing moves in it yet."""
    if history.phase in (OFF, READY) and history.requested_t is None:
        return "" if history.phase == OFF else "ready"
    name = "stopping" if history.stopping else history.phase.removesuffix(" data")
    return f"{name} {now - history.phase_t:.1f} s" if history.phase in _TIMED else name


def _remarks(histories: Mapping[str, RunHistory], series: SeedResults) -> list[tuple[str, ...]]:
    """What is said beside each lane, at full length and shorter: who is ahead, and whether times may be compared."""
    runs = {engine: h for engine, h in histories.items() if h.requested_t is not None}
    mode = next((h.config.mode for h in runs.values() if h.config), "race")
    honest = time_caveat(runs)
    below = (honest, honest.partition(":")[0]) if honest else ()
    if not below and mode == "time-trial":
        below = ("time trial: one after the other, all cores each", "time trial")
    over_seeds, once = series.verdict(), verdict(runs)
    if over_seeds is not None:
        seeds = max(len(results) for results in series.results.values())
        said = f"{over_seeds.text} over {seeds} seeds, p {format_p_value(over_seeds.p_value)}"
        return [(said, over_seeds.text), below]
    if once is not None:
        return [(f"test accuracy: {once.text}, p {format_p_value(once.p_value)}", once.text), below]
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
    if first.seconds < CLEAR_LEAD_SECONDS:
        return f"neck and neck{changes}", "neck and neck"
    gap = f"{first.seconds:.1f} s"
    steps = f" ({plural(first.steps, 'step')})"
    return f"{name} leads by {gap}{steps}{changes}", f"{name} leads by {gap}", f"{name} +{gap}"
