"""The forward pass in numpy: against plain loops, against both frameworks, and with the weights that ship with the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.data.readers import read_idx
from engines.data.sources import IDX_FILES
from engines.experiment.activations import SHAPES
from engines.experiment.checkpoint import load_model
from engines.experiment.forward import BATCH, forward, inspect, softmax
from engines.experiment.recipe import KERNELS, Weights, initial_weights
from engines.messages.events import EvalCompleted
from engines.runs.reader import read_events
from engines.session.replay import DEMO
from tests.programs import framework_logits
from tests.support.digits import REAL_MNIST, random_digits
from tests.support.programs import results_of

ENGINES = ["pytorch", "keras"]


def shipped_weights(engine: str) -> Weights:
    """Return the weights that ship with the demo."""
    return load_model(DEMO.with_name(f"{engine}.npz"))[1]


def logits_by_loops(weights: Weights, image: Any) -> Any:
    """Return the logits (10,) of one image (28, 28), window by window, in doubles."""
    values = image[:, :, None] / 255
    for layer in ("conv1", "conv2"):
        kernel, bias = weights[f"{layer}.kernel"].astype(float), weights[f"{layer}.bias"]
        side = len(values) - 2
        convolved = np.empty((side, side, len(bias)))
        for y in range(side):
            for x in range(side):
                convolved[y, x] = np.einsum("abi,abio->o", values[y : y + 3, x : x + 3], kernel) + bias
        values = np.maximum(convolved, 0)
    pooled = [values[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].max(axis=(0, 1)) for y in range(12) for x in range(12)]
    hidden = np.maximum(np.concatenate(pooled) @ weights["dense1.kernel"].astype(float) + weights["dense1.bias"], 0)
    return hidden @ weights["dense2.kernel"].astype(float) + weights["dense2.bias"]


def test_it_computes_what_plain_loops_compute() -> None:
    images, _ = random_digits(2)
    weights = initial_weights(0)
    weights |= {f"{layer}.bias": np.linspace(-1, 1, KERNELS[layer][-1], dtype=np.float32) for layer in KERNELS}
    assert forward(weights, images)[1] == pytest.approx(logits_by_loops(weights, images[1]), abs=1e-5)


def test_inside_the_network_are_the_values_that_lead_to_its_logits() -> None:
    images, _ = random_digits(1)
    weights = shipped_weights("keras")
    inside = inspect(weights, images[0])
    assert {name: values.shape for name, values in inside._asdict().items()} == SHAPES
    assert inside.logits == pytest.approx(forward(weights, images)[0], abs=1e-5)
    assert min(inside.conv1.min(), inside.conv2.min(), inside.dense1.min()) == 0, "after relu"
    assert inside.dense1 @ weights["dense2.kernel"] + weights["dense2.bias"] == pytest.approx(inside.logits, abs=1e-5)
    y, x, channel = 11, 7, 5
    products = images[0, y : y + 3, x : x + 3] / 255 * weights["conv1.kernel"][:, :, 0, channel]
    assert inside.conv1[y, x, channel] == pytest.approx(
        max(products.sum() + weights["conv1.bias"][channel], 0), abs=1e-5
    )


def test_the_saliency_is_the_slope_of_the_largest_logit() -> None:
    images, _ = random_digits(1)
    weights = shipped_weights("pytorch")
    inside = inspect(weights, images[0])
    best, step = inside.logits.argmax(), 0.01
    for pixel in ((0, 0), (9, 14), (14, 14), (20, 9), (27, 27)):
        slopes = []
        for sign in (-1, 1):
            moved = images[0].astype(float)
            moved[pixel] += sign * step * 255
            slopes.append(logits_by_loops(weights, moved)[best])
        assert inside.saliency[pixel] == pytest.approx((slopes[1] - slopes[0]) / (2 * step), abs=0.02)


def test_a_digit_has_the_same_logits_alone_and_among_others() -> None:
    images, _ = random_digits(BATCH + 3)
    weights = initial_weights(0)
    together = forward(weights, images)
    assert together.shape == (BATCH + 3, 10)
    assert together.dtype == np.float32
    assert forward(weights, images[-1:])[0] == pytest.approx(together[-1], abs=1e-5)
    assert forward(weights, images[:0]).shape == (0, 10)
    assert softmax(together).sum(axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.framework
@pytest.mark.parametrize("engine", ENGINES)
def test_it_agrees_with_the_frameworks(engine: str) -> None:
    """Measured with trained weights: logits of up to 14 differ by at most 3e-6, and probabilities by 4e-7."""
    expected = np.array(results_of(engine, "framework_logits", engine), np.float32)
    logits = forward(shipped_weights(engine), framework_logits.digits().test_images)
    assert logits == pytest.approx(expected, abs=1e-5)
    assert softmax(logits) == pytest.approx(softmax(expected), abs=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_weights_of_the_demo_are_small_and_complete(engine: str) -> None:
    path = DEMO.with_name(f"{engine}.npz")
    assert path.stat().st_size <= 2_500_000
    position, weights, config = load_model(path)
    shapes = {name: value.shape for name, value in weights.items()}
    assert shapes == {name: value.shape for name, value in initial_weights(0).items()}
    assert {value.dtype.name for value in weights.values()} == {"float32"}
    assert (position.global_step, config.seed) == (938, 0)


@pytest.mark.skipif(not REAL_MNIST, reason="MNIST_TUI_DATA names no copy of MNIST")
@pytest.mark.parametrize("engine", ENGINES)
def test_the_weights_of_the_demo_make_its_mistakes(engine: str) -> None:
    """They are those of the recorded run: of all its mistakes and every fiftieth digit, none is answered otherwise."""
    tested = [event for event in read_events(DEMO) if isinstance(event, EvalCompleted) and event.engine == engine][-1]
    images, labels = (
        read_idx(Path(REAL_MNIST) / f"{name}.gz", 3 - 2 * part) for part, name in enumerate(IDX_FILES[2:])
    )
    expected = {index: int(labels[index]) for index in range(0, 10_000, 50)}
    expected |= {index: read for index, _, read in tested.mistakes}
    answers = forward(shipped_weights(engine), images[list(expected)]).argmax(axis=1)
    assert dict(zip(expected, answers.tolist(), strict=True)) == expected
