"""The curves that charts draw of a run's history, seen through the viewport that all charts share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from engines.api import RunHistory
from tui.charts.braille import SHARED, Axes, Series, value_range
from tui.charts.scales import ERROR, LINEAR, LOG
from tui.charts.viewport import Viewport, smoothed, value_at

CURVES = ("loss", "accuracy")
"""The names of the charts, top to bottom."""
MARKERS = {"keras": "◆"}
"""Markers of test points by engine; the default is round."""
DASHED = frozenset({"keras"})
"""Engines whose curves are dashed in an overlay, to tell them apart without colour."""
RAW_LAYER, TEST_LAYER, TRAIN_LAYER = 0, 1, 2
"""Layers of the raw samples, of the line through the test points, and of the training curve."""
LATE_ACCURACY = 0.95
"""The test accuracy from which the accuracy axis is an error scale: further progress is a fraction of the last percents."""
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


def curves(
    history: RunHistory,
    name: str,
    view: Viewport,
    x_range: tuple[float, float],
    *,
    raw: bool = True,
    dashed: bool = False,
) -> list[Series]:
    """Return the training curve of "loss" or "accuracy", its raw samples behind it, and the test points with their line."""
    train = history.train_loss if name == "loss" else history.train_accuracy
    if not len(train) and not history.evaluations:
        return []
    engine, xs = history.engine, x_values(history, train.xs, view)
    series = []
    if raw and view.smoothing and len(train) > 2:
        series.append(Series(f"{engine}-raw", xs, train.ys, layer=RAW_LAYER))
    series.append(
        Series(engine, xs, training_curve(history, name, xs, view, x_range), dashed=dashed, layer=TRAIN_LAYER)
    )
    points = history.evaluations
    tests = Series(
        f"{engine}-test-line",
        x_values(history, [float(point.global_step) for point in points], view),
        [point.loss if name == "loss" else point.accuracy for point in points],
        dashed=dashed,
        layer=TEST_LAYER,
    )
    marked = tests._replace(role=f"{engine}-test", kind="points", dashed=False, marker=MARKERS.get(engine, "●"))
    return [*series, tests, marked]


def training_curve(history: RunHistory, name: str, xs: Any, view: Viewport, x_range: tuple[float, float]) -> Any:
    """Return the moving average over the view's fraction of the samples that are shown, or the raw samples, shape (n,)."""
    train = history.train_loss if name == "loss" else history.train_accuracy
    if not view.smoothing:
        return train.ys
    shown = int(((xs >= x_range[0]) & (xs <= x_range[1])).sum())
    return smoothed(train.means, round(view.smoothing * shown))


def difference(
    histories: Sequence[RunHistory], name: str, view: Viewport, x_range: tuple[float, float]
) -> list[Series]:
    """Return the second engine's curve minus the first one's, where both have one, and that of their test points."""
    both = [curves(history, name, view, x_range, raw=False) for history in histories[:2]]
    if len(both) < 2 or not all(both):
        return []
    (train_a, line_a, _), (train_b, line_b, _) = both
    train = _subtracted(train_a, train_b)._replace(role=SHARED)
    tests = _subtracted(line_a, line_b)._replace(role="difference-test-line", layer=TRAIN_LAYER + 1)
    zero = Series("axis", list(x_range), [0.0, 0.0], layer=RAW_LAYER)
    return [zero, train, tests, tests._replace(role="difference-test", kind="points")]


def _subtracted(first: Series, second: Series) -> Series:
    """Return second - first at the xs of the first that the second covers; between its samples, the second is interpolated."""
    import numpy as np

    x, other = np.asarray(first.xs, np.float64), np.asarray(second.xs, np.float64)
    if not len(x) or not len(other):
        return first._replace(xs=[], ys=[])
    common = (x >= other[0]) & (x <= other[-1])
    y = np.interp(x[common], other, np.asarray(second.ys, np.float64)) - np.asarray(first.ys, np.float64)[common]
    return first._replace(xs=x[common], ys=y)


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


