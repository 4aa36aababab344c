"""The ratio of two engines' times for an epoch."""

from __future__ import annotations

from typing import Any

import pytest

from engines.runs.history import RunHistory
from engines.runs.statistics import Ratio
from engines.runs.time_ratio import epoch_time_ratio, time_ratio
from tests.support.ended_run import ended_run

TRIAL = {"mode": "time-trial", "device": "cpu"}


def runs(pytorch: tuple[float, ...], keras: tuple[float, ...], **settings: Any) -> dict[str, RunHistory]:
    """Return a run of each engine with these seconds of its epochs."""
    seconds = {"pytorch": pytorch, "keras": keras}
    return {
        engine: ended_run(engine, 0, 9900, epoch_times=its, **{**TRIAL, **settings}) for engine, its in seconds.items()
    }


def test_the_faster_engine_is_named_with_its_interval() -> None:
    """Logarithms 1, 1.1, 1.2 and 0, 0.1, 0.2: a difference of 1, standard error 0.1 sqrt(2/3), 4 degrees of freedom."""
    first = (2.718281828, 3.004166024, 3.320116923)
    ratio = epoch_time_ratio(runs(first, (1.0, 1.105170918, 1.221402758)))
    assert ratio is not None
    assert ratio.text == "Keras 2.72x faster per epoch, 95 % interval 2.17 to 3.41"
    assert ratio.basis == "3 epochs each"
    other = epoch_time_ratio(runs((1.0, 1.105170918, 1.221402758), first))
    assert other is not None
    assert other.text == ratio.text.replace("Keras", "PyTorch")


def test_an_interval_around_1_is_no_clear_difference() -> None:
    ratio = epoch_time_ratio(runs((1.0, 2.0, 1.5), (1.1, 2.1, 1.4)))
    assert ratio is not None
    assert ratio.text.endswith(": no clear difference")


def test_runs_of_different_lengths_say_so() -> None:
    ratio = epoch_time_ratio(runs((2.0, 2.1, 2.2), (1.0, 1.1)))
    assert ratio is not None
    assert ratio.basis == "2 and 3 epochs"


def test_one_epoch_has_no_interval() -> None:
    ratio = epoch_time_ratio(runs((30.0,), (2.0,)))
    assert ratio is not None
    assert ratio.text == "Keras 15.0x faster per epoch"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.00x"), (9.994, "9.99x"), (9.996, "10.0x"), (99.94, "99.9x"), (99.96, "100x"), (1234.5, "1,234x")],
)
def test_a_ratio_has_three_digits(value: float, text: str) -> None:
    ratio = time_ratio(("PyTorch", "Keras"), Ratio(value=value), "")
    assert ratio is not None
    assert ratio.short_text == f"Keras {text} faster per epoch"


def test_only_comparable_times_of_the_same_run_are_compared() -> None:
    assert epoch_time_ratio(runs((2.0, 2.1), (1.0, 1.1), mode="race")) is None
    assert epoch_time_ratio({"pytorch": runs((2.0,), (1.0,))["pytorch"]}) is None
    series = runs((2.0, 2.1), (1.0, 1.1))
    series["keras"].run_id = "the next seed's"
    assert epoch_time_ratio(series) is None
    assert (
        epoch_time_ratio(runs((2.0, 2.1), (1.0, 1.1), device="auto", keras_device="cuda:0", pytorch_device="cpu"))
        is None
    )
