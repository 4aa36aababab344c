"""The values inside the network for one digit, and the gradients of a batch. The mirror file is engines/keras/inspection.py."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from engines.experiment.activations import Activations
from engines.experiment.recipe import Weights
from engines.pytorch.engine import Engine, scale, to_device
from engines.pytorch.model import layer_outputs
from engines.pytorch.state import layers, to_canonical


def inspect(engine: Engine, image: npt.NDArray[np.uint8]) -> Activations:
    """Return the values of each layer for a grey image (28, 28), with dropout off; training is not disturbed."""
    engine.model.eval()
    pixels = scale(torch.from_numpy(image)[None, None].to(engine.device)).requires_grad_()
    with engine.autocast:
        *maps, dense1, logits = layer_outputs(engine.model, pixels)
    (saliency,) = torch.autograd.grad(logits.max(), pixels)
    conv1, conv2 = (values[0].permute(1, 2, 0) for values in maps)
    first = layers(engine.model)[0][1]
    assert first.bias is not None
    kernels = first.weight[:, 0].permute(1, 2, 0)
    values = (conv1, conv2, dense1[0], logits[0], saliency[0, 0], kernels, first.bias)
    return Activations(*(value.detach().float().cpu().contiguous().numpy() for value in values))


def gradients(engine: Engine, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Weights:
    """Return the gradients of the mean loss of grey images (n, 28, 28), labels (n,), in the canonical layout, with dropout off."""
    engine.model.eval()
    inputs, targets = to_device(images, labels, engine.device)
    with engine.autocast:
        loss = F.cross_entropy(engine.model(scale(inputs)), targets)
    found = iter(torch.autograd.grad(loss, tuple(engine.model.parameters())))
    names = [f"{name}.{kind}" for name, _ in layers(engine.model) for kind in ("kernel", "bias")]
    return {name: to_canonical(next(found).cpu().numpy()) for name in names}
