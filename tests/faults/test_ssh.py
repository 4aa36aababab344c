"""The app over SSH: a server on the loopback, with keys and a configuration of its own, and a client that is cut off."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.terminal import ROOT, Terminal, app, environment_of, gone, is_interrupted

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
PRIVILEGE_SEPARATION = Path("/run/sshd")
"""Debian's sshd wants this empty folder when root starts it; its service makes it, so do we, and take it away again."""


@dataclass(frozen=True, slots=True)
class Server:
    """An sshd of our own."""

    process: psutil.Process
    client: tuple[str, ...]
    """The command that logs in, less what to run there."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Serves this user, from this machine, with this test's key, until the test is over."""
    if not (os.access(SSHD, os.X_OK) and shutil.which("ssh") and shutil.which("ssh-keygen")):
        pytest.skip("no sshd on this machine")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n"
    )
    ours = os.geteuid() == 0 and not PRIVILEGE_SEPARATION.exists()
    if ours:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755)
    sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.PIPE, text=True)
    try:
        assert sshd.stderr is not None
        said = ""
        while "Server listening" not in said:
            line = sshd.stderr.readline()
            assert line, f"sshd did not start: {said}"
            said += line
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
        if ours:
            PRIVILEGE_SEPARATION.rmdir()


@pytest.mark.fault("app", "SSH: the client is killed in mid-training")
def test_a_cut_connection_leaves_nothing_but_the_run(
    server: Server, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("HOME", "MNIST_TUI_HOME", "MNIST_TUI_CACHE_DIR", "MNIST_TUI_CONFIG_DIR", "MNIST_TUI_MIRRORS")
    there = {name: os.environ[name] for name in names} | {"PYTHONPATH": str(ROOT), "MNIST_TUI_SCRIPT": "slow"}
    command = shlex.join([*environment_of(there), *app(small_mnist, tmp_path)])
    client = Terminal([*server.client, command], tmp_path)
    client.wait_for("training")
    client.wait_for_checkpoints()
    processes = [one for one in server.process.children(recursive=True) if "python" in one.name()]
    assert len(processes) == 3  # the app and its two workers
    recorded = len(client.record())
    client.child.kill(signal.SIGKILL)
    assert gone(processes)
    assert len(client.record()) >= recorded
    assert is_interrupted(client.runs)
    client.end()
