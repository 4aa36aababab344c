"""Progress of training without the app: plain lines, or bars on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from engines.api import BUILDING, FIRST_STEP, LOADING, RunHistory, Session
from tui import formatting
from tui.reports.run_summary import summary_line
from tui.terminal import streams

if TYPE_CHECKING:
    from tui.captions import Captions

LINE_SECONDS = 5.0
"""Seconds between two plain lines of an engine that trains."""


class LineWriter:
    """Write whole lines to a stream, from any thread, without anything that a terminal would obey."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._closed = False
        self.problem = ""
        """The reason that the output is incomplete; empty when it is complete, or when its reader has ended."""

    def write(self, text: str) -> None:
        """Write a line; after a failure, do nothing."""
        with self._lock:
            if self._closed:
                return
            try:
                self._stream.write(formatting.to_plain_text(text) + "\n")
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._closed = True
                if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                    self.problem = streams.describe_lost_output(error)
                streams.abandon(self._stream)


def run_name(session: Session, history: RunHistory) -> str:
    """Name a run over several seeds: "seed 3", and its device where other jobs train beside it."""
    seed = f"seed {history.config.seed if history.config else '?'}"
    device = history.started.device if history.started else session.job.devices.get(history.engine, "")
    return f"{seed} on {device}" if session.job.count > 1 and device else seed


def _line_name(session: Session, history: RunHistory) -> str:
    name = f"{history.engine:8}"
    return f"{name} {run_name(session, history)} " if session.job.count > 1 else name


class SeedSummaries:
    """Write the summary of each run over several seeds when it ends. A single run has its own in the closing lines."""

    def __init__(self, session: Session, write: Callable[[str], None]) -> None:
        self._session = session
        self._write = write
        self._written: set[tuple[str, str]] = set()

    def update(self) -> None:
        """Write the summaries of the runs that have ended since the last call."""
        for engine, history in self._session.histories.items():
            if history.ended_t is None or history.config is None or history.config.seeds < 2:
                continue
            if (engine, history.run_id) not in self._written:
                self._written.add((engine, history.run_id))
                name = run_name(self._session, history)
                self._write(f"{name}: {summary_line(history, self._session.folder(engine))}")


class CaptionLines:
    """Write the captions of a run, each when it becomes true."""

    def __init__(self, session: Session, write: Callable[[str], None], *, enabled: bool) -> None:
        self._session = session
        self._write = write
        self._captions: Captions | None = None
        if enabled:
            from tui.captions import Captions

            self._captions = Captions()

    def update(self) -> None:
        """Write the captions that have become true since the last call."""
        while self._captions is not None and (text := self._captions.next(self._session.histories)):
            several = self._session.job.count > 1
            first = next(iter(self._session.histories.values()))
            self._write(f"# {run_name(self._session, first)}: {text}" if several else f"# {text}")


class ProgressLines:
    """Write a line for each new phase and epoch, and the figures every few seconds."""

    def __init__(self, session: Session, writer: LineWriter, *, captions: bool = False) -> None:
        self._session = session
        self._write = writer.write
        self._phases: dict[str, str] = {}
        self._epochs: dict[tuple[str, str], int] = {}
        """The epochs that are written, by engine and run."""
        self._written_at: dict[str, float] = {}
        self._summaries = SeedSummaries(session, writer.write)
        self._captions = CaptionLines(session, writer.write, enabled=captions)

    def update(self) -> None:
        """Write what has changed since the last call."""
        now = time.monotonic()
        for engine, history in self._session.histories.items():
            if history.config is None and self._session.job.count > 1:  # it has no seed yet
                continue
            name, run = _line_name(self._session, history), (engine, history.run_id)
            self._write_phase(name, history, now)
            if history.last_epoch is not None and history.epochs_done > self._epochs.get(run, 0):
                self._epochs[run] = history.epochs_done
                self._write(_epoch_line(name, history))
                self._written_at[engine] = now
            elif history.progress is not None and history.phase == "training" and self._is_due(engine, now):
                self._written_at[engine] = now
                loss, accuracy = history.train_figures
                self._write(
                    f"{name} step {history.global_step}/{history.total_steps}"
                    f"  train loss {formatting.loss(loss)}  train accuracy {formatting.percent(accuracy)}"
                )
        self._summaries.update()
        self._captions.update()

    def _write_phase(self, name: str, history: RunHistory, now: float) -> None:
        phase, slow = history.phase, _slow_text(history, now)
        if phase + slow == self._phases.get(history.engine):
            return
        self._phases[history.engine] = phase + slow
        if phase not in ("training", "evaluating"):
            self._write(f"{name} {phase}{slow or _past_phase(history)}")

    def _is_due(self, engine: str, now: float) -> bool:
        return now - self._written_at.get(engine, 0.0) > LINE_SECONDS

    def close(self) -> None:
        """Write what has changed since the last update."""
        self.update()


