"""Nobody is listened to but the user: no port, no pickle, no path that leads out of its folder, no signal to a stranger."""

from __future__ import annotations

import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from engines.config import TrainConfig
from engines.events import RunFinished, TrainProgress, WorkerReady
from engines.runs.directory import RunDirectory, events_file
from engines.worker.checkpoint import CheckpointError, read_position
from tests.conftest import Worked
from tests.faults.terminal import ROOT, Terminal, app
from tui import cli


@pytest.mark.fault("security", "nothing listens: neither the app nor a worker has a socket on any network")
def test_nothing_listens(small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    terminal = Terminal(app(small_mnist, tmp_path), tmp_path)
    terminal.wait_for_checkpoints()
    ours = [psutil.Process(terminal.child.pid), *terminal.processes()]
    assert len(ours) == 3
    assert [process.net_connections("inet") for process in ours] == [[], [], []]
    terminal.end()


@pytest.mark.framework
@pytest.mark.fault("security", "nothing listens: the frameworks neither")
@pytest.mark.parametrize("engine", ["pytorch", "keras"])
def test_frameworks_do_not_listen(engine: str, warm: Callable[[str], Worked], small_config: TrainConfig) -> None:
    worker = warm(engine)
    worker.start(small_config)
    worker.wait_for(TrainProgress)
    assert psutil.Process(worker.of(WorkerReady)[0].pid).net_connections("inet") == []
    worker.wait_for(RunFinished)
    worker.finish()


class _Evil:
    """Would run a command when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch unpickled",)


@pytest.mark.fault("security", "a checkpoint that is a pickle, or holds one")
@pytest.mark.parametrize("how", ["a pickle", "in an npz"])
def test_no_pickle_is_loaded(how: str, tmp_path: Path) -> None:
    path = tmp_path / "pytorch.npz"
    if how == "a pickle":
        path.write_bytes(pickle.dumps(_Evil()))
    else:
        np.savez(path, facts=np.array([_Evil()], dtype=object), allow_pickle=True)
    with pytest.raises(CheckpointError):
        read_position(path)
    assert not Path("unpickled").exists()


@pytest.mark.fault("security", "no module of ours can load a pickle")
def test_nothing_of_ours_loads_pickles() -> None:
    sources = [*ROOT.joinpath("engines").rglob("*.py"), *ROOT.joinpath("tui").rglob("*.py")]
    text = {path: path.read_text(encoding="utf-8") for path in sources}
    assert len(text) > 80
    for word in (
        "import pickle",
        "allow_pickle=True",
        "torch.load(",
        "joblib",
        "marshal",
        "yaml.load",
        "weights_only=False",
    ):
        assert [path.name for path, source in text.items() if word in source] == [], word


@pytest.mark.fault("security", "names of runs that lead elsewhere")
@pytest.mark.parametrize("name", ["../outside", "..", "*", "[a-z]", "a/../../outside", "\0", "x" * 5000], ids=ascii)
def test_a_run_is_looked_for_in_its_folder_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "runs" / "run").mkdir(parents=True)
    (tmp_path / "runs" / "run" / "events.jsonl").write_text("")
    with pytest.raises(OSError):  # noqa: PT011  # "not found" or "too long"
        events_file(name, tmp_path / "runs")


@pytest.mark.fault("security", "names of runs that lead elsewhere, on the command line")
@pytest.mark.parametrize("command", ["export", "replay"])
def test_a_run_that_is_not_there(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "../outside", "--runs-dir", str(tmp_path)]) == 2
    assert "mnist-tui runs" in capsys.readouterr().err


@pytest.mark.fault("security", "files are made with the user's umask, and whole")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_files_have_the_umask(umask: int, tmp_path: Path, small_config: TrainConfig) -> None:
    before = os.umask(umask)
    try:
        RunDirectory(tmp_path / "kept", {"pytorch": small_config})
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "kept").iterdir()}
    assert modes == {"config.json": 0o666 & ~umask, "events.jsonl": 0o666 & ~umask}


@pytest.mark.fault("security", "the number of a worker that has ended may be somebody else's: it is signalled no more")
def test_nobody_else_is_signalled(work: Callable[[str], Worked], monkeypatch: pytest.MonkeyPatch) -> None:
    worker = work("scripted")
    worker.start()
    worker.wait_for(WorkerReady)
    worker.finish()
    sent: list[object] = []
    monkeypatch.setattr(os, "killpg", lambda *signalled: sent.append(signalled))
    monkeypatch.setattr(os, "kill", lambda *signalled: sent.append(signalled))
    worker.supervisor.kill()
    worker.supervisor.end()
    assert sent == []
