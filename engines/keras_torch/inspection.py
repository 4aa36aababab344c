"""The values inside the network for one digit, and the gradients of a batch. The mirror file is engines/keras/inspection.py."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
import torch

from engines.experiment.activations import Activations
from engines.experiment.recipe import Weights
from engines.keras.base import loss_and_correct, scale, to_device
from engines.keras.model import layer_outputs
from engines.keras.state import layers
from engines.keras_torch.engine import Engine


def inspect(engine: Engine, image: npt.NDArray[np.uint8]) -> Activations:
    """Return the values of each layer for a grey image (28, 28), with dropout off; training is not disturbed."""
    with keras.device(engine.device):
        pixels = scale(torch.from_numpy(image[None, ..., None]).to(engine.device)).requires_grad_()
        *outputs, logits = layer_outputs(engine.model, pixels)
    (saliency,) = torch.autograd.grad(logits.max(), pixels)
    first = layers(engine.model)[0][1]
    values = [value[0] for value in (*outputs, logits, saliency[..., 0])] + [first.kernel[:, :, 0], first.bias.value]
    return Activations(*(value.detach().float().cpu().contiguous().numpy() for value in values))


def gradients(engine: Engine, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Weights:
    """Return the gradients of the mean loss of grey images (n, 28, 28), labels (n,), in the canonical layout, with dropout off."""
    with keras.device(engine.device):
        inputs, targets = to_device(images, labels)
        losses, _ = loss_and_correct(engine.model(scale(inputs), training=False).float(), targets)
    found = iter(torch.autograd.grad(losses.mean(), [variable.value for variable in engine.model.trainable_variables]))
    return {
        f"{name}.{kind}": next(found).cpu().numpy() for name, _ in layers(engine.model) for kind in ("kernel", "bias")
    }
