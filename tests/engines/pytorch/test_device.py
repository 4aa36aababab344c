"""The devices of PyTorch, and the switches of TF32, with a fake driver of three GPUs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.programs import results_of

pytestmark = pytest.mark.framework


@pytest.fixture(scope="module")
def answers() -> Any:
    return results_of("pytorch", "pytorch_device")


def test_tf32_is_read_and_set_by_one_interface(answers: Any) -> None:
    """PyTorch from 2.9 on raises where `fp32_precision` was set and `allow_tf32` is read; older ones have only the latter."""
    assert answers["tf32"] == {
        "default": "matrix products and convolutions",
        "old": True,
        "tf32": ["tf32", "tf32", True, False],
        "fp32": ["ieee", "ieee", False, False],
        "bf16": ["ieee", "ieee", False, False],
    }


def test_a_broken_gpu_leaves_the_others_usable(answers: Any) -> None:
    assert answers["devices"] == [
        ["cpu", "CPU", True, ""],
        ["cuda:0", "GPU 0", True, ""],
        ["cuda:1", "GPU", False, "RuntimeError: CUDA error: uncorrectable ECC error encountered"],
        ["cuda:2", "GPU 2", True, ""],
    ]


def test_memory_is_the_peak_of_tensors_since_the_engine_was_built(answers: Any) -> None:
    """A CPU has no such figure, and the pool that the allocator reserves doesn't count."""
    assert answers["activate"] == ["set_device cuda:1", "reset_peak_memory_stats cuda:1"]
    assert answers["memory"] == [None, 123]
