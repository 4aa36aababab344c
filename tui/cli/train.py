"""Train without the app: bars on a terminal, plain lines, or the events as JSON."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from engines.api import ConfigError, EngineSpec, Event, ResumeError, RunRequest, Session, encode, paths
from tui import formatting
from tui.cli import arguments
from tui.cli.arguments import UsageError
from tui.cli.detach import OnBegin, run_detached
from tui.cli.progress import LineWriter, ProgressBars, ProgressLines
from tui.on_end import OnEnd
from tui.reports.run_summary import closing_lines, save_problems, summary_line
from tui.terminal import display

DRAIN_SECONDS = 0.1
"""Seconds between two looks at what the workers have sent."""


EXAMPLES = (
    ("mnist-tui train --preset quick", "both frameworks, a short run"),
    ("mnist-tui train --json > events.jsonl", "every event, a JSON object a line"),
    ("mnist-tui train --target-accuracy 99", "exit code 1 if it is not reached"),
    ("mnist-tui train --resume RUN --epochs 20", "continue a run, with more epochs"),
    ("mnist-tui train --detach", "go on when the terminal is closed"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui train`; the settings and their help are declared in engines/config.py."""
    arguments.add_training_options(parser)
    parser.add_argument("--json", action="store_true", help="print the events of both engines, a JSON object per line")
    parser.add_argument("--plain", action="store_true", help="print lines instead of bars, also on a terminal")
    arguments.add_on_end_option(parser)
    parser.add_argument("--detach", action="store_true", help="return once the run has begun; it outlives the terminal")
    arguments.add_captions_option(parser)


def run(options: argparse.Namespace) -> int:
    """Train as the command line says. Raises UsageError."""
    if options.json and options.captions:
        raise UsageError("--json prints events alone. Leave out --captions.")
    if options.json and options.detach:
        raise UsageError("--detach prints no events. Its run's folder has them, in events.jsonl.")
    runs_dir = arguments.runs_dir(options)
    run_here = partial(
        train,
        arguments.specs(options),
        arguments.request(options),
        runs_dir,
        json_lines=options.json,
        bars=display.can_rewrite(sys.stdout) and not options.plain and not options.detach,
        resume=arguments.resume_folder(options),
        captions=options.captions,
        on_end=options.on_end,
    )
    if options.detach:
        return run_detached(lambda on_begin: run_here(on_begin=on_begin), Path(runs_dir))
    return run_here()


class _Signalled(Exception):
    """A signal asked the command to end."""

    def __init__(self, number: int) -> None:
        self.number = number


def train(
    specs: Sequence[EngineSpec],
    request: RunRequest,
    runs_dir: str,
    *,
    json_lines: bool,
    bars: bool,
    resume: Path | None = None,
    captions: bool = False,
    on_end: str = "",
    on_begin: OnBegin | None = None,
) -> int:
    """Train to the end, or continue the run in the folder `resume`; call `on_begin` once no run starts any more.

    `on_end` is a command for the shell, whose failure changes no exit code.

    Returns 0 when every run ended well, reached its target, and was printed and saved completely; 1 otherwise; 2 when the
    settings or the run to continue can't be used; 128 + n when signal n ended it.
    """
    writer = LineWriter(sys.stdout)

    def print_event(event: Event) -> None:
        if event.engine in session.histories:
            writer.write(encode(event))

    session = Session(
        specs,
        _start_thread,
        cache_dir=paths.cache_dir(),
        runs_dir=Path(runs_dir),
        on_event=print_event if json_lines else None,
        one_config=True,
    )
    view: ProgressBars | ProgressLines | None = None
    code = None
    with _signals_raised() as ignore_signals:
        try:
            if not json_lines:
                view = (
                    ProgressBars(session, captions=captions)
                    if bars
                    else ProgressLines(session, writer, captions=captions)
                )
            _start_runs(session, request, resume)
            while session.running:
                time.sleep(DRAIN_SECONDS)
                session.drain()
                if view is not None:
                    view.update()
                if on_begin is not None and _has_begun(session):
                    on_begin(session.folder(session.engines[0]), _failures(session))
                    on_begin = None
        except _Signalled as signalled:
            code = 128 + signalled.number
            with contextlib.suppress(OSError):  # its terminal may be gone
                print("mnist-tui: stopping; the workers save a checkpoint first.", file=sys.stderr, flush=True)
        except (ResumeError, ConfigError) as error:
            print(f"mnist-tui: {formatting.to_plain_text(str(error))}", file=sys.stderr)
            code = 2
        finally:
            ignore_signals()  # a second ctrl+c must not keep the workers from being closed
            session.close()
            session.drain()
            with _lost_output_allowed(code):
                if view is not None:
                    view.close()
    code = _finish(session, writer, code, json_lines=json_lines)
    if on_end:
        OnEnd(on_end).run_if_due(session)
    return code


def _start_thread(engine: str, target: Callable[[], None]) -> None:
    threading.Thread(target=target, name=engine, daemon=True).start()


@contextlib.contextmanager
def _signals_raised() -> Iterator[Callable[[], None]]:
    """Let the signals that end a command raise _Signalled; yield the function that ignores them from then on.

    A signal that is ignored at the start stays ignored: `nohup` and a script's `&` mean it.
    """
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]

    def ignore() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    def on_signal(number: int, frame: FrameType | None) -> None:
        ignore()  # a second signal must not interrupt what the first one begins
        raise _Signalled(number)

    handlers = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield ignore
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _start_runs(session: Session, request: RunRequest, resume: Path | None) -> None:
    """Start the runs, or continue the one in that folder. Raises ResumeError and ConfigError."""
    if resume is None:
        session.start(dict.fromkeys(session.histories, request.config))
    elif warning := session.resume_run(resume, request.settings):
        print(warning, file=sys.stderr)


def _has_begun(session: Session) -> bool:
    """Return whether a run has begun to train, and no other will before its turn."""
    runs = [session.histories[engine] for engine in session.engines]
    settled = all(run.started or run.ended_t is not None or session.waiting_for(run.engine) for run in runs)
    return settled and any(run.started for run in runs)


def _failures(session: Session) -> list[str]:
    """Return a line for each run that has failed."""
    return [summary_line(history) for history in session.histories.values() if history.failure is not None]


def _lost_output_allowed(code: int | None) -> contextlib.AbstractContextManager[None]:
    """Ignore that output can't be written when the terminal's window was closed."""
    return contextlib.suppress(OSError) if code == 128 + signal.SIGHUP else contextlib.nullcontext()


def _finish(session: Session, writer: LineWriter, code: int | None, *, json_lines: bool) -> int:
    """Print how the runs ended and what was not saved; return the exit code, unless one is set already."""
    unsaved = save_problems(session)
    if code is None or code >= 128:
        with _lost_output_allowed(code):
            if not json_lines:
                for line in closing_lines(session, runs=not session.seed_results.summary_lines() or code is not None):
                    writer.write(line)
            with contextlib.suppress(OSError):  # stderr may go where the output does
                for problem in filter(None, (*(unsaved if json_lines else ()), writer.problem)):
                    print(formatting.to_plain_text(problem), file=sys.stderr, flush=True)
    if code is not None:
        return code
    if writer.problem or unsaved:
        return 1
    return 0 if session.seed_results.ended and not session.seed_results.unsuccessful else 1
