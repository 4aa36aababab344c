"""Charts of everything else that is recorded of a run: learning rate, speed, CPU, memory and GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Grid, Vertical

from engines.api import TITLES, MachineHistory, RunHistory, gpus_of
from tui.charts.braille import Axes, Series, value_range
from tui.charts.scales import LINEAR, LOG
from tui.charts.viewport import Viewport, smoothed, value_at
from tui.widgets.chart_heading import line_sample
from tui.widgets.curves import DASHED, X_NAMES, cursor_label, placeholder, x_values
from tui.widgets.line_chart import LineChart
from tui.widgets.line_fit import Part, fit_parts
from tui.widgets.resource_usage import gpu_problem

TITLES_BY_NAME = {
    "rate": "learning rate",
    "speed": "img/s",
    "cpu": "CPU, % of a core",
    "memory": "memory, GB",
    "gpu": "GPU, %",
    "power": "GPU power, W",
}
"""The charts' titles by name."""
FORMATS = {
    "rate": "{:.3g}",
    "speed": "{:,.0f}",
    "cpu": "{:.0f} %",
    "memory": "{:.2f} GB",
    "gpu": "{:.0f} %",
    "power": "{:.0f} W",
}
_GPU_SERIES = {"gpu": "utilization_series", "power": "power_series"}


class MoreCharts(Grid):
    """Six charts, each with the curves of all engines and their figures at the cursor."""

    DEFAULT_CSS = """
    MoreCharts {
        display: none;
        height: 1fr;
        grid-size: 3 2;
        & > Vertical { border: round $foreground 30%; border-title-style: bold; border-title-color: $foreground; padding: 0 1; }
    }
    """

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__(id="more")
        self.ascii_only = ascii_only
        self._charts = {name: LineChart(id=f"more-{name}", ascii_only=ascii_only) for name in TITLES_BY_NAME}
        self._boxes = {name: Vertical(chart) for name, chart in self._charts.items()}

    def compose(self) -> ComposeResult:
        yield from self._boxes.values()

    def show(
        self,
        histories: Sequence[RunHistory],
        machine: MachineHistory,
        view: Viewport,
        extent: tuple[float, float],
        colors: Mapping[str, str],
    ) -> None:
        """Show all charts, with the newest figures or with those at the cursor."""
        x_range, label = view.window(extent), cursor_label(view)
        for name, chart in self._charts.items():
            series = [curve for history in histories for curve in _curve(history, machine, name, view, x_range)]
            title = f"{TITLES_BY_NAME[name]} · {label}" if label else TITLES_BY_NAME[name]
            box = self._boxes[name]
            if box.border_title != title:
                box.border_title = title
            legend = _legend(name, series, view, colors, self.ascii_only, box.content_size.width)
            chart.set_headings(legend if series else Text(_reason(histories, machine, name), style="dim", no_wrap=True))
            chart.set_series(series, _axes(series, name, view, x_range))


def _curve(
    history: RunHistory, machine: MachineHistory, name: str, view: Viewport, x_range: tuple[float, float]
) -> list[Series]:
    """Return the engine's curve in one chart, as a list of at most one."""
    import numpy as np

    ys: Any
    if name in ("rate", "speed"):
        points = history.learning_rate if name == "rate" else history.speed
        xs, ys = x_values(history, points.xs, view), np.array(points.means)
    elif name in _GPU_SERIES:
        gpus = [getattr(machine.gpus[gpu.index], _GPU_SERIES[name]) for gpu in gpus_of(history, machine)]
        if not gpus or history.requested_t is None or not all(map(len, gpus)):
            return []
        seconds = np.array(gpus[0].xs)
        several = [np.interp(seconds, gpu.xs, gpu.means) for gpu in gpus]  # each is thinned by itself
        ys = np.sum(several, axis=0) if name == "power" else np.mean(several, axis=0)
        xs, ys = _in_run(history, seconds - history.requested_t, ys, view)
    else:
        points = history.cpu_usage if name == "cpu" else history.memory_usage
        xs, ys = _in_run(
            history, np.array(points.xs), np.array(points.means) / (1e9 if name == "memory" else 1.0), view
        )
    if not len(xs):
        return []
    if name != "rate" and view.smoothing:
        shown = int(((xs >= x_range[0]) & (xs <= x_range[1])).sum())
        ys = smoothed(ys, round(view.smoothing * shown))
    return [Series(history.engine, xs, ys, dashed=history.engine in DASHED)]


def _in_run(history: RunHistory, seconds: Any, ys: Any, view: Viewport) -> tuple[Any, Any]:
    """Convert wall seconds to the view's x axis, and leave out what was measured outside of the run or of its steps."""
    import numpy as np

    if view.x_axis == "time":
        inside = (seconds >= 0) & (seconds <= history.wall_seconds(history.last_t))
        return seconds[inside], ys[inside]
    steps, times = history.step_seconds.xs, history.step_seconds.ys
    if not len(steps):
        return seconds[:0], ys[:0]
    inside = (seconds >= times[0]) & (seconds <= times[-1])
    return x_values(history, np.interp(seconds[inside], times, steps), view), ys[inside]


def _axes(series: Sequence[Series], name: str, view: Viewport, x_range: tuple[float, float]) -> Axes:
    """Return axes from 0; a logarithmic one, if it is switched on, for the learning rate."""
    ranges = value_range(series)
    scale = LOG if name == "rate" and view.scale == "log" else LINEAR
    y_range = (ranges[1][0] if scale == LOG else 0.0, ranges[1][1]) if ranges else None
    return Axes(x_range, y_range, scale, x_name=X_NAMES[view.x_axis], cursor=view.cursor)


def _legend(
    name: str, series: Sequence[Series], view: Viewport, colors: Mapping[str, str], ascii_only: bool, width: int
) -> Text:
    parts, styles = [], []
    for i, curve in enumerate(series):
        value = curve.ys[-1] if view.cursor is None else value_at(curve.xs, curve.ys, view.cursor)
        parts += [
            Part("", ("  " * bool(i),)),
            Part("engine", (f"{TITLES.get(curve.role, curve.role)} ", "")),
            Part("", (f"{line_sample(curve.role, ascii_only)} ",)),
            Part("", ("–" if value is None else FORMATS[name].format(value),)),
        ]
        styles += ["", "", f"bold {colors[f'${curve.role}']}", ""]
    return Text.assemble(*zip(fit_parts(parts, width), styles, strict=True), no_wrap=True)


def _reason(histories: Sequence[RunHistory], machine: MachineHistory, name: str) -> str:
    """Return why a chart is empty."""
    if name in _GPU_SERIES and histories:
        reasons = [gpu_problem(history, machine, gpus_of(history, machine)) for history in histories]
        return next(filter(None, reasons), "the driver does not say").removeprefix("GPU ").removeprefix("n/a: ")
    return placeholder(histories)
