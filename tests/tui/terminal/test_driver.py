"""The driver before its first paint, and the patches that the app needs in a real terminal."""

from __future__ import annotations

import signal
from functools import partial

import pytest

from engines.session.replay import Replay
from tui.app import MnistApp
from tui.base_app import BaseApp
from tui.terminal import display, startup_gc, textual_patches
from tui.terminal.driver import TerminalDriver
from tui.terminal.shutdown import Shutdown


async def test_the_first_paint_has_the_terminals_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's own would be that of stdout, which may be a file."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the driver handles SIGTSTP and SIGCONT
    monkeypatch.setattr(display, "size", lambda: (132, 43))
    app = BaseApp()
    app._driver = TerminalDriver(app)
    assert app.size == (132, 43)


def test_an_app_in_a_terminal_has_all_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    patches = [name for name in vars(textual_patches) if name.startswith("fix_")]
    applied: list[str] = []
    for name in patches:
        monkeypatch.setattr(textual_patches, name, partial(applied.append, name))
    monkeypatch.setattr(Shutdown, "own_process", lambda _: None)
    monkeypatch.setattr(Shutdown, "finish", lambda _: None)
    monkeypatch.setattr(startup_gc, "pause_gc", lambda: None)
    monkeypatch.setattr(MnistApp, "run", lambda _, **options: None)
    assert MnistApp(session=Replay([])).run_guarded() == 0
    assert sorted(applied) == sorted(patches)
