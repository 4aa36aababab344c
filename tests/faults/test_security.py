"""No open port, no pickle, no path that leads out of its folder, no signal to a foreign process."""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from engines.config import TrainConfig
from engines.data import synthetic
from engines.experiment.arrays import load_arrays, save_arrays
from engines.experiment.checkpoint import CheckpointError, read_position
from engines.experiment.recipe import initial_weights
from engines.messages.events import RunFinished, TrainProgress, WorkerReady
from engines.runs.annotations import TRASH, move_to_trash, write_annotations
from engines.runs.reader import events_file, list_runs
from tests.support.engines import Worked, scripted_spec
from tests.support.pilot import on_runs, until
from tests.support.run_folders import make_run_folder
from tests.support.terminal import ROOT, Terminal, app_command
from tui import preferences
from tui.cli import arguments, main
from tui.reports import export


@pytest.mark.fault("security", "nothing listens: neither the app nor a worker has a socket on any network")
def test_nothing_listens(small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    terminal = Terminal(app_command(small_mnist, tmp_path), tmp_path)
    terminal.wait_for_checkpoints()
    ours = [psutil.Process(terminal.child.pid), *terminal.processes()]
    assert len(ours) == 3
    assert [process.net_connections("inet") for process in ours] == [[], [], []]
    terminal.close()


@pytest.mark.framework
@pytest.mark.fault("security", "nothing listens: not the frameworks either")
@pytest.mark.parametrize("engine", ["pytorch", "keras"])
def test_frameworks_do_not_listen(engine: str, warm: Callable[[str], Worked], small_config: TrainConfig) -> None:
    worker = warm(engine)
    worker.start(small_config)
    worker.wait_for(TrainProgress)
    assert psutil.Process(worker.of(WorkerReady)[0].pid).net_connections("inet") == []
    worker.wait_for(RunFinished)
    worker.finish()


class _Hostile:
    """An object that would run a command when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch unpickled",)


@pytest.mark.fault("security", "a checkpoint that is a pickle, or holds one")
@pytest.mark.parametrize("how", ["a pickle", "in an npz"])
def test_a_checkpoint_never_loads_a_pickle(how: str, tmp_path: Path) -> None:
    path = tmp_path / "pytorch.npz"
    if how == "a pickle":
        path.write_bytes(pickle.dumps(_Hostile()))
    else:
        np.savez(path, facts=np.array([_Hostile()], dtype=object), allow_pickle=True)
    with pytest.raises(CheckpointError):
        read_position(path)
    assert not Path("unpickled").exists()


_PICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "multiprocessing"}
"""Modules that load pickles, or that are as dangerous."""
_LOADERS = {"torch.load", "yaml.load", "yaml.unsafe_load", "pandas.read_pickle", "numpy.loads"}
_SAFE = {"allow_pickle": False, "weights_only": True, "safe_mode": True}
"""Arguments that decide whether a pickle is loaded, and the values that they must have."""


def _pickle_uses(source: str) -> list[str]:
    """Return the parts of the source that could load a pickle."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [name for name in names if name.split(".")[0] in _PICKLERS]
        elif isinstance(node, ast.Constant) and node.value in _PICKLERS:  # for import_module, or __import__
            found.append(str(node.value))
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in _LOADERS:
            found.append(ast.unparse(node))
        elif isinstance(node, ast.keyword) and node.arg in _SAFE:
            if not (isinstance(node.value, ast.Constant) and node.value.value is _SAFE[node.arg]):
                found.append(ast.unparse(node))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load"):
            found += ["np.load"] * ("allow_pickle" not in {word.arg for word in node.keywords})
    return found


@pytest.mark.fault("security", "no module can load a pickle")
def test_no_module_loads_pickles() -> None:
    sources = [*ROOT.joinpath("engines").rglob("*.py"), *ROOT.joinpath("tui").rglob("*.py")]
    assert len(sources) > 80
    assert {path.name: found for path in sources if (found := _pickle_uses(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "def f():\n    import cloudpickle as c", "import shelve", "import marshal",
        "from joblib.numpy_pickle import load", "importlib.import_module('pickle')", "np.load(p, allow_pickle = True)",
        "np.load(p, allow_pickle=bool(1))", "np.load(p)", "torch.load(p)", "f = torch.load", "g(p, weights_only=False)",
        "keras.models.load_model(p, safe_mode=False)", "from multiprocessing import Queue",
    ],
)  # fmt: skip
def test_every_way_to_load_a_pickle_is_detected(source: str) -> None:
    assert _pickle_uses(source)
    assert not _pickle_uses("import json\nnp.load(p, allow_pickle=False)\ng(p, weights_only=True)\n'a pickle'")


def _runs_with_outsiders(tmp_path: Path) -> Path:
    """Make a folder of runs with one run; its parent is a run itself and has another. Return the folder."""
    runs = tmp_path / "place" / "runs"
    for folder in (runs.parent, runs.parent / "outside", runs / "run"):
        make_run_folder(folder.parent, folder.name, outcome="interrupted")
        (folder / "keras.npz").write_text("")
    (runs / "a").mkdir()  # "a/.." leads nowhere without it
    return runs


@pytest.mark.fault("security", "names of runs that lead elsewhere")
@pytest.mark.parametrize("name", ["../outside", "..", "*", "[a-z]", "a/../../outside", "\0", "x" * 5000], ids=ascii)
def test_a_run_is_searched_only_in_the_folder_of_runs(name: str, tmp_path: Path) -> None:
    runs = _runs_with_outsiders(tmp_path)
    assert events_file("ru", runs) == runs / "run" / "events.jsonl"
    with pytest.raises(OSError):  # noqa: PT011  # "not found" or "too long"
        events_file(name, runs)


@pytest.mark.fault("security", "names of runs that lead elsewhere, on the command line")
@pytest.mark.parametrize("name", ["../outside", "..", "a/../../outside"])
@pytest.mark.parametrize(
    "command",
    [["export"], ["replay"], ["compare", "run"], ["train", "--resume"], ["--plain", "--resume"]],
    ids=" ".join,
)
def test_a_name_that_leads_elsewhere_is_no_run(
    command: list[str], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = _runs_with_outsiders(tmp_path)
    assert main.main([*command, name, "--runs-dir", str(runs)]) == 2
    printed = capsys.readouterr().err
    assert "mnist-tui runs" in printed
    assert name in printed


def _set_id(run: Path, name: str) -> None:
    """Write an id into the run's config.json, and other keys that do not belong there."""
    config = json.loads((run / "config.json").read_text())
    more = {"id": name, "about": {"name": "x"}, "resumable": "x"}
    (run / "config.json").write_text(json.dumps({**config, **more}))


_FOREIGN_ID = "a run's files name another run elsewhere: that one is not deleted"


@pytest.mark.fault("security", _FOREIGN_ID)
@pytest.mark.parametrize("name", ["../outside", "..", "", "a/../../outside"])
def test_a_run_has_the_name_of_its_folder(name: str, tmp_path: Path) -> None:
    runs = _runs_with_outsiders(tmp_path)
    _set_id(runs / "run", name)
    (run,) = list_runs(runs)
    assert (run["id"], run["about"], run["resumable"]) == ("run", {}, ["keras"])
    assert main.main(["runs", "--prune", "0", "--yes", "--runs-dir", str(runs)]) == 0
    assert sorted(path.name for path in runs.iterdir()) == [TRASH, "a"]
    assert (runs / TRASH / "run" / "config.json").is_file()
    assert (runs.parent / "outside" / "config.json").is_file()


@pytest.mark.fault("security", _FOREIGN_ID)
async def test_the_delete_key_deletes_the_run_that_is_shown(tmp_path: Path) -> None:
    runs = _runs_with_outsiders(tmp_path)
    _set_id(runs / "run", "../outside")
    async with on_runs(runs) as (_, pilot):
        await pilot.press("delete")
        await until(pilot, lambda: (runs / TRASH).exists())
    assert [path.name for path in (runs / TRASH).iterdir()] == ["run"]
    assert (runs.parent / "outside" / "config.json").is_file()


@pytest.mark.fault("security", "files are made completely, and with the user's umask")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_files_follow_the_umask(umask: int, tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a run's files, its annotations, its exports, the saved settings, the cache, and all their folders."""
    place = tmp_path / "place"
    monkeypatch.setenv("MNIST_TUI_CACHE_DIR", str(place / "cache"))
    monkeypatch.setattr(arguments, "specs", lambda _: [scripted_spec()])
    monkeypatch.setattr(synthetic, "TRAIN_SIZE", 80)
    monkeypatch.setattr(synthetic, "TEST_SIZE", 20)
    before = os.umask(umask)
    try:
        train = ["train", "--epochs", "1", "--batch-size", "64", "--data-dir", str(small_mnist)]
        assert main.main([*train, "--runs-dir", str(place / "runs")]) == 0
        (run,) = (place / "runs").iterdir()
        write_annotations(run, {"name": "kept"})
        preferences.save(place / "config" / preferences.FILE, {"epochs": 1})
        synthetic.load_drawn(place / "cache", lambda *_: None, lambda: False)
        for form in export.TEXTS:
            export.write_text(export.text(form, run / "events.jsonl"), place / f"run.{form}", force=False)
        for form in ("tensorboard", "safetensors"):
            export.write_files(form, run / "events.jsonl", place / "files", force=False)
        copy = shutil.copytree(run, place / "runs" / "copy", copy_function=shutil.copyfile)
        kept = {"facts": load_arrays(run / "pytorch.npz")["facts"]}
        convnet = {f"weights.{name}": value for name, value in initial_weights(0).items()}
        for name in ("pytorch.npz", "pytorch.best.npz"):
            save_arrays(kept | convnet, copy / name)
        export.write_files("onnx", copy / "events.jsonl", place / "files", force=False)
        move_to_trash(copy)
    finally:
        os.umask(before)
    made = list(place.rglob("*"))
    names = {path.name for path in made}
    assert names >= {
        "config.json",
        "events.jsonl",
        "summary.json",
        "about.json",
        "pytorch.npz",
        "scripted.npy",
        preferences.FILE,
    }
    assert names >= {f"run.{form}" for form in export.TEXTS}
    assert {path.suffix for path in (place / "files").iterdir()} >= {".safetensors", ".onnx"}
    assert list((place / "cache" / "drawn").glob("*.npz"))
    assert list(place.rglob("*tfevents*"))
    modes = {str(path.relative_to(place)): oct(stat.S_IMODE(path.stat().st_mode)) for path in made}
    assert modes == {
        str(path.relative_to(place)): oct((0o777 if path.is_dir() else 0o666) & ~umask) for path in made
    }, "no file is wider, and none is narrower"
    assert not [name for name in names if ".part" in name], "no partly written file is left"


@pytest.mark.fault("security", "the process id of an ended worker may be reused: it is not signalled")
def test_a_reused_process_id_is_not_signalled(work: Callable[[str], Worked], monkeypatch: pytest.MonkeyPatch) -> None:
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
