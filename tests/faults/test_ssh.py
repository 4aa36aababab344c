"""The app over SSH: a server on the loopback interface with its own keys and configuration, and a client that is killed."""

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

from tests.support.terminal import ROOT, Terminal, all_exited, app_command, env_command, is_interrupted

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
PRIVILEGE_SEPARATION = Path("/run/sshd")
"""Debian's sshd needs this empty folder when root starts it; its service makes it, so the test makes and removes it."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running sshd."""

    process: psutil.Process
    client: tuple[str, ...]
    """The command that logs in, without the command to run there."""


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
    make_folder = os.geteuid() == 0 and not PRIVILEGE_SEPARATION.exists()
    if make_folder:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755)
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
        if make_folder:
            PRIVILEGE_SEPARATION.rmdir()


@pytest.mark.fault("app", "SSH: the client is killed in mid-training")
def test_a_cut_connection_leaves_nothing_but_the_run(
    server: Server, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("HOME", "MNIST_TUI_HOME", "MNIST_TUI_CACHE_DIR", "MNIST_TUI_CONFIG_DIR", "MNIST_TUI_MIRRORS")
    variables = {name: os.environ[name] for name in names} | {"PYTHONPATH": str(ROOT), "MNIST_TUI_SCRIPT": "slow"}
    command = shlex.join([*env_command(variables), *app_command(small_mnist, tmp_path)])
    client = Terminal([*server.client, command], tmp_path)
    client.wait_for("training")
    client.wait_for_checkpoints()
    processes = [child for child in server.process.children(recursive=True) if "python" in child.name()]
    assert len(processes) == 3  # the app and its two workers
    recorded = len(client.record())
    client.child.kill(signal.SIGKILL)
    assert all_exited(processes)
    assert len(client.record()) >= recorded
    assert is_interrupted(client.runs)
    client.close()
