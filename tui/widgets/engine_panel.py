"""One engine's panel: its state, progress, speed, loss, accuracy and resources. Draws histories and knows no framework."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical

from engines.api import (
    BUILDING,
    DIVERGED,
    EVALUATING,
    FAILED,
    FINISHED,
    FIRST_STEP,
    IMPORTING,
    INTERRUPTED,
    LOADING,
    OFF,
    PAUSED,
    READY,
    STOPPED,
    TITLES,
    TRAINING,
    MachineHistory,
    RunHistory,
    RunSource,
    plural,
)
from tui import formatting
from tui.charts.braille import Axes, Series
from tui.charts.sparkline import progress_bar
from tui.charts.viewport import Viewport
from tui.widgets.chart_heading import heading as chart_heading
from tui.widgets.curves import CURVES, placeholder
from tui.widgets.line_chart import LineChart
from tui.widgets.line_fit import Part, fit_parts
from tui.widgets.notice import MOST_NOTICE_ROWS, Notice, notice_text
from tui.widgets.resource_usage import ResourceUsage
from tui.widgets.text_line import TextLine

GLYPHS = {
    TRAINING: "●", PAUSED: "‖", FINISHED: "✓", STOPPED: "■", INTERRUPTED: "■", DIVERGED: "✗", FAILED: "✗", OFF: "○", READY: "○",
}  # fmt: skip
"""Glyphs by phase; the other phases have a spinner."""
STYLES = {
    FAILED: "$error", DIVERGED: "$error", FINISHED: "$success", STOPPED: "$warning", INTERRUPTED: "$warning", PAUSED: "$warning",
}  # fmt: skip
"""Colours by phase; the default is the foreground."""
SPINNER, ASCII_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
_PATCH_VERSION = re.compile(r"(\d+\.\d+)\.\d+")
_PENDING = {"Pause": "pausing after this step", "Resume": "resuming"}
_FINISH_REASONS = {"target-reached": "at its target", "no-progress": "no more progress"}


class EnginePanel(Vertical):
    """The live panel of one engine."""

    def __init__(self, engine: str, *, ascii_only: bool = False) -> None:
        super().__init__(id=f"panel-{engine}", classes=f"panel -{engine}")
        self.engine = engine
        self.ascii_only = ascii_only
        self.turn = ""
        """The words for when this engine's run starts; empty when it need not wait."""
        self.kill_keys = ""
        """The keys that end this engine's worker and no other; empty when there is none to end."""
        self._framework = TITLES.get(engine, engine)
        self.border_title = self._framework
        self._status = TextLine(id="status")
        self._notice: Notice | None = None
        """The notice's widget, mounted with the first notice."""
        self._notice_text = ""
        self._charts = {name: LineChart(id=name, classes=name, ascii_only=ascii_only) for name in CURVES}
        self._usage = ResourceUsage(id="usage")

    def compose(self) -> ComposeResult:
        yield from (self._status, *self._charts.values(), self._usage)

    def show_state(
        self,
        history: RunHistory,
        now: float,
        machine: MachineHistory,
        energy: tuple[float | None, str],
        view: Viewport,
        colors: dict[str, str],
    ) -> None:
        """Show everything but the curves; `energy` is the run's, in joules, or None and the reason why it is unknown."""
        title = _title(history, self._framework, self._width - 2)
        if title != self.border_title:
            self.border_title = Text(title)
        state, speed = self._state(history, now, colors), _speed(history, now, self._width)
        kill_hint = self._kill_hint(history, now)
        if kill_hint not in state.plain and len(kill_hint) <= self._width:  # a worker that hangs has no speed
            speed = Text(kill_hint, no_wrap=True)
        speed.style = colors["$detail"]
        self._status.set_text(state, self._progress(history, colors), speed)
        self._show_notice(notice_text(history, now, self.kill_keys), history)
        self._charts["loss"].set_placeholder(self.turn or placeholder([history]))
        for name, chart in self._charts.items():
            has_chart = bool(chart.plot_size[1])
            heading = chart_heading(name, history, view, self._width, has_chart, self.ascii_only)
            heading.style = colors["$heading"]
            chart.set_headings(heading)
        self._usage.show(history, machine, energy, self._width, self.ascii_only)

    def show_curves(self, name: str, series: Sequence[Series], axes: Axes) -> None:
        """Show the curves of "loss" or "accuracy", on axes that all panels share."""
        chart = self._charts[name]
        if chart.display and chart.plot_size[1]:
            chart.set_series(series, axes)

    @property
    def _width(self) -> int:
        return max(self.content_size.width, 10)

    def _state(self, history: RunHistory, now: float, colors: dict[str, str]) -> Text:
        phase, text = history.phase, Text(no_wrap=True)
        spinner = ASCII_SPINNER if self.ascii_only else SPINNER
        glyph = GLYPHS[STOPPED] if history.killed else GLYPHS.get(phase) or spinner[int(now * 5) % len(spinner)]
        if not self.styles.border_top[0]:  # without a border there is no title
            text.append(f"{self._framework} ", style=f"bold {colors[f'${self.engine}']}")
        color = "$warning" if history.killed and phase == FAILED else STYLES.get(phase, "")
        text.append(f"{glyph} {_phase_name(history)}", style=f"bold {colors.get(color, '')}".strip())
        silent_seconds = history.silent_seconds(now)
        if silent_seconds is not None and (history.running or phase == IMPORTING):
            text.append(f"  not answering for {silent_seconds:.0f} s", style=f"bold {colors['$error']}")
            kill_hint = self._kill_hint(history, now)
            if kill_hint and text.cell_len + len(kill_hint) + 3 <= self._width:
                text.append(f" · {kill_hint}")
        for detail in self._details(history, now, silent_seconds is None):
            if text.cell_len + len(detail) + 2 <= self._width:
                text.append(f"  {detail}")
        return text

    def _kill_hint(self, history: RunHistory, now: float) -> str:
        """Return the keys that end a worker which does not answer; empty when it does."""
        hangs = history.silent_seconds(now) is not None and (history.running or history.phase == IMPORTING)
        return f"{self.kill_keys} ends it" if hangs and self.kill_keys else ""

    def _details(self, history: RunHistory, now: float, answering: bool) -> Iterator[str]:
        """Yield the details of the state, most important first."""
        phase = history.phase
        if history.stopping:
            yield _stop_stage(history)
        elif history.running and history.pending_command in _PENDING:
            yield _PENDING[history.pending_command]
        if answering and phase in (IMPORTING, LOADING, BUILDING, FIRST_STEP, EVALUATING):
            yield f"{now - history.phase_t:.1f} s"
        if phase == LOADING and history.data_progress is not None:
            progress = history.data_progress
            yield f"{formatting.size(progress.done_bytes)} of {formatting.size(progress.total_bytes)}"
        if self.turn:
            yield self.turn
        elif phase == READY:
            yield "press s to start"
        if history.finished is not None and history.finished.outcome in _FINISH_REASONS and phase == FINISHED:
            yield _FINISH_REASONS[history.finished.outcome]
        if history.started is not None and history.config is not None:
            yield f"epoch {max(history.epoch, 1)}/{history.config.epochs}"
            step = history.progress.step if history.progress and history.progress.epoch == history.epoch else 0
            steps = str(history.started.steps_per_epoch)
            yield f"step {step:>{len(steps)}}/{steps}"

    def _progress(self, history: RunHistory, colors: dict[str, str]) -> Text:
        text = Text(no_wrap=True)
        if history.requested_t is None:
            return text
        done, rest = progress_bar(history.fraction, self._width - 6, ascii_only=self.ascii_only)
        text.append(done, style=colors[f"${self.engine}"])
        text.append(rest, style="dim")
        text.append(f" {100 * history.fraction:3.0f} %")
        return text

    def _show_notice(self, text: str, history: RunHistory) -> None:
        """Show the notice over the charts, so that both panes stay aligned; in a pane without charts, below the status."""
        if (not text and not self._notice_text) or not self._status.is_attached:
            return
        notice = self._notice or Notice(id="notice", markup=False)
        over = sum(chart.size.height for chart in self._charts.values() if chart.is_on_screen) > MOST_NOTICE_ROWS
        notice.set_class(over, "-over")
        notice.set_class(history.killed, "-killed")
        notice.set_class(history.step_by_hand is not None, "-step")
        notice.styles.offset = (0, self._status.size.height if over else 0)
        if text != self._notice_text:
            self._notice_text = text
            notice.display = bool(text)
            notice.update(text)
        if self._notice is None:
            self._notice = notice
            self.mount(notice, after=self._status)


