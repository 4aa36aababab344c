"""Every hyperparameter of a preset, as both libraries themselves say it: what was given, and what nobody gave.

Each engine is asked in its own worker process, in its own words; this module knows which words mean the same.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.config import TrainConfig, for_engine, from_settings
from engines.events import Event, RunFailed
from engines.protocol import to_plain
from engines.supervisor import EngineSpec, Supervisor

SAME_WORDS = {
    "lr": "learning_rate", "eps": "epsilon", "betas": "betas", "stride": "strides", "dilation": "dilation_rate", "p": "rate",
    "out_channels": "filters", "out_features": "units", "kernel_size": "kernel_size",
}  # fmt: skip
"""PyTorch's words for what Keras calls otherwise."""

_NOT_HYPERPARAMETERS = frozenset({
    "name", "dtype", "trainable", "data_format", "build_config", "in_channels", "in_features", "output_padding", "activation",
    "foreach", "capturable", "differentiable", "fused", "maximize", "inplace", "return_indices",
})  # fmt: skip
"""How a library computes or stores, not what; in_* follow from the layer before, activations are counted with their layers."""


@dataclass(frozen=True, slots=True)
class Row:
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


def tabulate(specs: Sequence[EngineSpec], presets: Sequence[str], cache_dir: Path) -> dict[str, list[Row]]:
    """The rows of each preset. Raises PresetsError."""
    asked = {spec.name: _ask(spec, presets, cache_dir) for spec in specs}
    tables = {}
    for preset in presets:
        config = from_settings({"preset": preset})
        rows = _shared_rows(config, [spec.name for spec in specs])
        tables[preset] = rows + compare({engine: answer[preset] for engine, answer in asked.items()})
    return tables


def _ask(spec: EngineSpec, presets: Sequence[str], cache_dir: Path) -> dict[str, dict[str, Any]]:
    failures: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, RunFailed):
            failures.append(f"{event.message} {event.hint}".strip())

    with tempfile.TemporaryDirectory() as folder:
        paper = Path(folder) / "answer.json"
        configs = {preset: to_plain(for_engine(from_settings({"preset": preset}), spec.name)) for preset in presets}
        arguments = ["--describe", str(paper), json.dumps(configs)]
        thread = threading.Thread(target=Supervisor(spec, hear, cache_dir=cache_dir, arguments=arguments).run)
        thread.start()
        thread.join()
        try:
            return dict(json.loads(paper.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            why = " ".join(failures) or "it ended without an answer."
            raise PresetsError(f"{spec.title} can't say its hyperparameters: {why}") from None


_SHARED = (
    "epochs", "batch_size", "schedule", "augment", "seed", "precision",
)  # fmt: skip


def _shared_rows(config: TrainConfig, engines: Sequence[str]) -> list[Row]:
    """What is one definition for both, in recipe.py and trainer.py."""
    rows: dict[str, Any] = {name: getattr(config, name) for name in _SHARED}
    rows |= {
        "loss": "softmax cross-entropy, mean over the batch",
        "first kernels": "Glorot uniform, drawn once from the seed",
        "first biases": "zero",
        "order of digits": "one permutation an epoch from the seed",
        "last batch": "kept, however short",
        "input": "pixels / 255",
    }
    return [Row(name, dict.fromkeys(engines, value), same=True) for name, value in rows.items()]


def compare(answers: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """The rows of what the libraries said, in the order in which the first said it."""
    spoken = {engine: _translated(answer) for engine, answer in answers.items()}
    names = list(
        dict.fromkeys(name for answer in spoken.values() for name in answer if not name.startswith("default."))
    )
    rows = []
    for name in names:
        values = {engine: answer.get(name) for engine, answer in spoken.items()}
        hidden = name.replace("optimizer.", "default.")
        defaults = {e: answer[hidden] for e, answer in spoken.items() if name != hidden and hidden in answer}
        same = len({json.dumps(_meaning(name, value)) for value in values.values()}) == 1
        shown = defaults if any(_meaning(name, values[e]) != _meaning(name, d) for e, d in defaults.items()) else {}
        rows.append(Row(name, values, same, shown))
    return rows


def _translated(answer: Mapping[str, Any]) -> dict[str, Any]:
    out = {}
    for key, value in answer.items():
        owner, _, word = key.partition(".")
        if word in _NOT_HYPERPARAMETERS:
            continue
        if word == "betas":
            out[f"{owner}.beta_1"], out[f"{owner}.beta_2"] = value
        else:
            out[f"{owner}.{_word(owner, word)}"] = value
    return out


def _word(owner: str, word: str) -> str:
    return "pool_size" if owner == "pool" and word == "kernel_size" else SAME_WORDS.get(word, word)


def _meaning(name: str, value: Any) -> Any:
    """Values that have the same effect, made equal: (2, 2) and 2, "valid" and 0, None and what None does."""
    if isinstance(value, list) and value and all(one == value[0] for one in value):
        value = value[0]
    if isinstance(value, bool) or value is None:
        return None if value is None or (not value and name.rpartition(".")[2] in _NONE_IS_OFF) else value
    if value in ("valid", "zeros"):
        return 0 if value == "valid" else None
    if isinstance(value, int | float):
        return None if not value and name.rpartition(".")[2] in _NONE_IS_OFF else float(value)
    return value


_NONE_IS_OFF = frozenset({
    "weight_decay", "nesterov", "dampening", "amsgrad", "decoupled_weight_decay", "use_ema", "clipnorm", "ceil_mode",
})  # fmt: skip


def plain(row: Row) -> dict[str, Any]:
    """The row as JSON values."""
    return dataclasses.asdict(row)
