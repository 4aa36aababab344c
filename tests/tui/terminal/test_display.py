"""What there is to draw on, as the environment and the standard streams say."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tui.cli import main
from tui.terminal import display


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int, int], None]:
    """Let one descriptor be a terminal of that size, and the other ones none."""

    def of(descriptor: int, columns: int, rows: int) -> None:
        def get_terminal_size(asked: int = 1) -> os.terminal_size:
            if asked != descriptor:
                raise OSError(25, "Inappropriate ioctl for device")
            return os.terminal_size((columns, rows))

        monkeypatch.setattr(os, "get_terminal_size", get_terminal_size)

    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    return of


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


@pytest.mark.parametrize(("known", "left"), [((1, 120, 40), None), ((1, 0, 0), "80"), ((2, 120, 40), "80")])
def test_an_exported_size_counts_where_stdout_knows_none(
    known: tuple[int, int, int],
    left: str | None,
    terminal: Callable[[int, int, int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal(*known)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    assert main.main(["--version"]) == 0
    assert os.environ.get("COLUMNS") == left


@pytest.mark.parametrize("term", ["dumb", "unknown"])
@pytest.mark.parametrize("command", [[], ["replay", "demo"]], ids=["app", "replay"])
def test_no_screen_on_a_dumb_terminal(
    command: list[str],
    term: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main.main(command) == 2
    assert f"needs a terminal that can do more than TERM={term} says." in capsys.readouterr().err


@pytest.mark.parametrize(("term", "bars"), [("xterm", True), ("dumb", False), ("unknown", False)])
def test_no_bars_on_a_dumb_terminal(
    term: str, bars: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rich draws none there before the end."""
    asked: list[bool] = []

    def fake_train(*_: object, bars: bool, **__: Any) -> int:
        asked.append(bars)
        return 0

    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("tui.cli.train.train", fake_train)
    assert main.main(["train"]) == 0
    assert asked == [bars]


@pytest.mark.parametrize("driver", ["", "no_such_module:Driver", "textual.drivers.headless_driver:HeadlessDriver"])
@pytest.mark.parametrize("command", [[], ["--start"], ["replay", "demo"]], ids=["app", "start", "replay"])
def test_an_unknown_driver_is_refused(
    command: list[str], driver: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would train where nobody sees it."""
    monkeypatch.setenv("TEXTUAL_DRIVER", driver)
    assert main.main(command) == 2
    assert f"TEXTUAL_DRIVER={driver} names no driver" in capsys.readouterr().err
