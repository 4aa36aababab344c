"""Over SSH: a server on the loopback interface with its own keys and configuration, and a client that is killed."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from engines.api import list_runs
from engines.runs.reader import read_summary
from tests.support.terminal import ROOT, Terminal, all_exited, app_command, env_command, is_interrupted

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
PRIVILEGE_SEPARATION = Path("/run/sshd")
"""Debian's sshd needs this empty folder when root starts it, and at each connection; its service makes it.
The test makes it too, and leaves it: the server of a test beside this one may need it."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running sshd."""

    process: psutil.Process
    client: tuple[str, ...]
    """The command that logs in and asks for a terminal, without the command to run there."""

    @property
    def sessions(self) -> list[psutil.Process]:
        """The processes of the open connections."""
        return list(self.process.children(recursive=True))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Start an sshd on this machine that accepts this user with the test's key; it ends with the test."""
    if not (os.access(SSHD, os.X_OK) and shutil.which("ssh") and shutil.which("ssh-keygen")):
        pytest.skip("no sshd on this machine")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n"
    )
    if os.geteuid() == 0:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.PIPE, text=True)
    try:
        assert sshd.stderr is not None
        output = ""
        while "Server listening" not in output:
            line = sshd.stderr.readline()
            assert line, f"sshd did not start: {output}"
            output += line
        options = (
            "StrictHostKeyChecking=no",
            f"UserKnownHostsFile={folder}/known",
            "IdentitiesOnly=yes",
            "LogLevel=ERROR",
        )
        client: tuple[str, ...] = ("ssh", "-F", "none", "-tt", "-p", str(port), "-i", str(folder / "user"))
        client += tuple(word for option in options for word in ("-o", option))
        yield Server(psutil.Process(sshd.pid), (*client, f"{getpass.getuser()}@127.0.0.1"))
    finally:
        sshd.terminate()
        sshd.communicate(timeout=10)


@pytest.mark.fault("app", "SSH: the client is killed in mid-training")
def test_a_cut_connection_leaves_nothing_but_the_run(server: Server, small_mnist: Path, tmp_path: Path) -> None:
    client = Terminal([*server.client, _remote(app_command(small_mnist, tmp_path))], tmp_path)
    client.wait_for("training")
    client.wait_for_checkpoints()
    processes = [child for child in server.sessions if "python" in child.name()]
    assert len(processes) == 3  # the app and its two workers
    recorded = len(client.record())
    client.child.kill(signal.SIGKILL)
    assert all_exited(processes)
    assert len(client.record()) >= recorded
    assert is_interrupted(client.runs)
    client.close()


@pytest.mark.fault(
    "app", "SSH: a detached run outlives its connection; from another it is watched, stopped and continued"
)
def test_a_detached_run_is_watched_stopped_and_continued_from_another_connection(
    server: Server, small_mnist: Path, tmp_path: Path, ends: contextlib.ExitStack
) -> None:
    runs = tmp_path / "runs"

    def mnist_tui(*words: str) -> str:
        return _remote([sys.executable, "-m", "tests.programs.scripted_cli", *words, "--runs-dir", str(runs)])

    def call(*words: str) -> str:
        """Run a command over a connection of its own; return what it prints."""
        command = [*server.client, mnist_tui(*words)]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60).stdout

    def detached(printed: str) -> list[psutil.Process]:
        """Return the processes of a run that has begun."""
        found = re.search(r"begun as process (\d+)", printed)
        assert found, printed
        run = psutil.Process(int(found[1]))
        processes = [run, *run.children(recursive=True)]
        ends.callback(_kill, processes)
        return processes

    train = mnist_tui("train", "--detach", "--epochs", "9999", "--data-dir", str(small_mnist))
    first = Terminal([*server.client, f"{train}; cat"], tmp_path, (160, 40))  # a shell that is at its prompt
    ends.callback(first.close)
    first.wait_for("holds its output")
    trainers = detached("".join(first.screen.display))
    connection = [process for process in server.sessions if process not in trainers]
    first.child.kill(signal.SIGKILL)
    assert all_exited(connection, 20)
    recorded = len(first.record())
    first.wait_until(lambda: len(first.record()) > recorded, "on after the hang-up")
    first.wait_for_checkpoints()

    (folder,) = runs.iterdir()
    watcher = Terminal([*server.client, mnist_tui("watch", "--last")], tmp_path)
    ends.callback(watcher.close)
    watcher.wait_for(" WATCHING ")
    watcher.wait_for("training")
    assert f"{folder.name} has stopped." in call("stop", "--last")
    assert all_exited(trainers)
    watcher.wait_until(lambda: "".join(watcher.screen.display).count("stopped") >= 2, "stopped")
    (run_so_far,) = list_runs(runs)
    assert {run_so_far["summary"][engine]["outcome"] for engine in ("pytorch", "keras")} == {"stopped"}
    epochs = max(history.epochs_done for history in read_summary(folder).values()) + 2
    continued = detached(call("train", "--detach", "--resume", folder.name, "--epochs", str(epochs)))
    watcher.wait_until_finished()
    assert all_exited(continued)
    newest = next(list_runs(runs))
    assert newest["resumed"] == folder.name
    assert {newest["summary"][engine]["outcome"] for engine in ("pytorch", "keras")} == {"completed"}
    connection = server.sessions
    watcher.send("q")
    assert watcher.wait_for_exit() == 0
    assert all_exited(connection)


@pytest.fixture
def ends() -> Iterator[contextlib.ExitStack]:
    """Collect what to do after the test, also after one that fails."""
    with contextlib.ExitStack() as stack:
        yield stack


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _remote(command: Sequence[str]) -> str:
    """Return a command for the shell at the other end, where none of the test's variables are set."""
    names = ("HOME", "MNIST_TUI_HOME", "MNIST_TUI_CACHE_DIR", "MNIST_TUI_CONFIG_DIR", "MNIST_TUI_MIRRORS")
    variables = {name: os.environ[name] for name in names} | {"PYTHONPATH": str(ROOT), "MNIST_TUI_SCRIPT": "slow"}
    return shlex.join([*env_command(variables), *command])
