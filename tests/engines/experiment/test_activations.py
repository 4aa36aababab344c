"""The values inside the network as text: exact, small, and refused when they are not what was sent."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

from engines.experiment.activations import SHAPES, Activations, decode_activations, encode_activations
from engines.experiment.forward import inspect
from engines.experiment.recipe import initial_weights
from tests.support.digits import random_digits


def random_activations() -> Activations:
    random = np.random.default_rng(0)
    return Activations(*(random.normal(size=shape).astype(np.float32) for shape in SHAPES.values()))


def test_what_was_encoded_is_decoded_exactly() -> None:
    sent = random_activations()
    sent.conv1[0, 0, :3] = np.nan, np.inf, -0.0
    for before, after in zip(sent, decode_activations(encode_activations(sent)), strict=True):
        assert before.tobytes() == after.tobytes()
        assert before.shape == after.shape


def test_a_digit_takes_less_than_noise() -> None:
    image = random_digits(1)[0][0]
    image[:7] = image[21:] = 0
    assert len(encode_activations(inspect(initial_weights(0), image))) < len(encode_activations(random_activations()))


def test_another_networks_values_are_refused_where_they_arise() -> None:
    """The worker turns this error into the reason that the screen shows."""
    odd = random_activations()._replace(conv1=np.zeros((26, 26, 16), np.float32))
    with pytest.raises(ValueError, match=r"conv1 has the shape \(26, 26, 16\)"):
        encode_activations(odd)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64!",
        "AAAA",
        base64.b64encode(zlib.compress(b"1234")).decode(),
        base64.b64encode(zlib.compress(bytes(10**7))).decode(),
        encode_activations(random_activations())[:-4000],
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_activations(text)
