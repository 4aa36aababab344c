"""What the tests share: an isolated home, a small data set, engines, and waiting for messages instead of sleeping."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import hypothesis
import pytest
from hypothesis import strategies as st

from engines import paths
from engines.api import TrainConfig, from_settings
from engines.data.synthetic import draw
from engines.messages.events import Device, GpuReading, WorkerReady
from tests.support.digits import write_idx
from tests.support.engines import Warm, Worked, spec_of

hypothesis.settings.register_profile(  # a machine that is busy with something else is slow, and nothing is wrong with that
    "unhurried", hypothesis.settings(), deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


def _any_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{name: st.from_type(hint) for name, hint in get_type_hints(kind).items()})


for _kind in (Device, GpuReading, TrainConfig):  # hypothesis can't read what a Value takes
    st.register_type_strategy(_kind, _any_of)

INTS = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 12)
"""All that cross the pipe, and more often those that counts are."""
st.register_type_strategy(int, INTS)


@pytest.fixture(scope="session")
def small_mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in MNIST's format with 640 + 200 drawn digits."""
    folder = tmp_path_factory.mktemp("small-mnist")
    images, labels = draw(840, 7, lambda *_: None, lambda: False)
    write_idx(folder, images[:640], labels[:640], "train")
    write_idx(folder, images[640:], labels[640:], "t10k")
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody's own files are read or written."""
    os.environ.pop("MNIST_TUI_SCRIPT", None)
    for variable in ("MNIST_TUI_DATA", "MNIST_TUI_PYTORCH_PYTHON", "MNIST_TUI_KERAS_PYTHON", "KERAS_HOME"):
        monkeypatch.delenv(variable, raising=False)
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


def pytest_configure() -> None:
    """Signals do what they usually do, also where nohup or a script's background started the tests."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Callable[[str], Worked]]:
    """Start workers that are gone when the test is over."""
    workers: list[Worked] = []

    def begin(engine: str = "scripted") -> Worked:
        worked = Worked(spec_of(engine), tmp_path / "cache")
        workers.append(worked)
        return worked

    yield begin
    for worked in workers:
        if worked.thread.is_alive():
            worked.supervisor.kill()
            worked.thread.join(10)


@pytest.fixture(scope="session")
def frameworks() -> Iterator[dict[str, Warm]]:
    """The frameworks that are imported already, each in its worker."""
    workers: dict[str, Warm] = {}
    yield workers
    for worker in workers.values():
        Worked.finish(worker)


@pytest.fixture
def warm(
    work: Callable[[str], Worked], frameworks: dict[str, Warm], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Worked]]:
    """As `work`, for tests that do not ask how a worker begins or ends: importing a framework takes seconds each time.

    The scripted engine is a fresh one also here, because its script is in its environment.
    """
    taken: set[str] = set()

    def take(engine: str) -> Worked:
        if engine == "scripted":
            return work(engine)
        if engine not in frameworks:
            frameworks[engine] = Warm(spec_of(engine), tmp_path_factory.mktemp("warm"))
            frameworks[engine].start()
            frameworks[engine].wait_for(WorkerReady)
        frameworks[engine].hand_over()
        taken.add(engine)
        return frameworks[engine]

    yield take
    for engine in taken:
        if not frameworks[engine].idle:  # a test that failed, or was skipped, must not take the next ones with it
            left = frameworks.pop(engine)
            left.supervisor.kill()
            left.thread.join(10)


@pytest.fixture
def small_config(small_mnist: Path) -> TrainConfig:
    """Two epochs of the small data set."""
    return from_settings({"epochs": 2, "batch_size": 64, "data_dir": str(small_mnist)})


MAY_SKIP = (
    "MNIST_TUI_DATA names no copy", "no usable", "built without CUDA",
    "no sshd on this machine", "no tmux on this machine", "no taskset on this machine", "no control group can be made here",
    "no file system can be mounted here",
)  # fmt: skip
"""Why a test may be skipped on a machine that lacks something; any other reason fails a run in CI."""

_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what was skipped without need."""
    reason = str(report.longrepr)
    if report.skipped and not any(known in reason for known in MAY_SKIP):
        _skipped.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, a test that could have run must run."""
    if _skipped and os.environ.get("CI"):
        print("\nSkipped, though they could have run:", *_skipped, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
