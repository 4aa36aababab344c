"""The settings of a run: valid values, reasons for invalid ones, presets, and the lists derived from the declaration."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from engines.config import (
    BACKENDS,
    CHANGEABLE_ON_RESUME,
    HYPERPARAMETERS,
    MUST_MATCH_ON_RESUME,
    PRESETS,
    RESET_BY_PRESET,
    SETTING_GROUPS,
    ConfigError,
    TrainConfig,
    engine_id,
    is_device,
    parse,
    problem,
)
from engines.frameworks import PACKAGES
from engines.preset_configs import for_engine, from_settings, preset_label


def test_the_defaults_are_the_reference() -> None:
    config = from_settings({})
    assert (config.optimizer, config.learning_rate, config.rho, config.epsilon) == ("adadelta", 1.0, 0.95, 1e-7)
    assert (config.batch_size, config.epochs, config.dropout) == (128, 12, 0.25)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid(preset: str) -> None:
    assert from_settings({"preset": preset}).preset == preset


def test_a_setting_overrides_its_preset() -> None:
    assert from_settings({"preset": "quick", "epochs": 5}).epochs == 5


def test_an_optimizer_brings_its_usual_learning_rate() -> None:
    assert from_settings({"optimizer": "adam"}).learning_rate == 0.001
    assert from_settings({"optimizer": "adam", "learning_rate": 0.5}).learning_rate == 0.5
    assert from_settings({"preset": "best", "optimizer": "adadelta"}).learning_rate == 1.0
    assert from_settings({"preset": "quick", "optimizer": "adam"}).learning_rate == 0.003, "the preset's own"


def test_library_defaults_differ_on_purpose() -> None:
    config = from_settings({"preset": "library-defaults"})
    assert for_engine(config, "pytorch").learning_rate == 1.0
    assert for_engine(config, "keras").learning_rate == 0.001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0), ("epochs", 1.5), ("epochs", True), ("batch_size", 60_001), ("learning_rate", float("nan")),
        ("dropout", 0.5), ("device", "cuda"), ("device", "gpu"), ("optimizer", "lion"), ("seed", -1), ("seed", 2**32),
    ],
)  # fmt: skip
def test_bad_values_have_a_reason(name: str, value: Any) -> None:
    assert problem(name, value)
    with pytest.raises(ConfigError, match=name):
        from_settings({name: value})


def test_unknown_settings_and_presets_are_errors() -> None:
    with pytest.raises(ConfigError, match="unknown"):
        from_settings({"epoch": 3})
    with pytest.raises(ConfigError, match="preset"):
        from_settings({"preset": "best-ever"})


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("auto", True), ("cpu", True), ("cuda:0", True), ("cuda:x", False), ("", False),
        ("all", True), ("cuda:0,cuda:1", True), ("cuda:3,cuda:1,cuda:0", True), ("cpu,cpu", True), ("cpu,cpu,cpu,cpu", True),
        ("cuda:0,cuda:0", False), ("cuda:1,cuda:01", False), ("cpu,cuda:0", False), ("mps,mps", False), ("all,cpu", False),
        ("auto,auto", False), ("cpu,", False), (",", False), ("cpu, cpu", False), ("cpu,cpu,cpu,cpu,cpu", False),
    ],
)  # fmt: skip
def test_device_names(text: str, valid: bool) -> None:
    assert is_device(text) is valid


@given(st.sampled_from(sorted(TrainConfig.__dataclass_fields__)), st.text())
def test_parse_gives_a_good_value_or_a_reason(name: str, text: str) -> None:
    try:
        value = parse(name, text)
    except ConfigError as error:
        assert str(error)
    else:
        assert problem(name, value) is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("limit_train", "60,000", 60_000), ("limit_train", "60_000", 60_000), ("eval_every", "1,000,000", 1_000_000),
        ("epochs", " +1 ", 1), ("learning_rate", "1e-3", 0.001), ("learning_rate", ".5", 0.5), ("learning_rate", "1.", 1.0),
        ("learning_rate", "1_0.5", 10.5), ("learning_rate", "٣", 3.0),
    ],
)  # fmt: skip
def test_numbers_are_parsed_in_their_usual_forms(name: str, text: str, value: float) -> None:
    assert parse(name, text) == value


@pytest.mark.fault("input", "a decimal comma, commas and underscores out of place: refused, with the right spelling")
@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("learning_rate", "0,001", "has a decimal comma: write 0.001"), ("dropout", "0,5", "has a decimal comma: write 0.5"),
        ("target_accuracy", "99,5", "has a decimal comma: write 99.5"), ("epsilon", "1,5e-3", "has a decimal comma: write 1.5e-3"),
        ("learning_rate", "1,000", "has a comma: write 1000 or 1.000"), ("learning_rate", "1,234.5", "has a comma: write 1234.5"),
        ("learning_rate", "1.234,5", "must be a number"), ("learning_rate", "1__0", "must be a number"),
        ("learning_rate", "0x10", "must be a number"), ("learning_rate", "nan", "must be a finite number"),
        ("epochs", "6,0", "must be a whole number, such as 60000 or 60,000"), ("seed", "0,001", "must be a whole number, such"),
        ("epochs", "1,5", "must be a whole number, such"), ("limit_train", "60,00", "must be a whole number, such"),
        ("epochs", "1__0", "must be a whole number"), ("epochs", "1e1", "must be a whole number"),
        ("device", "cuda:٣", "must be auto"),
    ],
)  # fmt: skip
def test_unusual_forms_of_numbers_are_refused(name: str, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(name, text)
    assert str(caught.value).startswith(reason)


def test_each_engine_may_have_its_own_device() -> None:
    config = from_settings({"device": "cpu", "keras_device": "cuda:1"})
    assert for_engine(config, "pytorch").device == "cpu"
    assert for_engine(config, "keras").device == "cuda:1"
    assert for_engine(from_settings({}), "keras").device == "auto"
    with pytest.raises(ConfigError):
        from_settings({"pytorch_device": "gpu"})


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        ({}, "reference"),
        ({"seed": 3, "device": "cpu", "threads": 2, "data_dir": "/x", "mode": "time-trial"}, "reference"),
        ({"optimizer": "sgd", "dropout": 0.0}, "reference, changed: optimizer sgd, dropout 0"),
        ({"optimizer": "sgd", "learning_rate": 0.1}, "reference, changed: optimizer sgd, learning rate 0.1"),
        ({"epochs": 1, "limit_train": 12_800}, "reference, changed: epochs 1, limit train 12,800"),
        ({"momentum": 0.5}, "reference"),
        ({"preset": "best"}, "best"),
        ({"preset": "best", "epochs": 20}, "best"),
        ({"preset": "quick", "augment": "affine"}, "quick, changed: augment affine"),
        ({"preset": "library-defaults"}, "library-defaults"),
    ],
)
def test_the_label_of_a_preset_names_the_changes(settings: dict[str, Any], label: str) -> None:
    """Momentum is no change with Adadelta, nor is the usual learning rate of another optimizer."""
    assert preset_label(from_settings(settings)) == label


def test_every_setting_has_a_group_and_at_most_one_rule_for_resuming() -> None:
    names = [name for names in SETTING_GROUPS.values() for name in names]
    assert names == list(TrainConfig.__dataclass_fields__)
    assert not {*CHANGEABLE_ON_RESUME} & {*MUST_MATCH_ON_RESUME}


def test_settings_that_decide_the_weights_can_not_change_on_resume() -> None:
    """Epochs and precision may change; a checkpoint compares the digits themselves instead of limit_train."""
    assert {*RESET_BY_PRESET} - {*MUST_MATCH_ON_RESUME} == {"epochs", "limit_train"}
    assert {*HYPERPARAMETERS} - {*RESET_BY_PRESET} == {"precision", "limit_test", "validation"}
    assert "schedule" in MUST_MATCH_ON_RESUME


def test_every_engine_and_backend_has_its_packages() -> None:
    assert set(PACKAGES) == {"pytorch", *(engine_id("keras", backend) for backend in BACKENDS)}
