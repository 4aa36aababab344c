"""Training without a screen: bars on a terminal, plain lines, or the events as JSON."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from engines.api import (
    INTERRUPTED,
    ONE_RUN_CAVEAT,
    TIE,
    ConfigError,
    Diverged,
    EngineSpec,
    Event,
    ResumeError,
    RunHistory,
    RunSource,
    Session,
    describe_save_failures,
    encode,
    from_settings,
    paths,
    plural,
    time_caveat,
    verdict,
)
from tui import formatting
from tui.terminal import streams

LINE_SECONDS = 5.0
"""Between two plain lines of an engine that trains."""


class _Signalled(Exception):
    """A signal asked the command to end."""

    def __init__(self, number: int) -> None:
        self.number = number


def train(
    specs: Sequence[EngineSpec],
    settings: Mapping[str, Any],
    runs_dir: str,
    *,
    json_lines: bool,
    bars: bool,
    resume: Path | None = None,
) -> int:
    """Train to the end, or go on with the run in the folder `resume`.

    Returns 0 when every run ended well, reached its target, and was told and kept in full, 1 otherwise, 128 + n when signal n
    ended it.
    """
    said = {name: value for name, value in settings.items() if name != "framework"}
    out = _OutputLock(sys.stdout)

    def tell(event: Event) -> None:
        if event.engine in session.histories:
            out.line(encode(event))

    def launch(engine: str, live: Callable[[], None]) -> None:
        threading.Thread(target=live, name=engine, daemon=True).start()

    # What is ignored stays so: `nohup` and a script's `&` mean it.
    heard = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]

    def on_signal(number: int, frame: FrameType | None) -> None:
        for one in heard:  # a second one must not cut the leaving off
            signal.signal(one, signal.SIG_IGN)
        raise _Signalled(number)

    session = Session(
        specs, launch, cache_dir=paths.cache_dir(), runs_dir=Path(runs_dir), on_event=tell if json_lines else None
    )
    view: _Bars | _Lines | None = None
    code = None
    handlers = {n: signal.signal(n, on_signal) for n in heard}
    try:
        view = None if json_lines else _Bars(session) if bars else _Lines(session, out)
        if resume is not None:
            if warning := session.resume_run(resume, said):
                print(warning, file=sys.stderr)
        else:
            config = from_settings(said)
            session.start({spec.name: config for spec in specs})
        while session.running:
            time.sleep(0.1)
            session.drain()
            if view is not None:
                view.show()
    except _Signalled as signalled:
        code = 128 + signalled.number
        with contextlib.suppress(OSError):  # its terminal may be gone
            print("mnist-tui: stopping; the workers keep a checkpoint first.", file=sys.stderr, flush=True)
    except (ResumeError, ConfigError) as error:
        print(f"mnist-tui: {formatting.to_plain_text(str(error))}", file=sys.stderr)
        code = 2
    finally:
        for number in handlers:
            signal.signal(number, signal.SIG_IGN)  # one ctrl+c too many must not cut the leaving off
        session.close()
        session.drain()
        closed = code == 128 + signal.SIGHUP
        unheard = contextlib.suppress(OSError) if closed else contextlib.nullcontext()  # the terminal's window is gone
        with unheard:
            if view is not None:
                view.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    lost = _lost(session)
    if code is None or code >= 128:
        with unheard:
            if not json_lines:
                for line in closing_lines(session, runs=not session.seed_results.summary_lines() or code is not None):
                    out.line(line)
            with contextlib.suppress(OSError):  # it may go where the output does
                for problem in filter(None, (*(lost if json_lines else ()), out.problem)):
                    print(formatting.to_plain_text(problem), file=sys.stderr, flush=True)
    if code is not None:
        return code
    if out.problem or lost:
        return 1
    return 0 if session.seed_results.ended and not session.seed_results.unsuccessful else 1


def closing_lines(session: RunSource, *, runs: bool = True) -> list[str]:
    """For people: how every run ended (unless that was said), whether times are comparable, who is ahead, what was not kept."""
    histories = {engine: h for engine, h in session.histories.items() if h.requested_t is not None}
    shown = {engine: h for engine, h in histories.items() if runs or h.failure is not None}
    lines = [summary_line(history, session.folder(engine)) for engine, history in shown.items()]
    if time_caveat(histories):
        lines.append(f"Times: {time_caveat(histories)}. --mode time-trial lets each have the machine to itself.")
    over_seeds = session.seed_results.summary_lines()
    said = verdict(histories)
    if said is not None and not over_seeds:
        lines.append(f"{said.text[0].upper()}{said.text[1:]} ({said.why}).")
        if said.text != TIE:
            lines.append(ONE_RUN_CAVEAT)
    elif len(histories) == 2 and not over_seeds and all(h.finished for h in histories.values()):
        lines.append("No verdict: the two were not trained equally long.")
    return [formatting.to_plain_text(line) for line in lines + over_seeds + _lost(session)]


def _lost(session: RunSource) -> list[str]:
    """Sentences for what could not be kept, and for a record that still waits for room."""
    waits = [session.problem] if session.problem else []
    return list(dict.fromkeys(describe_save_failures(session.histories.values()) + waits))


def summary_line(history: RunHistory, folder: Path | None = None) -> str:
    """One line for people: how the run ended; `folder` is where it is kept."""
    name = history.framework or history.engine
    if history.outcome == INTERRUPTED:
        where = f"in epoch {history.epoch}, step {history.global_step:,} of {history.total_steps:,}"
        tested = f"; test accuracy so far {formatting.percent(history.test_accuracy)}" if history.evaluations else ""
        run = shlex.quote(str(folder or history.run_id))
        kept = f"; go on with: mnist-tui train --resume {run}" if history.can_continue else ""
        return f"{name}: interrupted {where if history.started else 'before the first step'}{tested}{kept}"
    if history.failure is not None:
        failure = f"{history.failure.message} {history.failure.hint}"
        return f"{name}: failed: {formatting.to_plain_text(failure)}".rstrip()
    if history.finished is None:
        return f"{name}: not finished"
    ended = history.finished
    parts = [
        f"test accuracy {formatting.percent(ended.test_accuracy)}{formatting.interval(history.test_interval)}",
        f"test loss {formatting.loss(ended.test_loss)}",
        plural(history.epochs_done, "epoch"),
        f"training {formatting.seconds(ended.train_seconds)}",
        f"wall {formatting.seconds(history.wall_seconds(history.last_t))}"
        f" ({'import included' if history.cold_start else 'in a warm worker'})",
    ]
    parts += [
        f"{100 * m.accuracy:g} % after {formatting.seconds(m.train_seconds)} of training, {formatting.seconds(m.wall_seconds)} wall"
        for m in history.milestones
    ]
    if history.diverged is not None:
        parts.append(diverged_text(history.diverged))
    if history.data is not None and history.data.dataset != "mnist":
        parts.append(f"on {formatting.digits_title(history.data.dataset)}")
    return f"{name}: {ended.outcome.replace('-', ' ')}: " + ", ".join(parts)


def diverged_text(event: Diverged) -> str:
    """What the alarm says."""
    return f"the loss was {formatting.loss(event.loss)} at step {event.global_step:,}: training has diverged"


class _OutputLock:
    """Whole lines on a stream, from any thread; nothing in them is obeyed by a terminal."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._gone = False
        self.problem = ""
        """Why it is not whole, where somebody wanted it."""

    def line(self, text: str) -> None:
        with self._lock:
            if self._gone:
                return
            try:
                self._stream.write(formatting.to_plain_text(text) + "\n")
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._gone = True
                if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):  # else nobody reads on
                    self.problem = streams.describe_lost_output(error)
                streams.abandon(self._stream)


