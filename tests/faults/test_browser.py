"""The app in a browser: Textual's own driver, with a server that speaks its protocol as textual-serve does."""

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

from tests.support.terminal import ROOT, app, gone, is_interrupted, without_reading
from tui.terminal.display import WEB_DRIVER


class Server:
    """Starts an app as textual-serve does, shows what it draws, and is the keyboard."""

    def __init__(self, command: Sequence[str]) -> None:
        said = {
            "TEXTUAL_DRIVER": WEB_DRIVER,
            "TEXTUAL_FPS": "60",
            "TEXTUAL_COLOR_SYSTEM": "truecolor",
            "COLUMNS": "100",
        }
        env = {**os.environ, "PYTHONPATH": str(ROOT), **said, "ROWS": "30", "TERM": "dumb"}
        self.app = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
        )
        self.screen = pyte.Screen(100, 30)
        self.metas: list[str] = []
        self.rest = b""
        """What came after the last packet."""
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
        self.rest = head

    def send(self, kind: bytes, payload: bytes) -> None:
        """Send keys (D) or a message (M)."""
        assert self.app.stdin
        self.app.stdin.write(kind + len(payload).to_bytes(4, "big") + payload)
        self.app.stdin.flush()

    def wait_for(self, text: str, line: int | None = None) -> None:
        """Until the text is on the screen, or on that line of it."""

        def shown() -> bool:
            lines = self.screen.display
            return any(text in one for one in (lines if line is None else [lines[line]]))

        without_reading(shown)

    def ended(self) -> int:
        """The exit code, once the app has ended and all that it wrote is read."""
        code = self.app.wait(20)
        self._thread.join(5)
        return code


@pytest.fixture
def serve() -> Iterator[Callable[[Sequence[str]], Server]]:
    """Start apps that are gone when the test is over."""
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
    assert server.ended() == 0
    assert (server.metas, server.rest) == (["exit"], b"")


@pytest.mark.fault("app", "in a browser, in mid-training: the page is closed, or the server is gone")
@pytest.mark.parametrize(("how", "code"), [("closed", 0), ("gone", 129)])
def test_nothing_trains_for_nobody(
    how: str,
    code: int,
    serve: Callable[[Sequence[str]], Server],
    small_mnist: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    server = serve(app(small_mnist, tmp_path))
    server.wait_for("training")
    without_reading(lambda: len(list(tmp_path.glob("runs/*/[!.]*.npz"))) == 2)
    workers = psutil.Process(server.app.pid).children(recursive=True)
    assert len(workers) == 2
    if how == "closed":
        server.send(b"M", b'{"type": "quit"}')
    else:
        assert server.app.stdin
        assert server.app.stdout
        os.dup2(os.open(os.devnull, os.O_RDONLY), server.app.stdout.fileno())
        server.app.stdin.close()
    assert server.ended() == code
    assert gone(workers)
    assert is_interrupted(tmp_path / "runs")
