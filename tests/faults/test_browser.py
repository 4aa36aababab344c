"""The app in a browser: Textual's own driver, with a server that implements textual-serve's protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pyte
import pytest

from tests.support.run_folders import checkpoints
from tests.support.terminal import ROOT, all_exited, app_command, is_interrupted, wait_without_reading
from tui.terminal.display import WEB_DRIVER


class Server:
    """Starts an app as textual-serve does, draws its output on a screen, and sends keys."""

    def __init__(self, command: Sequence[str]) -> None:
        env = {
            **os.environ, "PYTHONPATH": str(ROOT), "TEXTUAL_DRIVER": WEB_DRIVER, "TEXTUAL_FPS": "60",
            "TEXTUAL_COLOR_SYSTEM": "truecolor", "COLUMNS": "100", "ROWS": "30", "TERM": "dumb",
        }  # fmt: skip
        self.app = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
        )
        self.screen = pyte.Screen(100, 30)
        self.metas: list[str] = []
        self.remainder = b""
        """The bytes after the last packet."""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.app.stdout
        stream = pyte.ByteStream(self.screen)
        assert self.app.stdout.readline() == b"__GANGLION__\n"
        while len(head := self.app.stdout.read(5)) == 5 and head[:1] in b"DM":
            payload = self.app.stdout.read(int.from_bytes(head[1:], "big"))
            if head[:1] == b"D":
                stream.feed(payload)
            else:
                self.metas.append(json.loads(payload)["type"])
        self.remainder = head

    def send(self, kind: bytes, payload: bytes) -> None:
        """Send keys (D) or a message (M)."""
        assert self.app.stdin
        self.app.stdin.write(kind + len(payload).to_bytes(4, "big") + payload)
        self.app.stdin.flush()

    def wait_for(self, text: str, line: int | None = None) -> None:
        """Wait until the text is on the screen, or on that line of it."""

        def shown() -> bool:
            lines = self.screen.display
            return text in lines[line] if line is not None else any(text in shown_line for shown_line in lines)

        wait_without_reading(shown)

    def wait_for_exit(self) -> int:
        """Wait until the app has ended and all its output is read; return the exit code."""
        code = self.app.wait(20)
        self._thread.join(5)
        return code


@pytest.fixture
def serve() -> Iterator[Callable[[Sequence[str]], Server]]:
    """Return a function that starts an app; all apps end with the test."""
    servers: list[Server] = []

    def start(command: Sequence[str]) -> Server:
        servers.append(Server(command))
        return servers[-1]

    yield start
    for server in servers:
        server.app.kill()


@pytest.mark.fault("app", "in a browser, a replay: keys, a new size, no shell to go back to, and the end")
def test_a_replay_in_a_browser(serve: Callable[[Sequence[str]], Server]) -> None:
    server = serve([sys.executable, "-m", "tui", "replay", "demo"])
    server.wait_for("RECORDED", 0)
    server.wait_for("Quit", -1)
    server.screen.resize(40, 120)
    server.send(b"M", b'{"type": "resize", "width": 120, "height": 40}')
    server.wait_for("Quit", -1)
    server.send(b"D", b"\x1a")
    server.wait_for("no shell to go back to")
    server.send(b"D", b"q")
    assert server.wait_for_exit() == 0
    assert (server.metas, server.remainder) == (["exit"], b"")


@pytest.mark.fault("app", "in a browser, in mid-training: the page is closed, or the server is gone")
@pytest.mark.parametrize(("how", "code"), [("closed", 0), ("gone", 129)])
def test_training_ends_with_the_page_or_the_server(
    how: str,
    code: int,
    serve: Callable[[Sequence[str]], Server],
    small_mnist: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    server = serve(app_command(small_mnist, tmp_path))
    server.wait_for("training")
    wait_without_reading(lambda: len(checkpoints(tmp_path / "runs")) == 2)
    workers = psutil.Process(server.app.pid).children(recursive=True)
    assert len(workers) == 2
    if how == "closed":
        server.send(b"M", b'{"type": "quit"}')
    else:
        assert server.app.stdin
        assert server.app.stdout
        os.dup2(os.open(os.devnull, os.O_RDONLY), server.app.stdout.fileno())
        server.app.stdin.close()
    assert server.wait_for_exit() == code
    assert all_exited(workers)
    assert is_interrupted(tmp_path / "runs")
