"""One engine's pane: state, progress, loss, accuracy and usage. Knows histories, and no framework."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

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
    describe_save_failure,
    plural,
)
from tui import formatting
from tui.charts.braille import Axes, Series
from tui.charts.sparkline import bar, spark
from tui.charts.viewport import Viewport
from tui.widgets import resource_usage
from tui.widgets.chart import LineChart
from tui.widgets.curves import CURVES, cursor_label, placeholder, values_at_cursor
from tui.widgets.text_line import TextLine

GLYPHS = {
    TRAINING: "●", PAUSED: "‖", FINISHED: "✓", STOPPED: "■", INTERRUPTED: "■", DIVERGED: "✗", FAILED: "✗", OFF: "○", READY: "○",
}  # fmt: skip
STYLES = {
    FAILED: "$error", DIVERGED: "$error", FINISHED: "$success", STOPPED: "$warning", INTERRUPTED: "$warning", PAUSED: "$warning",
}  # fmt: skip
_PATCH = re.compile(r"(\d+\.\d+)\.\d+")
NOTICE_CHARACTERS = 140
"""Of what happened; what to do about it must have room too, and the log has the rest."""
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Notice(Static):
    """What happened, and what to do about it."""

    DEFAULT_CSS = """
    Notice {
        height: auto;
        max-height: 9;
        margin: 1 0;
        padding: 0 1;
        border-left: thick $error;
        color: $foreground;
    }
    """


class EnginePanel(Vertical):
    """The live pane of one engine."""

    def __init__(self, engine: str, *, ascii_only: bool = False) -> None:
        super().__init__(id=f"panel-{engine}", classes=f"panel -{engine}")
        self.engine = engine
        self.ascii_only = ascii_only
        self.turn_of = ""
        """What the engine waits for in a time trial; empty when it waits for nothing."""
        self.ended_by = ""
        """The keys that end its worker and no other; empty when there is none to end."""
        self._framework = TITLES.get(engine, engine)
        self.border_title = self._framework
        self._status = TextLine(id="status")
        self._notice: Notice | None = None
        """Made when there is something to say."""
        self._noticed = ""
        self._charts = {name: LineChart(id=name, classes=name, ascii_only=ascii_only) for name in CURVES}
        self._usage = TextLine(id="usage")

    def compose(self) -> ComposeResult:
        """The lines and charts, top to bottom."""
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
        """Everything but the curves; `energy` is the run's, in joules, or the reason why it is not known."""
        title = _title(history, self._framework, self._room - 2)
        if title != self.border_title:
            self.border_title = Text(title)
        state, speed = self._state(history, now, colors), _speed(history, now, self._room)
        way_out = self._way_out(history, now)
        if way_out not in state.plain and len(way_out) <= self._room:  # the speed is none any more
            speed = Text(way_out, no_wrap=True)
        speed.style = colors["$detail"]
        self._status.set_text(state, self._progress(history, colors), speed)
        self._show_notice(history, now)
        self._charts["loss"].set_placeholder(placeholder([history]))
        for name, chart in self._charts.items():
            has_chart = bool(chart.plot_size[1])
            heading = _heading(name, history, view, self._room, has_chart, self.ascii_only)
            heading.style = colors["$heading"]
            chart.set_headings(heading)
        self._usage.set_text(
            resource_usage.cpu(history, self._room, self.ascii_only),
            resource_usage.gpu(history, machine, energy, self._room, self.ascii_only),
        )

    def show_curves(self, name: str, series: Sequence[Series], axes: Axes) -> None:
        """The curves of "loss" or "accuracy", on axes that all panes share."""
        chart = self._charts[name]
        if chart.display and chart.plot_size[1]:
            chart.set_series(series, axes)

    @property
    def _room(self) -> int:
        return max(self.content_size.width, 10)

    def _state(self, history: RunHistory, now: float, colors: dict[str, str]) -> Text:
        phase, text = history.phase, Text(no_wrap=True)
        busy = history.running or phase == IMPORTING
        glyph = GLYPHS.get(phase) or (
            SPINNER[int(now * 5) % len(SPINNER)] if not self.ascii_only else "|/-\\"[int(now * 5) % 4]
        )
        if not self.styles.border_top[0]:  # where there is no room for a border, its title is missing
            text.append(f"{self._framework} ", style=f"bold {colors[f'${self.engine}']}")
        text.append(f"{glyph} {_phase_name(history)}", style=f"bold {colors.get(STYLES.get(phase, ''), '')}".strip())
        silent = history.silent_seconds(now)
        if silent is not None and busy:
            text.append(f"  not answering for {silent:.0f} s", style=f"bold {colors['$error']}")
            way_out = self._way_out(history, now)
            if way_out and text.cell_len + len(way_out) + 3 <= self._room:
                text.append(f" · {way_out}")
        for said in self._details(history, now, silent is None):
            if text.cell_len + len(said) + 2 <= self._room:  # whole or not at all
                text.append(f"  {said}")
        return text

    def _way_out(self, history: RunHistory, now: float) -> str:
        """What to do about a worker that does not answer; empty when it does."""
        hangs = history.silent_seconds(now) is not None and (history.running or history.phase == IMPORTING)
        return f"{self.ended_by} ends it" if hangs and self.ended_by else ""

    def _details(self, history: RunHistory, now: float, answers: bool) -> Iterator[str]:
        """What more there is to say of the state, in the order of its weight."""
        phase = history.phase
        if history.stopping:
            yield _stop_stage(history)
        elif history.running and history.pending_command in _PENDING:
            yield _PENDING[history.pending_command]
        if answers and phase in (IMPORTING, LOADING, FIRST_STEP, EVALUATING):
            yield f"{now - history.phase_t:.1f} s"
        if phase == LOADING and history.data_progress is not None:
            progress = history.data_progress
            yield f"{formatting.size(progress.done_bytes)} of {formatting.size(progress.total_bytes)}"
        if self.turn_of:
            yield f"waits for {TITLES.get(self.turn_of, self.turn_of)}"
        elif phase == READY:
            yield "press s to start"
        if history.finished is not None and history.finished.outcome in _REASONS and phase == FINISHED:
            yield _REASONS[history.finished.outcome]
        if history.started is not None and history.config is not None:
            yield f"epoch {max(history.epoch, 1)}/{history.config.epochs}"
            step = history.progress.step if history.progress and history.progress.epoch == history.epoch else 0
            steps = str(history.started.steps_per_epoch)
            yield f"step {step:>{len(steps)}}/{steps}"

    def _progress(self, history: RunHistory, colors: dict[str, str]) -> Text:
        text = Text(no_wrap=True)
        if history.requested_t is None:
            return text
        done, rest = bar(history.fraction, self._room - 6, ascii_only=self.ascii_only)
        text.append(done, style=colors[f"${self.engine}"])
        text.append(rest, style="dim")
        text.append(f" {100 * history.fraction:3.0f} %")
        return text

    def _show_notice(self, history: RunHistory, now: float) -> None:
        text = ""
        if history.failure is not None and history.phase in (FAILED, INTERRUPTED):
            text = formatting.truncate(formatting.to_plain_text(history.failure.message), NOTICE_CHARACTERS)
            if history.failure.hint:
                text += "\n" + formatting.to_plain_text(history.failure.hint)
            goes_on = f" · c goes on from epoch {history.checkpoint_epoch}" if history.can_continue else ""
            text += f"\nr tries again{goes_on} · l shows the log"
        elif history.diverged is not None:
            event = history.diverged
            text = f"Diverged: the loss was {formatting.loss(event.loss)} at step {event.global_step:,}."
            text += "\nA smaller learning rate often helps (e). r tries again." if history.phase == DIVERGED else ""
        elif history.is_slow(now):
            text = f"{_STARTING[history.phase]} takes unusually long: more than a minute so far."
            if self.ended_by:
                text += f"\nIt may still end well. {self.ended_by} ends the worker, then r starts a new one;"
                text += "\nfewer threads often help (e). l shows the log"
        for what in ("checkpoint", "model"):  # the line at the bottom reports the record
            failure = history.unsaved.get((history.run_id, what))
            if failure is not None:
                text += "\n" * bool(text)
                text += formatting.truncate(formatting.to_plain_text(describe_save_failure(failure)), NOTICE_CHARACTERS)
                text += "\nTraining goes on · w tries again" * (what == "checkpoint" and history.running)
        if text == self._noticed or not self._status.is_attached:
            return
        self._noticed = text
        if self._notice is None:
            self._notice = Notice(text, id="notice", markup=False)
            self.mount(self._notice, after=self._status)
        else:
            self._notice.display = bool(text)
            self._notice.update(text)


