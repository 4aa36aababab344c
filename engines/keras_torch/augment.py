"""Augmentation of training digits on a PyTorch device. The mirror files are the other packages' augment.py."""

from __future__ import annotations

from typing import Any

import keras
from torch import Tensor

from engines.keras import augment as shared
from engines.pytorch import augment as pytorch


def build_augment(kind: str) -> keras.Layer:
    """Build what is applied to training images (n, 28, 28, 1): nothing, or a random affine map, drawn for each digit."""
    return keras.layers.Identity() if kind == "none" else RandomAffine()


class RandomAffine(shared.RandomAffine):
    """Keras' layer with PyTorch's affine_grid and grid_sample, because Keras' own operation loops over the images on PyTorch.

    The numbers are drawn from PyTorch's random state, as those of dropout are; the layer's own seed is only saved.
    """

    def __init__(self) -> None:
        super().__init__()
        self.affine = pytorch.RandomAffine()

    def call(self, images: Tensor, training: bool = True) -> Any:
        """Transform each image (n, 28, 28, 1) about its centre by its own matrix."""
        return self.affine(images.view(-1, 1, 28, 28)).view(-1, 28, 28, 1)
