"""The display, as the environment and the standard streams describe it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tui.cli import main, train
from tui.terminal import display


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int, int], None]:
    """Return a function that makes one descriptor a terminal of a given size, and the others none."""

    def set_terminal(descriptor: int, columns: int, rows: int) -> None:
        def get_terminal_size(fd: int = 1) -> os.terminal_size:
            if fd != descriptor:
                raise OSError(25, "Inappropriate ioctl for device")
            return os.terminal_size((columns, rows))

        monkeypatch.setattr(os, "get_terminal_size", get_terminal_size)

    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    return set_terminal


@pytest.mark.parametrize("descriptor", [0, 1, 2])
def test_the_size_is_the_terminals_own(
    descriptor: int, terminal: Callable[[int, int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal(descriptor, 120, 40)
    monkeypatch.setenv("COLUMNS", "80")
    assert display.size() == (120, 40)


def test_a_size_of_0_is_unknown(terminal: Callable[[int, int, int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(2, 0, 0)
    assert display.size() == (80, 24)
    terminal(2, 120, 0)
    assert display.size() == (120, 24)
    monkeypatch.setenv("LINES", "30")
    assert display.size() == (120, 30)


@pytest.mark.parametrize(("stdout", "columns"), [((1, 120, 40), None), ((1, 0, 0), "80"), ((2, 120, 40), "80")])
def test_an_exported_size_counts_where_stdout_has_none(
    stdout: tuple[int, int, int],
    columns: str | None,
    terminal: Callable[[int, int, int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal(*stdout)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    assert main.main(["--version"]) == 0
    assert os.environ.get("COLUMNS") == columns


@pytest.mark.parametrize("term", ["dumb", "unknown"])
@pytest.mark.parametrize("command", [[], ["replay", "demo"]], ids=["app", "replay"])
def test_no_screen_on_a_dumb_terminal(
    command: list[str],
    term: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main.main(command) == 2
    assert f"needs a terminal that can do more than TERM={term} says." in capsys.readouterr().err


@pytest.mark.parametrize(("term", "bars"), [("xterm", True), ("dumb", False), ("unknown", False)])
def test_no_bars_on_a_dumb_terminal(
    term: str, bars: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rich draws none there before the end."""
    drawn: list[bool] = []

    def fake_train(*_: object, bars: bool, **__: Any) -> int:
        drawn.append(bars)
        return 0

    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(train, "train", fake_train)
    assert main.main(["train"]) == 0
    assert drawn == [bars]


@pytest.mark.parametrize("driver", ["", "no_such_module:Driver", "textual.drivers.headless_driver:HeadlessDriver"])
@pytest.mark.parametrize("command", [[], ["--start"], ["replay", "demo"]], ids=["app", "start", "replay"])
def test_an_unknown_driver_is_refused(
    command: list[str], driver: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The app would train without a visible screen."""
    monkeypatch.setenv("TEXTUAL_DRIVER", driver)
    assert main.main(command) == 2
    assert f"TEXTUAL_DRIVER={driver} names no driver" in capsys.readouterr().err
