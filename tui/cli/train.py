"""Train without the app: bars on a terminal, plain lines, or the events as JSON."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from engines.api import (
    EXPECTED_FILES,
    ONLY_JOB,
    ConfigError,
    EngineSpec,
    Event,
    FanOut,
    ResumeError,
    RunRequest,
    Session,
    TrainConfig,
    encode,
    find_digits,
    free_gpus,
    jobs_of,
    missing_copy,
    paths,
    reason,
)
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
    ("mnist-tui train --seeds 8 --jobs auto", "several seeds at once, a free GPU each"),
    ("mnist-tui train --detach", "go on when the terminal is closed"),
)

LEFT_OUT = "Settings that you leave out are the preset's; with --resume, the run's."
"""The rule for settings that the command line does not name."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui train`; the settings and their help are declared in engines/config.py."""
    parser.description = f"{parser.description}\n{LEFT_OUT}"
    arguments.add_training_options(parser)
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default=1,
        metavar="N",
        help="how many of the seeds to train at once, each on a free GPU; auto for as many as there are (1)",
    )
    parser.add_argument("--json", action="store_true", help="print the events of both engines, a JSON object per line")
    parser.add_argument("--plain", action="store_true", help="print lines instead of bars, also on a terminal")
    arguments.add_on_end_option(parser)
    parser.add_argument("--detach", action="store_true", help="return once the run has begun; it outlives the terminal")
    arguments.add_captions_option(parser)


def _jobs(text: str) -> int | None:
    """Read the number of jobs from the command line; None for auto."""
    jobs = None if text == "auto" else arguments.integer(text)
    if jobs is not None and jobs < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be at least 1, or auto")
    return jobs


def run(options: argparse.Namespace) -> int:
    """Train as the command line says. Raises UsageError."""
    if options.json and options.captions:
        raise UsageError("--json prints events alone. Leave out --captions.")
    if options.json and options.detach:
        raise UsageError("--detach prints no events. Its run's folder has them, in events.jsonl.")
    if options.jobs != 1:
        _check_jobs(options)
    specs, request, runs_dir = arguments.specs(options), arguments.request(options), arguments.runs_dir(options)
    resume = arguments.resume_folder(options)
    check_paths(specs, request, runs_dir)
    run_here = partial(
        train,
        specs,
        request,
        runs_dir,
        json_lines=options.json,
        bars=display.can_rewrite(sys.stdout) and not options.plain and not options.detach,
        resume=resume,
        captions=options.captions,
        on_end=options.on_end,
        jobs=options.jobs,
    )
    if options.detach:
        return run_detached(lambda on_begin: run_here(on_begin=on_begin), Path(runs_dir))
    return run_here()


def _check_jobs(options: argparse.Namespace) -> None:
    """Check that several runs at once can be what is asked for. Raises UsageError."""
    if options.json:
        raise UsageError(
            "--json prints one run at a time. With --jobs, each run's folder has its events, in events.jsonl."
        )
    if options.resume:
        raise UsageError("--resume continues one run. Leave out --jobs.")
    if arguments.request(options).config.seeds == 1:
        raise UsageError("--jobs trains several seeds at once. Say how many: --seeds N.")


