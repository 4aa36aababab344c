"""A resumed run, with planned losses and answers: its events and figures are those of a run that was never cut off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.config import CHANGEABLE_ON_RESUME, ConfigError, TrainConfig
from engines.experiment.checkpoint import read_position
from engines.messages.codec import encode
from engines.messages.commands import Stop
from engines.messages.events import (
    CheckpointSaved,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    Event,
    ModelReady,
    RunFailed,
    RunFinished,
    RunRequested,
    RunStarted,
    TrainProgress,
    TwinsCompared,
    WorkerReady,
    WorkerSpawned,
)
from engines.messages.grammar import violations
from engines.runs.history import RunHistory
from engines.runs.resume import ResumeError, ResumePoint, find_resume_points
from engines.runs.seeds import SeedResults
from engines.session.rounds import resumed_rounds
from engines.session.session import Session
from tests.support.fake_supervisor import FakeSession
from tests.support.planned_run import Plan, blank_digits, history_of, of, record, train

CONFIG = TrainConfig(epochs=3, batch_size=10, schedule="cosine", device="cpu")
"""Three epochs of four steps."""


def cut_off(runs: Path, steps: int, config: TrainConfig = CONFIG, plan: Plan | None = None) -> Path:
    """Return the folder of a run that was stopped after so many steps."""
    events = train(replace(plan or Plan(), commands={steps: Stop()}), config, runs / "files", run_id="before")
    return record(runs / "before", {"pytorch": config}, events, {"pytorch": runs / "files" / "pytorch.npz"})


def point_of(folder: Path, **changes: Any) -> ResumePoint:
    """Return where the engine of a run continues."""
    return find_resume_points(folder, changes)["pytorch"]


def resumed(folder: Path, plan: Plan | None = None, **changes: Any) -> list[Event]:
    """Resume a run in a new folder beside its own, and return the events of its new record."""
    point = point_of(folder, **changes)
    after = folder.parent / "after"
    return train(plan or Plan(), point.config, after, run_id="after", resume=Path(point.checkpoint), past=point.events)


def steps_of(events: Sequence[Event]) -> list[tuple[str, int]]:
    """Return (kind, epoch or global step) of the events that count epochs and steps."""
    return [
        (type(event).__name__, event.global_step if isinstance(event, TrainProgress) else event.epoch)
        for event in events
        if isinstance(event, EpochStarted | TrainProgress | EvalCompleted | EpochCompleted)
    ]


@pytest.mark.parametrize("steps", [4, 6])
def test_it_trains_each_step_once_at_the_rate_of_an_uninterrupted_run(steps: int, tmp_path: Path) -> None:
    """The cut is between two epochs, or in the middle of one."""
    whole, first, second = Plan(), Plan(), Plan()
    uninterrupted = train(whole, CONFIG)
    events = resumed(cut_off(tmp_path, steps, plan=first), second)
    assert first.rates + second.rates == whole.rates
    assert violations(events) == []
    last = [(event.global_step, event.loss) for event in of(EvalCompleted, events)]
    assert last[-2:] == [(event.global_step, event.loss) for event in of(EvalCompleted, uninterrupted)][-2:]
    assert [event.epoch for event in of(EpochCompleted, events)] == [1, 2, 3]
    assert of(RunFinished, events)[0].outcome == "completed"


def test_its_past_ends_at_the_end_of_an_epoch(tmp_path: Path) -> None:
    """The next epoch had started, and starts again."""
    folder = cut_off(tmp_path, 4)
    assert steps_of(point_of(folder).events) == [
        ("EpochStarted", 1), *(("TrainProgress", step) for step in (1, 2, 3, 4)), ("EvalCompleted", 1), ("EpochCompleted", 1),
    ]  # fmt: skip


def test_its_past_ends_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    """Its own epoch is in the past, with the evaluation at the stop."""
    folder = cut_off(tmp_path, 6)
    assert steps_of(point_of(folder).events)[7:] == [
        ("EpochStarted", 2), ("TrainProgress", 5), ("TrainProgress", 6), ("EvalCompleted", 2),
    ]  # fmt: skip
    events = resumed(folder)
    started = [event.epoch for event in of(EpochStarted, events)]
    assert started == [1, 2, 2, 3], "the worker starts the epoch's rest"


def test_what_came_after_its_checkpoint_is_not_repeated(tmp_path: Path) -> None:
    """The worker was killed in epoch 2, after the checkpoint at the end of epoch 1."""
    train(Plan(commands={4: Stop()}), CONFIG, tmp_path / "files")
    killed = train(Plan(commands={6: Stop()}), CONFIG, run_id="before")
    folder = record(tmp_path / "before", {"pytorch": CONFIG}, killed, {"pytorch": tmp_path / "files" / "pytorch.npz"})
    past = point_of(folder).events
    assert [event.global_step for event in of(TrainProgress, past)] == [1, 2, 3, 4]
    assert [event.epoch for event in of(EpochStarted, past)] == [1]


def test_its_clock_continues(tmp_path: Path) -> None:
    """A step takes a second; the first of each process is not timed: 5 of 6 steps before the cut, and 5 of 6 after it."""
    events = resumed(cut_off(tmp_path, 6))
    assert of(RunFinished, events)[0].train_seconds == 10.0
    assert [event.train_seconds for event in of(EvalCompleted, events)] == [3.0, 5.0, 6.0, 10.0]
    second = of(EpochCompleted, events)[1]
    assert (second.train_seconds, second.samples_per_sec, second.first_step_seconds) == (3.0, 10.0, 1.0)
    history = history_of(events)
    assert history.epoch_times == [3.0, 3.0, 4.0]


def test_its_epoch_has_the_mean_loss_of_all_its_steps(tmp_path: Path) -> None:
    """Losses 5 and 6 are from before the cut, 7 and 8 from after it."""
    loss = float
    events = resumed(cut_off(tmp_path, 6, plan=Plan(loss=loss)), Plan(loss=loss))
    assert [event.train_loss for event in of(EpochCompleted, events)] == [2.5, 6.5, 10.5]


def test_it_has_a_checkpoint_at_once(tmp_path: Path) -> None:
    """One that ends before its first step can be resumed too."""
    folder = cut_off(tmp_path, 6)
    events = resumed(folder, Plan(commands={6: Stop()}))
    kinds = [type(event) for event in events]
    saved = of(CheckpointSaved, events)[0]
    assert kinds.index(CheckpointSaved) < kinds.index(ModelReady) < kinds.index(RunStarted)
    assert (saved.epoch, saved.global_step) == (2, 6)
    assert read_position(tmp_path / "after" / "pytorch.npz").global_step == 6


@pytest.mark.parametrize("patience", [3, 5])
def test_its_patience_counts_the_evaluations_before_the_cut(patience: int, tmp_path: Path) -> None:
    """The first evaluation, at step 2, is the best; it was cut off at step 6, after two without a better one."""

    def answers(step: int) -> Sequence[int]:
        return [0] * 10 if step > 2 else [0, 1, *[0] * 8]

    config = replace(CONFIG, epochs=9, patience=patience, eval_every=2)
    folder = cut_off(tmp_path, 6, config, Plan(answers=answers))
    assert [event.global_step for event in of(EvalCompleted, point_of(folder).events)] == [2, 4, 6]
    finished = of(RunFinished, resumed(folder, Plan(answers=answers)))[0]
    assert (finished.outcome, finished.best_epoch) == ("no-progress", 1)
    assert read_position(tmp_path / "after" / "pytorch.npz").global_step == 2 + 2 * patience


def test_its_remaining_time_is_at_the_pace_of_the_steps_that_it_trained_itself() -> None:
    """Ten steps took 20 seconds, and 90 are left; the 100 before the cut took no time now."""
    history = RunHistory("pytorch")
    config = TrainConfig(device="cpu")
    history.apply(RunRequested(engine="pytorch", t=0.0, run_id="r", config=config))
    history.apply(RunStarted(
        engine="pytorch", t=50.0, config=config, device="cpu", precision="fp32", num_threads=1, steps_per_epoch=50, total_steps=200,
        global_step=100,
    ))  # fmt: skip
    history.apply(TrainProgress(
        engine="pytorch", t=70.0, epoch=3, step=10, global_step=110, samples_seen=1100, loss=1.0, accuracy=0.5, samples_per_sec=5.0,
        learning_rate=1.0,
    ))  # fmt: skip
    assert history.eta_seconds(now=70.0) == pytest.approx(20.0 * 90 / 10)


def test_it_has_no_pace_before_its_own_first_step(tmp_path: Path) -> None:
    """Its history has the steps before the cut already."""
    events = resumed(cut_off(tmp_path, 6))
    history = history_of(events[: 1 + events.index(of(RunStarted, events)[0])])
    assert (history.global_step, history.eta_seconds(now=history.last_t + 5.0)) == (6, None)


def test_it_started_with_the_steps_that_were_done(tmp_path: Path) -> None:
    events = resumed(cut_off(tmp_path, 6))
    assert [(event.global_step, event.total_steps) for event in of(RunStarted, events)] == [(6, 12)]


# Which engines continue, and with what


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """Write a run of three seeds, a time trial of which PyTorch has finished and Keras was stopped after its first epoch."""
    config = replace(CONFIG, mode="time-trial", seeds=3, seed=4)
    workers: list[Event] = []
    for pid in (1, 2):
        workers.append(WorkerSpawned(engine="pytorch", pid=pid, interpreter="python"))
        workers.append(WorkerReady(
            engine="pytorch", pid=pid, framework="P", version="1", devices=(), num_threads=1, import_seconds=1.0
        ))  # fmt: skip
    finished = train(Plan(), config, tmp_path / "pytorch", run_id="before")
    stopped = train(Plan(commands={4: Stop()}), config, tmp_path / "keras", run_id="before")
    return record(
        tmp_path / "before",
        dict.fromkeys(("pytorch", "keras"), config),
        [*workers, *finished, *(replace(event, engine="keras") for event in stopped)],
        {engine: tmp_path / engine / "pytorch.npz" for engine in ("pytorch", "keras")},
    )


def test_a_finished_engine_is_repeated_with_the_worker_that_trained_it(both: Path) -> None:
    """Its record begins with an earlier worker, which ended before the run."""
    points = find_resume_points(both, {})
    assert (points["pytorch"].checkpoint, points["keras"].checkpoint) == ("", str(both / "keras.npz"))
    past = points["pytorch"].events
    assert [type(event) for event in past[:3]] == [RunRequested, WorkerSpawned, WorkerReady]
    assert (of(WorkerSpawned, past)[0].pid, of(WorkerReady, past)[0].pid) == (2, 2)
    assert [event.outcome for event in of(RunFinished, past)] == ["completed"]
    assert [event.global_step for event in of(TrainProgress, past)] == list(range(1, 13))


def test_the_comparisons_of_both_engines_are_repeated_up_to_where_they_continue(both: Path) -> None:
    """An engine that continues alone has none: only half of them are in its stream."""
    lines = (both / "events.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    end = next(i for i, line in enumerate(lines) if '"type":"RunFinished"' in line)
    for engine, step in (("keras", 4), ("keras", 8), ("pytorch", 12)):
        event = TwinsCompared(
            engine=engine, t=0.0, epoch=step // 4, global_step=step, layers=(), answers=0, test_size=10
        )
        lines.insert(end, encode(event) + "\n") if engine == "pytorch" else lines.append(encode(event) + "\n")
    (both / "events.jsonl").write_text("".join(lines), encoding="utf-8")
    points = find_resume_points(both, {})
    assert [event.global_step for event in of(TwinsCompared, points["keras"].events)] == [4]
    assert [event.global_step for event in of(TwinsCompared, points["pytorch"].events)] == [12]
    alone = find_resume_points(both, {}, frozenset({"keras"}))["keras"]
    assert of(TwinsCompared, alone.events) == []


def test_a_seed_of_a_series_continues_alone(both: Path) -> None:
    points = find_resume_points(both, {})
    assert {(point.config.seed, point.config.seeds) for point in points.values()} == {(4, 1)}
    (turn,) = resumed_rounds(points, "before")
    assert list(turn.configs) == ["keras"], "nothing is left to do for PyTorch"
    assert turn.run_folder.resumed == "before"
    assert list(turn.run_folder.configs) == ["pytorch", "keras"]


def test_only_the_named_engine_continues(both: Path) -> None:
    assert list(find_resume_points(both, {"epochs": 4})) == ["pytorch", "keras"]
    assert list(find_resume_points(both, {"epochs": 4}, frozenset({"pytorch"}))) == ["pytorch"]
    with pytest.raises(ResumeError, match="Nothing is left to do"):
        find_resume_points(both, {}, frozenset({"pytorch"}))


@pytest.mark.parametrize(
    ("changes", "turns"), [({}, [["pytorch"], ["keras"]]), ({"mode": "race"}, [["pytorch", "keras"]])]
)
def test_a_time_trial_stays_one(changes: dict[str, Any], turns: list[list[str]], both: Path) -> None:
    """In one folder, whichever mode continues it."""
    rounds = resumed_rounds(find_resume_points(both, {"epochs": 4, **changes}), "before")
    assert [list(turn.configs) for turn in rounds] == turns
    assert [list(turn.resume_points) for turn in rounds] == turns
    assert len({id(turn.run_folder) for turn in rounds}) == 1


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    return FakeSession(monkeypatch, tmp_path / "runs").session


@pytest.mark.parametrize("engines", [["keras"], ["pytorch"], []])
def test_a_session_continues_the_named_engine_or_both(
    engines: list[str], both: Path, session: Session, tmp_path: Path
) -> None:
    """The record is that of one run, not of a series, and names the run that it continues."""
    session.seed_results = SeedResults(seeds=3)
    session.resume_run(both, {"epochs": 4, "mode": "race"}, engines)
    chosen = tuple(engines) or ("pytorch", "keras")
    assert session.engines == chosen
    assert tuple(engine for engine in ("pytorch", "keras") if not session.is_free(engine)) == chosen
    (folder,) = (tmp_path / "runs").iterdir()
    config = json.loads((folder / "config.json").read_text())
    assert (tuple(config["engines"]), config["resumed"], config["series"]) == (chosen, "before", "")
    assert (session.seed_results.seeds, session.seed_results.runs) == (1, {})


def test_engines_of_a_time_trial_continue_one_after_the_other(both: Path, session: Session) -> None:
    session.resume_run(both, {"epochs": 4})
    assert (session.waiting_for("pytorch"), session.waiting_for("keras")) == ("", "pytorch")


def test_a_run_without_a_record_continues_from_its_checkpoint_alone(tmp_path: Path) -> None:
    folder = cut_off(tmp_path, 6)
    (folder / "events.jsonl").unlink()
    assert point_of(folder).events == ()
    assert of(RunFinished, resumed(folder))[0].outcome == "completed"


KEPT = (
    "preset", "keras_backend", "seed", "seeds", "batch_size", "optimizer", "learning_rate", "schedule", "rho", "momentum",
    "weight_decay", "epsilon", "dropout", "augment", "dataset", "limit_train", "limit_test", "validation",
)  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_a_setting_that_would_make_it_another_experiment_is_kept(name: str, tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match=f"A resumed run keeps its {name.replace('_', ' ')}. Omit --"):
        find_resume_points(tmp_path, {name: getattr(CONFIG, name)})


def test_all_other_settings_may_change(tmp_path: Path) -> None:
    assert {*CHANGEABLE_ON_RESUME, *KEPT} == set(TrainConfig.__dataclass_fields__)
    folder = cut_off(tmp_path, 6)
    for name in CHANGEABLE_ON_RESUME:
        assert find_resume_points(folder, {name: getattr(CONFIG, name)})
    assert point_of(folder, patience=7).config.patience == 7
    with pytest.raises(ConfigError, match="epochs must be at least 1"):
        find_resume_points(folder, {"epochs": 0})


def test_other_digits_end_it_with_a_reason(tmp_path: Path) -> None:
    failed = of(RunFailed, resumed(cut_off(tmp_path, 6), Plan(digits=blank_digits(grey=9))))[0]
    assert (failed.kind, failed.message) == (
        "checkpoint", "The run can't be resumed from its checkpoint: the digits differ.",
    )  # fmt: skip
