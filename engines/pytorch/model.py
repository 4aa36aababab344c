"""The network: two convolutions, a pool and two dense layers. The mirror file is engines/keras/model.py."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def build_model(dropout: float) -> nn.Sequential:
    """Build the reference convnet, layer by layer; its softmax is part of the loss."""
    return nn.Sequential(
        nn.Conv2d(1, 32, kernel_size=3),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 64, kernel_size=3),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),  # equal to relu before the pool, because both are monotone, and a quarter of the work
        Dropout(dropout),
        Flatten(),
        nn.Linear(12 * 12 * 64, 128),
        nn.ReLU(inplace=True),
        Dropout(2 * dropout),
        nn.Linear(128, 10),
    )


def layer_outputs(model: nn.Sequential, images: Tensor) -> list[Tensor]:
    """Return conv1, conv2 and dense1 after their relu and pool, and the logits, for images (n, 1, 28, 28) in 0..1."""
    outputs = []
    for layer in model:
        images = layer(images)
        if isinstance(layer, nn.ReLU):
            outputs.append(images)
    return [*outputs, images]


class Dropout(nn.Dropout):
    """Dropout that draws 16 random bits a unit; PyTorch's own draws doubles one by one, a sixth of a step on a CPU.

    The probability is rounded to a multiple of 1/65536 (0.25 and 0.5 are such), and the units that stay are scaled by the
    rounded one.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Drop units of a tensor of any shape that is dense in memory."""
        dropped = round(self.p * 65536)
        if not self.training or inputs.device.type != "cpu" or not 0 < dropped < 65536:
            return super().forward(inputs)
        words = torch.empty(-(-inputs.numel() // 4), dtype=torch.int64).random_(-(2**63), None)  # 4 units each
        bits = words.view(torch.int16).as_strided(inputs.shape, inputs.stride())
        return inputs * (bits >= dropped - 32768).to(inputs.dtype).mul_(65536 / (65536 - dropped))


class Flatten(nn.Flatten):
    """Flatten in (height, width, channel) order: Keras' order, and that of channels_last in memory, so nothing is copied."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Flatten (n, channels, height, width) to (n, features)."""
        return super().forward(inputs.permute(0, 2, 3, 1))
