"""The parameters in the canonical layout, and the state that checkpoints hold. The mirror file is engines/keras/state.py."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engines.experiment.arrays import Arrays
from engines.experiment.recipe import Weights
from engines.pytorch.model import Flatten

MODEL_FILE = "pytorch.pt"
"""The model's file: a state_dict, as torch.save writes it, of a plain nn.Sequential with the same layers."""


class EngineState:
    """The part of an engine that checkpoints hold: its weights, its optimizer's slots and its random state."""

    device: torch.device
    model: nn.Sequential
    optimizer: torch.optim.Optimizer

    def weights(self) -> Weights:
        """Return the parameters in the canonical layout."""
        named = {
            f"{name}.{kind}": getattr(layer, kind) for name, layer in layers(self.model) for kind in ("weight", "bias")
        }
        return {
            name.replace("weight", "kernel"): to_canonical(value.detach().cpu().numpy())
            for name, value in named.items()
        }

    def load_weights(self, weights: Weights) -> None:
        """Set the parameters from the canonical layout."""
        with torch.no_grad():
            for name, layer in layers(self.model):
                layer.weight.copy_(torch.from_numpy(from_canonical(name, weights[f"{name}.kernel"])))
                assert layer.bias is not None
                layer.bias.copy_(torch.from_numpy(weights[f"{name}.bias"]))

    def state(self) -> Arrays:
        """Return what training needs besides the weights to continue: the optimizer's slots and the random state."""
        slots = self.optimizer.state_dict()["state"]
        state = {f"optimizer.{i}.{name}": slot[name].cpu().numpy() for i, slot in slots.items() for name in slot}
        state["random.cpu"] = torch.get_rng_state().numpy()
        if self.device.type == "cuda":
            state["random.cuda"] = torch.cuda.get_rng_state(self.device).numpy()
        return state

    def load_state(self, state: Arrays) -> None:
        """Restore what `state` returned; a GPU's random state only on a GPU."""
        saved = self.optimizer.state_dict()
        for key in [key for key in state if key.startswith("optimizer.")]:
            _, i, name = key.split(".")
            value = torch.from_numpy(state[key])
            if value.ndim == 4:  # in memory like the kernel that it belongs to
                value = value.contiguous(memory_format=torch.channels_last)
            saved["state"].setdefault(int(i), {})[name] = value
        self.optimizer.load_state_dict(saved)
        torch.set_rng_state(torch.from_numpy(state["random.cpu"]))
        if self.device.type == "cuda" and "random.cuda" in state:
            torch.cuda.set_rng_state(torch.from_numpy(state["random.cuda"]), self.device)

    def save_model(self, path: Path) -> None:
        """Write the model in PyTorch's own format. Raises OSError."""
        content = io.BytesIO()  # PyTorch's own writer hides that a disk is full
        torch.save(portable_state_dict(self.model), content)
        path.write_bytes(content.getbuffer())


def layers(model: nn.Sequential) -> list[tuple[str, nn.Conv2d | nn.Linear]]:
    """Return the layers that have parameters, with their canonical names."""
    trainable = [layer for layer in model if isinstance(layer, nn.Conv2d | nn.Linear)]
    return list(zip(("conv1", "conv2", "dense1", "dense2"), trainable, strict=True))


def from_canonical(name: str, kernel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Transpose (height, width, in, out) to (out, in, height, width), and (in, out) to (out, in)."""
    return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1) if name.startswith("conv") else kernel.T)


def to_canonical(value: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Transpose a kernel back to the canonical layout, and copy a bias."""
    return np.ascontiguousarray(value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T).copy()


def portable_state_dict(model: nn.Sequential) -> dict[str, Tensor]:
    """Return the parameters for a plain nn.Sequential with nn.Flatten: dense1 in (channel, height, width) order."""
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    (after_flatten,) = [f"{i + 1}.weight" for i, layer in enumerate(model) if isinstance(layer, Flatten)]
    by_pixel = state[after_flatten].unflatten(1, (12, 12, 64))
    return state | {after_flatten: by_pixel.permute(0, 3, 1, 2).flatten(1)}
