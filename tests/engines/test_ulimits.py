"""A limit of the shell is named for the errors and exits that it explains, and for no others."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from engines import ulimits
from engines.config import TrainConfig
from engines.messages.events import RunFailed, TrainProgress
from engines.supervision import start_error
from engines.supervision.registry import EngineSpec
from engines.supervision.supervisor import Supervisor
from engines.tools import engine_checks, hyperparameters
from engines.tools.hyperparameters import PresetsError
from engines.ulimits import limit_behind, limit_in
from engines.worker import requirements
from tests.support.engines import Worked, scripted_spec

AGAIN = "raise that limit, then start mnist-tui again."
NO_MEMORY = "libtorch_cpu.so: failed to map segment from shared object"
NO_PROCESS = "Resource temporarily unavailable"


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set limits as a shell would; all others are off."""

    def limit(**limits: int) -> None:
        set_here = {getattr(resource, f"RLIMIT_{name}"): value for name, value in limits.items()}
        monkeypatch.setattr(ulimits, "_limit", set_here.get)

    limit()
    return limit


@pytest.mark.parametrize(
    ("limits", "text", "expected"),
    [
        (
            {"AS": 3_000_000_000},
            NO_MEMORY,
            f"A process may have no more than 3.0 GB of memory here (ulimit -v): {AGAIN}",
        ),
        ({"DATA": 1_000_000_000}, "MemoryError: no more", "(ulimit -d)"),
        ({}, NO_MEMORY, ""),
        ({}, "MemoryError", ""),
        ({"NPROC": 30}, f"libgomp: Thread creation failed: {NO_PROCESS}", "30 processes and threads here (ulimit -u)"),
        ({"NPROC": 30}, "RuntimeError: can't start new thread", "(ulimit -u)"),
        ({}, NO_PROCESS, "The system or its container allows no more processes and threads"),
        ({"NPROC": 30}, f"terminate called: what():  {NO_PROCESS}", "(ulimit -u)"),
        (
            {"NPROC": 30},
            "env.cc:84] Check failed: ret == 0 (11 vs. 0) Thread tf_numa_-1_Eigen creation via pthread_create() failed.",
            "(ulimit -u)",
        ),
        ({"NPROC": 30}, f"gloo: connect: {NO_PROCESS}", ""),
        (
            {"NOFILE": 20},
            "OSError: [Errno 24] Too many open files: '/x'",
            "no more than 20 files open here (ulimit -n)",
        ),
        ({"NOFILE": 20}, "Too many open files in system", ""),
        ({"AS": 1, "NPROC": 1}, "No such file or directory", ""),
    ],
)
def test_the_limit_in_an_error(limits: dict[str, int], text: str, expected: str, limited: Callable[..., None]) -> None:
    limited(**limits)
    hint = limit_in(text)
    assert expected in hint
    assert bool(expected) == bool(hint)


@pytest.mark.parametrize(
    ("name", "seconds", "explained"),
    [
        ("SIGKILL", 4.2, True),
        ("SIGXCPU", 5.0, True),
        ("SIGKILL", 1.0, False),
        ("SIGSEGV", 5.0, False),
        ("", 5.0, False),
    ],
)
def test_the_limit_behind_an_exit(name: str, seconds: float, explained: bool, limited: Callable[..., None]) -> None:
    assert limit_behind(name, seconds) == "", "there is none"
    limited(CPU=5)
    assert bool(limit_behind(name, seconds)) == explained
    assert not explained or "5 s here (ulimit -t)" in limit_behind(name, seconds)


@pytest.mark.fault("workers", "the shell's limit of CPU time (ulimit -t) ends it: it is named, and memory is not")
def test_a_worker_that_used_up_its_cpu_time_is_reported_so(
    work: Callable[[], Worked], small_config: TrainConfig, limited: Callable[..., None]
) -> None:
    limited(CPU=1)
    worker = work()
    worker.start(small_config)
    worker.wait_for(TrainProgress)
    os.kill(worker.supervisor.pid or 0, signal.SIGKILL)
    failed = worker.wait_for(RunFailed)
    assert "ulimit -t" in failed.hint
    assert "memory" not in failed.hint


@pytest.mark.fault(
    "workers", "the shell's limits end the worker of a single answer: they are named, and no reinstallation"
)
@pytest.mark.parametrize(
    ("script", "limits", "flag"),
    [("kill@import", {"CPU": 1}, "-t"), ("no thread@import", {"NPROC": 30}, "-u")],
)
def test_a_limit_that_ends_the_worker_of_an_answer_is_named(
    script: str,
    limits: dict[str, int],
    flag: str,
    limited: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited(**limits)
    monkeypatch.setenv("MNIST_TUI_SCRIPT", script)
    (finding,) = engine_checks.engine_findings(scripted_spec(), tmp_path)
    assert (finding.state, f"(ulimit {flag})" in finding.fix) == ("bad", True), finding
    with pytest.raises(PresetsError, match=rf"\(ulimit {flag}\)"):
        hyperparameters.tabulate([scripted_spec()], {"": TrainConfig()}, tmp_path)


def test_an_engine_that_could_not_be_started_has_the_limit_as_its_fix(
    limited: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(NPROC=30)

    def start(*_: object) -> None:
        raise BlockingIOError(11, NO_PROCESS)

    monkeypatch.setattr(Supervisor, "_start", start)
    (finding,) = engine_checks.engine_findings(scripted_spec(), tmp_path)
    assert "(ulimit -u)" in finding.fix


def test_without_a_folder_for_temporary_files_the_variable_that_names_one_is_the_hint() -> None:
    error = FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")
    assert "TMPDIR" in start_error.explain(scripted_spec(), error)[2]


def test_pip_is_no_hint_for_an_import_that_a_limit_ended(limited: Callable[..., None]) -> None:
    limited(AS=1_000_000_000)
    fields = requirements.failure("pytorch", ImportError(NO_MEMORY))
    assert "ulimit -v" in fields["hint"]
    assert "pip" not in fields["hint"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("--keras-python", "--keras-python names it"),
        ("MNIST_TUI_KERAS_PYTHON", "MNIST_TUI_KERAS_PYTHON names it"),
        ("made by mnist-tui setup", "`mnist-tui setup` makes it again"),
        ("the app's own interpreter", "start mnist-tui again"),
    ],
)
def test_the_hint_for_an_interpreter_depends_on_its_origin(source: str, text: str) -> None:
    spec = EngineSpec(name="keras", title="Keras", module="m", python="/nope", python_source=source)
    kind, message, hint = start_error.explain(spec, FileNotFoundError(2, "No such file or directory", "/nope"))
    assert (kind, text in hint) == ("missing-interpreter", True)
    assert message == "/nope could not be started: No such file or directory."


def test_other_failures_to_start_do_not_blame_the_interpreter(limited: Callable[..., None]) -> None:
    limited(NPROC=30)
    kind, message, hint = start_error.explain(scripted_spec(), BlockingIOError(11, NO_PROCESS))
    assert (kind, "ulimit -u" in hint) == ("internal", True)
    assert "python" not in message
