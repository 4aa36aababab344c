"""The disk is full, the folder goes, the writer dies in mid-word: training goes on, and what was whole stays whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from engines.atomic_file import ABANDONED_SECONDS, write_atomically
from engines.experiment.arrays import load_arrays, save_arrays
from engines.exports import ExportError
from engines.messages.commands import Stop
from engines.messages.events import Event, Heartbeat, RunFinished, SaveFailed, TrainProgress
from engines.preset_configs import from_settings
from engines.runs.annotations import write_about
from engines.runs.directory import RunDirectory
from engines.runs.reader import list_runs, read_events
from engines.session.replay import DEMO, Replay
from engines.tools import setup
from tests.support.engines import Worked
from tests.support.full_disk import files_end_at
from tests.support.pilot import until
from tests.support.terminal import Terminal, app, gone
from tui import preferences
from tui.app import MnistApp
from tui.reports import export
from tui.screens.results import ResultsScreen

Work = Callable[..., Worked]

_CUT = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np
from engines import atomic_file as whole
from engines.experiment import arrays as files
if sys.argv[2] == "rename":
    whole.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # between the last byte and the new name
else:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # the kernel ends the process at exactly that byte
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
files.save_arrays({"weights": np.ones(1000, np.float32), "facts": np.array("second")}, Path(sys.argv[1]))
"""


@pytest.mark.fault(
    "disk", "killed while a checkpoint is written, at each byte that matters: the one before still loads"
)
def test_a_checkpoint_cut_short(tmp_path: Path) -> None:
    """In the zip's first header, the array's header, its data, the second member, the directory at the end, before the rename."""
    path = tmp_path / "pytorch.npz"
    save_arrays({"weights": np.zeros(1000, np.float32), "facts": np.array("first")}, path)
    whole = path.stat().st_size
    places = [1, 29, 60, 64 + 128, 2000, 4000, 4300, whole - 100, whole - 22, whole - 1, "rename"]
    for place in places:
        end = subprocess.run([sys.executable, "-c", _CUT, str(path), str(place)], check=False, timeout=60).returncode
        assert end == (-signal.SIGKILL if place == "rename" else -signal.SIGXFSZ), place
        assert str(load_arrays(path)["facts"]) == "first", place
    left = set(tmp_path.glob(".*"))
    assert {one.name[:14] for one in left} == {".pytorch.part-"}, "hidden, under names that nobody reads"
    kept = left.pop()  # as new as another writer's may be
    for one in left:
        os.utime(one, times=(time.time() - 2 * ABANDONED_SECONDS,) * 2)
    save_arrays({"facts": np.array("third")}, path)
    assert str(load_arrays(path)["facts"]) == "third"
    assert set(tmp_path.glob(".*")) == {kept}, "what the killed ones left long ago is gone"


_WRITER = """
import sys, time
from pathlib import Path
from engines.atomic_file import write_atomically
path, letter, end = Path(sys.argv[1]), sys.argv[2], time.monotonic() + 0.5
while time.monotonic() < end:
    write_atomically(path, lambda part: part.write_text(letter * 100_000))
"""


@pytest.mark.fault(
    "disk", "two processes write one file over and over, and two threads, too: it is always one of theirs"
)
def test_two_writers_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "remembered.toml"
    path.write_text("b" * 100_000)
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(path), letter]) for letter in "bc"]
    with ThreadPoolExecutor(2) as pool:
        threads = [pool.submit(_write_till_they_end, path, letter, writers) for letter in "de"]
        read = set()
        while any(writer.poll() is None for writer in writers):
            read.add(path.read_text())
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [thread.result() for thread in threads] == [None, None], "no error"
    assert read <= {letter * 100_000 for letter in "bcde"}
    assert [one.name for one in tmp_path.glob("*remembered*")] == [path.name]


def _write_till_they_end(path: Path, letter: str, writers: list[subprocess.Popen[bytes]]) -> None:
    while any(writer.returncode is None for writer in writers):
        write_atomically(path, lambda part: part.write_text(letter * 100_000))


def _recorded(work: Work, data: Path, runs: Path) -> tuple[Worked, RunDirectory]:
    """A worker in training whose events are kept as the app keeps them."""
    config = from_settings({"epochs": 1000, "batch_size": 64, "data_dir": str(data)})
    directory = RunDirectory(runs / "run", {"pytorch": config})
    worker = work("scripted")
    hear = worker.supervisor._on_event

    def keep(event: Event) -> None:
        directory.append(event)
        hear(event)

    worker.supervisor._on_event = keep
    worker.start(config, "run", str(runs / "run"))
    worker.wait_for(TrainProgress)
    return worker, directory


def _goes_on(worker: Worked) -> None:
    step = worker.of(TrainProgress)[-1].global_step
    worker.wait_for(TrainProgress, until=lambda event: event.global_step > step + 20)
    worker.supervisor.send(Stop())
    assert worker.wait_for(RunFinished).outcome == "stopped"
    worker.finish()


