"""The settings of a run: one declaration gives each field its flag, its help, its validation, and its part in presets and resuming.

Standard library only: both sides of the pipe read it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from engines.frameworks import JAX, KERAS, TENSORFLOW, TORCH
from engines.numerals import parse_float, parse_integer
from engines.record import Record
from engines.user_path import user_path

ENGINES = ("pytorch", "keras")
"""The engines that ship, in display order."""

TITLES = {"pytorch": TORCH.title, "keras": KERAS.title}
"""The name of each engine on screen."""

BACKENDS = {"tensorflow": TENSORFLOW.title, "jax": JAX.title, "torch": TORCH.title}
"""Keras' backends, with their names on screen."""

FRAMEWORK_CHOICES = {"both": ENGINES, **{name: (name,) for name in ENGINES}}
"""The choices of --framework, and the engines that each one trains."""

PRESETS = ("reference", "quick", "best", "library-defaults")

ADAM_BETAS = (0.9, 0.999)
"""Adam's and AdamW's decay rates in both engines: the values of Kingma & Ba 2015, and of both libraries."""

RUN, TRAINING, EARLY_STOPPING, MACHINE = "Run", "Training", "Ends early", "Machine and digits"
"""The headings of the settings form."""


def _setting(group: str, default: Any, help_text: str, **rules: Any) -> Any:
    """Declare a field of TrainConfig under a heading of the settings form.

    Rules of a value are `choices`, `minimum`, `maximum`, `device` (it names devices), and `optimizers` (only these use it).
    `by_preset` marks what counts as a change beside a preset: "reset" when choosing a preset resets the field, "keep" when the
    user's value stays. `on_resume` is "change" for a field that may differ in a resumed run and "match" for one that must equal
    the checkpoint's; any other field has the value of the run that is resumed.
    """
    return dataclasses.field(default=default, metadata={"group": group, "help": help_text, **rules})


def _hyperparameter(default: Any, help_text: str, **rules: Any) -> Any:
    """Declare a field that choosing a preset resets, and that a resumed run can't change."""
    return _setting(TRAINING, default, help_text, by_preset="reset", on_resume="match", **rules)


