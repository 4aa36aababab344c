"""The recipe that all engines share: its figures are checked by hand, because no comparison of engines can show an error in it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engines.config import TrainConfig
from engines.experiment.recipe import (
    confusion,
    epoch_order,
    initial_weights,
    layer_parameters,
    learning_rates,
    order_sha256,
)


def rates_of(schedule: str, epochs: int, steps_per_epoch: int, peak: float = 1.0) -> list[float]:
    """Return the learning rates of all steps of a run, from those of its epochs."""
    config = TrainConfig(schedule=schedule, epochs=epochs, learning_rate=peak)
    per_epoch = [learning_rates(config, epoch, steps_per_epoch) for epoch in range(1, epochs + 1)]
    assert {(rates.shape, rates.dtype) for rates in per_epoch} == {((steps_per_epoch,), np.dtype(np.float32))}
    return [float(rate) for rates in per_epoch for rate in rates]


def test_a_constant_rate_is_the_same_at_every_step() -> None:
    assert rates_of("constant", 3, 4, peak=0.5) == [0.5] * 12


def test_a_cosine_falls_from_the_peak_at_the_first_step_along_half_a_cosine() -> None:
    """(1 + cos(k pi / 8)) / 2 for the steps k = 0 to 7 of two epochs: the last step is one step before 0."""
    expected = [1.0, 0.961940, 0.853553, 0.691342, 0.5, 0.308658, 0.146447, 0.038060]
    assert rates_of("cosine", 2, 4) == pytest.approx(expected, abs=1e-6)
    assert rates_of("cosine", 2, 4, peak=0.2) == pytest.approx([0.2 * rate for rate in expected], abs=1e-6)


def test_one_cycle_rises_for_a_fifth_of_the_run_and_then_falls_along_half_a_cosine() -> None:
    """Two of ten steps rise to the peak; then (1 + cos(k pi / 8)) / 2, as the cosine does in its eight steps."""
    falling = [1.0, 0.961940, 0.853553, 0.691342, 0.5, 0.308658, 0.146447, 0.038060]
    assert rates_of("one-cycle", 2, 5, peak=2.0) == pytest.approx(
        [2.0 * rate for rate in (0.5, 1.0, *falling)], abs=1e-5
    )


def test_one_cycle_reaches_its_peak_and_never_exceeds_it() -> None:
    """A fifth of 3 epochs of 7 steps is no whole number of steps."""
    rates = rates_of("one-cycle", 3, 7, peak=0.1)
    assert max(rates) == pytest.approx(0.1)
    top = rates.index(max(rates))
    assert top == 4
    assert all(a < b for a, b in pairwise(rates[: top + 1]))
    assert all(a > b for a, b in pairwise(rates[top:]))
    assert rates[0] == pytest.approx(0.1 / 21 / 0.2)
    assert 0 < rates[-1] < 0.01 * max(rates)


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_a_schedule_spans_all_epochs_without_a_seam(schedule: str) -> None:
    """Twelve steps have the same rates in one epoch and in three."""
    assert rates_of(schedule, 3, 4) == pytest.approx(rates_of(schedule, 1, 12))


def test_a_confusion_matrix_has_a_row_for_each_true_label() -> None:
    """Two threes were read as a five and one as a three; one five was read as a three."""
    counts = confusion(np.array([3, 3, 3, 5], np.uint8), np.array([5, 5, 3, 3], np.int64))
    assert len(counts) == 100
    assert {divmod(i, 10): count for i, count in enumerate(counts) if count} == {(3, 5): 2, (3, 3): 1, (5, 3): 1}


def test_every_epoch_of_every_seed_has_an_order_of_its_own() -> None:
    orders = [epoch_order(seed, epoch, 50) for seed in (0, 1) for epoch in (1, 2)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({order_sha256(order) for order in orders}) == 4
    assert order_sha256(epoch_order(1, 2, 50)) == order_sha256(orders[-1]), "a resumed run repeats it"


def test_the_network_is_that_of_the_reference() -> None:
    assert layer_parameters() == (("conv1", 320), ("conv2", 18_496), ("dense1", 1_179_776), ("dense2", 1_290))
    assert {name: array.size for name, array in initial_weights(0).items() if name.endswith("bias")} == {
        "conv1.bias": 32, "conv2.bias": 64, "dense1.bias": 128, "dense2.bias": 10,
    }  # fmt: skip


def test_initial_weights_are_within_the_limit_of_glorot_and_bengio() -> None:
    """Fans of 9 and 288, 288 and 576, 9216 and 128, 128 and 10; the largest of so many draws comes close to the limit."""
    weights = initial_weights(3)
    limits = {"conv1": 0.142134, "conv2": 0.083333, "dense1": 0.025341, "dense2": 0.208514}
    for layer, limit in limits.items():
        largest = float(np.abs(weights[f"{layer}.kernel"]).max())
        assert 0.97 * limit < largest <= limit * (1 + 1e-5)
        assert not weights[f"{layer}.bias"].any()
    assert not np.array_equal(weights["conv1.kernel"], initial_weights(4)["conv1.kernel"])
