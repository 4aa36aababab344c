"""PyTorch's augmentation, apart from its engine because torchvision takes half a second to import and few runs want it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from engines.experiment.recipe import AFFINE


class RandomAffine(v2.Transform):
    """A turn, shift, zoom and shear in one resampling, drawn for each digit: v2.RandomAffine draws once for a whole batch."""

    def make_params(self, flat_inputs: list[Tensor]) -> dict[str, Any]:
        """The matrices, shape (n, 2, 3), from places in the new image to places in the old one, both from -1 to 1."""
        (images,) = flat_inputs

        def draw(most: float) -> Tensor:
            return torch.empty(len(images), device=images.device).uniform_(-most, most)

        angle, zoom, shear = draw(math.radians(AFFINE.degrees)), 1 + draw(AFFINE.zoom), draw(AFFINE.shear)
        right, down = draw(2 * AFFINE.shift), draw(2 * AFFINE.shift)
        xx, yx = torch.cos(angle) / zoom, torch.sin(angle) / zoom
        xy, yy = shear - yx, xx
        return {"matrices": torch.stack([xx, xy, right, yx, yy, down], dim=1).view(-1, 2, 3)}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Images (n, 1, 28, 28), each by its own matrix, about its centre."""
        places = F.affine_grid(params["matrices"], list(inpt.shape), align_corners=False)
        return F.grid_sample(inpt, places, align_corners=False)
