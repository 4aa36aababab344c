"""The build of each framework that suits a driver, a GPU and a Python."""

from __future__ import annotations

import pytest

from engines.monitors.gpu import NvidiaGpus
from engines.tools.builds import choose_build, missing_wheel, suitable_engine


def gpus(driver: str, *capabilities: tuple[int, int]) -> NvidiaGpus:
    return NvidiaGpus(driver=driver, capabilities=capabilities)


@pytest.mark.parametrize("engine", ["pytorch", "keras-torch"])
@pytest.mark.parametrize(
    ("machine", "cuda", "texts"),
    [
        (gpus("580.65.06", (9, 0)), "13", []),
        (gpus("580.65.06", (12, 0)), "13", []),
        (gpus("580.65.06"), "13", []),
        (gpus("580.65.06", (5, 2)), "12.6", ["needs driver 580 and compute capability 7.5"]),
        (gpus("570.86.15", (9, 0)), "12.6", ["has driver 570.86.15 and compute capability 9.0"]),
        (gpus("570.86.15", (5, 2)), "12.6", ["has driver 570.86.15 and compute capability 5.2"]),
        (gpus("570.86.15", (12, 0)), "12.8", ["has driver 570.86.15 and compute capability 12.0"]),
        (gpus("570.86.15"), "12.6", ["has driver 570.86.15."]),
        (gpus("580.65.06", (5, 2), (9, 0)), "12.6", ["5.2 and 9.0"]),
        (gpus("580.65.06", (5, 2), (12, 0)), "13", ["no kernels for compute capability 5.2."]),
        (gpus("470.82.01", (7, 0)), "13", ["needs NVIDIA driver 525 or newer, and this machine has 470.82.01"]),
        (NvidiaGpus(reason="no NVIDIA driver"), "13", ["unknown (no NVIDIA driver)", "needs driver 580 or newer"]),
        (gpus("unreadable"), "13", ["unknown (unreadable)"]),
    ],
)
def test_the_pytorch_that_suits_driver_and_gpus(engine: str, machine: NvidiaGpus, cuda: str, texts: list[str]) -> None:
    build, notes = choose_build(engine, machine)
    assert build.cuda == cuda
    assert len(notes) == bool(texts)
    assert all(text in notes[0] for text in texts)


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        (gpus("580.65.06", (9, 0)), ""),
        (gpus("570.86.15", (9, 0)), ""),
        (gpus("580.65.06", (5, 2)), "no kernels for compute capability 5.2. Use Keras on JAX instead: mnist-tui setup"),
        (
            gpus("570.86.15", (12, 0)),
            "no kernels for compute capability 12.0. Use Keras on JAX instead: mnist-tui setup",
        ),
        (gpus("470.82.01", (7, 0)), "needs NVIDIA driver 525 or newer, and this machine has 470.82.01"),
        (NvidiaGpus(reason="no NVIDIA driver"), "unknown (no NVIDIA driver)"),
    ],
)
def test_the_needs_of_tensorflow(machine: NvidiaGpus, text: str) -> None:
    assert text in " ".join(choose_build("keras", machine)[1])
    assert bool(text) == bool(choose_build("keras", machine)[1])


def test_jax_supports_new_gpus_with_an_old_driver() -> None:
    assert choose_build("keras-jax", gpus("570.86.15", (12, 0)))[1] == []


@pytest.mark.parametrize(
    ("python", "engine", "missing"),
    [((3, 13), "keras", False), ((3, 14), "keras", True), ((3, 14), "pytorch", False), ((3, 14), "keras-jax", False)],
)
def test_python_3_14_has_no_tensorflow(python: tuple[int, int], engine: str, missing: bool) -> None:
    text = missing_wheel(engine, "gpu", python)
    expected = "TensorFlow has no wheel for Python 3.14. Use Keras on JAX instead: "
    assert text == (expected + "mnist-tui setup --gpu --framework keras --keras-backend jax" if missing else "")


def test_keras_on_jax_replaces_a_tensorflow_that_does_not_suit() -> None:
    assert suitable_engine("keras", gpus("580.65.06", (9, 0)), (3, 13)) == "keras"
    assert suitable_engine("keras", gpus("580.65.06", (12, 0)), (3, 13)) == "keras-jax"
    assert suitable_engine("keras", gpus("580.65.06", (9, 0)), (3, 14)) == "keras-jax"
    assert suitable_engine("pytorch", gpus("580.65.06", (12, 0)), (3, 14)) == "pytorch"
