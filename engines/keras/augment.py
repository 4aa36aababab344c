"""Keras' augmentation, apart from its engine as PyTorch's is."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from engines.experiment.recipe import AFFINE


class RandomAffine(keras.layers.Layer):
    """All changes in one resampling: a RandomRotation, RandomTranslation, RandomZoom and RandomShear in a row blur thin strokes."""

    def __init__(self) -> None:
        super().__init__(dtype="float32")  # under mixed_bfloat16, too: bf16 would move a digit by an eighth of a pixel
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, images: Any, training: bool = True) -> Any:
        """Images (n, 28, 28, 1), each by its own matrix, about its centre."""

        def draw(most: float) -> Any:
            return keras.random.uniform((ops.shape(images)[0],), -most, most, seed=self.seed_generator)

        angle, zoom, shear = draw(math.radians(AFFINE.degrees)), 1 + draw(AFFINE.zoom), draw(AFFINE.shear)
        right, down, centre = draw(28 * AFFINE.shift), draw(28 * AFFINE.shift), 13.5
        xx, yx = ops.cos(angle) / zoom, ops.sin(angle) / zoom
        xy, yy = shear - yx, xx
        x0, y0 = centre * (1 - xx - xy) + right, centre * (1 - yx - yy) + down
        matrices = ops.stack([xx, xy, x0, yx, yy, y0, ops.zeros_like(xx), ops.zeros_like(xx)], axis=1)
        return ops.image.affine_transform(images, matrices, fill_mode="constant")
