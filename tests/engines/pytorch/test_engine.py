"""The engine reads its device's results once in a call, however many steps the call has."""

from __future__ import annotations

import pytest

from tests.support.programs import results_of


@pytest.mark.framework
def test_a_call_reads_the_device_once() -> None:
    """Losses and correct answers come in one read; the learning rates of a CPU are on the host."""
    output = results_of("pytorch", "captured_step", "synchronisations")
    assert output["synchronisations"] == ["rate", "rate", "rate", "tolist"]