class _Lines:
    """Plain lines: what changed, and the figures every few seconds."""

    def __init__(self, session: Session, out: _OutputLock) -> None:
        self._session = session
        self._out = out
        self._phases: dict[str, str] = {}
        self._epochs: dict[str, int] = {}
        self._spoke: dict[str, float] = {}
        self._ended = _Ended(session)

    def show(self) -> None:
        now = time.monotonic()
        for engine, history in self._session.histories.items():
            slow = " takes unusually long" if history.is_slow(now) else ""
            if history.phase + slow != self._phases.get(engine):
                self._phases[engine] = history.phase + slow
                extra = slow
                if history.phase == "building" and history.data:
                    extra += f" ({history.data.dataset}: {history.data.source})"
                if history.phase not in ("training", "evaluating"):
                    self._out.line(f"{engine:8} {history.phase}{extra}")
            epoch = history.last_epoch
            if epoch is not None and history.epochs_done > self._epochs.get(engine, 0):
                self._epochs[engine] = history.epochs_done
                rate = "–" if epoch.samples_per_sec is None else f"{epoch.samples_per_sec:,.0f}"
                self._out.line(
                    f"{engine:8} epoch {epoch.epoch}/{history.config.epochs if history.config else '?'}"
                    f"  train loss {formatting.loss(epoch.train_loss)}  test accuracy {formatting.percent(history.test_accuracy)}"
                    f"  {rate} img/s"
                )
                self._spoke[engine] = now
            elif history.progress and now - self._spoke.get(engine, 0.0) > LINE_SECONDS and history.phase == "training":
                self._spoke[engine] = now
                self._out.line(
                    f"{engine:8} step {history.global_step}/{history.total_steps}  loss {formatting.loss(history.progress.loss)}"
                    f"  accuracy {formatting.percent(history.progress.accuracy)}"
                )

        self._ended.say(self._out.line)

    def close(self) -> None:
        self.show()


class _Ended:
    """The summary of each run of a series as it ends; of a single run, the closing lines say it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._said: set[tuple[str, str]] = set()

    def say(self, line: Callable[[str], None]) -> None:
        for engine, history in self._session.histories.items():
            if history.ended_t is None or history.config is None or history.config.seeds < 2:
                continue
            if (engine, history.run_id) not in self._said:
                self._said.add((engine, history.run_id))
                line(f"seed {history.config.seed}: {summary_line(history, self._session.folder(engine))}")


class _Bars:
    """A progress bar for each engine."""

    def __init__(self, session: Session) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._session = session
        self._ended = _Ended(session)
        self._progress = Progress(
            TextColumn("{task.description:8}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}"),
        )
        self._tasks = {e: self._progress.add_task(e, total=None, figures="starting") for e in session.histories}
        self._progress.start()

    def show(self) -> None:
        for engine, history in self._session.histories.items():
            figures = history.phase + (" takes unusually long" if history.is_slow(time.monotonic()) else "")
            if history.progress is not None and history.config is not None:
                figures += f" {history.epoch}/{history.config.epochs}  loss {formatting.loss(history.progress.loss)}"
            if history.test_accuracy is not None:
                figures += f"  test {formatting.percent(history.test_accuracy)}"
            self._progress.update(
                self._tasks[engine], completed=history.global_step, total=history.total_steps or None, figures=figures
            )
        self._ended.say(
            lambda text: self._progress.console.print(
                formatting.to_plain_text(text), markup=False, highlight=False, soft_wrap=True
            )
        )

    def close(self) -> None:
        self.show()
        self._progress.stop()
