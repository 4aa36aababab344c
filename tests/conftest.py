"""Fixtures of all tests: an isolated home, a small data set, and workers whose events are waited for without sleeping."""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import hypothesis
import pytest
from hypothesis import strategies as st

from engines import paths
from engines.api import TrainConfig, from_settings
from engines.data.synthetic import draw
from engines.messages.commands import AutoDevice
from engines.messages.event_parts import GpuDetails, GpuHolder, LayerChange
from engines.messages.events import Device, GpuReading, WorkerExited, WorkerReady
from tests.support.digits import write_idx
from tests.support.engines import Warm, Worked, spec_of

hypothesis.settings.register_profile(  # a busy machine is slow, which is no failure
    "no-deadline", hypothesis.settings(), deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("no-deadline")


def _any_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{name: st.from_type(hint) for name, hint in get_type_hints(kind).items()})


# Hypothesis can't infer the fields of a Record.
for _kind in (AutoDevice, Device, GpuDetails, GpuHolder, GpuReading, LayerChange, TrainConfig):
    st.register_type_strategy(_kind, _any_of)

INTS = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 12)
"""Integers that can cross the pipe, small ones more often."""
st.register_type_strategy(int, INTS)


OF_THE_USER = re.compile(r"MNIST_TUI_(?!JAX_PYTHON|UPDATE|SOAK).*|XDG_(CACHE|CONFIG|DATA)_HOME|KERAS_HOME")
"""Variables that name the user's files or choices; those in the middle are for the tests themselves."""

OF_THE_CLUSTER = re.compile(r"SLURM(D|_).*")
"""Variables that SLURM sets in a job: the tests may run in one."""

OF_THE_TERMINAL = {"COLUMNS", "LINES", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "PYTHONUNBUFFERED"}
"""Variables that a shell, a terminal or a CI service sets, and that change what a program writes. TERM is another."""


@pytest.fixture(scope="session")
def small_mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder in MNIST's format with 640 + 200 drawn digits."""
    folder = tmp_path_factory.mktemp("small-mnist")
    images, labels = draw(840, 7, lambda *_: None, lambda: False)
    write_idx(folder, images[:640], labels[:640], "train")
    write_idx(folder, images[640:], labels[640:], "t10k")
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an isolated home, so that tests read and write no files of the user's."""
    os.environ.pop("MNIST_TUI_SCRIPT", None)
    for variable in filter(OF_THE_USER.fullmatch, [*os.environ]):
        monkeypatch.delenv(variable)
    for variable, name in (
        ("HOME", "home"),
        ("MNIST_TUI_HOME", "data"),
        ("MNIST_TUI_CACHE_DIR", "cache"),
        ("MNIST_TUI_CONFIG_DIR", "config"),
    ):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.setenv("MNIST_TUI_MIRRORS", "http://127.0.0.1:9/")
    monkeypatch.chdir(tmp_path)
    paths.settings.cache_clear()
    return tmp_path / "home"


FAST = ("data", "messages", "monitors", "runs", "charts", "reports")
"""Folders of tests that take milliseconds each: `make check` measures their coverage, and prints it."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the fast tests, before pytest selects tests by their marks."""
    for item in items:
        if item.path.parent.name in FAST and item.get_closest_marker("framework") is None:
            item.add_marker("fast")


def pytest_configure() -> None:
    """Give all tests and fixtures the same terminal, and the handlers of signals that nohup or a script's background ignores."""
    for variable in (*OF_THE_TERMINAL, *filter(OF_THE_CLUSTER.match, [*os.environ])):
        os.environ.pop(variable, None)
    os.environ["TERM"] = "xterm-256color"
    for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, default)


def pytest_collection_finish() -> None:
    """Look for garbage seldom, and never in the modules and tests: with Textual it took a third of a test's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Callable[[str], Worked]]:
    """Make workers that are killed after the test."""
    workers: list[Worked] = []

    def make(engine: str = "scripted") -> Worked:
        worker = Worked(spec_of(engine), tmp_path / "cache")
        workers.append(worker)
        return worker

    yield make
    for worker in workers:
        if worker.thread.is_alive():
            worker.supervisor.kill()
            worker.thread.join(10)


@pytest.fixture(scope="session")
def frameworks() -> Iterator[dict[str, Warm]]:
    """Collect the workers that have imported their framework already, by engine."""
    workers: dict[str, Warm] = {}
    yield workers
    for worker in workers.values():
        Worked.finish(worker)
        assert worker.of(WorkerExited)[-1].returncode == 0


@pytest.fixture
def warm(
    work: Callable[[str], Worked], frameworks: dict[str, Warm], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Worked]]:
    """Reuse workers, for tests that don't test how one starts: importing a framework takes seconds each time.

    A worker that has ended, or that a test has killed, is replaced by a new one. The scripted engine is always a new worker,
    because its script is in its environment.
    """
    used: set[str] = set()

    def reuse(engine: str) -> Worked:
        if engine == "scripted":
            return work(engine)
        if engine not in frameworks or not frameworks[engine].thread.is_alive():
            frameworks[engine] = Warm(spec_of(engine), tmp_path_factory.mktemp("warm"))
            frameworks[engine].start()
            frameworks[engine].wait_for(WorkerReady)
        frameworks[engine].hand_over()
        used.add(engine)
        return frameworks[engine]

    yield reuse
    for engine in used:
        if not frameworks[engine].idle:  # a test that failed, or was skipped, must not make the next ones fail
            busy = frameworks.pop(engine)
            busy.supervisor.kill()
            busy.thread.join(10)


@pytest.fixture
def small_config(small_mnist: Path) -> TrainConfig:
    """Make a config of two epochs on the small data set, on the CPU, where results are equal bit for bit."""
    return from_settings({"epochs": 2, "batch_size": 64, "data_dir": str(small_mnist), "device": "cpu"})


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs what only Linux has."""
    marker = item.get_closest_marker("linux")
    if marker is not None and sys.platform != "linux":
        pytest.skip(f"only Linux has {marker.args[0]}")


@pytest.fixture
def tiny_config(small_mnist: Path) -> TrainConfig:
    """Make a config of two epochs of ten steps, for real frameworks: 640 digits cost them a second."""
    sizes = {"batch_size": 16, "limit_train": 160, "limit_test": 50}
    return from_settings({"epochs": 2, **sizes, "data_dir": str(small_mnist), "device": "cpu"})


ACCEPTED_SKIPS = (
    "MNIST_TUI_DATA names no copy", "no usable", "built without CUDA", "only Linux has",
    "no sshd on this machine", "no zsh on this machine", "no fish on this machine", "no tmux on this machine",
    "no taskset on this machine", "no control group can be made here", "no file system can be mounted here",
    "no JAX on this machine", "No monospaced font was found", "this system has another font",
)  # fmt: skip
"""Accepted reasons for a skipped test on a machine that lacks something; any other fails a run in CI."""

_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record tests that were skipped without an accepted reason."""
    reason = str(report.longrepr)
    if report.skipped and not any(accepted in reason for accepted in ACCEPTED_SKIPS):
        _skipped.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI that skipped a test without an accepted reason."""
    if _skipped and os.environ.get("CI"):
        print("\nSkipped without an accepted reason:", *_skipped, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
