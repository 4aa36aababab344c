"""Train one step on fake CUDA tensors, which have a device and a shape but no numbers, and print its operations as JSON.

A machine without a GPU can't run PyTorch's backward pass on them: its threads ask for the GPU's streams. So this program calls the
nodes of the graph itself.
"""

# ruff: noqa: TID253
from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engines.data import Digits
from engines.experiment import recipe
from engines.preset_configs import from_settings
from engines.pytorch import device
from engines.pytorch.engine import Engine
from tests.support.digits import random_digits

SETTINGS: dict[str, dict[str, Any]] = {
    "adadelta": {},
    "adadelta, cosine, augmentation": {"schedule": "cosine", "augment": "affine"},
    "adadelta, no dropout": {"dropout": 0.0},
    "adadelta, bf16": {"precision": "bf16"},
    "sgd": {"optimizer": "sgd", "momentum": 0.9},
    "sgd, no momentum, cosine": {"optimizer": "sgd", "momentum": 0.0, "schedule": "cosine"},
    "adam": {"optimizer": "adam"},
    "adamw, cosine": {"optimizer": "adamw", "schedule": "cosine"},
}


class Recorder(TorchDispatchMode):
    """Records the operations that launch kernels or wait for the device, and the tensors on the host that they read."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[str] = []
        self.host_tensors: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(func)
        if name.startswith("aten.") and not func.is_view:
            self.operations.append(name)
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
            self.host_tensors += [f"{name} {tuple(t.shape)}" for t in tensors if t.device.type != "cuda"]
        if "_fused_" in name:  # in place, and without an implementation for fake tensors
            return None
        return func(*args, **kwargs)


def fake_apply(
    module: torch.nn.Module, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True
) -> torch.nn.Module:
    """Replace a module's parameters, because those of fake tensors can't be moved to another device."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            assert parameter is not None
            part._parameters[name] = torch.nn.Parameter(fn(parameter.detach()))
    return module


def fake_backward(loss: torch.Tensor) -> None:
    """Compute the gradients of all parameters by calling the nodes of the graph from the loss backwards."""
    ordered: dict[Any, None] = {}

    def visit(node: Any) -> None:
        if node is not None and node not in ordered:
            for following, _ in node.next_functions:
                visit(following)
            ordered[node] = None

    visit(loss.grad_fn)
    gradients: dict[Any, dict[int, torch.Tensor]] = defaultdict(dict)
    gradients[loss.grad_fn][0] = torch.ones_like(loss)
    for node in reversed(ordered):
        if hasattr(node, "variable"):
            node.variable.grad = gradients[node][0].sum_to_size(node.variable.shape)
            continue
        outputs = node(*[gradients[node].get(i) for i in range(1 + max(gradients[node]))])
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for gradient, (following, i) in zip(outputs, node.next_functions, strict=True):
            if following is not None:
                gradients[following][i] = gradient


def operations_of(settings: dict[str, Any]) -> dict[str, list[str]]:
    """Build an engine on a fake GPU, and record its second step, when the optimizer has its slots."""
    images, labels = random_digits(210)
    digits = Digits(images, labels, images[:20], labels[:20], dataset="custom", source="")
    config = from_settings({"batch_size": 32, "device": "cuda:0", **settings})
    with FakeTensorMode(allow_non_fake_inputs=True):
        engine = Engine(config, digits, recipe.initial_weights(1))
        engine.model.train()
        with Recorder():
            engine.captured_step.train(engine)
        recorder = Recorder()
        with recorder:
            engine.captured_step.train(engine)
    return {"operations": recorder.operations, "host tensors": recorder.host_tensors}


def main() -> int:
    """Print the operations of a step for each optimizer and setting; return the exit code."""
    device.activate = lambda device: None  # there is no GPU to activate
    torch.cuda.amp.common.amp_definitely_not_available = lambda: False
    torch.cuda.is_bf16_supported = lambda including_emulation=True: True
    torch.nn.Module._apply = fake_apply  # type: ignore[method-assign]
    torch.Tensor.backward = fake_backward  # type: ignore[method-assign,assignment]
    print(json.dumps({name: operations_of(settings) for name, settings in SETTINGS.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