class TrainConfig(Record):
    """Everything that decides what one engine trains. The defaults are the Keras reference `mnist_convnet`."""

    preset: str = _setting(RUN, "reference", "a named set of hyperparameters", choices=PRESETS)
    mode: str = _setting(
        RUN,
        "race",
        "race: both at once; time-trial: one after the other, all cores each",
        choices=("race", "time-trial"),
        on_resume="change",
    )
    device: str = _setting(
        RUN,
        "auto",
        "where to train: auto, cpu, cuda:N, or mps on a Mac; several: cuda:0,cuda:1, or all for every GPU",
        device=True,
        on_resume="change",
    )
    pytorch_device: str = _setting(RUN, "", "PyTorch's device, if other than --device", device=True, on_resume="change")
    keras_device: str = _setting(RUN, "", "Keras' device, if other than --device", device=True, on_resume="change")
    keras_backend: str = _setting(
        RUN, "tensorflow", "Keras' backend: TensorFlow, JAX or PyTorch", choices=tuple(BACKENDS)
    )
    epochs: int = _setting(
        RUN, 12, "passes over the training digits", minimum=1, maximum=10_000, by_preset="reset", on_resume="change"
    )
    seed: int = _setting(
        RUN,
        0,
        "decides initial weights, batch order, dropout and augmentation",
        minimum=0,
        maximum=2**32 - 1,
        on_resume="match",
    )
    seeds: int = _setting(
        RUN, 1, "how many runs to make, with seeds that count up from --seed", minimum=1, maximum=1_000
    )

    batch_size: int = _hyperparameter(128, "digits per step", minimum=1, maximum=60_000)
    optimizer: str = _hyperparameter("adadelta", "the update rule", choices=("adadelta", "sgd", "adam", "adamw"))
    learning_rate: float = _hyperparameter(
        1.0, "step size of the optimizer; its peak under a schedule", minimum=0.0, maximum=1_000.0
    )
    schedule: str = _hyperparameter(
        "constant", "how the learning rate changes during the run", choices=("constant", "cosine", "one-cycle")
    )
    rho: float = _hyperparameter(0.95, "Adadelta's decay rate", minimum=0.0, maximum=0.999999, optimizers=("adadelta",))
    momentum: float = _hyperparameter(0.9, "SGD's momentum", minimum=0.0, maximum=0.999999, optimizers=("sgd",))
    weight_decay: float = _hyperparameter(
        0.01, "AdamW's decoupled weight decay", minimum=0.0, maximum=1.0, optimizers=("adamw",)
    )
    epsilon: float = _hyperparameter(
        1e-7,
        "the optimizer's guard against division by zero",
        minimum=0.0,
        maximum=1.0,
        optimizers=("adadelta", "adam", "adamw"),
    )
    dropout: float = _hyperparameter(
        0.25, "drop rate after the convolutions; the dense layer drops twice that", minimum=0.0, maximum=0.49
    )
    augment: str = _hyperparameter(
        "none", "random changes of the digits: none, or turned, shifted and scaled", choices=("none", "affine")
    )

    validation: int = _setting(
        EARLY_STOPPING,
        0,
        "training digits held out to judge epochs; 0 uses the test digits",
        minimum=0,
        maximum=59_999,
        by_preset="keep",
        on_resume="match",
    )
    target_accuracy: float = _setting(
        EARLY_STOPPING,
        0.0,
        "stop at this accuracy in percent, fail below it; 0 sets no target",
        minimum=0.0,
        maximum=100.0,
        on_resume="change",
    )
    patience: int = _setting(
        EARLY_STOPPING,
        0,
        "stop after this many evaluations without a better one; 0 never stops",
        minimum=0,
        maximum=10_000,
        on_resume="change",
    )
    eval_every: int = _setting(
        EARLY_STOPPING,
        0,
        "steps between evaluations inside an epoch; 0 evaluates at its end only",
        minimum=0,
        maximum=10_000_000,
        on_resume="change",
    )
    stop_on_nan: bool = _setting(
        EARLY_STOPPING, True, "stop when the loss is no longer a number, or has diverged", on_resume="change"
    )

    precision: str = _setting(
        MACHINE,
        "fp32",
        "arithmetic: fp32, tf32 (CUDA only) or bf16",
        choices=("fp32", "tf32", "bf16"),
        by_preset="keep",
        on_resume="change",
    )
    threads: int = _setting(
        MACHINE, 0, "CPU threads per engine; 0 shares the usable cores", minimum=0, maximum=4_096, on_resume="change"
    )
    dataset: str = _setting(
        MACHINE, "auto", "which digits: auto, mnist, or drawn offline", choices=("auto", "mnist", "drawn")
    )
    data_dir: str = _setting(MACHINE, "", "a folder that holds MNIST", on_resume="change")
    limit_train: int = _setting(
        MACHINE,
        0,
        "use only the first N training digits; 0 uses all",
        minimum=0,
        maximum=60_000,
        by_preset="reset",
    )
    limit_test: int = _setting(
        MACHINE, 0, "use only the first N test digits; 0 uses all", minimum=0, maximum=10_000, by_preset="keep"
    )


_RULES = {field.name: field.metadata for field in dataclasses.fields(TrainConfig)}
_DEFAULTS: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(TrainConfig)}


def _fields_where(rule: str, *values: str) -> tuple[str, ...]:
    """Return the names of the settings whose rule has one of the values, in the order of TrainConfig."""
    return tuple(name for name, rules in _RULES.items() if rules.get(rule) in values)


SETTING_GROUPS = {group: _fields_where("group", group) for group in (RUN, TRAINING, EARLY_STOPPING, MACHINE)}
"""All settings, by heading of the settings form."""

HYPERPARAMETERS = _fields_where("by_preset", "reset", "keep")
"""The settings that count as changes beside a preset."""

RESET_BY_PRESET = _fields_where("by_preset", "reset")
"""The settings that choosing a preset resets."""

CHANGEABLE_ON_RESUME = _fields_where("on_resume", "change")
"""The settings that may differ in a resumed run. More epochs stretch a schedule, of which `resume_warning` warns."""

