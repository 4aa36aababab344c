"""Augmentation of training digits. The mirror file is engines/pytorch/augment.py."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from engines.experiment.recipe import AFFINE


def build_augment(kind: str) -> keras.Layer:
    """Build what is applied to training images (n, 28, 28, 1): nothing, or a random affine map, drawn for each digit."""
    return keras.layers.Identity() if kind == "none" else RandomAffine()


class RandomAffine(keras.layers.Layer):
    """Rotation, shift, zoom and shear in one resampling, drawn for each digit; Keras' own layers in a row blur thin strokes."""

    def __init__(self) -> None:
        super().__init__(dtype="float32")  # under mixed_bfloat16, too: bf16 would move a digit by an eighth of a pixel
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, images: Any, training: bool = True) -> Any:
        """Transform each image (n, 28, 28, 1) about its centre by its own matrix."""

        def draw(limit: float) -> Any:
            return keras.random.uniform((ops.shape(images)[0],), -limit, limit, seed=self.seed_generator)

        angle, zoom, shear = draw(math.radians(AFFINE.degrees)), 1 + draw(AFFINE.zoom), draw(AFFINE.shear)
        right, down, centre = draw(28 * AFFINE.shift), draw(28 * AFFINE.shift), 13.5
        xx, yx = ops.cos(angle) / zoom, ops.sin(angle) / zoom
        xy, yy = shear - yx, xx
        x0, y0 = centre * (1 - xx - xy) + right, centre * (1 - yx - yy) + down
        # They map positions in the new image to positions in the old one, both in pixels.
        matrices = ops.stack([xx, xy, x0, yx, yy, y0, ops.zeros_like(xx), ops.zeros_like(xx)], axis=1)
        return ops.image.affine_transform(images, matrices, fill_mode="constant")
