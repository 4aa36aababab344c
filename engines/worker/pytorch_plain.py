"""The plain loop that our PyTorch engine is measured against: pytorch/examples mnist/main.py, with this model, batch and optimizer.

As its authors write it: torchvision's transforms, a DataLoader, loss.item() at every tenth step. Not slowed, not tuned.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from engines.data import Digits


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """As torchvision.datasets.MNIST gives its items: an image through the transform, and its label."""

    def __init__(self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> None:
        self.images, self.labels = images, labels
        self.transform = transforms.ToTensor()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[index][..., None]), int(self.labels[index])


class Net(nn.Module):
    """The reference convnet as the example writes its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Log-probabilities."""
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = self.dropout2(F.relu(self.fc1(torch.flatten(x, 1))))
        return F.log_softmax(self.fc2(x), dim=1)


def train_seconds(digits: Digits) -> float:
    """Seconds of one epoch over the digits, after a warm-up of ten steps."""
    model = Net()
    optimizer = optim.Adadelta(model.parameters(), lr=1.0, rho=0.95, eps=1e-7)
    model.train()
    warm = Pictures(digits.train_images[:1280], digits.train_labels[:1280])
    for data in (warm, Pictures(digits.train_images, digits.train_labels)):
        before = time.perf_counter()
        for i, (images, target) in enumerate(DataLoader(data, batch_size=128, shuffle=True)):
            optimizer.zero_grad()
            loss = F.nll_loss(model(images), target)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            if i % 10 == 0:
                loss.item()
    return time.perf_counter() - before
