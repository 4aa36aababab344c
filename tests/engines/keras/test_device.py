"""Tests of TensorFlow's devices, with fake GPUs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.programs import results_of

pytestmark = pytest.mark.framework


@pytest.fixture(scope="module")
def found() -> Any:
    """Return what TensorFlow reports of three fake GPUs, of which the first is sick."""
    return results_of("keras", "keras_trials", "devices")


def test_a_sick_gpu_has_its_own_reason_and_leaves_the_others(found: Any) -> None:
    """TensorFlow does not see it, or it would fail on all of them, and numbers the others without it."""
    reason = "RuntimeError: CUDA error: uncorrectable ECC error"
    assert found["devices"] == [
        ["cpu", True, ""],
        ["cuda:0", False, reason],
        ["cuda:1", True, ""],
        ["cuda:2", True, ""],
    ]
    assert found["names"] == ["/CPU:0", "/GPU:0", "/GPU:1"]


def test_memory_is_the_peak_of_what_is_allocated(found: Any) -> None:
    assert found["memory"] == [5, None]
