"""Tests of the decision for XLA: a trial in a child, remembered by machine."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.programs import results_of

pytestmark = [pytest.mark.framework, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def trials() -> Any:
    """Return the decisions on fake GPUs."""
    return results_of("keras", "keras_trials", "trials")


def test_a_child_that_aborts_leaves_the_plain_loop_and_a_message(trials: Any) -> None:
    aborted = trials["aborts"]
    assert (aborted["used"], aborted["tried"]) == (False, True)
    assert "XLA is not used on cuda:0, and training is slower: it ends its process by SIGABRT." in aborted["log"]
    assert "delete" in aborted["log"]
    assert "ends its process with code 3" in trials["exits"]["log"]


def test_a_trial_is_remembered(trials: Any) -> None:
    """Its result holds for later runs: a failure, which each of them reports, and a success."""
    remembered = trials["remembered"]
    assert (remembered["used"], remembered["tried"]) == (False, False)
    assert "SIGABRT" in remembered["log"]
    assert trials["success remembered"] == {"used": True, "tried": False, "log": ""}


def test_another_driver_is_tried_again(trials: Any) -> None:
    assert trials["another driver"] == {"used": True, "tried": True, "log": ""}


def test_xla_is_for_one_gpu_without_augmentation(trials: Any) -> None:
    assert trials["used"] == [False, True, False]


def test_the_trial_compiles_and_compares_real_steps() -> None:
    """A worker of its own runs it, on the CPU where there is no GPU."""
    assert results_of("keras", "keras_trials", "real trial") == "compiles"
