"""What Keras' engines on JAX and on PyTorch share: all of keras_engine.py that Keras itself does, without TensorFlow.

They can't import it from there, for TensorFlow may be missing; a test compares each piece with its twin, word for word.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.arrays import Arrays
from engines.experiment.recipe import LAYERS, Weights
from engines.keras.optimizer import build_optimizer, implementation

sys.modules.setdefault("tensorflow", None)  # type: ignore[arg-type]  # Keras would import it to save a model, were it there
MODEL_FILE = "keras.keras"
"""A whole model, as keras.Model.save writes it."""


class KerasEngineBase:
    """An engine but for its training steps, which need the backend's own gradients."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights, device: str) -> None:
        random.seed(config.seed)  # where Keras takes its seeds from; its own set_random_seed would import TensorFlow
        self.device = device
        self.batch_size = config.batch_size
        with keras.device(self.device):
            self.train_images, self.train_labels = load(digits.train_images, digits.train_labels)
            self.test_images, _ = load(digits.test_images, digits.test_labels)
            self.model = build_model(config.dropout)
            self.augment = build_augment(config.augment)
            self.augment.build((None, 28, 28, 1))
            self.optimizer = build_optimizer(config)
            self.optimizer.build(self.model.trainable_variables)
            self.load_weights(weights)

    # Model

    def weights(self) -> Weights:
        """The parameters in the canonical layout, which is Keras' own."""
        return {
            f"{name}.{kind}": np.array(ops.convert_to_numpy(getattr(layer, kind).value))
            for name, layer in layers(self.model)
            for kind in ("kernel", "bias")
        }

    def load_weights(self, weights: Weights) -> None:
        """Take parameters from the canonical layout."""
        for name, layer in layers(self.model):
            layer.kernel.assign(weights[f"{name}.kernel"])
            layer.bias.assign(weights[f"{name}.bias"])

    # Checkpoint

    def state(self) -> Arrays:
        """What training needs beside the weights to go on: the optimizer's slots and the random state."""
        state = {
            f"optimizer.{i}": ops.convert_to_numpy(variable.value)
            for i, variable in enumerate(self.optimizer.variables)
        }
        return state | {
            f"random.{i}": ops.convert_to_numpy(variable.value) for i, variable in enumerate(self.random_variables())
        }

    def load_state(self, state: Arrays) -> None:
        """Take what `state` gave."""
        with keras.device(self.device):
            for i, variable in enumerate(self.optimizer.variables):
                variable.assign(state[f"optimizer.{i}"])
            for i, variable in enumerate(self.random_variables()):
                variable.assign(state[f"random.{i}"])

    def random_variables(self) -> list[keras.Variable]:
        """The states of dropout's and augmentation's random numbers."""
        variables = [*self.model.variables, *self.augment.variables]
        return [variable for variable in variables if variable.name == "seed_generator_state"]

    def save_model(self, path: Path) -> None:
        """Write the model in Keras' own format. Raises OSError."""
        self.model.save(path)


# Data


def load(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> tuple[Any, Any]:
    """Images (n, 28, 28, 1) as uint8 and labels (n,), whole on the device: 47 MB for all of MNIST."""
    return ops.convert_to_tensor(images[..., None]), ops.convert_to_tensor(labels.astype(np.int32))


def scale(images: Any) -> Any:
    """Grey values 0..255 as 0..1."""
    return ops.cast(images, "float32") / 255.0


def build_augment(kind: str) -> keras.Layer:
    """What happens to training images (n, 28, 28, 1): nothing, or a random turn, shift, zoom and shear, drawn for each digit."""
    if kind == "none":
        return keras.layers.Identity()
    from engines.keras.augment import RandomAffine

    return RandomAffine()


# Model


def build_model(dropout: float) -> keras.Sequential:
    """The reference, layer by layer; its softmax is in the loss."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(32, kernel_size=3, activation="relu"),
            keras.layers.Conv2D(64, kernel_size=3),
            keras.layers.MaxPooling2D(2),
            keras.layers.ReLU(),  # as before the pool, for relu and max commute: a quarter of the work
            keras.layers.Dropout(dropout),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(2 * dropout),
            keras.layers.Dense(10),
        ]
    )


def layers(model: keras.Sequential) -> list[tuple[str, keras.Layer]]:
    """The layers that have parameters, by their canonical names."""
    trainable = [layer for layer in model.layers if layer.trainable_variables]
    return list(zip(("conv1", "conv2", "dense1", "dense2"), trainable, strict=True))


# Optimizer


def hyperparameters_of(config: TrainConfig, tf32_default: str) -> dict[str, Any]:
    """Every value of the layers and of the optimizer in Keras' words, those that nobody gave included.

    "default.*" is what the optimizer would have if nothing were given.
    """
    optimizer = build_optimizer(config)
    default = keras.optimizers.get(config.optimizer).get_config()
    values: dict[str, Any] = {"optimizer.class": config.optimizer, "default.tf32": tf32_default}
    values["optimizer.implementation"] = implementation(optimizer)
    values |= {f"optimizer.{name}": value for name, value in optimizer.get_config().items()}
    values |= {f"default.{name}": value for name, value in default.items()}
    model = build_model(config.dropout)
    for name, layer in zip(
        LAYERS, [one for one in model.layers if not isinstance(one, keras.layers.ReLU)], strict=True
    ):
        values |= {f"{name}.{field}": value for field, value in layer.get_config().items()}
        if layer.trainable_variables:
            drawn = {"kernel_initializer": layer.kernel_initializer, "bias_initializer": layer.bias_initializer}
            values |= {f"{name}.{word}": type(initializer).__name__ for word, initializer in drawn.items()}
    return values


# Train


def loss_and_correct(logits: Any, labels: Any) -> tuple[Any, Any]:
    """The cross-entropy of each digit, shape (n,), and how many were right, of logits (n, 10) and labels (n,)."""
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    right = ops.sum(ops.cast(ops.equal(ops.argmax(logits, axis=1), labels), "float32"))
    return losses, right
