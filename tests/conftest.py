"""What the tests share: an isolated home, a small data set, engines, and waiting for messages instead of sleeping."""

from __future__ import annotations

import gzip
import os
import queue
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from engines import paths
from engines.api import EngineSpec, Event, Supervisor, TrainConfig, engine_spec, for_backend, from_settings
from engines.data.synthetic import draw
from engines.messages.commands import Predict
from engines.messages.events import TERMINAL, Device, GpuReading, Prediction, RunRequested, WorkerReady, WorkerSpawned

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

SCRIPTED = Path(__file__).with_name("support") / "scripted_engine.py"
JAX_PYTHON = os.environ.get("MNIST_TUI_JAX_PYTHON", "")
"""An interpreter that has Keras and JAX, where the tests' own has no JAX."""
REAL_MNIST = os.environ.get("MNIST_TUI_DATA", "")


def write_idx(folder: Path, images: Any, labels: Any, part: str, *, zipped: bool = True) -> None:
    """Write one half of a data set as MNIST's files are written."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
        content = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
        else:
            (folder / name).write_bytes(content)


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


def scripted_spec(name: str = "pytorch") -> EngineSpec:
    """The scripted engine under the name of a real one."""
    return EngineSpec(name=name, title=name, module=str(SCRIPTED), python=sys.executable)


def spec_of(engine: str) -> EngineSpec:
    """A real engine, "keras-jax" or "keras-torch", or the scripted one."""
    if engine == "scripted":
        return scripted_spec()
    name, _, backend = engine.partition("-")
    return for_backend(engine_spec(name, JAX_PYTHON if backend == "jax" else ""), backend or "tensorflow")


def pytest_configure() -> None:
    """Signals do what they usually do, also where nohup or a script's background started the tests."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


class Worked:
    """A worker under supervision, its events as they come."""

    def __init__(self, spec: EngineSpec, cache: Path) -> None:
        self.events: list[Event] = []
        self.inbox: queue.Queue[Event] = queue.Queue()
        self.supervisor = Supervisor(spec, self._hear, cache_dir=cache, threads=1)
        self.thread = threading.Thread(target=self.supervisor.run, daemon=True)

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self.inbox.put(event)

    def start(
        self, config: TrainConfig | None = None, run_id: str = "run", run_dir: str = "", resume: str = ""
    ) -> None:
        """Start the worker, with a run to do if there is a config."""
        if config is not None:
            self.supervisor.start_run(run_id, config, run_dir, resume=resume)
        if not self.thread.is_alive():
            self.thread.start()

    def wait_for(
        self,
        kind: type[Event] | tuple[type[Event], ...],
        timeout: float = 120.0,
        until: Callable[[Any], bool] = lambda _: True,
    ) -> Any:
        """The next event of that kind."""
        while True:
            event = self.inbox.get(timeout=timeout)
            if isinstance(event, kind) and until(event):
                return event

    def of(self, kind: type[Event]) -> list[Any]:
        """All events of that kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def finish(self) -> None:
        """End the worker and wait for its thread."""
        self.supervisor.end()
        self.thread.join(10)
        assert not self.thread.is_alive()


class Warm(Worked):
    """A worker that one test after the other trains with, as a user does who starts one run after the other."""

    def hand_over(self) -> None:
        """Begin as if it had just become ready: what it was still saying to the last test is nobody's any more."""
        self.supervisor.send(Predict(request_id=-1, image=()))
        self.wait_for(Prediction, until=lambda answer: answer.request_id == -1)
        self.events[:] = [*self.of(WorkerSpawned)[:1], *self.of(WorkerReady)[:1]]
        self.supervisor._ended_run = ""  # tests name their runs alike

    @property
    def idle(self) -> bool:
        """Whether it is there, and every run that it was asked for has ended."""
        ended = [isinstance(event, TERMINAL) for event in self.events if isinstance(event, (RunRequested, *TERMINAL))]
        return self.thread.is_alive() and (not ended or ended[-1])

    def finish(self) -> None:
        """It goes on to the next test."""
        assert self.idle


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


def line_of(rows: list[list[tuple[str, str]]]) -> list[str]:
    """A drawing's text."""
    return ["".join(text for text, _ in row) for row in rows]


def random_digits(count: int) -> tuple[Any, Any]:
    """Images and labels without meaning."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 28, 28), np.uint8), random.integers(0, 10, count).astype(np.uint8)
