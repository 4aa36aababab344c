"""The step of a change of the learning rate is ahead of every run that it is for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.config import TrainConfig
from engines.messages.commands import ChangeLearningRate
from engines.messages.events import RunPaused
from engines.session.common_step import step_of_rate_change
from tests.support.fake_supervisor import FakeSession
from tests.support.histories import simulated_run


@pytest.mark.parametrize(
    ("rate", "paused", "expected"), [(1280.0, False, 110), (1290.0, False, 111), (1280.0, True, 103), (0.0, False, 101)]
)
def test_it_is_a_second_ahead_of_the_fastest(rate: float, paused: bool, expected: int) -> None:
    """Batches have 128 digits, and that run has trained 100 steps; a paused one is hardly further than its last event."""
    ahead, behind = simulated_run("keras", 0.1, steps=100), simulated_run("pytorch", 0.1, steps=50)
    assert ahead.progress is not None
    ahead.progress = replace(ahead.progress, samples_per_sec=rate)
    if paused:
        ahead.apply(RunPaused(engine="keras", t=99.0))
    assert step_of_rate_change([behind, ahead]) == step_of_rate_change([ahead, behind]) == expected


@pytest.mark.parametrize("rate", [float("nan"), float("inf")])
def test_a_rate_that_is_no_number_leads_to_the_next_step(rate: float) -> None:
    history = simulated_run("keras", 0.1, steps=100)
    assert history.progress is not None
    history.progress = replace(history.progress, samples_per_sec=rate)
    assert step_of_rate_change([history]) == 101


def test_the_session_passes_it_on_to_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSession(monkeypatch, None)
    fake.session.start({"keras": TrainConfig()})
    fake.session.change_learning_rate("keras", 0.5, 7)
    assert fake.worker("keras").commands == [ChangeLearningRate(factor=0.5, global_step=7)]
