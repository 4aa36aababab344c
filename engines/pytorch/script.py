"""The MNIST convnet in PyTorch, as a plain script."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

# Hyperparameters

SEED = 0
EPOCHS = 12
BATCH_SIZE = 128
LEARNING_RATE = 1.0
RHO = 0.95
EPSILON = 1e-07
DROPOUT = 0.25
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

# Data

train = datasets.MNIST("data", train=True, download=True, transform=transforms.ToTensor())
test = datasets.MNIST("data", train=False, download=True, transform=transforms.ToTensor())
loader = DataLoader(train, BATCH_SIZE, shuffle=True)
test_loader = DataLoader(test, 1000)

# Model

torch.manual_seed(SEED)
model = nn.Sequential(
    nn.Conv2d(1, 32, 3),
    nn.ReLU(),
    nn.Conv2d(32, 64, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Dropout(DROPOUT),
    nn.Flatten(),
    nn.Linear(64 * 12 * 12, 128),
    nn.ReLU(),
    nn.Dropout(2 * DROPOUT),
    nn.Linear(128, 10),  # the loss has the softmax
).to(DEVICE)

# Optimizer

optimizer = torch.optim.Adadelta(model.parameters(), lr=LEARNING_RATE, rho=RHO, eps=EPSILON)

# Train

for epoch in range(1, EPOCHS + 1):
    model.train()
    loss_sum = torch.zeros((), device=DEVICE)
    for x, y in loader:
        x, y = x.to(DEVICE), y.to(DEVICE)
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.detach() * len(y)
    print(f"epoch {epoch}: loss {loss_sum / len(train):.4f}", end=", ")

    # Evaluate

    model.eval()
    test_loss, correct = torch.zeros(2, device=DEVICE)
    with torch.inference_mode():
        for x, y in test_loader:
            x, y = x.to(DEVICE), y.to(DEVICE)
            logits = model(x)
            test_loss += F.cross_entropy(logits, y, reduction="sum")
            correct += (logits.argmax(1) == y).sum()
    accuracy = correct.item() / len(test)
    print(f"test loss {test_loss / len(test):.4f}, accuracy {accuracy:.2%}")