def check_paths(specs: Sequence[EngineSpec], request: RunRequest, runs_dir: str) -> None:
    """Check that the interpreters and the digits are where they are said to be, and that runs can be saved. Raises UsageError."""
    for spec in specs:
        if spec.python != sys.executable and shutil.which(spec.python) is None:
            raise UsageError(f"{spec.python_source} names {spec.python}, but there is no such program.")
    config = request.config
    data_dir = Path(config.data_dir) if config.data_dir else None
    if config.dataset != "drawn" and (missing := missing_copy(data_dir, find_digits(data_dir, paths.cache_dir()))):
        raise UsageError(f"{missing} {EXPECTED_FILES}")
    try:
        Path(runs_dir).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=runs_dir).close()
    except OSError as error:
        raise UsageError(f"Runs can't be saved in {runs_dir}: {reason(error)}. {paths.OTHER_RUNS_DIR}") from None


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
    jobs: int | None = 1,
) -> int:
    """Train to the end, or continue the run in the folder `resume`; call `on_begin` once no run starts any more.

    `on_end` is a command for the shell, whose failure changes no exit code. `jobs` is how many seeds train at once; None for as
    many as there are free GPUs for.

    Returns 0 when every run ended well, reached its target, and was printed and saved completely; 1 otherwise; 2 when the
    settings or the run to continue can't be used; 128 + n when signal n ended it.
    """
    writer = LineWriter(sys.stdout)

    def print_event(event: Event) -> None:
        if any(event.engine == spec.name for spec in specs):
            writer.write(encode(event))

    try:
        configs = dict.fromkeys((spec.name for spec in specs), request.config)
        places = [ONLY_JOB] if jobs == 1 else jobs_of(configs, jobs, free_gpus())
    except ConfigError as error:
        return _report_unusable(error)
    runs = FanOut(
        [
            Session(
                specs,
                _start_thread,
                cache_dir=paths.cache_dir(),
                runs_dir=Path(runs_dir),
                on_event=print_event if json_lines else None,
                one_config=True,
                job=job,
            )
            for job in places
        ]
    )
    views: Sequence[ProgressBars | ProgressLines] = ()
    code = None
    with _signals_raised() as ignore_signals:
        try:
            _start_runs(runs, configs, request, resume)
            if not json_lines:
                views = (
                    [ProgressBars(runs.sessions, captions=captions)]
                    if bars
                    else [ProgressLines(session, writer, captions=captions) for session in runs.sessions]
                )
            while runs.running:
                time.sleep(DRAIN_SECONDS)
                runs.drain()
                for view in views:
                    view.update()
                if on_begin is not None and (session := _first_begun(runs)) is not None:
                    on_begin(session.folder(session.engines[0]), _failures(runs))
                    on_begin = None
        except _Signalled as signalled:
            code = 128 + signalled.number
            with contextlib.suppress(OSError):  # its terminal may be gone
                print("mnist-tui: stopping; the workers save a checkpoint first.", file=sys.stderr, flush=True)
        except (ResumeError, ConfigError) as error:
            code = _report_unusable(error)
        finally:
            ignore_signals()  # a second ctrl+c must not keep the workers from being closed
            runs.close()
            with _lost_output_allowed(code):
                for view in views:
                    view.close()
    code = _finish(runs, writer, code, json_lines=json_lines)
    if on_end:
        OnEnd(on_end).run_if_due(max(runs.sessions, key=_last_end))
    return code


def _report_unusable(error: Exception) -> int:
    """Print why the settings or the run to continue can't be used; return the exit code."""
    print(f"mnist-tui: {formatting.to_plain_text(str(error))}", file=sys.stderr)
    return 2


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


def _start_runs(runs: FanOut, configs: Mapping[str, TrainConfig], request: RunRequest, resume: Path | None) -> None:
    """Start the runs, or continue the one in that folder. Raises ResumeError and ConfigError."""
    if resume is None:
        runs.start(configs)
    elif warning := runs.sessions[0].resume_run(resume, request.settings):
        print(warning, file=sys.stderr)


def _first_begun(runs: FanOut) -> Session | None:
    """Return the first session that has begun to train, once no run of any will begin before its turn."""
    for session in runs.sessions:
        its = [session.histories[engine] for engine in session.engines]
        if not all(run.started or run.ended_t is not None or session.waiting_for(run.engine) for run in its):
            return None
    return next((s for s in runs.by_seed if any(s.histories[engine].started for engine in s.engines)), None)


def _last_end(session: Session) -> float:
    return max((history.ended_t or 0.0 for history in session.histories.values()), default=0.0)


def _failures(runs: FanOut) -> list[str]:
    """Return a line for each run that has failed."""
    histories = [history for session in runs.sessions for history in session.histories.values()]
    return [summary_line(history) for history in histories if history.failure is not None]


def _lost_output_allowed(code: int | None) -> contextlib.AbstractContextManager[None]:
    """Ignore that output can't be written when the terminal's window was closed."""
    return contextlib.suppress(OSError) if code == 128 + signal.SIGHUP else contextlib.nullcontext()


def _finish(runs: FanOut, writer: LineWriter, code: int | None, *, json_lines: bool) -> int:
    """Print how the runs ended and what was not saved; return the exit code, unless one is set already."""
    unsaved, results = save_problems(*runs.sessions), runs.seed_results
    if code is None or code >= 128:
        with _lost_output_allowed(code):
            if not json_lines:
                for line in closing_lines(*runs.by_seed, runs=not results.summary_lines() or code is not None):
                    writer.write(line)
            with contextlib.suppress(OSError):  # stderr may go where the output does
                for problem in filter(None, (*(unsaved if json_lines else ()), writer.problem)):
                    print(formatting.to_plain_text(problem), file=sys.stderr, flush=True)
    if code is not None:
        return code
    if writer.problem or unsaved:
        return 1
    return 0 if results.ended and not results.unsuccessful else 1