def scale_of(histories: Iterable[RunHistory], name: str, view: Viewport) -> str:
    """Return the scale of the y axis of "loss" or "accuracy", which all engines share."""
    if name == "loss":
        return LOG if view.scale == "log" else LINEAR
    late = any(point.accuracy >= LATE_ACCURACY for history in histories for point in history.evaluations)
    return ERROR if view.scale == "log" or (view.scale == "auto" and late) else LINEAR


def axes(
    histories: Sequence[RunHistory], series: Sequence[Series], name: str, view: Viewport, extent: tuple[float, float]
) -> Axes:
    """Return axes for these curves of all engines, which all panels share; y fits the visible part."""
    percent, scale = name == "accuracy", scale_of(histories, name, view)
    x_range, zoomed = view.window(extent), view.span is not None
    ranges = value_range([_clip(curve, x_range) for curve in series] if zoomed else series)
    if ranges is None:
        return Axes(percent=percent, x_name=X_NAMES[view.x_axis])
    low, high = ranges[1]
    if scale == ERROR:
        low, high = (None if zoomed else _late_range(histories)) or (low, high)
    elif zoomed:
        margin = 0.05 * (high - low)
        if scale == LINEAR:
            low, high = max(low - margin, 0.0), min(high + margin, 1.0) if percent else high + margin
    elif percent:
        low, high = max(0.0, min(low, 0.9)), 1.0
    elif scale == LINEAR:
        low = 0.0
    return Axes(x_range, (low, high), scale, percent, X_NAMES[view.x_axis], view.cursor)


def difference_axes(series: Sequence[Series], name: str, view: Viewport, extent: tuple[float, float]) -> Axes:
    """Return axes for a difference; y fits the visible part after the first tenth, in which the curves are steepest."""
    x_range = view.window(extent)
    calm = (x_range[0] + 0.1 * (x_range[1] - x_range[0]), x_range[1])
    ranges = value_range([_clip(curve, calm) for curve in series])
    low, high = ranges[1] if ranges else (0.0, 0.0)
    return Axes(x_range, (low, high), LINEAR, name == "accuracy", X_NAMES[view.x_axis], view.cursor)


def _late_range(histories: Iterable[RunHistory]) -> tuple[float, float] | None:
    """Return the range of accuracies that decides a run; None before an engine's test accuracy is late.

    It starts at the first late test accuracy or the newest epoch's mean in training, whichever is lower: the way up to there
    runs off the plot, so that the last percents have all of its rows.
    """
    accuracies = []
    for history in histories:
        late = [point.accuracy for point in history.evaluations if point.accuracy >= LATE_ACCURACY]
        if late:
            accuracies += [late[0], max(late)]
            if history.last_epoch is not None and math.isfinite(history.last_epoch.train_accuracy):
                accuracies.append(history.last_epoch.train_accuracy)
    return (min(accuracies), max(accuracies)) if accuracies else None


def _clip(series: Series, x_range: tuple[float, float]) -> Series:
    import numpy as np

    x, y = np.asarray(series.xs, np.float64), np.asarray(series.ys, np.float64)
    inside = (x >= x_range[0]) & (x <= x_range[1])
    return Series(series.role, x[inside].tolist(), y[inside].tolist())


class Figures(NamedTuple):
    """One engine's figures in the heading of a chart."""

    train: float | None
    """The mean since the epoch began."""
    test: float | None
    """The figure of the digits that judge the run, which `RunHistory.split` names."""
    epoch: int = 0
    """The epoch of that evaluation."""


def figures_at_cursor(history: RunHistory, name: str, view: Viewport) -> Figures:
    """Return the figures at the cursor, the newest ones without a cursor; test is the last point before it."""
    means = history.epoch_loss if name == "loss" else history.epoch_accuracy
    if view.cursor is None:
        train, tests = means.last[1] if means.last else None, history.evaluations[-1:]
    else:
        train = value_at(x_values(history, means.xs, view), means.ys, view.cursor)
        test_xs = x_values(history, [float(point.global_step) for point in history.evaluations], view)
        reached = view.cursor * (1 + 1e-9)
        tests = [point for point, x in zip(history.evaluations, test_xs, strict=True) if x <= reached][-1:]
    if not tests:
        return Figures(train, None)
    return Figures(train, tests[0].loss if name == "loss" else tests[0].accuracy, tests[0].epoch)


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
