"""The reference convnet in PyTorch. Its twin in the other dialect is keras_engine.py: same sections, same names, same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.arrays import Arrays
from engines.experiment.recipe import LAYERS, Weights
from engines.gpu_selection import driver_id
from engines.messages.events import Device
from engines.pytorch.optimizer import build_optimizer, implementation

OUT_OF_MEMORY = (torch.OutOfMemoryError,)
TF32_DEFAULT = " and ".join(
    name
    for name, allowed in (
        ("matrix products", torch.backends.cuda.matmul.allow_tf32),
        ("convolutions", torch.backends.cudnn.allow_tf32),
    )
    if allowed
)
"""Which arithmetic PyTorch does in TF32 on CUDA unless told otherwise."""
MODEL_FILE = "pytorch.pt"
"""A state_dict, as torch.save writes it, for a plain nn.Sequential of the same layers."""


class Engine:
    """Trains and answers on one device. The caller counts, times and tells; this class does the arithmetic."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        torch.manual_seed(config.seed)
        set_precision(config.precision)
        self.device = torch.device(config.device)
        self.batch_size = config.batch_size
        self.autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=config.precision == "bf16")
        self.train_images, self.train_labels = load(digits.train_images, digits.train_labels, self.device)
        self.test_images, _ = load(digits.test_images, digits.test_labels, self.device)
        self.model = build_model(config.dropout).to(self.device).to(memory_format=torch.channels_last)
        self.augment = build_augment(config.augment)
        self.optimizer = build_optimizer(config, self.model)
        self.load_weights(weights)

    # Data

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """Take the epoch's permutation of the training digits, shape (train_size,), and learning rates, shape (steps,)."""
        self.order = torch.from_numpy(order).to(self.device)
        self.rates: list[float] = rates.tolist()

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images (n, 1, 28, 28) in 0..1 and labels (n,) of one step; the last step of an epoch may be short."""
        chosen = self.order[step * self.batch_size : (step + 1) * self.batch_size]
        return scale(self.train_images[chosen]), self.train_labels[chosen]

    # Model

    def weights(self) -> Weights:
        """The parameters in the canonical layout."""
        named = {
            f"{name}.{kind}": getattr(layer, kind) for name, layer in layers(self.model) for kind in ("weight", "bias")
        }
        return {
            name.replace("weight", "kernel"): to_canonical(value.detach().cpu().numpy())
            for name, value in named.items()
        }

    def load_weights(self, weights: Weights) -> None:
        """Take parameters from the canonical layout."""
        with torch.no_grad():
            for name, layer in layers(self.model):
                layer.weight.copy_(torch.from_numpy(from_canonical(name, weights[f"{name}.kernel"])))
                assert layer.bias is not None
                layer.bias.copy_(torch.from_numpy(weights[f"{name}.bias"]))

    # Train

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch; returns the sum of losses and the number of right answers."""
        self.model.train()
        losses = []  # summed as doubles, so exactly, however many steps a call has; a Mac's GPU has no doubles
        correct = torch.zeros((), device=self.device)
        for step in range(first, last):
            images, labels = self.batch(step)
            self.optimizer.param_groups[0]["lr"] = self.rates[step]
            images = self.augment(images)  # in full precision: bf16 would move a digit by an eighth of a pixel
            with self.autocast:
                logits = self.model(images)
                loss = F.cross_entropy(logits, labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach() * len(labels))
            correct += (logits.argmax(dim=1) == labels).sum()
        return sum(torch.stack(losses).tolist()), correct.item()  # the call's one synchronisation with the device

    # Evaluate

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Logits (last - first, 10) of those test digits, dropout off."""
        return self.forward(self.test_images[first:last]).float().cpu().numpy()

    # Predict

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probabilities (n, 10) for grey images (n, 28, 28); leaves training as it was."""
        logits = self.forward(torch.from_numpy(images).unsqueeze(1).to(self.device))
        return logits.float().softmax(dim=1).cpu().numpy()

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, 10) with dropout off."""
        self.model.eval()
        with self.autocast:
            logits: Tensor = self.model(scale(images))
        return logits

    # Checkpoint

    def state(self) -> Arrays:
        """What training needs beside the weights to go on: the optimizer's slots and the random state."""
        slots = self.optimizer.state_dict()["state"]
        state = {f"optimizer.{i}.{name}": slot[name].cpu().numpy() for i, slot in slots.items() for name in slot}
        state["random.cpu"] = torch.get_rng_state().numpy()
        if self.device.type == "cuda":
            state["random.cuda"] = torch.cuda.get_rng_state(self.device).numpy()
        return state

    def load_state(self, state: Arrays) -> None:
        """Take what `state` gave; a GPU's random state only on a GPU."""
        saved = self.optimizer.state_dict()
        for key in [key for key in state if key.startswith("optimizer.")]:
            _, i, name = key.split(".")
            value = torch.from_numpy(state[key])
            if value.ndim == 4:  # laid out like the kernel that it belongs to
                value = value.contiguous(memory_format=torch.channels_last)
            saved["state"].setdefault(int(i), {})[name] = value
        self.optimizer.load_state_dict(saved)
        torch.set_rng_state(torch.from_numpy(state["random.cpu"]))
        if self.device.type == "cuda" and "random.cuda" in state:
            torch.cuda.set_rng_state(torch.from_numpy(state["random.cuda"]), self.device)

    def save_model(self, path: Path) -> None:
        """Write the model in PyTorch's own format. Raises OSError."""
        with open(path, "wb") as file:  # PyTorch's own writer hides that a disk is full
            torch.save(portable_state_dict(self.model), file)

    # The device

    def device_memory_bytes(self) -> int | None:
        """What PyTorch's allocator holds on the GPU; None on a CPU."""
        return torch.cuda.memory_reserved(self.device) if self.device.type == "cuda" else None