MUST_MATCH_ON_RESUME = _fields_where("on_resume", "match")
"""Settings in a checkpoint that must not change when its run is resumed.

With another schedule, for one, the learning rates would be those of no uninterrupted run."""


class ConfigError(ValueError):
    """A setting that can't be used; the message is one sentence for the user."""


def engine_id(engine: str, backend: str) -> str:
    """Return the engine's id in files, folders and tables: "keras", or "keras-jax" on a backend other than TensorFlow."""
    return engine if engine != "keras" or backend == "tensorflow" else f"{engine}-{backend}"


def display_name(engine: str, backend: str) -> str:
    """Return the engine's name on screen, with its backend unless that is TensorFlow: "Keras on JAX"."""
    title = TITLES.get(engine, engine)
    return title if engine_id(engine, backend) == engine else f"{title} on {BACKENDS.get(backend, backend)}"


def reaches(accuracy: float, percent: float) -> bool:
    """Return whether an accuracy from 0 to 1 is at least `percent`; rounded, because 100 * 0.9923 is less than 99.23 in floats."""
    return round(100 * accuracy, 6) >= percent


def is_used(name: str, optimizer: str) -> bool:
    """Return whether the setting has an effect with that optimizer."""
    return optimizer in _RULES[name].get("optimizers", (optimizer,))


def problems(config: TrainConfig) -> list[tuple[str, str]]:
    """Return (field, reason) for every field that can't be used."""
    reasons = ((name, problem(name, getattr(config, name))) for name in _RULES)
    found = [(name, reason) for name, reason in reasons if reason]
    if found:
        return found
    if 0 < config.limit_train <= config.validation:
        found.append(("validation", f"must be less than limit_train, {config.limit_train:,}"))
    devices = [config.pytorch_device or config.device, config.keras_device or config.device]
    if config.precision == "tf32" and all(device.startswith("cpu") for device in devices):
        found.append(("precision", "can't be tf32 on a CPU: choose fp32 or bf16"))
    return found


def problem(name: str, value: Any) -> str | None:
    """Return why the setting `name` can't be `value`, as the end of a sentence, or None."""
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
    if "device" in rules and value != _DEFAULTS[name] and not is_device(value):
        return (
            "must be auto, cpu, mps, all, a GPU (cuda:N), several GPUs (cuda:0,cuda:1) or cpu,cpu; "
            "the CPU and GPUs can't be mixed"
        )
    return None


def parse(name: str, text: str) -> Any:
    """Parse what a user typed for the setting `name`. Raises ConfigError with the reason."""
    kind = type(_DEFAULTS[name])
    try:
        value = _PARSERS[kind](text.strip())
        if name == "data_dir" and value:
            value = str(user_path(value))  # a run may be resumed from another folder
    except ValueError as error:
        raise ConfigError(str(error)) from None
    reason = problem(name, value)
    if reason:
        raise ConfigError(reason)
    return value


MOST_CPU_REPLICAS = 4
"""Enough to try data-parallel training on a machine without GPUs."""


def is_device(text: str) -> bool:
    """Return whether `text` names a device, or several that can train together, as the command line writes them."""
    names = text.split(",")
    if len(names) == 1:
        return text in ("auto", "all", "cpu", "mps") or is_gpu(text)
    if all(is_gpu(name) for name in names):
        return len({int(name.removeprefix("cuda:")) for name in names}) == len(names)
    return set(names) == {"cpu"} and len(names) <= MOST_CPU_REPLICAS


def is_gpu(text: str) -> bool:
    """Return whether `text` names one CUDA device."""
    kind, _, number = text.partition(":")
    return kind == "cuda" and number.isascii() and number.isdecimal() and len(number) < 4


def _parse_switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ValueError(f"must be {_KIND_NAMES[bool]}")
    return _SWITCH[text.lower()]


_KIND_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "on or off"}
_SWITCH = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}
_PARSERS: dict[type, Callable[[str], Any]] = {int: parse_integer, float: parse_float, str: str, bool: _parse_switch}