def _stop_stage(history: RunHistory) -> str:
    """Return the step that a stopping run is at."""
    if history.phase not in (FIRST_STEP, TRAINING):
        return history.phase
    evaluated = bool(history.evaluations) and history.evaluations[-1].global_step == history.global_step
    return "saving" if evaluated else "finishes this step, then tests"


def _phase_name(history: RunHistory) -> str:
    if history.stopping:
        return "stopping"
    if history.killed and history.phase == FAILED:
        return "killed"
    if history.phase == OFF:
        return "no worker"
    if history.phase == IMPORTING:
        return f"importing {TITLES.get(history.engine, history.engine)}"
    return history.phase


def _title(history: RunHistory, title: str, width: int) -> str:
    """Return framework, device, precision and threads, as much of it as fits."""
    parts = [_PATCH_VERSION.sub(r"\1", history.framework) if history.framework else title]
    if history.started is not None:
        started = history.started
        gpus = {device.id: formatting.gpu_name(device.name) for device in history.devices if device.id != "cpu"}
        device = f"{gpus[started.device]} ({started.device})" if started.device in gpus else started.device
        parts += [device, started.precision, plural(started.num_threads, "thread")]
    while len(parts) > 1 and len(" · ".join(parts)) > width:
        parts.pop()
    return " · ".join(parts) if len(parts[0]) <= width else parts[0].partition(" on ")[0]  # without Keras' backend


