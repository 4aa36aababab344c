"""What can be set about a run: one declaration gives the field, its flag, its help and its validation.

Standard library only: both sides of the pipe read it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from engines.numerals import parse_float, parse_integer
from engines.record import Record
from engines.user_path import user_path

ENGINES = ("pytorch", "keras")
"""The engines that ship, in the order in which they are shown."""

TITLES = {"pytorch": "PyTorch", "keras": "Keras"}
"""How each engine is written on a screen."""

BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
"""What Keras can compute with, and how that is written on a screen."""

FRAMEWORK_CHOICES = {"both": ENGINES, **{name: (name,) for name in ENGINES}}
"""What one can choose to train, and which engines that means."""

PRESETS = ("reference", "quick", "best", "library-defaults")

ADAM_BETAS = (0.9, 0.999)
"""Adam's and AdamW's decay rates in both engines: the values of Kingma & Ba 2015, and of both libraries."""


def _setting(default: Any, help_text: str, **rules: Any) -> Any:
    """A field of TrainConfig; rules are `choices`, `minimum`, `maximum`, and `optimizers`: those that use it."""
    return dataclasses.field(default=default, metadata={"help": help_text, **rules})


class TrainConfig(Record):
    """Everything that decides what one engine trains. The defaults are the Keras reference `mnist_convnet`."""

    preset: str = _setting("reference", "a named set of hyperparameters", choices=PRESETS)
    device: str = _setting(
        "auto", "where to train: auto, cpu, cuda:N, or mps on a Mac; several: cuda:0,cuda:1, or all for every GPU"
    )
    pytorch_device: str = _setting("", "PyTorch's device, where it is to have another")
    keras_device: str = _setting("", "Keras' device, where it is to have another")
    keras_backend: str = _setting(
        "tensorflow", "what Keras computes with: its TensorFlow, JAX or PyTorch backend", choices=tuple(BACKENDS)
    )
    epochs: int = _setting(12, "passes over the training digits", minimum=1, maximum=10_000)
    batch_size: int = _setting(128, "digits per step", minimum=1, maximum=60_000)
    optimizer: str = _setting("adadelta", "the update rule", choices=("adadelta", "sgd", "adam", "adamw"))
    learning_rate: float = _setting(
        1.0, "step size of the optimizer; its peak under a schedule", minimum=0.0, maximum=1_000.0
    )
    schedule: str = _setting(
        "constant", "how the learning rate changes along the run", choices=("constant", "cosine", "one-cycle")
    )
    rho: float = _setting(0.95, "Adadelta's decay rate", minimum=0.0, maximum=0.999999, optimizers=("adadelta",))
    momentum: float = _setting(0.9, "SGD's momentum", minimum=0.0, maximum=0.999999, optimizers=("sgd",))
    weight_decay: float = _setting(
        0.01, "AdamW's decoupled weight decay", minimum=0.0, maximum=1.0, optimizers=("adamw",)
    )
    epsilon: float = _setting(
        1e-7,
        "the optimizer's guard against division by zero",
        minimum=0.0,
        maximum=1.0,
        optimizers=("adadelta", "adam", "adamw"),
    )
    dropout: float = _setting(
        0.25, "drop rate after the convolutions; the dense layer drops twice that", minimum=0.0, maximum=0.49
    )
    augment: str = _setting(
        "none", "random changes of the training digits: none, or turned, shifted and scaled", choices=("none", "affine")
    )
    seed: int = _setting(
        0, "decides initial weights, batch order, dropout and augmentation", minimum=0, maximum=2**32 - 1
    )
    precision: str = _setting("fp32", "arithmetic: fp32, tf32 (CUDA only) or bf16", choices=("fp32", "tf32", "bf16"))
    threads: int = _setting(0, "CPU threads per engine; 0 shares the usable cores", minimum=0, maximum=4_096)
    dataset: str = _setting("auto", "which digits: auto, mnist, or drawn offline", choices=("auto", "mnist", "drawn"))
    data_dir: str = _setting("", "a folder that holds MNIST")
    limit_train: int = _setting(0, "use only the first N training digits; 0 uses all", minimum=0, maximum=60_000)
    limit_test: int = _setting(0, "use only the first N test digits; 0 uses all", minimum=0, maximum=10_000)
    eval_every: int = _setting(
        0, "steps between evaluations inside an epoch; 0 evaluates at its end only", minimum=0, maximum=10_000_000
    )
    target_accuracy: float = _setting(
        0.0, "stop at this test accuracy in percent, and fail below it; 0 asks for none", minimum=0.0, maximum=100.0
    )
    patience: int = _setting(
        0, "stop after so many evaluations without a better test accuracy; 0 never does", minimum=0, maximum=10_000
    )
    stop_on_nan: bool = _setting(True, "stop when the loss is no longer a number, or has diverged")
    mode: str = _setting(
        "race", "race: both at once; time-trial: one after the other, all cores each", choices=("race", "time-trial")
    )
    seeds: int = _setting(1, "how many runs to make, with seeds that count up from --seed", minimum=1, maximum=1_000)


class ConfigError(ValueError):
    """A setting that can't be used; the message is one sentence for the user."""


