"""The replicas of PyTorch: both hold the same weights after each step, though each trained on its own half of the batch."""

from __future__ import annotations

import pytest

from tests.support.programs import results_of


@pytest.mark.framework
def test_both_replicas_have_the_same_weights_bit_for_bit() -> None:
    first, second = results_of("pytorch", "replica_weights")
    assert first["after"] == second["after"]
    assert first["after"] != first["before"] == second["before"]
    assert (first["shares"], second["shares"]) == ([8] * 3, [8] * 3), "halves of batches of 16"
