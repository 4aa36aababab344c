"""Every hyperparameter of a preset, as both libraries themselves say it: what was given, and what nobody gave.

Each engine is asked in its own worker process, in its own words; this module knows which words mean the same.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.config import TrainConfig
from engines.messages.codec import to_plain
from engines.preset_configs import for_engine
from engines.supervision.one_shot import TIMEOUT_SECONDS, run_once
from engines.supervision.registry import EngineSpec

SAME_WORDS = {
    "lr": "learning_rate", "eps": "epsilon", "stride": "strides", "dilation": "dilation_rate", "p": "rate",
    "out_channels": "filters", "out_features": "units", "pool.kernel_size": "pool_size",
}  # fmt: skip
"""PyTorch's words for what Keras calls otherwise."""

_NOT_HYPERPARAMETERS = frozenset({
    "name", "dtype", "trainable", "data_format", "build_config", "in_channels", "in_features", "output_padding", "activation",
    "foreach", "capturable", "differentiable", "fused", "maximize", "inplace", "return_indices", "start_dim", "end_dim",
    "noise_shape", "quantization_config", "seed", "padding_mode", "jit_compile", "loss_scale_factor", "decoupled_weight_decay",
    "use_amsgrad", "implementation", "kernel_initializer", "bias_initializer", "pool.dilation",
})  # fmt: skip
"""How a library computes or stores, not what; in_* follow from the layer before, activations are counted with their layers, the
initializers are never used and stand as defaults beside what is."""


@dataclass(frozen=True, slots=True)
class HyperparameterRow:
    """One hyperparameter."""

    name: str
    values: dict[str, Any]
    """By engine; None where that library has no such thing."""
    same: bool
    """Whether both are the same in effect."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """By engine, what the library would take if nothing were given; of the optimizer only."""


class PresetsError(Exception):
    """A library could not be asked; the message says why."""


def tabulate(
    specs: Sequence[EngineSpec], configs: Mapping[str, TrainConfig], cache_dir: Path
) -> dict[str, list[HyperparameterRow]]:
    """The rows of each config, by its name. Raises PresetsError."""
    asked = {spec.name: _ask(spec, configs, cache_dir) for spec in specs}
    tables = {}
    for name, config in configs.items():
        answers = {engine: answer[name] for engine, answer in asked.items()}
        tables[name] = _shared_rows(config, answers) + compare(answers)
    return tables


def _ask(spec: EngineSpec, configs: Mapping[str, TrainConfig], cache_dir: Path) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        paper = Path(folder) / "answer.json"
        plain = {name: to_plain(for_engine(config, spec.name)) for name, config in configs.items()}
        arguments = ["--describe", str(paper), json.dumps(plain)]
        answer = run_once(spec, arguments, cache_dir=cache_dir, timeout=TIMEOUT_SECONDS)
        try:
            return dict(json.loads(paper.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            raise PresetsError(f"{spec.title} can't say its hyperparameters: {answer.failure_reason}") from None


def _shared_rows(config: TrainConfig, asked: Mapping[str, Mapping[str, Any]]) -> list[HyperparameterRow]:
    """What is one definition for both, in recipe.py and trainer.py, and what each library would do if left alone."""
    rows: dict[str, Any] = {
        name: getattr(config, name) for name in ("epochs", "batch_size", "schedule", "augment", "seed", "precision")
    }
    rows |= _only_where_used(config)
    rows |= {
        "loss": "softmax cross-entropy",
        "kernel_initializer": "Glorot uniform, seeded",
        "bias_initializer": "zeros",
        "order of digits": "seeded permutation",
        "last batch": "kept",
        "pixels": "grey / 255",
    }
    hidden = {"kernel_initializer": "dense1.kernel_initializer", "bias_initializer": "dense1.bias_initializer"}
    out = []
    for name, value in rows.items():
        defaults = {engine: answer.get(hidden.get(name, "")) for engine, answer in asked.items()}
        if name == "precision":
            tf32 = {engine: answer.get("default.tf32") for engine, answer in asked.items()}
            defaults = {engine: f"TF32 on CUDA in {parts}" if parts else None for engine, parts in tf32.items()}
        known = {engine: default for engine, default in defaults.items() if default is not None}
        out.append(HyperparameterRow(name, dict.fromkeys(asked, value), same=True, defaults=known))
    implementations = {engine: answer.get("optimizer.implementation") for engine, answer in asked.items()}
    return [*out, HyperparameterRow("optimizer.implementation", implementations, same=True)]


def _only_where_used(config: TrainConfig) -> dict[str, Any]:
    """What recipe.py adds to a schedule that warms up, and to augmentation: the largest change to each side."""
    from engines.experiment.recipe import AFFINE, WARM_UP_FRACTION  # numpy, for whoever asks

    rows: dict[str, Any] = {}
    if config.schedule == "one-cycle":
        rows["schedule.warm_up"] = f"{100 * WARM_UP_FRACTION:g} % of the run"
    if config.augment == "affine":
        shares = {name: f"±{100 * value:g} %" for name, value in AFFINE._asdict().items() if name != "degrees"}
        rows |= {f"augment.{name}": value for name, value in {"turn": f"±{AFFINE.degrees:g}°", **shares}.items()}
    return rows


def compare(answers: Mapping[str, Mapping[str, Any]]) -> list[HyperparameterRow]:
    """The rows of what the libraries said, in the order in which the first said it."""
    spoken = {engine: _translated(answer) for engine, answer in answers.items()}
    names = dict.fromkeys(name for answer in spoken.values() for name in answer if not name.startswith("default."))
    rows = []
    for name in names:
        values = {engine: answer.get(name) for engine, answer in spoken.items()}
        hidden = name.replace("optimizer.", "default.")
        defaults = {e: answer[hidden] for e, answer in spoken.items() if name != hidden and hidden in answer}
        changed = any(_meaning(values[engine]) != _meaning(default) for engine, default in defaults.items())
        same = len({json.dumps(_meaning(value)) for value in values.values()}) == 1
        rows.append(HyperparameterRow(name, values, same, defaults if changed else {}))
    return rows


def _translated(answer: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in answer.items():
        owner, _, word = key.partition(".")
        if {word, key} & _NOT_HYPERPARAMETERS or (word.startswith("ema_") and not answer.get(f"{owner}.use_ema")):
            continue
        if word == "betas":
            out[f"{owner}.beta_1"], out[f"{owner}.beta_2"] = value
        else:
            out[f"{owner}.{SAME_WORDS.get(key) or SAME_WORDS.get(word, word)}"] = value
    return out


def _meaning(value: Any) -> Any:
    """Values that have the same effect, made equal: (2, 2) and 2; "valid", 0, off and a thing that the other doesn't have."""
    if isinstance(value, list) and value and all(one == value[0] for one in value):
        value = value[0]
    if value in (None, False, "valid") or value == 0:
        return None
    if value is True:
        return value
    return float(f"{value:.7g}") if isinstance(value, int | float) else value  # Keras keeps float32
