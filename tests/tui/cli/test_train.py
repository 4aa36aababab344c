"""Training without the app: output, exit codes, signals."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engines.api import RunRequest, list_runs
from engines.messages.codec import decode_event
from engines.messages.events import RunFinished
from engines.messages.grammar import violations
from engines.session.session import Session
from tests.support.engines import scripted_spec
from tests.support.pilot import script
from tests.support.run_folders import make_run_folder
from tui.cli import main, train


def test_json_prints_only_events(scripted: None, small_mnist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main.main(["train", "--json", "--epochs", "2", "--batch-size", "64", "--data-dir", str(small_mnist)])
    out, err = capsys.readouterr()
    events = [decode_event(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    for engine in ("pytorch", "keras"):
        own = [event for event in events if event.engine == engine]
        assert violations(own) == []
        assert len([event for event in own if isinstance(event, RunFinished)]) == 1


def test_plain_lines_end_with_a_summary(scripted: None, small_mnist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main.main(["train", "--epochs", "1", "--batch-size", "64", "--data-dir", str(small_mnist)])
    out = capsys.readouterr().out
    assert code == 0
    assert "epoch 1/1" in out
    assert out.count("completed: test accuracy") == 2
    assert out.count("on CUSTOM DIGITS, not MNIST") == 2
    assert "\x1b" not in out


def test_plain_lines_have_captions_on_request(
    scripted: None, small_mnist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--plain", "--epochs", "1", "--batch-size", "64", "--data-dir", str(small_mnist)]
    shown = []
    for more in ([], ["--captions"]):
        assert main.main([*words, *more]) == 0
        shown.append([line for line in capsys.readouterr().out.splitlines() if line.startswith("# ")])
    assert shown[0] == []
    assert shown[1][-1].startswith("# A statistical tie")
    assert len(shown[1]) == len(set(shown[1]))
    assert main.main(["train", "--json", "--captions"]) == 2


def test_a_missed_target_is_exit_code_1(scripted: None, small_mnist: Path) -> None:
    arguments = ["train", "--json", "--epochs", "1", "--data-dir", str(small_mnist)]
    assert main.main([*arguments, "--target-accuracy", "100"]) == 1
    assert main.main([*arguments, "--target-accuracy", "5"]) == 0


def test_a_failed_run_is_exit_code_1(scripted: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mnist.npz").write_text("damaged")
    assert main.main(["train", "--data-dir", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert str(tmp_path) in out
    assert "Times:" not in out, "no run has trained"


_UNUSABLE = {
    "runs in a file": (["--runs-dir", "file"], "Runs can't be saved in {}/file: File exists. Name a folder"),
    "runs below a file": (["--runs-dir", "file/runs"], "Runs can't be saved in {}/file/runs: Not a directory. Name"),
    "no digits": (["--data-dir", "nowhere"], "--data-dir names {}/nowhere, which holds no complete MNIST."),
    "no interpreter": (["--keras-python", "/nowhere/python"], "--keras-python names /nowhere/python, but there is no such"),
    "nothing to train on": (["--limit-train", "9", "--validation", "9"], "validation must be less than limit_train, 9."),
    "tf32 on a CPU": (["--precision", "tf32", "--device", "cpu"], "precision can't be tf32 on a CPU: choose fp32 or bf16."),
    "an unset variable": (["--resume", ""], "--resume needs the name of a run."),
    "the demo": (["--resume", "demo"], "The demo is a recording and can't be continued."),
    "the demo, with settings": (["--seeds", "2", "--resume", "demo"], "The demo is a recording and can't be continued."),
    "a setting of the run": (["--resume", "run", "--seeds", "2"], "A resumed run keeps its seeds. Omit --seeds."),
    "a damaged run": (["--resume", "damaged"], "{}/damaged holds no run that can be resumed: its config.json can't be read."),
    "a run without settings": (["--resume", "bare"], "{}/bare holds no run that can be resumed: it has no config.json."),
}  # fmt: skip


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["plain", "json"])
@pytest.mark.parametrize("what", _UNUSABLE)
def test_what_cannot_be_trained_or_saved_is_refused_before_a_worker_starts(
    what: str, form: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing but the reason is printed, and no failed run is left in the list."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Session, "_start_worker", lambda *_: pytest.fail("a worker starts"))
    Path("file").touch()
    for name in ("run", "damaged", "bare"):
        make_run_folder(tmp_path, name, outcome="interrupted")
    Path("damaged/config.json").write_bytes(b"\xff\xfe")
    Path("bare/config.json").unlink()
    words, complaint = _UNUSABLE[what]
    runs = [] if "--runs-dir" in words else ["--runs-dir", "runs"]
    assert main.main(["train", *form, *words, *runs]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"mnist-tui: {complaint.format(tmp_path)}")
    assert err.count("\n") == 1
    assert list(list_runs(tmp_path / "runs")) == []


def test_training_runs_the_command_when_the_record_is_complete(
    scripted: None, small_mnist: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--epochs", "1", "--data-dir", str(small_mnist), "--runs-dir", str(tmp_path / "runs")]
    command = f'cp "$MNIST_TUI_RUN/summary.json" {tmp_path}/copy; echo $MNIST_TUI_OUTCOME; exit 4'
    assert main.main([*words, "--json", "--on-end", command]) == 0
    out, err = capfd.readouterr()
    assert (tmp_path / "copy").exists()
    assert err.splitlines() == ["completed", "mnist-tui: The command of --on-end ended with exit code 4."]
    assert all(line.startswith("{") for line in out.splitlines())


def worker_pids(child: subprocess.Popen[str]) -> list[int]:
    """Wait until both engines train; return the process ids of their workers."""
    assert child.stdout
    pids = []
    for line in child.stdout:
        event = json.loads(line)
        if event["type"] == "WorkerSpawned":
            pids.append(event["pid"])
        if event["type"] == "EpochCompleted" and len(pids) == 2:
            break
    return pids


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_training_with_its_code_and_without_workers(
    number: int, code: int, small_mnist: Path, environment: dict[str, str]
) -> None:
    command = script("--json", "--epochs", "9999", "--data-dir", str(small_mnist))
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert child.stdout
    pids = worker_pids(child)
    child.send_signal(number)
    _, stderr = child.communicate(timeout=10)
    assert child.returncode == code
    assert stderr == "mnist-tui: stopping; the workers save a checkpoint first.\n"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.fault("app", "headless, under nohup or in a script's background: ignored signals stay ignored")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_ignored_signals_stay_ignored(
    number: signal.Signals, small_mnist: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = script("--json", "--epochs", "3", "--data-dir", str(small_mnist))
    monkeypatch.setitem(environment, "MNIST_TUI_SCRIPT", "slow")
    before = signal.signal(number, signal.SIG_IGN)
    try:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    finally:
        signal.signal(number, before)
    assert child.stdout
    worker_pids(child)
    child.send_signal(number)
    assert child.stdout.read().count('"outcome":"completed"') == 2
    child.stdout.close()
    assert child.wait(10) == 0


@pytest.mark.fault("app", "headless, started where SIGCHLD is ignored: the run succeeds")
def test_a_run_succeeds_where_sigchld_is_ignored(small_mnist: Path, environment: dict[str, str]) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        command = script("--epochs", "1", "--data-dir", str(small_mnist))
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    finally:
        signal.signal(signal.SIGCHLD, before)
    out, _ = child.communicate(timeout=60)
    assert (child.returncode, out.count("completed: test accuracy")) == (0, 2)


@pytest.mark.fault("disk", "headless, its output goes to a full disk: it trains to the end and reports the loss")
@pytest.mark.parametrize("form", ["--json", "--plain"])
@pytest.mark.linux("/dev/full")
def test_training_continues_when_the_disk_of_its_output_is_full(
    form: str, small_mnist: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    command = script(form, "--epochs", "1", "--data-dir", str(small_mnist), "--runs-dir", str(tmp_path))
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, timeout=60)
    assert (done.returncode, done.stderr) == (1, "The output could not be written: No space left on device.\n")
    (saved,) = list_runs(tmp_path)
    assert {part["outcome"] for part in saved["summary"].values() if "outcome" in part} == {"completed"}


def test_a_signal_while_workers_are_closed_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Session, "start", lambda *_: None)
    monkeypatch.setattr(Session, "close", lambda _: os.kill(os.getpid(), signal.SIGINT))
    assert train.train([], RunRequest(), str(tmp_path), json_lines=True, bars=False) in (0, 1)
    assert signal.getsignal(signal.SIGINT) == before


class ClosedWindow(io.StringIO):
    """A stream to a terminal that is gone."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("bars", [False, True], ids=["lines", "bars"])
def test_a_closed_window_ends_training_with_exit_code_129(
    bars: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "start", lambda *_: None)
    monkeypatch.setattr(Session, "running", True)
    monkeypatch.setattr(Session, "drain", lambda _: os.kill(os.getpid(), signal.SIGHUP))
    monkeypatch.setattr(sys, "stdout", ClosedWindow())
    assert train.train([scripted_spec()], RunRequest(), str(tmp_path), json_lines=False, bars=bars) == 129
