"""Requests to train: their values, defaults and presets."""

from __future__ import annotations

from typing import Any

import pytest

from engines.config import ConfigError
from engines.run_request import RunRequest


@pytest.mark.parametrize(
    "values", [{}, {"framework": "keras"}, {"epochs": 3, "device": "cpu"}, {"framework": "pytorch", "seed": 7}]
)
def test_a_request_has_the_values_that_it_was_made_from(values: dict[str, Any]) -> None:
    assert RunRequest.from_values(values).values == values


def test_a_request_names_engines_and_their_config() -> None:
    request = RunRequest.from_values({"framework": "keras", "epochs": 3})
    assert (request.engines, request.config.epochs) == (("keras",), 3)
    assert RunRequest().engines == ("pytorch", "keras")
    with pytest.raises(ConfigError, match="epochs"):
        _ = RunRequest(settings={"epochs": 0}).config


def test_a_default_is_not_stored() -> None:
    request = RunRequest().choose("epochs", 3).choose("framework", "keras")
    assert request.choose("epochs", 12).choose("framework", "both") == RunRequest()
    sgd = RunRequest().choose("optimizer", "sgd")
    assert sgd.value("learning_rate") == 0.05, "the optimizer's own default"
    assert sgd.choose("learning_rate", 0.05) == sgd


def test_another_preset_resets_hyperparameters_only() -> None:
    own = {"framework": "keras", "seed": 7, "device": "cpu", "target_accuracy": 98.0}
    request = RunRequest.from_values({**own, "optimizer": "sgd", "epochs": 3}).choose("preset", "quick")
    assert request.values == {**own, "preset": "quick"}
    assert request.choose("preset", "quick") == request
    assert request.choose("preset", "reference").values == own


def test_values_of_invalid_settings_are_the_references() -> None:
    assert RunRequest(settings={"preset": "nonsense"}).value("epochs") == 12
