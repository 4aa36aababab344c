"""The optimizers. The mirror file is engines/pytorch/optimizer.py."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from engines.config import ADAM_BETAS, TrainConfig

Kinds = tuple[type[keras.optimizers.Adadelta], type[keras.optimizers.SGD], type[keras.optimizers.AdamW]]
"""The classes that train with Adadelta, with SGD, and with Adam and AdamW."""


def build_optimizer(config: TrainConfig, kinds: Kinds | None = None) -> keras.optimizers.Optimizer:
    """Build the optimizer with every hyperparameter set, because the libraries' defaults differ; `kinds` are a backend's own."""
    rate, fused = config.learning_rate, keras.config.backend() == "tensorflow"
    adadelta, sgd, adamw = kinds or (Adadelta if fused else keras.optimizers.Adadelta, SGD, AdamW)
    if config.optimizer == "adadelta":
        return adadelta(rate, rho=config.rho, epsilon=config.epsilon)
    if config.optimizer == "sgd":
        return sgd(rate, momentum=config.momentum)
    decay = config.weight_decay if config.optimizer == "adamw" else 0.0
    adam = adamw(rate, beta_1=ADAM_BETAS[0], beta_2=ADAM_BETAS[1], epsilon=config.epsilon, weight_decay=decay)
    adam.weight_decay = decay or None  # the constructor needs a number, but 0 would still cost a pass over all weights
    return adam


def implementation(optimizer: keras.optimizers.Optimizer) -> str:
    """Return the name of Keras' class, and whether one of the classes below replaces its update."""
    kind = type(optimizer)
    replaced = "" if kind.__module__.startswith("keras.") else ", its update replaced"
    return f"keras.optimizers.{kind.__name__}{replaced}"


class FreesGraphs:
    """An optimizer that does not sum gradients where there is one replica.

    TensorFlow registers the gradient of that sum for good, and with it the graph: each run would keep its digits and weights.
    """

    def _all_reduce_sum_gradients(self, gradients_and_variables: Any) -> Any:
        import tensorflow as tf  # only its backend calls this

        summed: Any = super()
        several = tf.distribute.has_strategy()
        return summed._all_reduce_sum_gradients(gradients_and_variables) if several else gradients_and_variables


class Adadelta(FreesGraphs, keras.optimizers.Adadelta):
    """Keras' Adadelta as TensorFlow's fused operation: the same formula in one pass over the weights instead of a dozen."""

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """Update one variable by one step."""
        import tensorflow as tf  # the other backends do without it

        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdadelta(
            var=variable.handle,
            accum=self._accumulated_grads[index].value.handle,
            accum_update=self._accumulated_delta_vars[index].value.handle,
            lr=tf.cast(learning_rate, tf.float32),
            rho=self.rho,
            epsilon=self.epsilon,
            grad=gradient,
        )


class SGD(FreesGraphs, keras.optimizers.SGD):
    """SGD with PyTorch's momentum: the learning rate scales the whole step, where Keras' own scales each gradient.

    Both are the same while the learning rate is constant, and differ under a schedule.
    """

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """Update one variable by one step."""
        if not self.momentum:
            super().update_step(gradient, variable, learning_rate)
            return
        velocity = self.momentums[self._get_variable_index(variable)]
        self.assign(velocity, velocity * self.momentum + gradient)
        self.assign_sub(variable, learning_rate * velocity)


class AdamW(FreesGraphs, keras.optimizers.AdamW):
    """Adam as in Kingma & Ba 2015, Algorithm 1, and in PyTorch: epsilon is added after the bias correction.

    Keras' own adds it before, the paper's "epsilon hat": small gradients then move differently. Without decay this is Adam.
    """

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """Update one variable by one step."""
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        step = ops.cast(self.iterations + 1, "float32")
        self.assign_add(mean, (gradient - mean) * (1 - self.beta_1))
        self.assign_add(square, (ops.square(gradient) - square) * (1 - self.beta_2))
        root = ops.sqrt(square / (1 - self.beta_2**step)) + self.epsilon
        self.assign_sub(variable, learning_rate / (1 - self.beta_1**step) * mean / root)
