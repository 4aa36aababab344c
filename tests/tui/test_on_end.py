"""The user's command for the end of a run: once a run, with its variables, and a failure in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.session.replay import MAX_SPEED, Replay
from tests.support.pilot import opened, until
from tests.support.recording import demo_events
from tui.on_end import OnEnd


def test_the_command_has_the_folder_the_verdict_and_the_outcome_of_the_run(tmp_path: Path) -> None:
    replay = Replay(demo_events())
    command = OnEnd(f"env > {tmp_path}/out")
    assert command.due(replay) == {}  # nothing was requested yet
    replay.drain()
    assert command.due(replay) == {}  # it runs
    replay.play_from(1e6, MAX_SPEED)
    replay.drain()
    variables = command.due(replay)
    assert variables == {"MNIST_TUI_RUN": "", "MNIST_TUI_VERDICT": "statistical tie", "MNIST_TUI_OUTCOME": "completed"}
    assert command.due(replay) == {}  # once
    assert command.run({**variables, "MNIST_TUI_RUN": "/runs/it's"}) == ""
    assert "MNIST_TUI_RUN=/runs/it's" in (tmp_path / "out").read_text().splitlines()


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("true", ""),
        ("echo first >&2; echo '\x1b[2Jno mail.' >&2; exit 3", "ended with exit code 3: no mail."),
        ("kill -9 $$", "ended with signal 9."),
        ("no-such-command-anywhere", "ended with exit code 127: "),
        ("a\0b", "could not start: "),
    ],
)
def test_a_failure_is_one_line(command: str, problem: str) -> None:
    said = OnEnd(command).run({})
    assert said.startswith(f"The command of --on-end {problem}" if problem else "")
    assert bool(said) == bool(problem)
    assert "\n" not in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("code", "ending"), [(0, ""), (3, "mnist-tui: The command of --on-end ended with exit code 3.\n")]
)
def test_without_a_screen_all_output_of_the_command_goes_to_stderr(
    code: int, ending: str, capfd: pytest.CaptureFixture[str]
) -> None:
    replay = Replay(demo_events())
    replay.play_from(1e6, MAX_SPEED)
    replay.drain()
    OnEnd(f"echo out; echo one >&2; echo two >&2; exit {code}").run_if_due(replay)
    assert capfd.readouterr() == ("", f"out\none\ntwo\n{ending}")


async def test_the_app_runs_the_command_after_each_run_and_notifies_of_its_failure(
    small_mnist: Path, tmp_path: Path
) -> None:
    async with opened(tmp_path, small_mnist, epochs=1) as (app, pilot):
        app.on_end = OnEnd(f'echo "$MNIST_TUI_OUTCOME" >> {tmp_path}/ends; exit 5')

        def lines() -> list[str]:
            return (tmp_path / "ends").read_text().splitlines() if (tmp_path / "ends").exists() else []

        for ends in (1, 2):
            app.action_start()
            await until(pilot, lambda: app.session.running)
            await until(pilot, lambda: not app.session.running)
            await until(pilot, lambda: lines() == ["completed"] * ends)  # noqa: B023  # it is called at once
        await until(pilot, lambda: any("exit code 5" in note.message for note in app._notifications))
        assert lines() == ["completed"] * 2
