"""Export an engine's trained convnet, from its last checkpoint and from its best epoch, to ONNX and safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engines.experiment import checkpoint
from engines.experiment.checkpoint import CheckpointError
from engines.experiment.recipe import Weights, initial_weights
from engines.exports import ExportError, missing

OPSET = 17
"""ONNX operator set, of ONNX 1.12 (2022): older runtimes read it too."""
IR_VERSION = 8
"""ONNX file format, of ONNX 1.12."""

LAYOUT = "kernels (height, width, in, out), dense kernels (in, out)"


class Model(NamedTuple):
    """The parameters of an engine's network at one moment, in the canonical layout."""

    suffix: str
    """The end of its file's name: empty for the last parameters, "-best" for those of the best epoch."""
    weights: Weights
    moment: str
    """The epoch, and which one that is, for people."""


def read_models(folder: Path, engine: str) -> list[Model]:
    """Read the last parameters of an engine, and those of its best epoch where a run has kept them. Raises ExportError."""
    path = folder / f"{engine}.npz"
    try:
        position, weights, _ = checkpoint.load_model(path)
        last = position.epoch if position.step else position.epoch - 1
        models = [Model("", weights, f"epoch {last}, the last")]
        if (best := checkpoint.best_path(path)).is_file():
            position, weights, config = checkpoint.load_model(best)
            digits = f"{config.validation:,} held-out digits" if config.validation else "the test digits"
            models.append(Model("-best", weights, f"epoch {position.epoch}, the best on {digits}"))
    except CheckpointError as error:
        raise ExportError(f"{folder.name} holds no model of {engine}: {error}") from error
    return models


def write_safetensors(weights: Weights, about: Mapping[str, str], path: Path) -> None:
    """Write the parameters under their canonical names, and `about` as metadata; needs safetensors.

    Raises ExportError and OSError.
    """
    try:
        from safetensors.numpy import save
    except ImportError as error:
        raise missing(error) from error
    path.write_bytes(save(weights, {"layout": LAYOUT, **about}))


def write_onnx(weights: Weights, about: Mapping[str, str], path: Path) -> None:
    """Write a graph from images (n, 1, 28, 28) in 0..1 to logits (n, 10), dropout off, and `about` as metadata; needs onnx.

    Raises ExportError and OSError.
    """
    try:
        from onnx import TensorProto, checker, helper, numpy_helper
    except ImportError as error:
        raise missing(error) from error
    import numpy as np

    if _shapes(weights) != _shapes(initial_weights(0)):
        raise ExportError("This checkpoint holds other parameters than the reference convnet's.")
    constants = {
        name: np.ascontiguousarray(value.transpose(3, 2, 0, 1)) if value.ndim == 4 else value
        for name, value in weights.items()
    }

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:
        return helper.make_node(kind, inputs, [output], output, **attributes)

    nodes = [
        node("Conv", ["images", "conv1.kernel", "conv1.bias"], "conv1"),
        node("Relu", ["conv1"], "relu1"),
        node("Conv", ["relu1", "conv2.kernel", "conv2.bias"], "conv2"),
        node("Relu", ["conv2"], "relu2"),
        node("MaxPool", ["relu2"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Transpose", ["pool"], "channels_last", perm=[0, 2, 3, 1]),  # dense1's kernel expects this order
        node("Flatten", ["channels_last"], "features"),
        node("Gemm", ["features", "dense1.kernel", "dense1.bias"], "dense1"),
        node("Relu", ["dense1"], "relu3"),
        node("Gemm", ["relu3", "dense2.kernel", "dense2.bias"], "logits"),
    ]
    graph = helper.make_graph(
        nodes,
        "convnet",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 1, 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph, producer_name="mnist-tui", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    helper.set_model_props(model, dict(about))
    checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def _shapes(weights: Weights) -> dict[str, tuple[tuple[int, ...], str]]:
    return {name: (value.shape, value.dtype.str) for name, value in weights.items()}
