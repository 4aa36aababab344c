"""Disk faults: a full disk, a deleted folder, a writer that dies. Training goes on, and complete files stay complete."""

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
from engines.runs import directory as directories
from engines.runs.annotations import write_annotations
from engines.runs.directory import RunDirectory
from engines.runs.reader import list_runs, read_events
from engines.session.replay import DEMO, Replay
from engines.tools import setup
from tests.support.engines import Worked
from tests.support.full_disk import files_end_at
from tests.support.pilot import until
from tests.support.recording import demo_events
from tests.support.terminal import Terminal, all_exited, app_command
from tui import preferences
from tui.app import MnistApp
from tui.reports import export
from tui.screens.results import ResultsScreen

Work = Callable[..., Worked]

_WRITE_AND_DIE = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np
from engines import atomic_file
from engines.experiment import arrays
if sys.argv[2] == "rename":
    atomic_file.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # between the last byte and the new name
else:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # the kernel kills the process at exactly that byte
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
arrays.save_arrays({"weights": np.ones(1000, np.float32), "facts": np.array("second")}, Path(sys.argv[1]))
"""


@pytest.mark.fault("disk", "killed while a checkpoint is written, at each byte that matters: the old one still loads")
def test_a_checkpoint_survives_a_writer_that_dies(tmp_path: Path) -> None:
    """It dies in the zip's first header, the array's header, its data, the second member, the directory, before the rename."""
    path = tmp_path / "pytorch.npz"
    save_arrays({"weights": np.zeros(1000, np.float32), "facts": np.array("first")}, path)
    size = path.stat().st_size
    places = [1, 29, 60, 64 + 128, 2000, 4000, 4300, size - 100, size - 22, size - 1, "rename"]
    for place in places:
        end = subprocess.run(
            [sys.executable, "-c", _WRITE_AND_DIE, str(path), str(place)], check=False, timeout=60
        ).returncode
        assert end == (-signal.SIGKILL if place == "rename" else -signal.SIGXFSZ), place
        assert str(load_arrays(path)["facts"]) == "first", place
    left = set(tmp_path.glob(".*"))
    assert {file.name[:14] for file in left} == {".pytorch.part-"}, "hidden, and never read"
    newest = left.pop()  # may belong to another writer, and must stay
    for file in left:
        os.utime(file, times=(time.time() - 2 * ABANDONED_SECONDS,) * 2)
    save_arrays({"facts": np.array("third")}, path)
    assert str(load_arrays(path)["facts"]) == "third"
    assert set(tmp_path.glob(".*")) == {newest}, "files of killed writers are deleted once they are old"


_WRITER = """
import sys, time
from pathlib import Path
from engines.atomic_file import write_atomically
path, letter, end = Path(sys.argv[1]), sys.argv[2], time.monotonic() + 0.5
while time.monotonic() < end:
    write_atomically(path, lambda part: part.write_text(letter * 100_000))
