"""The curves that charts draw of a run's history, seen through the viewport that all charts share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from engines.api import RunHistory
from tui.charts.braille import Axes, Series, value_range
from tui.charts.viewport import Viewport, smoothed, value_at

CURVES = ("loss", "accuracy")
"""The names of the charts, top to bottom."""
MARKERS = {"keras": "◆"}
"""Markers of test points by engine; the default is round."""
DASHED = frozenset({"keras"})
"""Engines whose curves are dashed in an overlay, to tell them apart without colour."""
X_NAMES = {"step": "step", "epoch": "epoch", "time": "sec"}
AXIS_GROWTH = 1.12
"""Factor by which the x axis grows at a time: in between, the drawn part of a curve stands still."""


def x_values(history: RunHistory, steps: Sequence[float], view: Viewport) -> Any:
    """Convert steps to the view's x axis, shape (n,)."""
    import numpy as np

    step_array = np.array(steps, np.float64)  # a copy, because a series cannot grow while numpy holds its buffer
    if view.x_axis == "epoch":
        return step_array / max(history.started.steps_per_epoch if history.started else 1, 1)
    if view.x_axis == "time":
        sampled_steps, seconds = history.step_seconds.xs, history.step_seconds.ys
        return np.interp(step_array, sampled_steps, seconds) if len(sampled_steps) else step_array * 0.0
    return step_array


def curves(history: RunHistory, name: str, view: Viewport, *, overlaid: bool = False) -> list[Series]:
    """Return the training curve of "loss" or "accuracy", its raw samples faintly behind it, and the test points."""
    train = history.train_loss if name == "loss" else history.train_accuracy
    if not len(train) and not history.evaluations:
        return []
    engine, xs = history.engine, x_values(history, train.xs, view)
    series = []
    if view.smoothing and len(train) > 2:
        series.append(Series(f"{engine}-raw", xs, train.ys, faint=True))
    line = smoothed(train.ys, view.smoothing)
    series.append(Series(engine, xs, line, dashed=overlaid and engine in DASHED))
    points = history.evaluations
    series.append(
        Series(
            f"{engine}-test",
            x_values(history, [float(point.global_step) for point in points], view),
            [point.loss if name == "loss" else point.accuracy for point in points],
            kind="points",
            marker=MARKERS.get(engine, "●"),
        )
    )
    return series


def x_extent(histories: Iterable[RunHistory], view: Viewport) -> tuple[float, float]:
    """Return the x range of all runs: from 0 to a little beyond the newest sample, but not beyond the last step."""
    ends = []
    for history in histories:
        if len(history.train_loss):
            newest = float(x_values(history, [history.train_loss.xs[-1]], view)[0])
            end = AXIS_GROWTH ** math.ceil(math.log(newest, AXIS_GROWTH)) if 0 < newest < 1e300 else newest
            if view.x_axis == "time":
                end = end if history.running else newest
            elif history.total_steps:
                end = min(end, float(x_values(history, [history.total_steps], view)[0]))
            ends.append(max(end, newest))
    return 0.0, max([*ends, 1e-9])


def axes(series: Sequence[Series], name: str, view: Viewport, extent: tuple[float, float]) -> Axes:
    """Return axes for these curves of all engines, which all panels share; y fits the visible part."""
    percent, log_y, x_name = name == "accuracy", view.log_y and name == "loss", X_NAMES[view.x_axis]
    x_range, zoomed = view.window(extent), view.span is not None
    ranges = value_range([_clip(curve, x_range) for curve in series] if zoomed else series)
    if ranges is None:
        return Axes(percent=percent, x_name=x_name)
    low, high = ranges[1]
    if zoomed:
        margin = 0.05 * (high - low)
        if not log_y:
            low, high = max(low - margin, 0.0), min(high + margin, 1.0) if percent else high + margin
    elif percent:
        low, high = max(0.0, min(low, 0.9)), 1.0
    elif not log_y:
        low = 0.0
    return Axes(x_range, (low, high), log_y=log_y, percent=percent, x_name=x_name, cursor=view.cursor)


def _clip(series: Series, x_range: tuple[float, float]) -> Series:
    import numpy as np

    x, y = np.asarray(series.xs, np.float64), np.asarray(series.ys, np.float64)
    inside = (x >= x_range[0]) & (x <= x_range[1])
    return Series(series.role, x[inside].tolist(), y[inside].tolist())


def values_at_cursor(history: RunHistory, name: str, view: Viewport) -> tuple[float | None, float | None]:
    """Return the raw (train, test) values at the cursor, the newest ones without a cursor; test is the last point before it."""
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
    """Return the cursor's position: "step 1,234", "epoch 2.63" or "83.1 s"; empty without a cursor."""
    if view.cursor is None or not math.isfinite(view.cursor):
        return ""
    if view.x_axis == "step":
        return f"step {view.cursor:,.0f}"
    return f"epoch {view.cursor:.2f}" if view.x_axis == "epoch" else f"{view.cursor:.1f} s"


def placeholder(histories: Iterable[RunHistory]) -> str:
    """Return the text in an empty chart."""
    requested = [history for history in histories if history.requested_t is not None]
    if not requested:
        return "did not run"
    running = any(history.running for history in requested)
    return "waiting for the first step" if running else "ended before its first step"
