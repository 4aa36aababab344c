"""One engine's pane: state, progress, loss, accuracy and usage. Knows histories, and no framework."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from engines.api import (
    DIVERGED,
    EVALUATING,
    FAILED,
    FINISHED,
    FIRST_STEP,
    IMPORTING,
    LOADING,
    OFF,
    PAUSED,
    READY,
    STOPPED,
    TITLES,
    TRAINING,
    MachineHistory,
    RunHistory,
)
from tui import formatting
from tui.charts.line_chart import Axes, Series
from tui.charts.spark import bar, spark
from tui.charts.view import View
from tui.widgets.chart import LineChart
from tui.widgets.curves import place, placeholder, reading
from tui.widgets.line import Line

GLYPHS = {
    TRAINING: "●", PAUSED: "‖", FINISHED: "✓", STOPPED: "■", DIVERGED: "✗", FAILED: "✗", OFF: "○", READY: "○",
}  # fmt: skip
STYLES = {FAILED: "$error", DIVERGED: "$error", FINISHED: "$success", STOPPED: "$warning", PAUSED: "$warning"}
_PATCH = re.compile(r"(\d+\.\d+)\.\d+")
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class EnginePanel(Vertical):
    """The live pane of one engine."""

    def __init__(self, engine: str) -> None:
        super().__init__(id=f"panel-{engine}", classes=f"panel -{engine}")
        self.engine = engine
        self.title = TITLES.get(engine, engine)

    def compose(self) -> ComposeResult:
        """The lines and charts, top to bottom."""
        yield Line(id="state")
        yield Line(id="progress")
        yield Line(id="speed", classes="detail")
        yield Static("", id="notice", markup=False)
        yield Line(id="loss-heading", classes="heading")
        yield LineChart(id="loss")
        yield Line(id="accuracy-heading", classes="heading accuracy")
        yield LineChart(id="accuracy", classes="accuracy")
        yield Line(id="cpu", classes="usage")
        yield Line(id="gpu", classes="usage")

    def on_mount(self) -> None:
        """The border says whose pane it is from the start."""
        self.border_title = self.title

    def show_state(
        self, history: RunHistory, now: float, machine: MachineHistory, view: View, colors: dict[str, str]
    ) -> None:
        """Everything but the curves."""
        title = _title(history, self.title, self._room - 2)
        if title != self.border_title:
            self.border_title = Text(title)
        self.query_one("#state", Line).say(self._state(history, now, colors))
        self.query_one("#progress", Line).say(self._progress(history, colors))
        self.query_one("#speed", Line).say(_speed(history, now, self._room))
        self._show_notice(history)
        self.query_one("#loss", LineChart).hold(placeholder([history]))
        for name in ("loss", "accuracy"):
            has_chart = bool(self.query_one(f"#{name}", LineChart).region.height)
            heading = _heading(name, history, view, self._room, has_chart, self.ascii_only)
            self.query_one(f"#{name}-heading", Line).say(heading)
        self.query_one("#cpu", Line).say(_cpu(history, self._room, self.ascii_only))
        self.query_one("#gpu", Line).say(_gpu(history, machine, self._room, self.ascii_only))

    def show_curves(self, name: str, series: Sequence[Series], axes: Axes) -> None:
        """The curves of "loss" or "accuracy", on axes that all panes share."""
        chart = self.query_one(f"#{name}", LineChart)
        if chart.display and chart.size.height:
            chart.show(series, axes)

    ascii_only = False
    turn_of = ""
    """What the engine waits for in a time trial; empty when it waits for nothing."""

    @property
    def _room(self) -> int:
        return max(self.content_size.width, 10)

    def _state(self, history: RunHistory, now: float, colors: dict[str, str]) -> Text:
        phase, text = history.phase, Text(no_wrap=True)
        busy = history.running or phase == IMPORTING
        glyph = GLYPHS.get(phase) or (
            SPINNER[int(now * 5) % len(SPINNER)] if not self.ascii_only else "|/-\\"[int(now * 5) % 4]
        )
        if self.ascii_only:
            glyph = {"●": "*", "‖": "=", "✓": "+", "■": "#", "✗": "!", "○": "o"}.get(glyph, glyph)
        text.append(f"{glyph} {_phase_name(history)}", style=f"bold {colors.get(STYLES.get(phase, ''), '')}".strip())
        silent = history.silent_seconds(now)
        if silent is not None and busy:
            text.append(f"  not answering for {silent:.0f} s", style=f"bold {colors['$error']}")
        elif phase in (IMPORTING, LOADING, FIRST_STEP, EVALUATING):
            text.append(f"  {now - history.phase_t:.1f} s")
        if phase == LOADING and history.data_progress is not None:
            progress = history.data_progress
            text.append(f"  {formatting.size(progress.done_bytes)} of {formatting.size(progress.total_bytes)}")
        if history.started is not None and history.config is not None:
            step = history.progress.step if history.progress and history.progress.epoch == history.epoch else 0
            text.append(f"  epoch {max(history.epoch, 1)}/{history.config.epochs}")
            steps = str(history.started.steps_per_epoch)
            text.append(f"  step {step:>{len(steps)}}/{steps}")
        if self.turn_of:
            text.append(f"  waits for {TITLES.get(self.turn_of, self.turn_of)}")
        elif phase == READY:
            text.append("  press s to start")
        if history.finished is not None and history.finished.outcome in _REASONS and phase == FINISHED:
            text.append(f"  {_REASONS[history.finished.outcome]}")
        return text

    def _progress(self, history: RunHistory, colors: dict[str, str]) -> Text:
        text = Text(no_wrap=True)
        if history.requested_t is None:
            return text
        done, rest = bar(history.fraction, self._room - 6, ascii_only=self.ascii_only)
        text.append(done, style=colors[f"${self.engine}"])
        text.append(rest, style="dim")
        text.append(f" {100 * history.fraction:3.0f} %")
        return text

    def _show_notice(self, history: RunHistory) -> None:
        text = ""
        if history.failure is not None and history.phase == FAILED:
            text = formatting.plain(history.failure.message)
            if history.failure.hint:
                text += "\n" + formatting.plain(history.failure.hint)
            goes_on = f" · c goes on from epoch {history.checkpoint_epoch}" if history.can_continue else ""
            text += f"\nr tries again{goes_on} · l shows the log"
        elif history.diverged is not None:
            event = history.diverged
            text = f"Diverged: the loss was {formatting.loss(event.loss)} at step {event.global_step:,}."
            text += "\nA smaller learning rate often helps (e). r tries again." if history.phase == DIVERGED else ""
        notice = self.query_one("#notice", Static)
        if notice.display != bool(text):
            notice.display = bool(text)
        if text and getattr(notice, "said", "") != text:
            notice.said = text  # type: ignore[attr-defined]  # what it says now, to repaint only on change
            notice.update(text)


_REASONS = {"target-reached": "at its target", "no-progress": "no more progress"}


def _phase_name(history: RunHistory) -> str:
    if history.phase == OFF:
        return "no worker"
    if history.phase == IMPORTING:
        return f"importing {TITLES.get(history.engine, history.engine)}"
    return history.phase


def _title(history: RunHistory, title: str, room: int) -> str:
    """Framework, device, precision and threads, as much of it as fits."""
    parts = [_PATCH.sub(r"\1", history.framework) if history.framework else title]
    if history.started is not None:
        threads = history.started.num_threads
        parts += [history.started.device, history.started.precision, f"{threads} thread{'s' * (threads != 1)}"]
    while len(parts) > 1 and len(" · ".join(parts)) > room:
        parts.pop()
    return " · ".join(parts)


def _speed(history: RunHistory, now: float, room: int) -> Text:
    if history.requested_t is None:
        return Text()
    rate = history.samples_per_sec()
    parts = [f"{rate:,.0f} img/s" if rate is not None else "– img/s", formatting.clock(history.wall_seconds(now))]
    if history.running:
        parts.append(f"ETA {formatting.clock(history.eta_seconds(now))}")
    if history.worker is not None:
        parts.append(f"import {formatting.seconds(history.worker.import_seconds)}")
    if history.first_step_seconds is not None:
        parts.append(f"first step {formatting.seconds(history.first_step_seconds)}")
    while len(parts) > 3 and len(" · ".join(parts)) > room:
        parts.pop()
    return Text(" · ".join(parts), no_wrap=True)


def _heading(name: str, history: RunHistory, view: View, room: int, has_chart: bool, ascii_only: bool) -> Text:
    """The figures; where there is no room for the chart, its curve as blocks too."""
    show = formatting.loss if name == "loss" else formatting.percent
    train, test = reading(history, name, view)
    values = f" train {show(train)}  test {show(test)} "
    at = place(view)
    if at:
        values = f" {at}: {values.lstrip()}"
    elif name == "accuracy" and history.ended_t is not None and history.test_interval:
        low, high = history.test_interval
        with_interval = f"{values.rstrip()} ({100 * low:.2f}–{100 * high:.2f}) "
        values = with_interval if len(name) + 2 + len(with_interval) <= room else values
    text = Text(no_wrap=True)
    text.append(f"{name} ", style="bold")
    free = max(room - len(name) - 1 - len(values), 0)
    if has_chart or not len(history.train_loss):
        text.append(("-" if ascii_only else "─") * free, style="dim")
    else:
        text.append(_sparkline(name, history, free, ascii_only))
    text.append(values)
    return text


def _sparkline(name: str, history: RunHistory, width: int, ascii_only: bool) -> str:
    """The whole curve in so many blocks: the mean of the samples that fall into each."""
    ys = [y for y in (history.train_loss if name == "loss" else history.train_accuracy).ys if math.isfinite(y)]
    ends = [round(i * len(ys) / width) for i in range(width + 1)] if width else []
    means = [sum(ys[a:b]) / (b - a) for a, b in pairwise(ends) if b > a]
    return spark(means, width, maximum=max(means, default=1.0) if name == "loss" else 1.0, ascii_only=ascii_only)


def _cpu(history: RunHistory, room: int, ascii_only: bool) -> Text:
    if history.usage is None:
        return Text(
            "CPU n/a: no worker" if not history.alive else "CPU n/a: not sampled yet", style="dim", no_wrap=True
        )
    usage = history.usage
    head = f"CPU {usage.cpu_percent:4.0f} % of {100 * usage.cores_allowed} "
    tail = f" RSS {formatting.size(usage.rss_bytes)}"
    if room >= 52:
        tail += f" · {usage.num_threads} OS threads"
    width = min(max(room - len(head) - len(tail), 0), 40)
    graph = spark(history.cpu_percent, width, maximum=100.0 * usage.cores_allowed, ascii_only=ascii_only)
    return Text(head + graph + tail, no_wrap=True)


def _gpu(history: RunHistory, machine: MachineHistory, room: int, ascii_only: bool) -> Text:
    usage = machine.usage
    if usage is None:
        return Text("GPU n/a: not sampled yet", style="dim", no_wrap=True)
    if not usage.gpus:
        return Text(f"GPU n/a: {usage.gpu_reason}", style="dim", no_wrap=True)
    device = history.started.device if history.started else "cpu"
    if not device.startswith("cuda:"):
        return Text("GPU not used: runs on the CPU", style="dim", no_wrap=True)
    index = int(device.partition(":")[2])
    gpu = next((one for one in usage.gpus if one.index == index), None)
    if gpu is None:
        return Text(f"GPU n/a: NVML does not list GPU {index}", style="dim", no_wrap=True)
    parts = [f"GPU {index} {_known(gpu.utilization_percent, '{:3.0f} %')}"]
    if history.device_memory_bytes is not None:
        parts.append(formatting.size(history.device_memory_bytes))
    parts += [_known(gpu.temperature_celsius, "{:.0f} °C"), _known(gpu.power_watts, "{:.0f} W")]
    text = "  ".join(parts)
    graph = spark(machine.gpu_percent[index], min(max(room - len(text) - 2, 0), 30), maximum=100, ascii_only=ascii_only)
    return Text(f"{text}  {graph}", no_wrap=True)


def _known(value: float | None, form: str) -> str:
    return "n/a" if value is None else form.format(value)
