"""A step that a GPU captures trains as one that is trained kernel by kernel; here a fake graph stands for the GPU's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.programs import results_of

pytestmark = pytest.mark.framework

SYNCHRONISING = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "item")
"""Operations that make the host wait for the device, and so can't be captured."""
MOST_LAUNCHES = 80


@pytest.fixture(scope="module")
def checks() -> Any:
    return results_of("pytorch", "captured_step", "equality", "calls", "resume", "first_call", "new_rates", "failure")


def test_a_captured_step_equals_an_eager_one(checks: Any) -> None:
    """Two epochs with a short last batch: sums, weights, slots and random state are equal bit for bit."""
    results = checks["equality"]
    assert len(results) == 9
    for name, result in results.items():
        assert result["different"] == [], name
        assert result["sums"][0] == result["sums"][1], name
    assert len({str(result["sums"]) for result in results.values()}) == len(results), (
        "every setting has its own numbers"
    )


def test_the_split_into_calls_changes_nothing(checks: Any) -> None:
    results = checks["calls"]
    sums, _ = results["[4]"]
    assert len(results) == 5
    for calls, (others, different) in results.items():
        assert different == [], calls
        assert others == [pytest.approx(epoch, rel=1e-12) for epoch in sums], calls


def test_a_run_resumes_exactly(checks: Any) -> None:
    """A run resumes in mid-epoch and at the short last batch; an engine that has captured its step captures it again."""
    results = checks["resume"]
    assert len(results) == 12
    for name, (different, captures) in results.items():
        assert different == [], name
        assert captures == 1, name


def test_a_captured_step_trains_with_new_rates(checks: Any) -> None:
    """The rates are changed after the capture, in the middle of an epoch."""
    assert checks["new_rates"]["different"] == []
    assert "conv1.kernel" in checks["new_rates"]["moved"]


def test_the_first_call_trains_prepares_the_short_batch_and_captures(checks: Any) -> None:
    """The first step is trained once, not replayed; the short batch is prepared before any step that is timed."""
    full, short = "batch of 8", "batch of 5"
    assert checks["first_call"] == {
        "29 digits, call 1": ["warm-up", full, short, "record"],
        "29 digits, call 2": [*["replay", full] * 2, short],
        "16 digits, call 1": ["warm-up", full, "record", "replay", full],
        "5 digits, call 1": [short],
    }


def test_a_failing_capture_costs_speed_only(checks: Any) -> None:
    """The run goes on kernel by kernel with the same numbers, warns once and doesn't try again."""
    result = checks["failure"]
    assert result["same sums"]
    assert result["different"] == []
    assert result["graphs"] == ["warm-up", "record"]
    (warning,) = result["warnings"]
    assert warning.startswith(
        "The training step can't be captured as a CUDA graph, so it is slower: RuntimeError: CUDA"
    )


def test_a_step_on_a_gpu_needs_nothing_from_the_host() -> None:
    """On fake CUDA tensors: no operation waits, none reads a tensor of the host's, and few kernels are launched."""
    results = results_of("pytorch", "fake_cuda")
    assert len(results) == 8
    for name, result in results.items():
        operations = [operation.split(".")[1] for operation in result["operations"]]
        assert not set(operations) & set(SYNCHRONISING), name
        assert result["host tensors"] == [], name
        assert "convolution_backward" in operations, name
        assert len(operations) <= MOST_LAUNCHES, name
    launches = {name: len(result["operations"]) for name, result in results.items()}
    assert launches["adadelta"] < launches["adadelta, bf16"], "autocast is on"
    assert {operation for result in results.values() for operation in result["operations"] if "_fused_" in operation} == {
        "aten._fused_sgd_.tensor_lr", "aten._fused_adam_.tensor_lr", "aten._fused_adamw_.tensor_lr",
    }  # fmt: skip
