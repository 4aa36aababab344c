"""The race: a lane for each engine, and remarks on the lead, the result and the times."""

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
    epoch_time_ratio,
    format_p_value,
    lead,
    plural,
    time_caveat,
    verdict,
)
from tui import formatting
from tui.charts.sparkline import progress_bar

STATUS_WIDTH = 110
"""Narrowest race in which each lane has a column for its status."""
NARROW_WIDTH = 80
"""Width below which labels are shortened."""


def render_race(
    histories: Mapping[str, RunHistory],
    now: float,
    series: SeedResults,
    width: int,
    colors: dict[str, str],
    ascii_only: bool,
    seed_lanes: int = 0,
) -> list[Text]:
    """Render a lane for each engine: its progress, its milestones (97, 98, 99 % and the target), and a remark.

    Above them, the newest seeds of a series that have ended have a lane each, `seed_lanes` at most.
    """
    remarks = _remarks(histories, series)
    labels = _labels(histories, series, width)
    label_width = max(map(len, (*labels, "race"))) + 1

    def lanes_of(track: int) -> list[Text]:
        return [
            _lane(f"{label:{label_width}}", h, now, track, width, colors, ascii_only)
            for label, h in zip(labels, histories.values(), strict=True)
        ]

    track = max(10, min(60, width // 4))
    lanes = lanes_of(track)
    shortest = max((min(map(len, forms)) for forms in remarks if forms), default=0)
    excess = max((lane.cell_len for lane in lanes), default=0) + 2 + shortest - width
    if excess > 0:  # the track shrinks until the shortest form of every remark fits
        lanes = lanes_of(max(4, track - excess))
    for lane in lanes:
        if lane.cell_len > width:  # drop whole milestones, the last ones first
            lane.right_crop(len(lane) - max(lane.plain.rfind("  ", 0, width + 1), 0))
    for i, (lane, forms) in enumerate(zip(lanes, remarks, strict=False)):
        room = width - lane.cell_len - 2
        remark = next((form for form in forms if len(form) <= room), "")
        if remark:
            lane.append(" " * (room - len(remark) + 1))
            lane.append(remark, style="bold" if i == 0 else "dim")
    return [*_seed_lanes(histories, series, seed_lanes, label_width, colors), *lanes]


def _labels(histories: Mapping[str, RunHistory], series: SeedResults, width: int) -> list[str]:
    """Return each lane's label: in a series the seed's place in it, where it differs from the lane above."""
    numbers = [series.number(h.config.seed) if h.config else 0 for h in histories.values()]
    if not any(numbers):
        return ["race", *[""] * len(numbers)][: len(numbers)]
    of = " of " if width >= NARROW_WIDTH else "/"
    texts = [f"seed {number}{of}{series.seeds}" if number else "" for number in numbers]
    return [text if i == 0 or text != texts[i - 1] else "" for i, text in enumerate(texts)]


def _seed_lanes(
    histories: Mapping[str, RunHistory], series: SeedResults, count: int, label_width: int, colors: dict[str, str]
) -> list[Text]:
    """Render a line for each of the newest `count` seeds that have ended; the shown run has its own lanes."""
    if not count or series.seeds < 2:
        return []
    from tui.reports import seeds  # not before the first paint

    shown = {history.run_id for history in histories.values()}
    names = seeds.columns(series)
    lanes = []
    for row in seeds.rows(series, [run for run in series.runs.values() if run.run_id not in shown][-count:]):
        lane = Text(f" {f'seed {row.title}':{label_width}}", style="", no_wrap=True, overflow="ellipsis")
        for name, cell in zip(names[1:], row.cells, strict=True):
            engine = next((engine for engine, title in TITLES.items() if name.startswith(title)), "")
            if name in TITLES.values():
                lane.append(f"{name} ", style=colors[f"${engine}"])
                lane.append(f"{cell:>7}   ")
            elif name == "difference":
                lane.append(f"{cell} points   ", style="dim")
            else:
                lane.append(f"{cell:>7}   ", style=colors[f"${engine}"] if engine else "dim")
        lanes.append(lane)
    return lanes


def _lane(
    label: str, history: RunHistory, now: float, track: int, width: int, colors: dict[str, str], ascii_only: bool
) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f" {label}{TITLES.get(history.engine, history.engine):8}")
    status = _status(history, now)
    if width >= STATUS_WIDTH:  # a column of fixed width, so that nothing moves when the status changes
        text.append(f"{status:17}", style="bold" if history.phase == FINISHED else "dim")
    done, rest = progress_bar(history.fraction, track, ascii_only=ascii_only)
    text.append(done, style=colors[f"${history.engine}"])
    text.append(rest, style="dim")
    if width < STATUS_WIDTH and (history.phase == FINISHED or not history.milestones):
        text.append(f" {status if history.phase not in (TRAINING, EVALUATING) else ''}")
    for wall, passed in groupby(history.milestones, lambda milestone: milestone.wall_seconds):  # at one evaluation
        percents = " ".join(f"{100 * milestone.accuracy:g}" for milestone in passed)
        text.append(f"  {percents}% @ {formatting.clock(wall)}")
    return text


_TIMED_PHASES = frozenset({IMPORTING, LOADING, BUILDING, FIRST_STEP})


def _status(history: RunHistory, now: float) -> str:
    """Return the lane's phase, with a running clock while its bar cannot move yet."""
    if history.phase in (OFF, READY) and history.requested_t is None:
        return "" if history.phase == OFF else "ready"
    name = "stopping" if history.stopping else "killed" if history.killed else history.phase.removesuffix(" data")
    return f"{name} {now - history.phase_t:.1f} s" if history.phase in _TIMED_PHASES else name


def _remarks(histories: Mapping[str, RunHistory], series: SeedResults) -> list[tuple[str, ...]]:
    """Return the remark of each lane, longest form first: who is ahead or won, and whether times may be compared."""
    runs = {engine: h for engine, h in histories.items() if h.requested_t is not None}
    mode = next((h.config.mode for h in runs.values() if h.config), "race")
    caveat = time_caveat(runs)
    about_times: tuple[str, ...] = (caveat, caveat.partition(":")[0]) if caveat else ()
    ratio = series.time_ratio() or epoch_time_ratio(runs)
    if ratio is not None:
        about_times = (f"{ratio.text} ({ratio.basis})", ratio.text, ratio.short_text)
    elif not about_times and mode == "time-trial":
        about_times = ("time trial: one after the other, all cores each", "time trial")
    over_seeds, single_run = series.verdict(), verdict(runs)
    if over_seeds is not None:
        long = f"{over_seeds.text} over {len(series.pairs())} seeds, p {format_p_value(over_seeds.p_value)}"
        return [(long, over_seeds.text), about_times]
    if single_run is not None:
        long = f"test accuracy: {single_run.text}, p {format_p_value(single_run.p_value)}"
        return [(long, single_run.text), about_times]
    return [_leader(list(runs.values())) if len(runs) > 1 and mode == "race" else (), about_times]


def _leader(runs: list[RunHistory]) -> tuple[str, ...]:
    """Return who leads, or who was first, longest form first; empty when a run was stopped or failed."""
    leader = lead(*runs[:2])
    if leader is None or any(h.phase == STOPPED or h.failure for h in runs):
        return ()
    changes = f" · {plural(leader.changes, 'lead change')}" if leader.changes else ""
    if all(h.finished for h in runs):
        winner, other = sorted(runs, key=lambda h: h.wall_seconds(0.0))[:2]
        name = TITLES.get(winner.engine, winner.engine)
        gap = f"{other.wall_seconds(0.0) - winner.wall_seconds(0.0):.1f} s"
        return f"{name} was first by {gap}{changes}", f"{name} was first by {gap}", f"{name} +{gap}"
    if leader.seconds < CLEAR_LEAD_SECONDS:
        return f"neck and neck{changes}", "neck and neck"
    name, gap = TITLES.get(leader.engine, leader.engine), f"{leader.seconds:.1f} s"
    steps = f" ({plural(leader.steps, 'step')})"
    return f"{name} leads by {gap}{steps}{changes}", f"{name} leads by {gap}", f"{name} +{gap}"
