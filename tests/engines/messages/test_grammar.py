"""The grammar of events: it accepts every life cut short, and finds what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.messages.events import (
    EpochStarted,
    EvalCompleted,
    Event,
    RunFailed,
    RunFinished,
    RunRequested,
    WorkerExited,
)
from engines.messages.grammar import violations
from tests.support.run_events import life, numbered, validated_life


def test_a_life_is_grammatical() -> None:
    assert violations(life()) == []


@pytest.mark.parametrize("cut", range(1, 23))
def test_every_life_cut_short_is_grammatical(cut: int) -> None:
    events = life()[:cut]
    if cut < len(life()):
        events.append(RunFailed(engine="keras", seq=99, t=99.0, run_id="r", kind="crashed", message="m"))
    assert violations(events) == []


def test_the_grammar_finds_what_is_wrong() -> None:
    events = life()
    assert violations([events[0], events[8]])
    assert violations(events[:3] + events[2:])
    assert violations([*life(), numbered(life()[-1], 99)]), "a run ends once"
    swapped = [*events[:9], numbered(events[9], 10), numbered(events[9], 11)]
    assert any("global_step" in text for text in violations(swapped))
    assert any("neither" in text for text in violations(
        [*events[:9], WorkerExited(engine="keras", seq=50, returncode=1, signal="", log_tail=())]
    ))  # fmt: skip


def test_the_test_digits_follow_held_out_ones_once_at_the_end() -> None:
    events = validated_life()
    assert violations(events) == []
    (test,) = [event for event in events if isinstance(event, EvalCompleted) and event.split == "test"]
    place = events.index(test)

    request, *_, ended = events
    assert isinstance(request, RunRequested)
    assert isinstance(ended, RunFinished)

    def renumbered(*changed: Event) -> list[str]:
        return violations([numbered(event, i) for i, event in enumerate(changed, start=1)])

    second = next(i for i, event in enumerate(events) if isinstance(event, EpochStarted) and event.epoch == 2)
    assert renumbered(*events[: second + 1], test, replace(ended, outcome="stopped")) == [], (
        "stopped before the epoch's first step"
    )
    assert renumbered(*events[: place + 1], replace(test, split="validation"), *events[place + 1 :])
    assert renumbered(*events[: place + 1], test, *events[place + 1 :])
    without = replace(request, config=replace(request.config, validation=0))
    assert renumbered(without, *events[1:]), "the test digits judged already"
