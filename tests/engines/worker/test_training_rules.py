"""The rules of the training loop, with a fake engine in the test's own process."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.config import ConfigError
from engines.experiment.checkpoint import best_path, load_model, read_position
from engines.messages.codec import encode
from engines.messages.commands import Pause, Predict, Resume, SaveCheckpoint, Start, Stop
from engines.messages.events import (
    CheckpointSaved,
    Diverged,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    EvalStarted,
    Event,
    Prediction,
    RunFailed,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    TrainProgress,
)
from engines.preset_configs import from_settings
from engines.worker.channel import Channel
from tests.support.local_worker import STEPS, LocalWorker


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> LocalWorker:
    return LocalWorker(monkeypatch)


def kinds(events: list[Any], *wanted: type[Event]) -> list[str]:
    """Return the names of these kinds of events, in order."""
    return [type(event).__name__ for event in events if isinstance(event, wanted)]


def of(events: list[Any], kind: type[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# Divergence


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("step", [1, 2, 3, STEPS, STEPS + 2])
def test_a_loss_that_is_no_number_ends_the_run_at_its_own_step(
    step: int, loss: float, worker: LocalWorker, tmp_path: Path
) -> None:
    """It waits for no end of an epoch and for no 6,400 digits, and the checkpoint from before stays."""
    worker.loss = lambda at: loss if at == step else 1.0
    events = worker.run(tmp_path / "run", epochs=3)
    (diverged,) = of(events, Diverged)
    assert diverged.global_step == step
    assert of(events, TrainProgress)[-1].global_step == step
    assert of(events, RunFinished)[0].outcome == "diverged"
    assert kinds(events, EvalStarted, EpochCompleted) == ["EvalStarted", "EpochCompleted"] * ((step - 1) // STEPS)
    checkpoint = tmp_path / "run" / "pytorch.npz"
    if step <= STEPS:
        assert not checkpoint.exists()
    else:
        assert read_position(checkpoint).global_step == STEPS


def test_a_huge_loss_ends_the_run_at_the_end_of_its_epoch(worker: LocalWorker) -> None:
    """A finite loss may be that of a single bad step: the mean over the epoch, or over 6,400 digits, decides."""
    worker.loss = lambda at: 80.0 if at == 2 else 1.0
    assert of(worker.run(epochs=1), Diverged) == []
    worker.loss = lambda at: 80.0 if at >= 2 else 1.0
    (diverged,) = of(worker.run(epochs=2), Diverged)
    assert (diverged.global_step, diverged.loss) == (STEPS, pytest.approx((1 + 3 * 80) / 4))


def test_without_stop_on_nan_the_run_goes_on_and_says_so_once(worker: LocalWorker, tmp_path: Path) -> None:
    worker.loss = lambda at: math.nan
    events = worker.run(tmp_path / "run", epochs=2, stop_on_nan=False)
    assert [event.global_step for event in of(events, Diverged)] == [1]
    assert of(events, RunFinished)[0].outcome == "completed"
    assert of(events, TrainProgress)[-1].global_step == 2 * STEPS
    assert not (tmp_path / "run" / "pytorch.npz").exists(), "nothing of it is worth resuming"


@pytest.mark.parametrize("stop_on_nan", [True, False])
def test_the_best_weights_from_before_a_divergence_are_written(
    stop_on_nan: bool, worker: LocalWorker, tmp_path: Path
) -> None:
    """They are those of an evaluation within an epoch; the checkpoint stays, and no later evaluation counts as best."""
    worker.loss = lambda at: math.nan if at == STEPS + 3 else 1.0
    worker.accuracies = (0.25, 0.5, 0.75, 0.875)
    events = worker.run(tmp_path / "run", epochs=3, eval_every=STEPS + 2, stop_on_nan=stop_on_nan)
    assert [event.global_step for event in of(events, CheckpointSaved)] == [STEPS]
    checkpoint = tmp_path / "run" / "pytorch.npz"
    assert read_position(checkpoint).global_step == STEPS
    position, weights, _ = load_model(best_path(checkpoint))
    assert (position.global_step, position.best_accuracy) == (STEPS + 2, 0.5)
    assert weights["steps"] == STEPS + 2
    finished = of(events, RunFinished)[0]
    assert finished.outcome == ("diverged" if stop_on_nan else "completed")
    assert position.best_epoch == 2


# Calls and clocks


def test_a_step_slower_than_a_call_is_a_call_of_its_own(worker: LocalWorker) -> None:
    worker.seconds = lambda step: 0.5
    worker.run(epochs=2)
    assert worker.calls == [(epoch, step, step + 1) for epoch in (1, 2) for step in range(STEPS)]


def test_calls_grow_with_fast_steps_and_end_with_the_epoch(worker: LocalWorker) -> None:
    """The first call compiles, and says nothing about the speed."""
    worker.seconds = lambda step: 5.0 if step == 1 else 0.019
    worker.run(epochs=2, batch_size=2)
    sizes = [[last - first for epoch, first, last in worker.calls if epoch == number] for number in (1, 2)]
    assert sizes[0][:5] == [1, 1, 2, 4, 5], "five steps of 0.019 s are a call of 0.1 s"
    assert [sum(of_epoch) for of_epoch in sizes] == [32, 32]
    assert sizes[1] == [5, 5, 5, 5, 5, 5, 2], "the short call at the end of the first epoch was no faster"


def test_a_call_ends_where_an_evaluation_is_due(worker: LocalWorker) -> None:
    worker.seconds = lambda step: 0.0
    events = worker.run(epochs=2, batch_size=2, eval_every=20)
    assert [event.global_step for event in of(events, EvalCompleted)] == [20, 32, 40, 60, 64]


def test_each_epoch_has_its_own_speed(worker: LocalWorker) -> None:
    """The first step, which compiles, is in neither figure; 16 digits a step."""
    worker.seconds = lambda step: 60.0 if step == 1 else 1.0 if step <= STEPS else 4.0
    first, second = of(worker.run(epochs=2), EpochCompleted)
    assert (first.samples_per_sec, second.samples_per_sec) == (16, 4)
    assert (first.train_seconds, second.train_seconds) == (3, 16)
    assert (first.first_step_seconds, second.first_step_seconds) == (60, None)
    assert (first.train_loss, first.train_accuracy) == (1.0, 0.5)


def test_tf32_is_refused_on_a_cpu(worker: LocalWorker) -> None:
    for device in ("cpu", "cpu,cpu"):
        with pytest.raises(ConfigError, match="can't be tf32 on a CPU"):
            worker.run(precision="tf32", device=device)
    events = worker.run(precision="tf32", device="auto")  # only the worker knows that this is the CPU
    assert kinds(events, RunStarted, RunFinished) == []
    (failed,) = of(events, RunFailed)
    assert (failed.kind, failed.message) == ("device", "tf32 needs a CUDA GPU; on a CPU choose fp32 or bf16.")
    assert failed.hint
    assert of(worker.run(precision="bf16", epochs=1), RunStarted)[0].precision == "bf16"


# Rules that end a run


def test_a_target_that_is_met_in_mid_epoch_ends_the_run_there(worker: LocalWorker, tmp_path: Path) -> None:
    worker.accuracies = (0.25, 0.5, 0.75)
    events = worker.run(tmp_path / "run", epochs=5, eval_every=3, target_accuracy=50.0)
    assert [event.global_step for event in of(events, EvalCompleted)] == [3, STEPS]
    worker.evaluations = 0
    events = worker.run(tmp_path / "run", epochs=5, eval_every=3, target_accuracy=70.0)
    assert [event.global_step for event in of(events, EvalCompleted)] == [3, STEPS, 6]
    last = kinds(events, TrainProgress, EvalCompleted, EpochCompleted, CheckpointSaved, RunFinished)
    assert last[-4:] == ["TrainProgress", "EvalCompleted", "CheckpointSaved", "RunFinished"]
    finished = of(events, RunFinished)[0]
    assert (finished.outcome, finished.test_accuracy, finished.best_epoch) == ("target-reached", 0.75, 2)
    position = read_position(tmp_path / "run" / "pytorch.npz")
    assert (position.epoch, position.step, position.global_step) == (2, 2, 6)


@pytest.mark.parametrize(("percent", "ended"), [(50.0, True), (50.001, False)])
def test_a_target_is_met_exactly(percent: float, ended: bool, worker: LocalWorker) -> None:
    finished = of(worker.run(epochs=2, target_accuracy=percent), RunFinished)[0]
    assert finished.outcome == ("target-reached" if ended else "completed")


def test_patience_counts_from_the_best_evaluation(worker: LocalWorker) -> None:
    """An equal accuracy is no better one."""
    worker.accuracies = (0.25, 0.5, 0.5, 0.25, 0.75)
    events = worker.run(epochs=9, patience=2)
    assert [event.accuracy for event in of(events, EvalCompleted)] == [0.25, 0.5, 0.5, 0.25]
    finished = of(events, RunFinished)[0]
    assert (finished.outcome, finished.best_epoch) == ("no-progress", 2)


# Commands


def at_step(step: int, act: Callable[[], None]) -> Callable[[Event], None]:
    """Return a listener that acts once, when the progress of that step is published."""

    def listen(event: Event) -> None:
        if isinstance(event, TrainProgress) and event.global_step == step:
            act()

    return listen


def test_a_second_pause_is_no_second_pause(worker: LocalWorker) -> None:
    worker.channel.on_event = at_step(2, lambda: worker.channel.send(Pause(), Pause(), Resume(), Resume()))
    events = worker.run(epochs=1)
    assert kinds(events, RunPaused, RunResumed, RunFinished) == ["RunPaused", "RunResumed", "RunFinished"]
    assert of(events, RunFinished)[0].outcome == "completed"


def test_a_stop_ends_a_pause(worker: LocalWorker) -> None:
    """The run trains no further step, is evaluated, and ends."""
    worker.channel.on_event = at_step(2, lambda: worker.channel.send(Pause(), Stop()))
    events = worker.run(epochs=1)
    order = kinds(events, RunPaused, RunResumed, TrainProgress, EvalCompleted, RunFinished)
    assert order[2:] == ["RunPaused", "RunResumed", "EvalCompleted", "RunFinished"]
    assert of(events, RunFinished)[0].outcome == "stopped"
    assert of(events, EvalCompleted)[0].global_step == 2


def test_a_save_in_mid_epoch_is_done_once(worker: LocalWorker, tmp_path: Path) -> None:
    worker.channel.on_event = at_step(2, lambda: worker.channel.send(SaveCheckpoint()))
    events = worker.run(tmp_path / "run", epochs=1)
    assert [event.global_step for event in of(events, CheckpointSaved)] == [3, STEPS]


def test_commands_between_runs_do_nothing(worker: LocalWorker, tmp_path: Path) -> None:
    """A run is neither paused, stopped nor saved by what was sent before its start."""
    worker.channel.send(Stop(), Pause(), SaveCheckpoint(), Resume())
    events = worker.run(tmp_path / "run", epochs=1)
    assert of(events, RunFinished)[0].outcome == "completed"
    assert len(of(events, CheckpointSaved)) == 1
    worker.channel.send(Pause(), Stop())
    assert of(worker.run(epochs=1), RunFinished)[0].outcome == "completed"
    assert worker.channel.of(RunPaused) == worker.channel.of(RunResumed) == []


def test_a_paused_run_answers_predictions_and_saves(worker: LocalWorker, tmp_path: Path) -> None:
    image = (0,) * 784
    commands = (
        Pause(),
        Predict(request_id=1, image=image),
        SaveCheckpoint(),
        Predict(request_id=2, image=image),
        Resume(),
    )
    worker.channel.on_event = at_step(2, lambda: worker.channel.send(*commands))
    events = worker.run(tmp_path / "run", epochs=1)
    order = kinds(events, RunPaused, Prediction, RunResumed, TrainProgress)
    assert (
        order == ["TrainProgress"] * 2 + ["RunPaused", "Prediction", "Prediction", "RunResumed"] + ["TrainProgress"] * 2
    )
    assert [event.global_step for event in of(events, Prediction)] == [2, 2]


def test_only_the_newest_of_waiting_questions_is_answered(worker: LocalWorker) -> None:
    """The outdated ones were typed over: their answers would arrive late, and cost training time."""
    worker.channel._newest_request_id = 3
    requests = [Predict(request_id=i, image=(0,) * 784) for i in (1, 2, 3)]
    worker.channel.on_event = at_step(2, lambda: worker.channel.send(*requests))
    assert [event.request_id for event in of(worker.run(epochs=1), Prediction)] == [3]


def test_a_question_without_784_grey_values_has_a_reason(worker: LocalWorker) -> None:
    requests = [Predict(request_id=i, image=(0,) * length) for i, length in ((1, 783), (2, 785), (3, 0), (4, 784))]
    worker.channel.on_event = at_step(2, lambda: worker.channel.send(*requests))
    answers = of(worker.run(epochs=1), Prediction)
    assert [answer.problem for answer in answers] == [
        f"an image has 784 grey values, not {length}" for length in (783, 785, 0)
    ] + [""]  # fmt: skip


def test_the_channel_remembers_the_newest_question_that_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands are read ahead of the training, which applies them one by one; a line that is none is reported."""
    lines = [encode(Predict(request_id=i, image=(0,))) for i in (1, 2)]
    start = Start(run_id="r", config=from_settings({}))
    (tmp_path / "commands").write_text("\n".join([lines[0], "not a command", lines[1], encode(start)]) + "\n")
    warnings: list[str] = []
    ended: list[bool] = []
    monkeypatch.setattr(Channel, "warn", lambda _, text: warnings.append(text))
    monkeypatch.setattr(Channel, "_shut_down", lambda _: ended.append(True))
    with open(tmp_path / "commands", "rb") as commands:
        channel = Channel("keras", -1, os.dup(commands.fileno()))
        channel._read_commands()
    assert channel._newest_request_id == 2
    read = [channel._commands.get_nowait() for _ in range(3)]
    assert [type(command).__name__ for command in read] == ["Predict", "Predict", "Start"]
    assert warnings == ["Ignored a command that can't be decoded: not JSON: Expecting value: line 1 column 1 (char 0)"]
    assert ended == [True], "the end of the pipe is the end of the app"


def test_epochs_start_in_order(worker: LocalWorker) -> None:
    events = worker.run(epochs=3)
    assert [event.epoch for event in of(events, EpochStarted)] == [1, 2, 3]
    assert len({event.order_sha256 for event in of(events, EpochStarted)}) == 3