"""


@pytest.mark.fault(
    "disk", "two processes and two threads write one file over and over: it always holds what one of them wrote"
)
def test_two_writers_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "remembered.toml"
    path.write_text("b" * 100_000)
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(path), letter]) for letter in "bc"]
    with ThreadPoolExecutor(2) as pool:
        threads = [pool.submit(_write_until_they_end, path, letter, writers) for letter in "de"]
        read = set()
        while any(writer.poll() is None for writer in writers):
            read.add(path.read_text())
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [thread.result() for thread in threads] == [None, None], "no error"
    assert read <= {letter * 100_000 for letter in "bcde"}
    assert [file.name for file in tmp_path.glob("*remembered*")] == [path.name]


def _write_until_they_end(path: Path, letter: str, writers: list[subprocess.Popen[bytes]]) -> None:
    """Write the file until all other writers have ended."""
    while any(writer.returncode is None for writer in writers):
        write_atomically(path, lambda part: part.write_text(letter * 100_000))


def _recorded(work: Work, data: Path, runs: Path) -> tuple[Worked, RunDirectory]:
    """Return a training worker and the record that its events are appended to."""
    config = from_settings({"epochs": 1000, "batch_size": 64, "data_dir": str(data)})
    directory = RunDirectory(runs / "run", {"pytorch": config})
    worker = work("scripted")
    on_event = worker.supervisor._on_event

    def record(event: Event) -> None:
        directory.append(event)
        on_event(event)

    worker.supervisor._on_event = record
    worker.start(config, "run", str(runs / "run"))
    worker.wait_for(TrainProgress)
    return worker, directory


def _assert_training_goes_on(worker: Worked) -> None:
    """Assert that the worker trains on, and stop it."""
    step = worker.of(TrainProgress)[-1].global_step
    worker.wait_for(TrainProgress, until=lambda event: event.global_step > step + 20)
    worker.supervisor.send(Stop())
    assert worker.wait_for(RunFinished).outcome == "stopped"
    worker.finish()


@pytest.mark.fault("disk", "the folder of the run disappears in mid-run")
def test_a_deleted_folder_stays_deleted(work: Work, small_mnist: Path, tmp_path: Path) -> None:
    worker, directory = _recorded(work, small_mnist, tmp_path)
    shutil.rmtree(
        (tmp_path / "run").rename(tmp_path / "gone")
    )  # renamed first, because a checkpoint may just be written into it
    assert worker.wait_for(SaveFailed).what == "checkpoint"
    _assert_training_goes_on(worker)
    assert "breaks off here" in directory.problem
    assert not (tmp_path / "run").exists(), "it is not made again"


@pytest.mark.fault("disk", "writing the record raises at every event: the run goes on without a record")
def test_a_bug_in_the_recording_ends_no_run(
    work: Work, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, directory = _recorded(work, small_mnist, tmp_path)

    def encode(_: Event) -> str:
        raise TypeError("a bug")

    monkeypatch.setattr(directories, "encode", encode)
    worker.wait_for(TrainProgress, until=lambda _: bool(directory.problem))
    _assert_training_goes_on(worker)
    assert "breaks off here: TypeError: a bug" in directory.problem


@pytest.mark.fault("disk", "the disk is full until the end of the run: the record breaks off, and can be read")
def test_a_record_on_a_full_disk_breaks_off_and_can_be_read(work: Work, small_mnist: Path, tmp_path: Path) -> None:
    worker, directory = _recorded(work, small_mnist, tmp_path)
    size = (tmp_path / "run" / "events.jsonl").stat().st_size
    with files_end_at(size + 1000):  # the limit of this process, which writes the record
        worker.wait_for(TrainProgress, until=lambda _: bool(directory.problem))
        _assert_training_goes_on(worker)
    assert "breaks off here" in directory.problem
    assert os.strerror(27) in directory.problem  # EFBIG
    recorded = list(read_events(tmp_path / "run" / "events.jsonl"))
    sent = [event for event in worker.events if not isinstance(event, Heartbeat)]
    assert recorded == sent[: len(recorded)]
    (run,) = list_runs(tmp_path)
    assert run["summary"]["pytorch"]["outcome"] == "interrupted"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small file system for the app's runs; return its path."""
    place = tmp_path / "runs"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.fault("disk", "a small file system is full while both train in the app: it says so, and they train on")
def test_the_app_trains_on_when_its_file_system_is_full(
    small_disk: Path, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    terminal = Terminal(app_command(small_mnist, tmp_path), tmp_path)
    terminal.wait_for("No space left on device")
    epochs = [line for line in terminal.screen.display if "epoch" in line]
    terminal.wait_until(
        lambda: [line for line in terminal.screen.display if "epoch" in line] != epochs, "training goes on"
    )
    workers = terminal.processes()
    terminal.child.kill(signal.SIGTERM)
    assert terminal.wait_for_exit() == 143
    assert terminal.is_restored
    assert all_exited(workers)
    (kept,) = list_runs(small_disk)
    assert list(read_events(small_disk / kept["id"] / "events.jsonl"))


@pytest.mark.fault("disk", "a read-only file system")
def test_a_read_only_folder_ends_no_run(work: Work, small_mnist: Path) -> None:
    """In /proc, not even root can make a folder."""
    worker, directory = _recorded(work, small_mnist, Path("/proc/runs"))
    _assert_training_goes_on(worker)
    assert "not kept" in directory.problem


_FULL = "the disk is full while the app writes a file: the old one stays"


@pytest.mark.fault("disk", _FULL)
@pytest.mark.parametrize("what", ["remembered.toml", "about.json", "results.csv", "keras-torch.complete"])
def test_a_file_is_written_completely_or_not_at_all(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder" / what
    if what == "keras-torch.complete":
        monkeypatch.setattr(setup, "completion_marker", lambda _: path)
        monkeypatch.setattr(setup, "plan", lambda *_: [])
        monkeypatch.setattr(setup, "_check", lambda _: [sys.executable, "-c", ""])
    write: Callable[[str], object] = {
        "remembered.toml": lambda text: preferences.save(path, {"theme": text}),
        "about.json": lambda text: write_annotations(path.parent, {"note": text}),
        "results.csv": lambda text: export.write_text(text, path, force=True),
        "keras-torch.complete": lambda text: setup.build("keras-torch", text, lambda _: None),
    }[what]
    path.parent.mkdir()
    write("before")
    before = path.read_text()
    assert "before" in before
    with files_end_at(100), pytest.raises((OSError, ExportError, setup.SetupError)):
        write("x" * 200)
    left = {file.name: file.read_text() for file in path.parent.iterdir()}
    assert left == ({} if what == "keras-torch.complete" else {what: before}), "and no part of a file is left"


@pytest.mark.fault("disk", _FULL)
async def test_results_are_written_completely_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "20260101-000000-run"
    folder.mkdir(parents=True)
    shutil.copy(DEMO, folder / "events.jsonl")
    names = {"results.md", "results.html", "results.svg"}
    app = MnistApp(session=Replay(demo_events()), runs_dir=tmp_path / "runs")
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
