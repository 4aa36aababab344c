"""Tests of the Keras engine's loop: no copies to the host on a GPU, the same numbers in each of its forms, and its warm-up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.programs import results_of

pytestmark = [pytest.mark.framework, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def graphs() -> Any:
    """Return the copies to the host in the graphs that a GPU would run."""
    return results_of("keras", "keras_gpu_graphs")


@pytest.fixture(scope="module")
def loops() -> Any:
    """Return what the loops compute on the CPU."""
    return results_of("keras", "keras_loops")


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the names of the values that are not equal bit for bit."""
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


# On a GPU


@pytest.mark.parametrize("case", ["adadelta", "adamw", "sgd", "bf16", "augmentation", "two devices"])
def test_a_gpu_copies_nothing_to_the_host_in_a_step(graphs: Any, case: str) -> None:
    """Every operation of a step, a forward pass and a slice of test images has a GPU kernel, and its values where it needs them."""
    found = graphs["engines"][case]
    assert found["train"] == []
    assert found["forward"] == []
    assert found["test images"] == []
    assert len(found["outputs"]) == 1, "a call fetches one tensor, and so waits once"


def test_the_kernel_registry_shows_the_copies_of_a_usual_loop(graphs: Any) -> None:
    planted = graphs["planted"]
    assert any("no GPU kernel of GatherV2 for ['uint8'" in line for line in planted)
    assert sum("StridedSlice needs" in line for line in planted) >= 2, "int64 bounds"
    assert any("StatelessRandomGetKeyCounter needs" in line for line in planted), "a seed"
    assert any("(bool) on the host" in line for line in planted), "the condition of an int64 counter"


def test_float16_holds_the_images_exactly(loops: Any) -> None:
    """On a GPU images are float16; losses, weights and predictions are those of uint8, bit for bit."""
    assert loops["image types"] == ["uint8", "float16"]
    assert differences(loops["no dropout"], loops["float16"]) == []


def test_a_dropped_engine_is_freed(loops: Any) -> None:
    """TensorFlow registers some gradients for good, and with them their graph; a worker trains run after run."""
    assert loops["freed"] == dict.fromkeys(("adadelta", "sgd", "adam", "adamw"), True)


# Seeds


def test_seeds_on_the_host_are_those_of_keras(loops: Any) -> None:
    """Dropout masks, augmentation, losses and checkpoints are those of Keras' generators, bit for bit, for any split of calls."""
    assert differences(loops["augmented"], loops["own seeds"]) == []
    assert {name for name in loops["augmented"] if name.startswith("random.")} == {"random.0", "random.1", "random.2"}
    assert set(differences(loops["augmented"], loops["one call"])) == {"losses", "correct"}
    assert sum(loops["augmented"]["losses"]) == pytest.approx(sum(loops["one call"]["losses"]), rel=1e-12)


# Warm-up


def test_the_first_call_runs_both_batch_sizes(loops: Any) -> None:
    """The first step also runs the short last one, so that both are compiled before the clock of the epoch starts."""
    assert loops["xla"]["traces"] == [1, 1]
    assert sorted(loops["xla"]["first steps"]) == [[0, 1], [2, 3]]


def test_the_warm_up_changes_no_number(loops: Any) -> None:
    assert differences(loops["augmented"], loops["no warm-up"]) == []


# XLA


def test_xla_trains_as_tensorflows_operations_do(loops: Any) -> None:
    assert loops["xla"]["losses"] == pytest.approx(loops["no dropout"]["losses"], rel=1e-5)
    assert loops["xla"]["correct"] == loops["no dropout"]["correct"]


def test_xla_compiles_one_program_for_all_calls(loops: Any) -> None:
    """Steps and seeds are its parameters: as constants, for which `tf.range` is enough, each call would be compiled."""
    assert loops["one program"]


def test_tf32_is_off_in_xla_unless_chosen(loops: Any) -> None:
    """Each product and convolution of the program has the highest precision in fp32, and none has in tf32."""
    count, highest = loops["precision"]["fp32"]
    assert count == highest > 10
    assert loops["precision"]["tf32"] == [count, 0]


def test_a_resumed_run_keeps_to_its_loop(loops: Any) -> None:
    """XLA trains on after a resume only where it did before and can here; a checkpoint says whether it did."""
    trains = {where: kept for where, (kept, _) in loops["resumed"].items()}
    assert trains == {"False False": False, "False True": False, "True False": False, "True True": True}
    assert all(kept == says for kept, says in loops["resumed"].values())
    assert "xla" not in loops["no dropout"]
