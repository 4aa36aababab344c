"""The loop that an expert in PyTorch would write for this one model: all digits resident on the device, no DataLoader.

It has the engine's network, batch size and optimizer, but no events, commands or checkpoints. The mirror file is
engines/keras/tuned_baseline.py.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from engines.data import Digits


class Script:
    """One model, trained and tested on resident tensors."""

    def __init__(self, digits: Digits) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.x, self.test = (
            torch.from_numpy(images).unsqueeze(1).to(self.device).float().div(255)
            for images in (digits.train_images, digits.test_images)
        )
        self.y, self.test_y = (
            torch.from_numpy(labels).long().to(self.device) for labels in (digits.train_labels, digits.test_labels)
        )
        self.model = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
            nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10),
        ).to(self.device).to(memory_format=torch.channels_last)  # fmt: skip
        self.optimizer = torch.optim.Adadelta(self.model.parameters(), lr=1.0, rho=0.95, eps=1e-7)

    def warm_up(self) -> None:
        """Train ten steps."""
        self._train(min(1280, len(self.x)))

    def train(self) -> None:
        """Train one epoch."""
        self._train(len(self.x))

    def _train(self, count: int) -> None:
        self.model.train()
        loss_sum = torch.zeros((), device=self.device)
        for indices in torch.randperm(count, device=self.device).split(128):
            loss = F.cross_entropy(self.model(self.x[indices]), self.y[indices])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.detach() * len(indices)
        loss_sum.item()

    @torch.inference_mode()
    def evaluate(self) -> None:
        """Evaluate the test digits."""
        self.model.eval()
        logits = torch.cat([self.model(images) for images in self.test.split(1000)])
        F.cross_entropy(logits, self.test_y).item()
        (logits.argmax(dim=1) == self.test_y).sum().item()
