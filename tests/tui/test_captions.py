"""Captions of a run: a table of what has happened, and what is said about it; each is said once, and stands long enough."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engines.api import ENGINES, RunHistory, TrainConfig
from engines.messages.events import (
    DataReady,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    EvalStarted,
    Event,
    ModelReady,
    RunFinished,
    RunPaused,
    RunRequested,
    RunStarted,
    TrainProgress,
    WorkerReady,
    WorkerSpawned,
)
from engines.runs.reader import read_events
from engines.session.replay import DEMO
from tests.support.pilot import key_bar_of, opened, screen_text, until
from tests.support.prose import caption_problem
from tui.captions import CAPTION_SECONDS, CAPTIONS, LOOK_SECONDS, CaptionLine, Captions
from tui.widgets.key_bar import CAPTION_COLUMNS

CONFIG = TrainConfig(epochs=2)


def steps(e: str, until_step: int, accuracy: float = 0.5, *, seconds: float = 1.0) -> list[Event]:
    """Return the progress of the first steps, `seconds` apart."""
    return [
        TrainProgress(engine=e, t=10.0 + seconds * step, epoch=1, step=step, global_step=step, samples_seen=128 * step,
                      loss=1.0, accuracy=accuracy, samples_per_sec=1.0, learning_rate=1.0)
        for step in range(1, until_step + 1)
    ]  # fmt: skip


def life(
    e: str, *, wrong: int = 200, train: float = 0.9, config: TrainConfig = CONFIG
) -> list[tuple[str, list[Event]]]:
    """Return the events of a run of two steps of an epoch, by stage; `wrong` digits of 10,000 fail in the test."""
    mistakes = tuple((n, 0, 1) for n in range(wrong))
    right = 1 - wrong / 10_000
    return [
        ("asked", [RunRequested(engine=e, t=0.0, config=config), WorkerSpawned(engine=e, t=1.0, pid=1, interpreter="")]),
        ("imported", [WorkerReady(engine=e, t=2.0, pid=1, framework="F", version="1", devices=(), num_threads=1,
                                  import_seconds=1.0),
                      DataReady(engine=e, t=3.0, dataset="mnist", source="x", sha256="0", train_size=60_000,
                                test_size=10_000, seconds=1.0)]),
        ("built", [ModelReady(engine=e, t=4.0, layers=(), parameters=1_199_882, seconds=1.0)]),
        ("started", [RunStarted(engine=e, t=5.0, config=config, device="cpu", precision="fp32", num_threads=1,
                                steps_per_epoch=100, total_steps=200), EpochStarted(engine=e, t=5.0, epoch=1, order_sha256="")]),
        ("three steps", steps(e, 3)),
        ("sixty steps", steps(e, 60)[3:]),
        ("nearly all right", steps(e, 61, 0.95)[60:]),
        ("testing", [EvalStarted(engine=e, t=80.0, epoch=1, global_step=61)]),
        ("tested", [EvalCompleted(engine=e, t=81.0, epoch=1, global_step=100, split="test", loss=0.1, accuracy=right,
                                  seconds=1.0, confusion=(100,) * 100, mistakes=mistakes),
                    EpochCompleted(engine=e, t=81.0, epoch=1, train_loss=0.3, train_accuracy=train, train_seconds=60.0,
                                   samples_per_sec=1.0, first_step_seconds=1.0)]),
        ("finished", [RunFinished(engine=e, t=90.0, outcome="completed", test_accuracy=right, test_loss=0.1, best_epoch=1,
                                  train_seconds=80.0, wall_seconds=90.0)]),
    ]  # fmt: skip


def numbered(events: list[Event]) -> list[Event]:
    return [replace(event, run_id="r", seq=i) for i, event in enumerate(events, 1)]


def said(lives: list[list[tuple[str, list[Event]]]]) -> list[tuple[str, str]]:
    """Return each caption with the stage in which it is said, while the runs go through their stages together."""
    histories = {life[0][1][0].engine: RunHistory(life[0][1][0].engine) for life in lives}
    captions, found = Captions(), []
    for stages in zip(*lives, strict=True):
        for _, events in stages:
            for event in numbered(events):
                histories[event.engine].apply(event)
        while text := captions.next(histories):
            found.append((stages[0][0], text))
    return found


BOTH = [
    ("asked", "A framework must be imported before anything trains; that takes seconds."),
    ("built", "Both networks start from the same 1,199,882 numbers, drawn from one seed."),
    ("started", "Both prepare their first step, which takes longer than those after it."),
    ("three steps", "Each step shows 128 digits and moves every weight a little: the loss falls."),
    ("three steps", "They share one CPU and slow each other down: the times are no measure."),
    ("sixty steps", "That lead is within the noise: less than 0.2 s."),
    ("nearly all right", "PyTorch read 95 % of its last digits right, after 61 steps."),
    ("testing", "One epoch: each of 60,000 digits was seen once. Now comes the test."),
    ("tested", "Test above training: that one is a mean over the epoch, with dropout on."),
    ("tested", "98.00 % and 97.99 % on the test: that difference is within the noise."),
    ("finished", "A statistical tie: their test results differ by no more than chance would."),
]


def test_both_frameworks_are_explained_from_the_import_to_the_verdict() -> None:
    assert said([life("pytorch"), life("keras", wrong=201)]) == BOTH


def test_one_framework_is_explained_without_the_other() -> None:
    alone = [text for _, text in said([life("keras")])]
    assert alone == [
        BOTH[0][1],
        "It prepares its first step, which takes longer than those after it.",
        BOTH[3][1],
        "Keras read 95 % of its last digits right, after 61 steps.",
        *(BOTH[i][1] for i in (7, 8)),
    ]


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"wrong": 1100}, "Test above"),
        ({"train": 0.99}, "Test above"),
        ({"config": replace(CONFIG, dropout=0.0)}, "Test above"),
    ],
)
def test_what_is_not_so_is_not_said(change: dict[str, object], missing: str) -> None:
    lives = [life(engine, **change) for engine in ENGINES]  # type: ignore[arg-type]
    assert not any(missing in text for _, text in said(lives))


def test_held_out_digits_are_no_test() -> None:
    texts = [text for _, text in said([life("keras", config=replace(CONFIG, validation=5_000))])]
    assert any(text.endswith("Now comes a look at digits that were held out.") for text in texts)
    assert not any("the test" in text for text in texts)


def test_a_clear_difference_is_no_tie() -> None:
    texts = [text for _, text in said([life("pytorch"), life("keras", wrong=300)])]
    assert not any("noise" in text and "test" in text for text in texts)
    assert texts[-1] == "This PyTorch network is ahead (one seed). Other seeds may end otherwise."


def test_a_lead_that_is_one_is_not_called_noise() -> None:
    slow = [(stage, [replace(e, t=e.t + 5.0) for e in events]) for stage, events in life("keras")]
    slow[0][1][0] = replace(slow[0][1][0], t=0.0)
    assert not any("lead" in text for _, text in said([life("pytorch"), slow]))


def test_a_pause_and_a_divergence_come_first() -> None:
    lives: list[list[tuple[str, list[Event]]]] = []
    for engine in ENGINES:
        stages = life(engine)[:5]
        stages[4] = "paused", [*stages[4][1], RunPaused(engine=engine, t=20.0)]
        end = RunFinished(engine=engine, t=90.0, outcome="diverged", test_accuracy=None, test_loss=None, best_epoch=None,
                          train_seconds=0.0, wall_seconds=0.0)  # fmt: skip
        lives.append([*stages, ("diverged", [end])])
    found = dict(said(lives))
    assert found["paused"].startswith("Paused after a whole step")
    assert found["diverged"].startswith("PyTorch and Keras: the loss ran away.")


def test_each_caption_is_said_once_a_run_and_again_in_the_next() -> None:
    captions, histories = Captions(), {"keras": RunHistory("keras")}
    for run_id in ("first", "second"):
        for event in [event for _, events in life("keras")[:5] for event in events]:
            histories["keras"].apply(replace(event, run_id=run_id))
        assert "the loss falls" in (captions.next(histories) or "")
        assert captions.next(histories) is None


def test_the_recorded_race_is_explained_in_lines_of_plain_prose() -> None:
    """Every caption of the real run is one line at 80 columns, and those of the table are, too."""
    captions, histories, texts = (
        Captions(),
        {engine: RunHistory(engine) for engine in ENGINES},
        [text for _, text in BOTH],
    )
    for event in read_events(DEMO):
        if event.engine in histories:
            histories[event.engine].apply(event)
            texts += filter(None, [captions.next(histories)])
    assert len(texts) - len(BOTH) >= 9
    assert "98.13 % and 98.11 % on the test: that difference is within the noise." in texts
    assert [text for text in texts if len(text) > CAPTION_COLUMNS] == []
    assert {text: problem for text in texts if (problem := caption_problem(text.replace(";", ",")))} == {}
    assert set(CAPTIONS) >= {"first step", "test above training", "lead is noise"}


def test_a_caption_stands_until_it_can_be_read() -> None:
    seconds, histories = 0.0, {"keras": RunHistory("keras")}
    line = CaptionLine(lambda: seconds)
    assert line.text(histories) == ""
    stages = [numbered(events) for _, events in life("keras")]
    for event in [*stages[0], *stages[1], *stages[2], *stages[3]]:
        histories["keras"].apply(event)
    seconds += LOOK_SECONDS
    first = line.text(histories)
    assert first.startswith("It prepares")
    for event in stages[4]:
        histories["keras"].apply(event)
    seconds += CAPTION_SECONDS - 0.1
    assert line.text(histories) == first
    seconds += 0.2
    assert "the loss falls" in line.text(histories)
    seconds += CAPTION_SECONDS
    assert line.text(histories) == ""


async def test_the_app_shows_captions_until_they_are_switched_off(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24), epochs=10_000) as (app, pilot):
        keys = key_bar_of(app)
        rows = len(screen_text(app).splitlines())
        app.action_captions()
        assert app.caption == ""
        await pilot.press("s")
        await until(pilot, lambda: "▌ " in screen_text(app).splitlines()[-2])
        assert app.caption
        assert app.caption in screen_text(app).splitlines()[-2]
        assert len(screen_text(app).splitlines()) == rows
        app.action_captions()
        await until(pilot, lambda: "▌" not in screen_text(app))
        assert key_bar_of(app) != keys, "the keys are those of a run now"