# Data


def load(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], device: torch.device) -> tuple[Tensor, Tensor]:
    """Images (n, 1, 28, 28) as uint8 and labels (n,), whole on the device: 47 MB for all of MNIST."""
    return torch.from_numpy(images).unsqueeze(1).to(device), torch.from_numpy(labels).long().to(device)


def scale(images: Tensor) -> Tensor:
    """Grey values 0..255 as 0..1."""
    return images.float().div_(255)


def build_augment(kind: str) -> nn.Module:
    """What happens to training images (n, 1, 28, 28): nothing, or a random turn, shift, zoom and shear, drawn for each digit."""
    if kind == "none":
        return nn.Identity()
    from engines.pytorch.augment import RandomAffine

    return RandomAffine()


# Model


def build_model(dropout: float) -> nn.Sequential:
    """The reference, layer by layer; its softmax is in the loss."""
    return nn.Sequential(
        nn.Conv2d(1, 32, kernel_size=3),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 64, kernel_size=3),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),  # as before the pool, for relu and max commute: a quarter of the work
        Dropout(dropout),
        Flatten(),
        nn.Linear(12 * 12 * 64, 128),
        nn.ReLU(inplace=True),
        Dropout(2 * dropout),
        nn.Linear(128, 10),
    )


class Dropout(nn.Dropout):
    """PyTorch's own draws a double for each unit, one after the other: a sixth of a step on a CPU. Here 16 bits decide.

    So the probability is rounded to a multiple of 1/65536 (0.25 and 0.5 are such), and the kept units are scaled by it as rounded.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Units of any shape, dense in memory."""
        dropped = round(self.p * 65536)
        if not self.training or inputs.device.type != "cpu" or not 0 < dropped < 65536:
            return super().forward(inputs)
        fours = torch.empty(-(-inputs.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        bits = fours.view(torch.int16).as_strided(inputs.shape, inputs.stride())
        return inputs * (bits >= dropped - 32768).to(inputs.dtype).mul_(65536 / (65536 - dropped))


class Flatten(nn.Flatten):
    """Features in (height, width, channel) order: that of channels_last in memory, so nothing is copied, and that of Keras."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, channels, height, width) to (n, features)."""
        return super().forward(inputs.permute(0, 2, 3, 1))


def layers(model: nn.Sequential) -> list[tuple[str, nn.Conv2d | nn.Linear]]:
    """The layers that have parameters, by their canonical names."""
    trainable = [layer for layer in model if isinstance(layer, nn.Conv2d | nn.Linear)]
    return list(zip(("conv1", "conv2", "dense1", "dense2"), trainable, strict=True))


def portable_state_dict(model: nn.Sequential) -> dict[str, Tensor]:
    """The parameters as a plain nn.Sequential with nn.Flatten takes them: dense1 in (channel, height, width) order."""
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    (after_flatten,) = [f"{i + 1}.weight" for i, layer in enumerate(model) if isinstance(layer, Flatten)]
    by_pixel = state[after_flatten].unflatten(1, (12, 12, 64))
    return state | {after_flatten: by_pixel.permute(0, 3, 1, 2).flatten(1)}


def from_canonical(name: str, kernel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(height, width, in, out) to (out, in, height, width); (in, out) to (out, in)."""
    return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1) if name.startswith("conv") else kernel.T)


def to_canonical(value: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The inverse of `from_canonical`; biases stay as they are."""
    return np.ascontiguousarray(value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T).copy()


# Optimizer


def hyperparameters(config: TrainConfig) -> dict[str, Any]:
    """Every value of the layers and of the optimizer in PyTorch's words, those that nobody gave included.

    "default.*" is what the optimizer would have if nothing were given.
    """
    model = build_model(config.dropout)
    optimizer = build_optimizer(config, model)
    default = type(optimizer)(model.parameters()).defaults  # type: ignore[call-arg]  # each has its own defaults
    values: dict[str, Any] = {"optimizer.class": config.optimizer, "default.tf32": TF32_DEFAULT}
    values["optimizer.implementation"] = implementation(optimizer)
    values |= {f"optimizer.{name}": value for name, value in optimizer.defaults.items()}
    values |= {f"default.{name}": value for name, value in default.items()}
    for name, layer in zip(LAYERS, [one for one in model if not isinstance(one, nn.ReLU)], strict=True):
        constants: list[str] = getattr(layer, "__constants__", [])
        values |= {f"{name}.{constant}": getattr(layer, constant) for constant in constants}
        if isinstance(layer, nn.Conv2d | nn.Linear):  # `reset_parameters` of both, as their documentation states it
            drawn = {"kernel_initializer": "Kaiming uniform, a = √5", "bias_initializer": "uniform ±1 / √fan_in"}
            values |= {f"{name}.{word}": text for word, text in {**drawn, "use_bias": layer.bias is not None}.items()}
    return values


# The framework


def framework() -> str:
    """How people write this framework and its version."""
    return f"PyTorch {torch.__version__.partition('+')[0]}"


def version() -> str:
    """The framework's full version."""
    return str(torch.__version__)


def set_threads(threads: int) -> None:
    """CPU threads of one operation, which from their start take numbers below 1e-38 for zero, as TensorFlow's do.

    Adadelta's averages of units that died sink there after some 1,500 steps, and its step would take five times as long.
    """
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)


def set_precision(precision: str) -> None:
    """TF32 on Ampere and later GPUs, off unless asked for: PyTorch has it on for convolutions by default."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"


def devices() -> tuple[Device, ...]:
    """The CPU, then every GPU, or why there is none."""
    cpu = Device(id="cpu", name="CPU")
    if torch.backends.mps.is_available():
        return cpu, Device(id="mps", name="Apple GPU")
    if torch.version.cuda is None and torch.version.hip is None:  # ROCm's GPUs are cuda:N too
        return cpu, Device(id="cuda:0", name="GPU", usable=False, reason="this PyTorch is built without CUDA")
    if not torch.cuda.is_available():
        return cpu, Device(id="cuda:0", name="GPU", usable=False, reason="PyTorch finds no usable driver or GPU")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return cpu, *(Device(id=f"cuda:{i}", name=name, gpu=driver_id(i)) for i, name in enumerate(names))
