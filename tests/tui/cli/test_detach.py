"""Training in the background: it outlives its terminal, and a start that fails is reported with its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engines.api import is_being_recorded, list_runs
from tests.support.pilot import script
from tests.support.terminal import wait_without_reading
from tui.cli import main
from tui.cli.detach import LOG

_WITH_TERMINAL = """
import fcntl, subprocess, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
print("code", subprocess.call(sys.argv[1:]), flush=True)
sys.stdin.read()
"""
"""A shell, as far as a terminal knows: it runs a command, and then waits for keys."""


def test_a_detached_run_outlives_its_terminal_and_can_be_stopped(
    small_mnist: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    runs = tmp_path / "my runs"
    command = script("--detach", "--epochs", "9999", "--data-dir", str(small_mnist), "--runs-dir", str(runs))
    ours, theirs = os.openpty()
    shell = subprocess.Popen(
        [sys.executable, "-c", _WITH_TERMINAL, *command],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=environment,
    )  # fmt: skip
    os.close(theirs)
    output = b""
    while b"code " not in output:
        output += os.read(ours, 4096)
    printed = output.decode().replace("\r", "")
    assert "code 0" in printed
    (folder,) = (path for path in runs.iterdir() if path.is_dir())
    assert f"mnist-tui watch {folder.name} --runs-dir '{runs}'" in printed
    assert f"mnist-tui stop {folder.name} --runs-dir '{runs}'" in printed
    assert '"RunStarted"' in (folder / "events.jsonl").read_text(encoding="utf-8")
    os.close(ours)  # the terminal is closed
    shell.wait(20)
    seen = (folder / "events.jsonl").stat().st_size
    wait_without_reading(lambda: (folder / "events.jsonl").stat().st_size > seen)
    assert is_being_recorded(folder)
    assert main.main(["stop", folder.name, "--runs-dir", str(runs)]) == 0
    (run,) = list_runs(runs)
    assert {run["summary"][engine]["outcome"] for engine in ("pytorch", "keras")} == {"stopped"}
    wait_without_reading(lambda: "stopped" in (folder / LOG).read_text(encoding="utf-8"))
    assert [path for path in runs.iterdir() if path != folder] == []


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--data-dir", "/nowhere"], 2, "/nowhere"),
        (["--data-dir", "damaged"], 1, "damaged"),
        (["--resume", "20260101-120000-seed0-1"], 2, "no run"),
        (["--resume", "demo"], 2, "The demo is a recording"),
        (["--epochs", "0"], 2, "epochs"),
        (["--json"], 2, "events.jsonl"),
    ],
    ids=["no data", "damaged data", "no run", "demo", "bad setting", "json"],
)
def test_a_start_that_fails_is_reported_with_its_exit_code(
    words: list[str], code: int, complaint: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "mnist.npz").touch()
    done = subprocess.run(
        script("--detach", *words, "--runs-dir", str(tmp_path / "runs")),
        capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (code, "")
    assert complaint in done.stderr
    assert [*(tmp_path / "runs").glob("detached-*")] == []