def _speed(history: RunHistory, now: float, width: int) -> Text:
    if history.requested_t is None:
        return Text()
    rate = history.samples_per_sec()
    parts = [
        Part("rate", (f"{rate:,.0f} img/s" if rate is not None else "– img/s",)),
        Part("clock", (f" · {formatting.clock(history.wall_seconds(now))}",)),
    ]
    if history.running and not history.stopping:
        parts.append(Part("eta", (f" · ETA {formatting.clock(history.eta_seconds(now))}", "")))
    parts.append(Part("start", _start_forms(history)))
    return Text("".join(fit_parts(parts, width)), no_wrap=True)


def _start_forms(history: RunHistory) -> tuple[str, ...]:
    """Return the times of import, building and first step; in short their sum, because one of them alone says too little."""
    ready, warm_up = history.last_worker_ready if history.phase != IMPORTING else None, history.warm_up
    if ready is not None and not history.cold_start and (warm_up is None or warm_up.build_seconds is None):
        return " · warm worker", ""  # its first build was in an earlier run, or is not recorded
    times = {
        "import": ready.import_seconds if ready else None,
        "build": history.build_seconds,
        "first step": history.first_steps_seconds,
    }
    known = {name: seconds for name, seconds in times.items() if seconds is not None}
    total = f" · start {formatting.seconds(sum(known.values()))}" if len(known) == len(times) else ""
    return "".join(f" · {name} {formatting.seconds(seconds)}" for name, seconds in known.items()), total, ""


def turn_text(source: RunSource, engine: str, now: float) -> str:
    """Return when an engine's run starts that waits for another, or that comes later in a recording; empty for any other."""
    first, later = source.waiting_for(engine), source.starts_at(engine)
    if later is not None:
        return f"starts at {formatting.clock(later)} of the recording"
    if first not in source.histories:
        return "its turn comes next" if first else ""
    seconds = source.histories[first].eta_seconds(now)
    return f"its turn comes after {TITLES.get(first, first)}{f', in {formatting.about(seconds)}' if seconds else ''}"
