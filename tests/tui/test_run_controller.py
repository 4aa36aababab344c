"""The rules behind the keys, without a screen and without workers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engines.api import ConfigError, RunHistory, RunRequest, read_events
from engines.session.replay import DEMO, Replay
from engines.session.session import Session
from tests.support.ended_run import ended_run_events
from tests.support.engines import scripted_spec
from tests.support.recording import demo_events
from tui.run_controller import RunController

ALL_COMMANDS = (
    "start",
    "pause",
    "learning_rate",
    "seek",
    "seek_epoch",
    "change_speed",
    "stop",
    "kill",
    "restart",
    "resume",
    "save",
    "step",
    "settings",
)


@pytest.fixture
def idle(tmp_path: Path) -> RunController:
    """Two engines without a run; their workers are never launched."""
    specs = [scripted_spec("pytorch"), scripted_spec("keras")]
    session = Session(specs, lambda name, live: None, cache_dir=tmp_path / "cache", runs_dir=tmp_path / "runs")
    return RunController(session, RunRequest(settings={"epochs": 10}))


def in_mid_run(control: RunController, engine: str) -> None:
    """Replace the history of an engine by that of a run at half time."""
    demo = [event for event in read_events(DEMO) if event.engine == engine]
    history = RunHistory(engine)
    for event in demo[: len(demo) // 2]:
        history.apply(event)
    assert history.running
    control.session.histories[engine] = history


def recording() -> RunController:
    """Return a controller of the demo at its start."""
    replay = Replay(demo_events(), clock=lambda: 0.0)
    replay.drain()
    return RunController(replay, RunRequest())


def test_only_start_and_settings_are_enabled_before_a_run(idle: RunController) -> None:
    can = {name: idle.check_command(name) for name in ALL_COMMANDS}
    assert [name for name, possible in can.items() if possible] == ["start", "settings"]
    assert [name for name, possible in can.items() if possible is False] == [
        "seek",
        "seek_epoch",
        "change_speed",
        "resume",
        "step",
    ]
    assert idle.check_command("help") is True


def test_a_recording_has_only_playback_commands() -> None:
    control = recording()
    can = {name: control.check_command(name) for name in ALL_COMMANDS if control.check_command(name)}
    assert set(can) <= {"pause", "seek", "seek_epoch", "change_speed", "kill"}
    assert {"pause", "seek", "seek_epoch", "change_speed"} <= set(can)


def test_commands_are_for_the_engine_that_is_aimed_at(idle: RunController) -> None:
    commands = ("pause", "stop", "save", "kill")
    in_mid_run(idle, "keras")
    assert {idle.check_command(name) for name in commands} == {True}
    idle.aim = "pytorch"
    assert {idle.check_command(name) for name in commands} == {None}


def test_pause_pauses_running_engines_and_resumes_when_all_are_paused(
    idle: RunController, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(idle.session, "pause", lambda engine: calls.append(f"pause {engine}"))
    monkeypatch.setattr(idle.session, "resume", lambda engine: calls.append(f"resume {engine}"))
    in_mid_run(idle, "keras")
    idle.pause()
    in_mid_run(idle, "pytorch")
    idle.session.histories["keras"].phase = "paused"
    idle.pause()
    idle.session.histories["pytorch"].phase = "paused"
    idle.pause()
    assert calls == ["pause keras", "pause pytorch", "pause keras", "resume pytorch", "resume keras"]


def test_only_paused_runs_that_are_aimed_at_train_a_step(idle: RunController, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    monkeypatch.setattr(idle.session, "step", steps.append)
    assert idle.check_command("step") is False
    for engine in ("pytorch", "keras"):
        in_mid_run(idle, engine)
    assert idle.check_command("step") is None
    idle.session.histories["keras"].phase = "paused"
    assert idle.check_command("step") is True
    idle.step()
    idle.session.histories["pytorch"].phase = "paused"
    idle.step()
    idle.aim = "pytorch"
    idle.step()
    assert steps == ["keras", "pytorch", "keras", "pytorch"]
    assert recording().check_command("step") is False


def test_the_learning_rate_changes_at_one_step_in_all_that_train(
    idle: RunController, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, float, int]] = []
    monkeypatch.setattr(idle.session, "change_learning_rate", lambda *change: sent.append(change))
    assert idle.check_command("learning_rate") is None
    assert "Too late" in idle.change_learning_rate(0.5)
    for engine in ("pytorch", "keras"):
        in_mid_run(idle, engine)
    assert idle.check_command("learning_rate") is True
    assert "after step" in idle.change_learning_rate(0.5)
    (pytorch, keras), steps = (change[:2] for change in sent), {change[2] for change in sent}
    assert (pytorch, keras) == (("pytorch", 0.5), ("keras", 0.5))
    assert len(steps) == 1
    assert steps.pop() > max(history.global_step for history in idle.targets)
    idle.session.histories["keras"].progress = None
    assert idle.check_command("learning_rate") is None, "one of them has not begun"
    assert recording().check_command("learning_rate") is False


def test_a_change_of_the_learning_rate_may_come_too_late(idle: RunController, monkeypatch: pytest.MonkeyPatch) -> None:
    in_mid_run(idle, "keras")
    history = idle.session.histories["keras"]
    assert history.started is not None
    history.started = replace(history.started, total_steps=history.global_step + 1)
    monkeypatch.setattr(idle.session, "change_learning_rate", lambda *change: pytest.fail("sent"))
    assert "Too late" in idle.change_learning_rate(0.5)


def test_the_aim_cycles_through_engines_and_all(idle: RunController) -> None:
    aims = []
    for _ in range(4):
        aims.append((idle.aim, [history.engine for history in idle.targets]))
        idle.aim_at_next()
    both = ["pytorch", "keras"]
    assert aims == [(None, both), ("pytorch", ["pytorch"]), ("keras", ["keras"]), (None, both)]


def test_settings_select_engines_and_configs(idle: RunController) -> None:
    assert {engine: config.epochs for engine, config in idle.configs().items()} == {"pytorch": 10, "keras": 10}
    idle.request = idle.request.choose("framework", "keras")
    assert list(idle.configs()) == ["keras"]
    assert idle.current_config().epochs == 10
    in_mid_run(idle, "pytorch")
    assert idle.current_config().epochs == 2, "a run comes before the settings"


def test_invalid_settings_raise_and_start_nothing(idle: RunController) -> None:
    idle.request = RunRequest(settings={"epochs": -1})
    for command in (idle.start, idle.restart, idle.start_workers):
        with pytest.raises(ConfigError, match="epochs"):
            command()
    assert not idle.session.running
    assert idle.current_config().epochs == 12, "the reference as a fallback"
    idle.session.close(0.0)


def test_start_during_a_run_does_nothing(idle: RunController, monkeypatch: pytest.MonkeyPatch) -> None:
    idle.start()
    started = list(idle.session.histories)
    assert idle.session.running
    assert idle.check_command("start") is None
    monkeypatch.setattr(idle.session, "start", lambda configs: started.clear())
    idle.start()
    idle.restart()
    assert started == ["pytorch", "keras"], "neither is free"
    idle.session.close(0.0)


def test_an_interrupted_engine_resumes_from_its_folder(idle: RunController, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunHistory, "can_continue", property(lambda self: self.engine == "keras"))
    monkeypatch.setattr(idle.session, "folder", lambda engine: Path("runs") / engine)
    assert idle.check_command("resume") is True
    assert idle.resumable_folders() == {Path("runs/keras"): ["keras"]}
    idle.aim = "pytorch"
    assert idle.check_command("resume") is False
    assert idle.resumable_folders() == {}


def test_an_engine_that_has_finished_comes_along(idle: RunController, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, the new folder would hold neither its checkpoint nor its model, and nothing to compare with."""
    for engine in ("pytorch", "keras"):
        history = RunHistory(engine)
        for event in ended_run_events(engine, 0, 9_900, outcome="completed" if engine == "pytorch" else "stopped"):
            history.apply(event)
        history.checkpoint = "a checkpoint"
        idle.session.histories[engine] = history
    monkeypatch.setattr(idle.session, "folder", lambda engine: Path("runs") / "both")
    assert idle.resumable_folders() == {Path("runs/both"): ["keras", "pytorch"]}
    idle.aim = "keras"
    assert idle.resumable_folders() == {Path("runs/both"): ["keras", "pytorch"]}
    idle.aim = "pytorch"
    assert idle.resumable_folders() == {}
    idle.aim = None
    monkeypatch.setattr(idle.session, "folder", lambda engine: Path("runs") / engine)
    assert idle.resumable_folders() == {Path("runs/keras"): ["keras"]}


def test_only_a_recording_can_be_sought(idle: RunController) -> None:
    control = recording()
    start = control.session.now()
    control.pause()
    control.seek(5.0)
    assert control.session.now() == start + 5.0
    control.change_speed(1)
    control.seek_epoch(-1)
    assert control.session.now() < start + 5.0
    for command in (idle.seek, idle.seek_epoch, idle.change_speed):
        command(1)  # nothing happens


def test_presses_to_aim_at_an_engine(idle: RunController) -> None:
    assert [idle.presses_to_aim_at(engine) for engine in ("pytorch", "keras")] == [0, 0], (
        "commands for all reach no other worker"
    )
    in_mid_run(idle, "pytorch")
    assert [idle.presses_to_aim_at(engine) for engine in ("pytorch", "keras")] == [0, 2]
    in_mid_run(idle, "keras")
    for _ in range(3):
        for engine in ("pytorch", "keras"):
            before, presses = idle.aim, idle.presses_to_aim_at(engine)
            for _ in range(presses):
                assert idle.aim != engine
                idle.aim_at_next()
            assert idle.aim == engine
            idle.aim = before
        idle.aim_at_next()
