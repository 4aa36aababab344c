"""The grammar of events: it accepts every life cut short, and finds what is wrong."""

from __future__ import annotations

import pytest

from engines.messages.events import RunFailed, WorkerExited
from engines.messages.grammar import violations
from tests.support.run_events import life, numbered


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