_PENDING = {"Pause": "pausing after this step", "Resume": "resuming"}
_STARTING = {
    IMPORTING: "The import", LOADING: "Loading the digits", BUILDING: "Building the model", FIRST_STEP: "The first step",
}  # fmt: skip
_REASONS = {"target-reached": "at its target", "no-progress": "no more progress"}


def _stop_stage(history: RunHistory) -> str:
    """What a run that is told to stop is doing."""
    if history.phase not in (FIRST_STEP, TRAINING):
        return history.phase
    evaluated = bool(history.evaluations) and history.evaluations[-1].global_step == history.global_step
    return "saving" if evaluated else "finishing the step, then evaluating"


def _phase_name(history: RunHistory) -> str:
    if history.stopping:
        return "stopping"
    if history.phase == OFF:
        return "no worker"
    if history.phase == IMPORTING:
        return f"importing {TITLES.get(history.engine, history.engine)}"
    return history.phase


def _title(history: RunHistory, title: str, room: int) -> str:
    """Framework, device, precision and threads, as much of it as fits."""
    parts = [_PATCH.sub(r"\1", history.framework) if history.framework else title]
    if history.started is not None:
        parts += [history.started.device, history.started.precision, plural(history.started.num_threads, "thread")]
    while len(parts) > 1 and len(" · ".join(parts)) > room:
        parts.pop()
    return " · ".join(parts)


