"""What the charts draw of a run: its history, seen through the view that all charts share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from engines.api import RunHistory
from tui.charts.braille import Axes, Series, value_range
from tui.charts.viewport import Viewport, smoothed, value_at

CURVES = ("loss", "accuracy")
"""What the charts show, top to bottom."""
MARKERS = {"keras": "◆"}
"""Of the test points; any other engine's are round."""
DASHED = frozenset({"keras"})
"""Told apart in an overlay without colour."""
X_NAMES = {"step": "step", "epoch": "epoch", "time": "sec"}


def x_values(history: RunHistory, steps: Sequence[float], view: Viewport) -> Any:
    """The x of these steps, as the view counts it, shape (n,)."""
    import numpy as np

    at = np.array(steps, np.float64)  # a copy: a series can't grow while numpy looks into it
    if view.x_axis == "epoch":
        return at / max(history.started.steps_per_epoch if history.started else 1, 1)
    if view.x_axis == "time":
        known, seconds = history.step_seconds.xs, history.step_seconds.ys
        return np.interp(at, known, seconds) if len(known) else at * 0.0
    return at


def curves(history: RunHistory, name: str, view: Viewport, *, overlaid: bool = False) -> list[Series]:
    """The training curve of "loss" or "accuracy", its raw samples faintly behind it, and the test points."""
    train = history.train_loss if name == "loss" else history.train_accuracy
    if not len(train) and not history.evaluations:
        return []
    engine, xs = history.engine, x_values(history, train.xs, view)
    out = []
    if view.smoothing and len(train) > 2:
        out.append(Series(f"{engine}-raw", xs, train.ys, faint=True))
    line = smoothed(train.ys, view.smoothing)
    out.append(Series(engine, xs, line, dashed=overlaid and engine in DASHED))
    points = history.evaluations
    out.append(
        Series(
            f"{engine}-test",
            x_values(history, [float(point.global_step) for point in points], view),
            [point.loss if name == "loss" else point.accuracy for point in points],
            kind="points",
            marker=MARKERS.get(engine, "●"),
        )
    )
    return out


GROWTH = 1.12
"""The axis grows by this factor at a time: between two such moments the drawn part of a curve stands still."""


def x_extent(histories: Iterable[RunHistory], view: Viewport) -> tuple[float, float]:
    """From 0 to a little beyond the newest sample of any run, but not beyond the last step."""
    ends = []
    for history in histories:
        if len(history.train_loss):
            newest = float(x_values(history, [history.train_loss.xs[-1]], view)[0])
            roomy = GROWTH ** math.ceil(math.log(newest, GROWTH)) if 0 < newest < 1e300 else newest
            if view.x_axis == "time":
                roomy = roomy if history.running else newest
            elif history.total_steps:
                roomy = min(roomy, float(x_values(history, [history.total_steps], view)[0]))
            ends.append(max(roomy, newest))
    return 0.0, max([*ends, 1e-9])


def axes(series: Sequence[Series], name: str, view: Viewport, extent: tuple[float, float]) -> Axes:
    """Axes that all panes share, so that the eye compares; y fits what is in sight of these curves of all engines."""
    percent, log_y, x_name = name == "accuracy", view.log_y and name == "loss", X_NAMES[view.x_axis]
    x_range = view.window(extent)
    found = value_range([_within(one, x_range) for one in series] if view.stretch is not None else series)
    if found is None:
        return Axes(percent=percent, x_name=x_name)
    low, high = found[1]
    if view.stretch is not None:  # closer: as close as the curves allow
        room = 0.05 * (high - low)
        low, high = (low, high) if log_y else (max(low - room, 0.0), min(high + room, 1.0) if percent else high + room)
    elif percent:
        low, high = max(0.0, min(low, 0.9)), 1.0
    elif not log_y:
        low = 0.0
    return Axes(x_range, (low, high), log_y=log_y, percent=percent, x_name=x_name, cursor=view.cursor)


def _within(one: Series, x_range: tuple[float, float]) -> Series:
    import numpy as np

    x, y = np.asarray(one.xs, np.float64), np.asarray(one.ys, np.float64)
    inside = (x >= x_range[0]) & (x <= x_range[1])
    return Series(one.role, x[inside].tolist(), y[inside].tolist())


def values_at_cursor(history: RunHistory, name: str, view: Viewport) -> tuple[float | None, float | None]:
    """(train, test) at the cursor, raw and not smoothed; the newest without one. The test point is the last one before it."""
    train = history.train_loss if name == "loss" else history.train_accuracy
    if view.cursor is None:
        newest = history.test_loss if name == "loss" else history.test_accuracy
        return (train.last[1] if train.last else None), newest
    steps = [float(point.global_step) for point in history.evaluations]
    before = [
        point
        for point, x in zip(history.evaluations, x_values(history, steps, view), strict=True)
        if x <= view.cursor * (1 + 1e-9)
    ]
    test = (before[-1].loss if name == "loss" else before[-1].accuracy) if before else None
    value = value_at(x_values(history, train.xs, view), train.ys, view.cursor)
    return value, test


def cursor_label(view: Viewport) -> str:
    """Where the cursor stands, for people: "step 1,234", "epoch 2.63" or "83.1 s"; empty without one."""
    if view.cursor is None or not math.isfinite(view.cursor):
        return ""
    if view.x_axis == "step":
        return f"step {view.cursor:,.0f}"
    return f"epoch {view.cursor:.2f}" if view.x_axis == "epoch" else f"{view.cursor:.1f} s"


def placeholder(histories: Iterable[RunHistory]) -> str:
    """What an empty chart says."""
    asked = any(history.requested_t is not None for history in histories)
    return "waiting for the first step" if asked else "s starts training · e settings · ? help"