def engine_id(engine: str, backend: str) -> str:
    """The engine's own name, or "keras-jax" for Keras on another backend than TensorFlow: in files, folders and tables."""
    return engine if engine != "keras" or backend == "tensorflow" else f"{engine}-{backend}"


def display_name(engine: str, backend: str) -> str:
    """The engine as it is written on a screen where its backend must not be left open: "Keras on JAX"."""
    title = TITLES.get(engine, engine)
    return title if engine_id(engine, backend) == engine else f"{title} on {BACKENDS.get(backend, backend)}"


def reaches(accuracy: float, percent: float) -> bool:
    """Whether an accuracy, a fraction of 1, is that many percent; 0.994 is 99.4 %, whatever floats make of the product."""
    return round(100 * accuracy, 6) >= percent


def problems(config: TrainConfig) -> list[tuple[str, str]]:
    """(field, what is wrong with it) for every field that can't be used; empty when all is well."""
    found = []
    for field in dataclasses.fields(config):
        reason = problem(field.name, getattr(config, field.name))
        if reason:
            found.append((field.name, reason))
    return found


def problem(name: str, value: Any) -> str | None:
    """What is wrong with `value` as the setting `name`, as the end of a sentence, or None."""
    rules = _RULES[name]
    kind = type(_DEFAULTS[name])
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:
            return "must be a finite number"
    if type(value) is not kind:
        return f"must be {_KIND_NAMES[kind]}"
    if "choices" in rules and value not in rules["choices"]:
        return f"must be one of {', '.join(rules['choices'])}"
    if kind is float and not math.isfinite(value):
        return "must be a finite number"
    if "minimum" in rules and value < rules["minimum"]:
        return f"must be at least {rules['minimum']:,}"
    if "maximum" in rules and value > rules["maximum"]:
        return f"must be at most {rules['maximum']:,}"
    if name in DEVICES and not is_device(value) and (value or name == "device"):
        return "must be auto, cpu, mps or cuda:N, such as cuda:0; for several cuda:0,cuda:1 and so on, cpu,cpu, or all"
    return None


def parse(name: str, text: str) -> Any:
    """The value that a user typed for the setting `name`. Raises ConfigError with the reason."""
    kind = type(_DEFAULTS[name])
    try:
        value = _PARSERS[kind](text.strip())
        if name == "data_dir" and value:
            value = str(user_path(value))  # a resumed run may begin in another folder
    except ValueError as error:
        raise ConfigError(str(error)) from None
    reason = problem(name, value)
    if reason:
        raise ConfigError(reason)
    return value


MOST_CPU_REPLICAS = 4
"""Enough to try on a machine without GPUs what several do."""


def is_device(text: str) -> bool:
    """Whether `text` names a device, or several that can train together, as the command line writes them."""
    several = text.split(",")
    if len(several) == 1:
        return text in ("auto", "all", "cpu", "mps") or is_gpu(text)
    if all(is_gpu(one) for one in several):
        return len({int(one.removeprefix("cuda:")) for one in several}) == len(several)
    return set(several) == {"cpu"} and len(several) <= MOST_CPU_REPLICAS


def is_gpu(text: str) -> bool:
    """Whether `text` names one CUDA device."""
    kind, _, number = text.partition(":")
    return kind == "cuda" and number.isascii() and number.isdecimal() and len(number) < 4


def _parse_switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ValueError(f"must be {_KIND_NAMES[bool]}")
    return _SWITCH[text.lower()]


_KIND_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "on or off"}
_SWITCH = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}
_PARSERS: dict[type, Callable[[str], Any]] = {int: parse_integer, float: parse_float, str: str, bool: _parse_switch}
_RULES = {field.name: field.metadata for field in dataclasses.fields(TrainConfig)}
_DEFAULTS: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(TrainConfig)}


DEVICES = ("device", "pytorch_device", "keras_device")
"""The settings that name one."""
