"""The parameters in the canonical layout, and the state that checkpoints hold. The mirror file is engines/pytorch/state.py.

It works on every backend of Keras and imports none.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from engines.experiment.arrays import Arrays
from engines.experiment.recipe import Weights

MODEL_FILE = "keras.keras"
"""The model's file: architecture and weights, as keras.Model.save writes them."""


class EngineState:
    """The part of an engine that checkpoints hold: its weights, its optimizer's slots and its random state."""

    device: str
    """The device's name in the backend's words."""
    model: keras.Sequential
    optimizer: keras.optimizers.Optimizer
    augment: keras.Layer

    def weights(self) -> Weights:
        """Return the parameters in the canonical layout, which is Keras' own."""
        return {
            f"{name}.{kind}": np.array(np.asarray(getattr(layer, kind)))  # copied: on PyTorch it is a view
            for name, layer in layers(self.model)
            for kind in ("kernel", "bias")
        }

    def load_weights(self, weights: Weights) -> None:
        """Set the parameters from the canonical layout."""
        with keras.device(self.device):
            for name, layer in layers(self.model):
                layer.kernel.assign(weights[f"{name}.kernel"])
                layer.bias.assign(weights[f"{name}.bias"])

    def state(self) -> Arrays:
        """Return what training needs besides the weights to continue: the optimizer's slots and the random state."""
        variables = {f"optimizer.{i}": variable for i, variable in enumerate(self.optimizer.variables)}
        variables |= {f"random.{i}": variable for i, variable in enumerate(self.random_variables())}
        return {name: np.array(np.asarray(variable)) for name, variable in variables.items()}

    def load_state(self, state: Arrays) -> None:
        """Restore what `state` returned."""
        with keras.device(self.device):
            for i, variable in enumerate(self.optimizer.variables):
                variable.assign(state[f"optimizer.{i}"])
            for i, variable in enumerate(self.random_variables()):
                variable.assign(state[f"random.{i}"])

    def save_model(self, path: Path) -> None:
        """Write the model in Keras' own format. Raises OSError."""
        self.model.save(path)

    def random_variables(self) -> list[keras.Variable]:
        """Return the states of dropout's and augmentation's random numbers."""
        variables = [*self.model.variables, *self.augment.variables]
        return [variable for variable in variables if variable.name == "seed_generator_state"]


def layers(model: keras.Sequential) -> list[tuple[str, keras.Layer]]:
    """Return the layers that have parameters, with their canonical names."""
    trainable = [layer for layer in model.layers if layer.trainable_variables]
    return list(zip(("conv1", "conv2", "dense1", "dense2"), trainable, strict=True))
