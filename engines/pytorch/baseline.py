"""The plain script that the PyTorch engine is measured against: pytorch/examples mnist/main.py with our model and optimizer.

It is written as its authors write it, neither slowed nor tuned: torchvision's transforms, a DataLoader, on a GPU with a process of
its own, loss.item() at every tenth step. The mirror file is engines/keras/baseline.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from engines.data import Digits


class ImageDataset(Dataset[tuple[torch.Tensor, int]]):
    """Items as torchvision.datasets.MNIST returns them: a PIL image through the example's transform, and its label."""

    def __init__(self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> None:
        self.images, self.labels = images, labels
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


class Net(nn.Module):
    """The reference convnet in the example's style."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities (n, 10)."""
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = self.dropout2(F.relu(self.fc1(torch.flatten(x, 1))))
        return F.log_softmax(self.fc2(x), dim=1)


class Script:
    """The example's data, model, train() and test()."""

    def __init__(self, digits: Digits) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        train, test = (
            ImageDataset(digits.train_images, digits.train_labels),
            ImageDataset(digits.test_images, digits.test_labels),
        )
        for_gpu: dict[str, Any] = {"num_workers": 1, "persistent_workers": True, "pin_memory": True}
        kwargs = for_gpu if self.device.type == "cuda" else {}
        self.warm_up_loader = DataLoader(
            ImageDataset(train.images[:1280], train.labels[:1280]), batch_size=128, shuffle=True, **kwargs
        )
        self.train_loader = DataLoader(train, batch_size=128, shuffle=True, **kwargs)
        self.test_loader = DataLoader(test, batch_size=1000, **kwargs)
        self.model = Net().to(self.device)
        self.optimizer = optim.Adadelta(self.model.parameters(), lr=1.0, rho=0.95, eps=1e-7)

    def warm_up(self) -> None:
        """Train ten steps."""
        self._train(self.warm_up_loader)

    def train(self) -> None:
        """Train one epoch."""
        self._train(self.train_loader)

    def _train(self, loader: DataLoader[tuple[torch.Tensor, int]]) -> None:
        self.model.train()
        for i, (data, target) in enumerate(loader):
            data, target = data.to(self.device), target.to(self.device)
            self.optimizer.zero_grad()
            loss = F.nll_loss(self.model(data), target)
            loss.backward()
            self.optimizer.step()
            if i % 10 == 0:
                loss.item()

    def evaluate(self) -> None:
        """Evaluate the test digits."""
        self.model.eval()
        test_loss = correct = 0.0
        with torch.no_grad():
            for data, target in self.test_loader:
                data, target = data.to(self.device), target.to(self.device)
                output = self.model(data)
                test_loss += F.nll_loss(output, target, reduction="sum").item()
                pred = output.argmax(dim=1, keepdim=True)
                correct += pred.eq(target.view_as(pred)).sum().item()
