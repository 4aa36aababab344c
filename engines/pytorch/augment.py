"""Augmentation of training digits. The mirror file is engines/keras/augment.py."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.experiment.recipe import AFFINE


def build_augment(kind: str) -> nn.Module:
    """Build what is applied to training images (n, 1, 28, 28): nothing, or a random affine map, drawn for each digit."""
    return nn.Identity() if kind == "none" else RandomAffine()


class RandomAffine(nn.Module):
    """Rotation, shift, zoom and shear in one resampling, drawn for each digit; torchvision's draws once for a whole batch."""

    def forward(self, images: Tensor) -> Tensor:
        """Transform each image (n, 1, 28, 28) about its centre by its own matrix."""

        def draw(limit: float) -> Tensor:
            return torch.empty(len(images), device=images.device).uniform_(-limit, limit)

        angle, zoom, shear = draw(math.radians(AFFINE.degrees)), 1 + draw(AFFINE.zoom), draw(AFFINE.shear)
        right, down = draw(2 * AFFINE.shift), draw(2 * AFFINE.shift)
        xx, yx = torch.cos(angle) / zoom, torch.sin(angle) / zoom
        xy, yy = shear - yx, xx
        # They map positions in the new image to positions in the old one, both from -1 to 1.
        matrices = torch.stack([xx, xy, right, yx, yy, down], dim=1).view(-1, 2, 3)
        grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, align_corners=False)
