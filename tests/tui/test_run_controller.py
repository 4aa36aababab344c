"""The rules behind the keys, and how frames are counted, without a screen and without workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.api import ConfigError, RunHistory, read_events
from engines.session.replay import DEMO, Replay
from engines.session.session import Session
from tests.support.engines import scripted_spec
from tui.frame_clock import CURVES_EVERY, FIGURES_EVERY, FrameClock
from tui.run_controller import RunController

EVERYTHING = (
    "start",
    "pause",
    "seek",
    "seek_epoch",
    "change_speed",
    "stop",
    "kill",
    "restart",
    "resume",
    "save",
    "settings",
)


@pytest.fixture
def idle(tmp_path: Path) -> RunController:
    """Two engines that nobody has started; their workers are never launched."""
    specs = [scripted_spec("pytorch"), scripted_spec("keras")]
    session = Session(specs, lambda name, live: None, cache_dir=tmp_path / "cache", runs_dir=tmp_path / "runs")
    return RunController(session, {"epochs": 10})


def in_mid_run(control: RunController, engine: str) -> None:
    """What the histories say of an engine that trains."""
    demo = [event for event in read_events(DEMO) if event.engine == engine]
    history = RunHistory(engine)
    for event in demo[: len(demo) // 2]:
        history.apply(event)
    assert history.running
    control.session.histories[engine] = history


def recording() -> RunController:
    """The demo, at its beginning."""
    replay = Replay(list(read_events(DEMO)), clock=lambda: 0.0)
    replay.drain()
    return RunController(replay, {})


def test_before_a_run_there_is_only_the_start(idle: RunController) -> None:
    can = {name: idle.check_command(name) for name in EVERYTHING}
    assert [name for name, possible in can.items() if possible] == ["start", "settings"]
    assert [name for name, possible in can.items() if possible is False] == [
        "seek",
        "seek_epoch",
        "change_speed",
        "resume",
    ]
    assert idle.check_command("help") is True


def test_a_recording_is_wound_not_trained() -> None:
    control = recording()
    can = {name: control.check_command(name) for name in EVERYTHING if control.check_command(name)}
    assert set(can) <= {"pause", "seek", "seek_epoch", "change_speed", "kill"}
    assert {"pause", "seek", "seek_epoch", "change_speed"} <= set(can)


def test_commands_are_for_the_engine_that_is_aimed_at(idle: RunController) -> None:
    commands = ("pause", "stop", "save", "kill")
    in_mid_run(idle, "keras")
    assert {idle.check_command(name) for name in commands} == {True}
    idle.aim = "pytorch"
    assert {idle.check_command(name) for name in commands} == {None}


def test_pause_reaches_what_runs_and_goes_on_when_all_is_paused(
    idle: RunController, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(idle.session, "pause", lambda engine: told.append(f"pause {engine}"))
    monkeypatch.setattr(idle.session, "resume", lambda engine: told.append(f"go on {engine}"))
    in_mid_run(idle, "keras")
    idle.pause()
    in_mid_run(idle, "pytorch")
    idle.session.histories["keras"].phase = "paused"
    idle.pause()
    idle.session.histories["pytorch"].phase = "paused"
    idle.pause()
    assert told == ["pause keras", "pause pytorch", "pause keras", "go on pytorch", "go on keras"]


def test_the_aim_goes_round(idle: RunController) -> None:
    aims = []
    for _ in range(4):
        aims.append((idle.aim, [history.engine for history in idle.targets]))
        idle.aim_at_next()
    both = ["pytorch", "keras"]
    assert aims == [(None, both), ("pytorch", ["pytorch"]), ("keras", ["keras"]), (None, both)]


def test_settings_choose_who_trains_with_what(idle: RunController) -> None:
    assert {engine: config.epochs for engine, config in idle.configs().items()} == {"pytorch": 10, "keras": 10}
    idle.settings["framework"] = "keras"
    assert list(idle.configs()) == ["keras"]
    assert idle.current_config().epochs == 10
    in_mid_run(idle, "pytorch")
    assert idle.current_config().epochs == 2, "what runs comes before what is set"


def test_settings_that_cannot_be_used_are_said_and_start_nothing(idle: RunController) -> None:
    idle.settings["epochs"] = -1
    for command in (idle.start, idle.restart, idle.start_workers):
        with pytest.raises(ConfigError, match="epochs"):
            command()
    assert not idle.session.running
    assert idle.current_config().epochs == 12, "the reference, where there is nothing better to show"
    idle.session.close(0.0)


def test_start_asks_once(idle: RunController, monkeypatch: pytest.MonkeyPatch) -> None:
    idle.start()
    asked = list(idle.session.histories)
    assert idle.session.running
    assert idle.check_command("start") is None
    monkeypatch.setattr(idle.session, "start", lambda configs: asked.clear())
    idle.start()
    idle.restart()
    assert asked == ["pytorch", "keras"], "neither is free"
    idle.session.close(0.0)


def test_what_was_cut_off_goes_on_from_its_folder(idle: RunController, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunHistory, "can_continue", property(lambda self: self.engine == "keras"))
    monkeypatch.setattr(idle.session, "folder", lambda engine: Path("runs") / engine)
    assert idle.check_command("resume") is True
    assert idle.resumable_folders() == {Path("runs/keras"): ["keras"]}
    idle.aim = "pytorch"
    assert idle.check_command("resume") is False
    assert idle.resumable_folders() == {}


def test_only_a_recording_is_wound(idle: RunController) -> None:
    control = recording()
    begin = control.session.now()
    control.pause()
    control.seek(5.0)
    assert control.session.now() == begin + 5.0
    control.change_speed(1)
    control.seek_epoch(-1)
    assert control.session.now() < begin + 5.0
    for command in (idle.seek, idle.seek_epoch, idle.change_speed):
        command(1)  # nothing happens


def test_figures_and_curves_have_their_turns() -> None:
    frames, shown = FrameClock(), list[tuple[int, set[str], bool]]()
    for number in range(1, 2 * CURVES_EVERY + 1):
        if number == CURVES_EVERY + 1:
            frames.mark_stale(["keras"])
        frames.draw(lambda stale, with_curves, number=number: shown.append((number, set(stale), with_curves)))  # type: ignore[misc]
    assert [number for number, *_ in shown] == list(range(FIGURES_EVERY, 2 * CURVES_EVERY + 1, FIGURES_EVERY))
    assert [number for number, _, with_curves in shown if with_curves] == [CURVES_EVERY, 2 * CURVES_EVERY]
    assert {number for number, stale, _ in shown if stale} == {8, 10, 12}, "until the curves were drawn"
    assert frames.stale == set()


def test_frames_a_second_have_bounds() -> None:
    assert [FrameClock(fps).fps for fps in (0, 2, 1000)] == [1, 2, 60]


def test_how_often_the_aim_has_to_go_on(idle: RunController) -> None:
    assert [idle.presses_to_aim_at(engine) for engine in ("pytorch", "keras")] == [0, 0], (
        "commands for all are for nobody else"
    )
    in_mid_run(idle, "pytorch")
    assert [idle.presses_to_aim_at(engine) for engine in ("pytorch", "keras")] == [0, 2]
    in_mid_run(idle, "keras")
    for _ in range(3):
        for engine in ("pytorch", "keras"):
            before, turns = idle.aim, idle.presses_to_aim_at(engine)
            for _ in range(turns):
                assert idle.aim != engine
                idle.aim_at_next()
            assert idle.aim == engine
            idle.aim = before
        idle.aim_at_next()
