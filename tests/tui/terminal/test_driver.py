"""The driver before its first paint, and the patches that the app needs in a real terminal."""

from __future__ import annotations

import signal
import threading
from functools import partial

import pytest

from engines.session.replay import Replay
from tui.app import MnistApp
from tui.base_app import BaseApp
from tui.terminal import display, osc, startup_gc, textual_patches
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


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what any driver writes."""
    texts: list[str] = []
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(TerminalDriver, "write", lambda _, text: texts.append(text))
    monkeypatch.setenv("TERM", "xterm-256color")
    return texts


def driver_with_terminal() -> TerminalDriver:
    driver = TerminalDriver(BaseApp())
    driver.is_showing, driver._key_thread = True, threading.current_thread()
    return driver


async def test_the_title_is_saved_with_the_first_and_restored_once(written: list[str]) -> None:
    driver = driver_with_terminal()
    for text in ("mnist-tui", "mnist-tui", "mnist-tui 1 %"):
        driver.set_title(text)
    assert written == [osc.SAVE_TITLE + osc.title("mnist-tui"), osc.title("mnist-tui 1 %")]
    driver._key_thread = None
    for _ in range(2):
        driver.stop_application_mode()
    assert written.count(osc.RESTORE_TITLE) == 1
    assert not driver.set_title("mnist-tui 2 %"), "the shell has the terminal"
    driver.is_showing, driver._key_thread = True, threading.current_thread()
    driver.set_title("mnist-tui 2 %")
    assert written[-1] == osc.SAVE_TITLE + osc.title("mnist-tui 2 %")
    written.clear()
    driver.repaint()
    assert osc.title("mnist-tui 2 %") in written, "it may be another terminal, which has no title of ours"
    assert not any(osc.SAVE_TITLE in text for text in written), "or the same, whose own title is saved already"


async def test_nothing_but_the_bell_reaches_a_console(written: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "linux")
    driver = driver_with_terminal()
    assert not driver.set_title("mnist-tui")
    for kind in osc.NOTICES:
        driver.send_notice(kind, "completed")
    assert [text for text in written if text] == ["\x07"]
    driver.is_showing = False
    driver.send_notice(osc.BELL, "completed")
    assert [text for text in written if text] == ["\x07"], "the shell has the terminal"
    assert osc.RESTORE_TITLE not in written