@pytest.mark.fault("disk", "the folder of the run disappears in mid-run")
def test_a_folder_that_goes(work: Work, small_mnist: Path, tmp_path: Path) -> None:
    worker, directory = _recorded(work, small_mnist, tmp_path)
    shutil.rmtree((tmp_path / "run").rename(tmp_path / "gone"))  # at once: a checkpoint may just be written into it
    assert worker.wait_for(SaveFailed).what == "checkpoint"
    _goes_on(worker)
    assert "breaks off here" in directory.problem
    assert not (tmp_path / "run").exists(), "what somebody deleted is not made again"


@pytest.mark.fault(
    "disk", "the record's writer makes a mistake of its own at every event: the run goes on without a record"
)
def test_a_mistaken_writer(work: Work, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, directory = _recorded(work, small_mnist, tmp_path)

    def encode(_: Event) -> str:
        raise TypeError("nobody foresaw this")

    monkeypatch.setattr("engines.runs.directory.encode", encode)
    worker.wait_for(TrainProgress, until=lambda _: bool(directory.problem))
    _goes_on(worker)
    assert "breaks off here: TypeError: nobody foresaw this" in directory.problem


@pytest.mark.fault("disk", "the disk is full until the end of the run: the record breaks off, and can be read")
def test_a_full_disk(work: Work, small_mnist: Path, tmp_path: Path) -> None:
    worker, directory = _recorded(work, small_mnist, tmp_path)
    size = (tmp_path / "run" / "events.jsonl").stat().st_size
    with files_end_at(size + 1000):  # of this process, which keeps the record
        worker.wait_for(TrainProgress, until=lambda _: bool(directory.problem))
        _goes_on(worker)
    assert "breaks off here" in directory.problem
    assert os.strerror(27) in directory.problem  # EFBIG
    kept = list(read_events(tmp_path / "run" / "events.jsonl"))
    heard = [event for event in worker.events if not isinstance(event, Heartbeat)]
    assert kept == heard[: len(kept)]
    (listed,) = list_runs(tmp_path)
    assert listed["summary"]["pytorch"]["outcome"] == "interrupted"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, and soon full, where the app keeps its runs."""
    place = tmp_path / "runs"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.fault("disk", "a small file system is full while both train in the app: it says so, and they train on")
def test_a_full_file_system(
    small_disk: Path, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    terminal = Terminal(app(small_mnist, tmp_path), tmp_path)
    terminal.wait_for("No space left on device")
    epochs = [line for line in terminal.screen.display if "epoch" in line]
    terminal.wait_until(
        lambda: [one for one in terminal.screen.display if "epoch" in one] != epochs, "training goes on"
    )
    workers = terminal.processes()
    terminal.child.kill(signal.SIGTERM)
    assert terminal.ended() == 143
    assert terminal.given_back
    assert gone(workers)
    (kept,) = list_runs(small_disk)
    assert list(read_events(small_disk / kept["id"] / "events.jsonl"))


@pytest.mark.fault("disk", "a read-only file system")
def test_a_read_only_folder(work: Work, small_mnist: Path) -> None:
    """Of /proc, where not even root may make a folder."""
    worker, directory = _recorded(work, small_mnist, Path("/proc/runs"))
    _goes_on(worker)
    assert "not kept" in directory.problem


_FULL = "the disk is full while the app writes a file: the one that was there before stays"


@pytest.mark.fault("disk", _FULL)
@pytest.mark.parametrize("what", ["remembered.toml", "about.json", "results.csv", "keras-torch.complete"])
def test_a_file_is_written_whole_or_not_at_all(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder" / what
    if what == "keras-torch.complete":
        monkeypatch.setattr("engines.tools.setup.stamp_of", lambda _: path)
        monkeypatch.setattr("engines.tools.setup.plan", lambda *_: [])
        monkeypatch.setattr("engines.tools.setup._check", lambda _: [sys.executable, "-c", ""])
    write: Callable[[str], object] = {
        "remembered.toml": lambda word: preferences.save(path, {"theme": word}),
        "about.json": lambda word: write_about(path.parent, {"note": word}),
        "results.csv": lambda word: export.write_text(word, path, force=True),
        "keras-torch.complete": lambda word: setup.build("keras-torch", word, lambda _: None),
    }[what]
    path.parent.mkdir()
    write("before")
    before = path.read_text()
    assert "before" in before
    with files_end_at(100), pytest.raises((OSError, ExportError, setup.SetupError)):
        write("x" * 200)
    left = {one.name: one.read_text() for one in path.parent.iterdir()}
    assert left == ({} if what == "keras-torch.complete" else {what: before}), "and no half of one is left"


@pytest.mark.fault("disk", _FULL)
async def test_results_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "20260101-000000-run"
    folder.mkdir(parents=True)
    shutil.copy(DEMO, folder / "events.jsonl")
    names = {"results.md", "results.html", "results.svg"}
    app = MnistApp(session=Replay(list(read_events(DEMO))), runs_dir=tmp_path / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        screen = app.screen
        assert isinstance(screen, ResultsScreen)
        screen.open_run(folder)
        await until(pilot, lambda: screen._folder() == folder)
        screen.action_export()
        before = {name: (folder / "export" / name).read_text() for name in names}
        assert min(map(len, before.values())) > 1000
        with files_end_at(1000):
            screen.action_export()
        await until(pilot, lambda: any(note.title == "Not written" for note in app._notifications))
    assert {path.name: path.read_text() for path in (folder / "export").iterdir()} == before
