"""The reference convnet in Keras. Its twin in the other dialect is pytorch_engine.py: same sections, same names, same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow import Tensor

from engines.config import MOST_CPU_REPLICAS, TrainConfig
from engines.data import Digits
from engines.experiment.arrays import Arrays
from engines.experiment.recipe import LAYERS, Weights
from engines.gpu_selection import driver_id
from engines.keras.optimizer import build_optimizer, implementation
from engines.messages.events import Device

OUT_OF_MEMORY = (tf.errors.ResourceExhaustedError,)
TF32_DEFAULT = "matrix products and convolutions" if tf.config.experimental.tensor_float_32_execution_enabled() else ""
"""Which arithmetic TensorFlow does in TF32 on CUDA unless told otherwise."""
MODEL_FILE = "keras.keras"
"""A whole model, as keras.Model.save writes it."""


class Engine:
    """Trains and answers on one device. The caller counts, times and tells; this class does the arithmetic."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        keras.utils.set_random_seed(config.seed)
        set_precision(config.precision)
        self.device = device_name(config.device)
        self.batch_size = config.batch_size
        with tf.device(self.device):
            self.train_images, self.train_labels = load(digits.train_images, digits.train_labels)
            self.test_images, _ = load(digits.test_images, digits.test_labels)
            self.order = tf.Variable(tf.zeros(len(digits.train_labels), tf.int64))
            self.rates = tf.Variable(tf.zeros(-(-len(digits.train_labels) // config.batch_size)))
            self.model = build_model(config.dropout)
            self.augment = build_augment(config.augment)
            self.optimizer = build_optimizer(config)
            self.optimizer.build(self.model.trainable_variables)
        self.load_weights(weights)

    # Data

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """Take the epoch's permutation of the training digits, shape (train_size,), and learning rates, shape (steps,)."""
        self.order.assign(order)
        self.rates.assign(rates)

    def batch(self, step: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, 28, 28, 1) in 0..1 and labels (n,) of one step; the last step of an epoch may be short."""
        chosen = self.order[step * self.batch_size : (step + 1) * self.batch_size]
        return scale(tf.gather(self.train_images, chosen)), tf.gather(self.train_labels, chosen)

    # Model

    def weights(self) -> Weights:
        """The parameters in the canonical layout, which is Keras' own."""
        return {
            f"{name}.{kind}": getattr(layer, kind).numpy()
            for name, layer in layers(self.model)
            for kind in ("kernel", "bias")
        }

    def load_weights(self, weights: Weights) -> None:
        """Take parameters from the canonical layout."""
        for name, layer in layers(self.model):
            layer.kernel.assign(weights[f"{name}.kernel"])
            layer.bias.assign(weights[f"{name}.bias"])

    # Train

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch; returns the sum of losses and the number of right answers."""
        with tf.device(self.device):
            loss_sum, correct = self._train_steps(tf.constant(first, tf.int64), tf.constant(last, tf.int64))
        return float(loss_sum), float(correct)  # the call's one synchronisation with the device

    @tf.function(jit_compile=False)  # XLA is slower on a CPU and aborts on some GPUs: never left to "auto"
    def _train_steps(self, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        loss_sum = tf.zeros((), tf.float64)  # exact, however many steps a call has
        correct = tf.zeros(())
        for step in tf.range(first, last):
            images, labels = self.batch(step)
            images = self.augment(images, training=True)
            self.optimizer.learning_rate.assign(self.rates[step])
            with tf.GradientTape() as tape:
                logits = tf.cast(self.model(images, training=True), tf.float32)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
                loss = tf.reduce_mean(losses)
            gradients = tape.gradient(loss, self.model.trainable_variables)
            self.optimizer.apply(gradients, self.model.trainable_variables)
            loss_sum += tf.cast(tf.reduce_sum(losses), tf.float64)
            correct += tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == labels, tf.float32))
        return loss_sum, correct

    # Evaluate

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Logits (last - first, 10) of those test digits, dropout off."""
        with tf.device(self.device):
            return np.asarray(self.forward(self.test_images[first:last]))

    # Predict

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probabilities (n, 10) for grey images (n, 28, 28); leaves training as it was."""
        with tf.device(self.device):
            return np.asarray(tf.nn.softmax(self.forward(tf.constant(images[..., None]))))

    @tf.function(reduce_retracing=True, jit_compile=False)
    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, 10) with dropout off."""
        return tf.cast(self.model(scale(images), training=False), tf.float32)

    # Checkpoint

    def state(self) -> Arrays:
        """What training needs beside the weights to go on: the optimizer's slots and the random state."""
        state = {f"optimizer.{i}": variable.numpy() for i, variable in enumerate(self.optimizer.variables)}
        return state | {f"random.{i}": variable.numpy() for i, variable in enumerate(self.random_variables())}

    def load_state(self, state: Arrays) -> None:
        """Take what `state` gave."""
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

    # The device

    def device_memory_bytes(self) -> int | None:
        """What TensorFlow's allocator holds on the GPU; None on a CPU."""
        if "GPU" not in self.device:
            return None
        return int(tf.config.experimental.get_memory_info(self.device.strip("/"))["current"])


# Data


def load(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Images (n, 28, 28, 1) as uint8 and labels (n,), whole on the device: 47 MB for all of MNIST."""
    return tf.constant(images[..., None]), tf.constant(labels.astype(np.int64))


def scale(images: Tensor) -> Tensor:
    """Grey values 0..255 as 0..1."""
    return tf.cast(images, tf.float32) / 255.0


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


def hyperparameters(config: TrainConfig) -> dict[str, Any]:
    """Every value of the layers and of the optimizer in Keras' words, those that nobody gave included.

    "default.*" is what the optimizer would have if nothing were given.
    """
    optimizer = build_optimizer(config)
    default = keras.optimizers.get(config.optimizer).get_config()
    values: dict[str, Any] = {"optimizer.class": config.optimizer, "default.tf32": TF32_DEFAULT}
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


# The framework


def framework() -> str:
    """How people write this framework and its version."""
    return f"Keras {keras.version()} on TensorFlow {tf.__version__}"


def version() -> str:
    """The framework's full version."""
    return f"{keras.version()} (tensorflow {tf.__version__})"


def set_threads(threads: int) -> None:
    """CPU threads of one operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def set_precision(precision: str) -> None:
    """TF32 on Ampere and later GPUs, off unless asked for: TensorFlow has it on by default."""
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bf16" else "float32")


def device_name(device: str) -> str:
    """ "cuda:0" as TensorFlow writes it."""
    kind, _, number = device.partition(":")
    return f"/GPU:{number}" if kind == "cuda" else "/CPU:0"


def devices() -> tuple[Device, ...]:
    """The CPU, then every GPU, or why there is none."""
    cpu = Device(id="cpu", name="CPU")
    parts = [
        tf.config.LogicalDeviceConfiguration()
    ] * MOST_CPU_REPLICAS  # can't be made later; all share the same threads
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    if not tf.test.is_built_with_cuda():
        return cpu, Device(id="cuda:0", name="GPU", usable=False, reason="this TensorFlow is built without CUDA")
    found = tf.config.list_physical_devices("GPU")
    if not found:
        reason = "TensorFlow finds no usable GPU, driver or CUDA libraries"
        return cpu, Device(id="cuda:0", name="GPU", usable=False, reason=reason)
    for gpu in found:
        tf.config.experimental.set_memory_growth(gpu, True)  # or the first worker takes all of the memory
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in found]
    return cpu, *(Device(id=f"cuda:{i}", name=name, gpu=driver_id(i)) for i, name in enumerate(names))