def _speed(history: RunHistory, now: float, room: int) -> Text:
    if history.requested_t is None:
        return Text()
    rate = history.samples_per_sec()
    parts = [f"{rate:,.0f} img/s" if rate is not None else "– img/s", formatting.clock(history.wall_seconds(now))]
    if history.running and not history.stopping:
        parts.append(f"ETA {formatting.clock(history.eta_seconds(now))}")
    if history.worker is not None:
        parts.append(f"import {formatting.seconds(history.worker.import_seconds)}")
    if history.first_step_seconds is not None:
        parts.append(f"first step {formatting.seconds(history.first_step_seconds)}")
    while len(parts) > 3 and len(" · ".join(parts)) > room:
        parts.pop()
    return Text(" · ".join(parts), no_wrap=True)


def _heading(name: str, history: RunHistory, view: Viewport, room: int, has_chart: bool, ascii_only: bool) -> Text:
    """The figures; where there is no room for the chart, its curve as blocks too."""
    show = formatting.loss if name == "loss" else formatting.percent
    train, test = map(show, values_at_cursor(history, name, view))
    forms = [f"train {train}  test {test}", f"{train} · test {test}", f"test {test}" if history.evaluations else train]
    if at := cursor_label(view):
        forms = [*(f"{at}: {form}" for form in forms), *forms]
    elif name == "accuracy" and history.ended_t is not None and history.test_interval:
        low, high = history.test_interval
        forms.insert(0, f"{forms[0]} ({100 * low:.2f}–{100 * high:.2f})")
    # The longest that fits: a figure that is cut off is another figure.
    values = next((f" {form} " for form in forms if len(name) + len(form) + 3 <= room), "")
    text = Text(no_wrap=True)
    text.append(f"{name} ", style="bold")
    free = max(room - len(name) - 1 - len(values), 0)
    if has_chart or not len(history.train_loss):
        text.append("─" * free, style="dim")
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
