"""Train in the background: a process in a session of its own, which outlives the terminal that started it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from engines.api import paths, reason
from tui.cli.arguments import CommandError

LOG = "output.log"
"""The file in the run's folder that holds what the command would have printed."""

OnBegin = Callable[[Path | None, Sequence[str]], None]
"""Called when the runs have begun, with their folder, and with a line for each one that has failed already."""


def run_detached(train: Callable[[OnBegin], int], runs_dir: Path) -> int:
    """Call `train` in a new process; return 0 once its run has begun, else the exit code and the output of its failed start.

    In the new process, this returns what `train` returns. Raises CommandError.
    """
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        log, name = tempfile.mkstemp(".log", "detached-", runs_dir)
    except OSError as error:
        raise CommandError(f"A run can't be saved in {runs_dir}: {reason(error)}.") from None
    reading, writing = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # else both processes would print what waits
    pid = os.fork()
    if not pid:
        os.close(reading)
        _leave_terminal(log)
        return train(lambda folder, problems: _report(writing, Path(name), folder, problems))
    os.close(writing)
    os.close(log)
    return _wait_for_start(pid, reading, Path(name), runs_dir)


def _leave_terminal(log: int) -> None:
    """Let neither the terminal's end nor its keys reach this process, and write its output to the log."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDONLY)
    for theirs, ours in ((null, 0), (log, 1), (log, 2)):
        os.dup2(theirs, ours)
    os.close(null)
    os.close(log)


def _report(pipe: int, log: Path, folder: Path | None, problems: Sequence[str]) -> None:
    """Move the log to the run's folder, and tell the process that waits for the start."""
    if folder is not None:
        with contextlib.suppress(OSError):
            log = log.rename(folder / LOG)
    begun = {"folder": str(folder or ""), "log": str(log), "problems": [*problems]}
    with contextlib.suppress(OSError):  # its terminal was closed meanwhile
        os.write(pipe, json.dumps(begun).encode() + b"\n")
    os.close(pipe)


def _wait_for_start(pid: int, pipe: int, log: Path, runs_dir: Path) -> int:
    try:
        with open(pipe, "rb") as reports:
            report = reports.readline()
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        log.unlink(missing_ok=True)
        raise
    if report:
        _print_begun(pid, json.loads(report), runs_dir)
        return 0
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        print(log.read_text(encoding="utf-8", errors="replace"), end="", file=sys.stderr)
        log.unlink()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _print_begun(pid: int, begun: dict[str, object], runs_dir: Path) -> None:
    for problem in begun["problems"] if isinstance(begun["problems"], list) else ():
        print(problem, file=sys.stderr)
    if not begun["folder"]:
        print(f"The run has begun as process {pid}, but it is not saved, so it can't be watched.")
        print(f"  kill {pid}  stops it")
        print(f"  {begun['log']}  holds its output")
        return
    run = shlex.quote(Path(str(begun["folder"])).name)
    place = "" if runs_dir == paths.runs_dir() else f" --runs-dir {shlex.quote(str(runs_dir))}"
    print(f"The run has begun as process {pid}. It goes on when this terminal is closed.")
    rows = (
        (f"mnist-tui watch {run}{place}", "shows it live"),
        (f"mnist-tui stop {run}{place}", "ends it after this step, and keeps its results"),
        (str(begun["log"]), "holds its output"),
    )
    width = max(len(command) for command, _ in rows[:2])
    for command, effect in rows:
        print(f"  {command:{width}}  {effect}")
