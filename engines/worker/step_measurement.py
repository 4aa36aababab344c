"""Measure how one training step changes each layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engines.data import Digits
from engines.experiment.contract import Engine, InspectionModule
from engines.experiment.recipe import KERNELS, Weights, layer_norm
from engines.messages.events import LayerChange
from engines.worker.channel import NO_INSIDE


class StepMeasurement:
    """The weights before a step, and the gradients of its batch."""

    def __init__(
        self, inspection: InspectionModule | None, engine: Engine, digits: Digits, batch: npt.NDArray[np.int64]
    ) -> None:
        """Measure before the step; `batch` has the indices of its training digits. May raise whatever the framework raises."""
        if inspection is None:
            raise ValueError(NO_INSIDE)
        self._weights = engine.weights()
        self._gradients = inspection.gradients(engine, digits.train_images[batch], digits.train_labels[batch])

    def changes(self, weights: Weights) -> tuple[LayerChange, ...]:
        """Return the change of each layer, in forward order, from the weights after the step."""
        update = {name: weights[name] - value for name, value in self._weights.items()}
        return tuple(
            LayerChange(
                layer=layer,
                gradient=layer_norm(self._gradients, layer),
                weights=layer_norm(self._weights, layer),
                update=layer_norm(update, layer),
            )
            for layer in KERNELS
        )