def _past_phase(history: RunHistory) -> str:
    """Return what came of the phase before this one."""
    if history.phase == LOADING and history.cold_start:
        return f" (imported in {formatting.seconds(history.import_wait_seconds)})"
    if history.phase == BUILDING and history.data is not None:
        return f" ({formatting.digits_name(history.data.dataset)}: {history.data.source})"
    if history.phase == FIRST_STEP and history.model is not None:
        return f" (built in {formatting.seconds(history.model.seconds)})"
    return ""


def _slow_text(history: RunHistory, now: float) -> str:
    return " takes unusually long" if history.is_slow(now) else ""


def _epoch_line(name: str, history: RunHistory) -> str:
    epoch = history.last_epoch
    assert epoch is not None
    last = history.evaluations[-1].accuracy if history.evaluations else None
    rate = "–" if epoch.samples_per_sec is None else f"{epoch.samples_per_sec:,.0f}"
    return (
        f"{name} epoch {epoch.epoch}/{history.config.epochs if history.config else '?'}"
        f"  train loss {formatting.loss(epoch.train_loss)}  {history.split} accuracy {formatting.percent(last)}"
        f"  {rate} img/s"
    )


class ProgressBars:
    """Draw a progress bar for each engine of each session."""

    def __init__(self, sessions: Sequence[Session], *, captions: bool = False) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._sessions = sessions
        self._above: list[SeedSummaries | CaptionLines] = [
            *(SeedSummaries(session, self._print_above) for session in sessions),
            *(CaptionLines(session, self._print_above, enabled=captions) for session in sessions),
        ]
        self._progress = Progress(
            TextColumn("{task.description:8}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            *([TimeElapsedColumn()] if len(sessions) == 1 else []),  # the lines of several begin with more words
            TextColumn("{task.fields[figures]}"),
        )
        self._tasks = {
            (i, engine): self._progress.add_task(engine, total=None, figures="starting")
            for i, session in enumerate(sessions)
            for engine in session.histories
        }
        self._progress.start()

    def update(self) -> None:
        """Set the bars and figures to the present state."""
        for (i, engine), task in self._tasks.items():
            session = self._sessions[i]
            history = session.histories[engine]
            figures = history.phase + _slow_text(history, time.monotonic())
            if history.progress is not None and history.config is not None:
                figures += (
                    f" {history.epoch}/{history.config.epochs}  train loss {formatting.loss(history.train_figures[0])}"
                )
            if history.evaluations:
                figures += f"  {history.split} {formatting.percent(history.evaluations[-1].accuracy)}"
            if history.split == "validation" and history.tested:
                figures += f"  test {formatting.percent(history.test_accuracy)}"
            self._progress.update(
                task,
                description=_line_name(session, history).strip(),
                completed=history.global_step,
                total=history.total_steps or None,
                figures=figures,
            )
        for writer in self._above:
            writer.update()

    def _print_above(self, text: str) -> None:
        plain = formatting.to_plain_text(text)
        self._progress.console.print(plain, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Draw the last state, and stop drawing."""
        self.update()
        self._progress.stop()
