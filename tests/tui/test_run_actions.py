"""The runs as they are told outside of the screen: by the title of the window, and by a notice at the end."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from textual import events
from textual.drivers.headless_driver import HeadlessDriver

from tests.support.pilot import opened, until
from tests.support.run_events import life
from tests.tui.test_run_status import FakeSource
from tui import frame_clock, run_actions
from tui.run_actions import RunActions
from tui.terminal import osc


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Collect the titles, with their times."""
    shown: list[tuple[str, float]] = []

    def set_title(driver: HeadlessDriver, text: str) -> bool:
        if shown and shown[-1][0] == text:
            return False
        shown.append((text, frame_clock.now()))
        return True

    monkeypatch.setattr(run_actions, "TerminalDriver", HeadlessDriver)
    monkeypatch.setattr(HeadlessDriver, "set_title", set_title, raising=False)
    return shown


@pytest.fixture
def notices(titles: object, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Collect the notices, with their kinds."""
    sent: list[tuple[str, str]] = []
    send = lambda _, kind, text: sent.append((kind, text))  # noqa: E731
    monkeypatch.setattr(HeadlessDriver, "send_notice", send, raising=False)
    return sent


async def test_the_title_follows_a_run(titles: list[tuple[str, float]], tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=101) as (app, pilot):
        await until(pilot, lambda: [text for text, _ in titles] == ["mnist-tui"])
        app.action_start()
        await until(pilot, lambda: len(titles) > 2, timeout=90)
        app.action_stop()
        await until(pilot, lambda: not app.session.running)
        await until(pilot, lambda: titles[-1][0].startswith("mnist-tui stopped · PyTorch "))
    assert all(re.match(r"mnist-tui \d+ %", text) for text, _ in titles[1:-1])
    times = [time for _, time in titles]
    assert all(later - earlier >= run_actions.TITLE_SECONDS for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize("kind", [osc.OSC777, osc.OFF])
async def test_the_end_of_a_run_is_noticed_once_and_only_by_who_looks_elsewhere(
    kind: str, notices: list[tuple[str, str]], tmp_path: Path, small_mnist: Path
) -> None:
    async with opened(tmp_path, small_mnist, epochs=1) as (app, pilot):
        app.notices = kind
        for looks in (True, False, True):
            app.post_message(events.AppFocus() if looks else events.AppBlur())
            await until(pilot, lambda: app.app_focus == looks)  # noqa: B023  # it is called at once
            before = app.session.histories["keras"].run_id
            app.action_start()
            await until(pilot, lambda: app.session.histories["keras"].run_id != before)  # noqa: B023
            await until(pilot, lambda: app.session.histories["keras"].run_id in app._noticed_runs)
            await until(pilot, lambda: not app._unsent_notice)
            assert len(notices) == (0 if kind == osc.OFF or (looks and not notices) else 1)
    for sent, text in notices:
        assert sent == kind
        assert re.fullmatch(r"completed · PyTorch [\d.]+ %, Keras [\d.]+ %( · .*)?", text)


class FakeDriver:
    """Collects notices instead of sending them."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send_notice(self, kind: str, text: str) -> None:
        self.sent.append(text)


@pytest.mark.parametrize("recorded", [False, True])
def test_a_run_that_was_over_before_anyone_looked_is_noticed_once_if_it_is_our_own(
    recorded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_actions, "TerminalDriver", FakeDriver)
    source, driver = FakeSource(keras=life()), FakeDriver()
    source.recorded = recorded  # by a process that is watched
    app: Any = SimpleNamespace(
        controller=SimpleNamespace(session=source),
        _driver=driver,
        _drawable=str,
        _noticed_runs=(),
        _was_under_way=False,
        _unsent_notice="",
        app_focus=False,
        notices=osc.BELL,
        terminal_is_ready=True,
    )
    for _ in range(2):
        RunActions.send_notice(app)
    assert driver.sent == ([] if recorded else ["completed · Keras 99.2 %"])


async def test_a_notice_waits_for_the_terminal_and_goes_when_the_user_comes_back(
    titles: list[tuple[str, float]],
    notices: list[tuple[str, str]],
    tmp_path: Path,
    small_mnist: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened(tmp_path, small_mnist, epochs=1) as (app, pilot):
        app.notices, app.app_focus = osc.BELL, False
        monkeypatch.setattr(type(app), "terminal_is_ready", False)
        app.action_start()
        await until(pilot, lambda: bool(app._unsent_notice))
        await until(pilot, lambda: not app.session.running)
        assert notices == []
        assert [text for text, _ in titles] in ([], ["mnist-tui"]), "the title waits, too"
        app.app_focus = True
        await until(pilot, lambda: not app._unsent_notice)
        monkeypatch.setattr(type(app), "terminal_is_ready", True)
        app.draw_frame()
        assert notices == []
