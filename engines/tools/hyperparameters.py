"""Every hyperparameter of a preset in both libraries: the values that the app sets, and the libraries' defaults for the others.

Each engine reports its own in a worker process, under its library's names; this module knows which names mean the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.atomic_file import write_atomically
from engines.config import TrainConfig, engine_id
from engines.messages.codec import to_plain
from engines.preset_configs import for_engine
from engines.supervision.one_shot import TIMEOUT_SECONDS, run_once
from engines.supervision.registry import EngineSpec
from engines.tools.source import source_files

PROBED_FIELDS = (
    "optimizer", "learning_rate", "rho", "momentum", "weight_decay", "epsilon", "dropout",
)  # fmt: skip
"""The settings that a library is told; its report depends on no others."""

TORCH_TO_KERAS = {
    "lr": "learning_rate", "eps": "epsilon", "stride": "strides", "dilation": "dilation_rate", "p": "rate",
    "out_channels": "filters", "out_features": "units", "pool.kernel_size": "pool_size",
}  # fmt: skip
"""Maps PyTorch's names to the Keras names of the same hyperparameters."""

_NOT_HYPERPARAMETERS = frozenset({
    "name", "dtype", "trainable", "data_format", "build_config", "in_channels", "in_features", "output_padding", "activation",
    "foreach", "capturable", "differentiable", "fused", "maximize", "inplace", "return_indices", "start_dim", "end_dim",
    "noise_shape", "quantization_config", "seed", "padding_mode", "jit_compile", "loss_scale_factor", "decoupled_weight_decay",
    "use_amsgrad", "implementation", "kernel_initializer", "bias_initializer", "pool.dilation",
})  # fmt: skip
"""Names that are left out: they say how a library computes or stores, not what.

in_* follow from the layer before, and activations are counted with their layers. The libraries' initializers are never used; they
are listed as the defaults of the initializer that is.
"""


@dataclass(frozen=True, slots=True)
class HyperparameterRow:
    """One hyperparameter and its value in each engine."""

    name: str
    values: dict[str, Any]
    """The value by engine; None where that library has no such hyperparameter."""
    same: bool
    """True when all values have the same effect."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """The library's default by engine, where the app overrides it."""


class PresetsError(Exception):
    """A library's hyperparameters could not be read; the message says why."""


def tabulate(
    specs: Sequence[EngineSpec],
    configs: Mapping[str, TrainConfig],
    cache_dir: Path,
    frameworks: Mapping[str, str] | None = None,
) -> dict[str, list[HyperparameterRow]]:
    """Return the rows of each config, by the config's name. Raises PresetsError.

    `frameworks` are the engines' frameworks with their versions, as their workers report them. Where one is named, its report is
    read from the cache if it is there, which imports nothing.
    """
    by_engine = {
        spec.name: _read_reports(spec, configs, cache_dir, (frameworks or {}).get(spec.name, "")) for spec in specs
    }
    tables = {}
    for name, config in configs.items():
        reports = {engine: by_config[name] for engine, by_config in by_engine.items()}
        tables[name] = _shared_rows(config, reports) + compare(reports)
    return tables


def _read_reports(
    spec: EngineSpec, configs: Mapping[str, TrainConfig], cache_dir: Path, framework: str
) -> dict[str, dict[str, Any]]:
    """Return the engine's report of each config: from the cache, or from a worker, whose reports are then cached."""
    plain = {}
    for name, config in configs.items():
        own = for_engine(config, spec.name)
        plain[name] = to_plain(TrainConfig(**{field: getattr(own, field) for field in PROBED_FIELDS}))
    reports = {}
    for name, values in plain.items():
        with contextlib.suppress(OSError, ValueError):
            text = _cache_file(spec, values, cache_dir, framework).read_text(encoding="utf-8")
            reports[name] = dict(json.loads(text))
    if missing := {name: values for name, values in plain.items() if name not in reports}:
        version, probed = _run_probe(spec, missing, cache_dir)
        for name, values in missing.items():
            with contextlib.suppress(OSError):  # a cache that can't be written costs only time
                _write_report(_cache_file(spec, values, cache_dir, version), probed[name])
        reports |= probed
    return reports


def _write_report(path: Path, report: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda part: part.write_text(json.dumps(report), encoding="utf-8"))


def _cache_file(spec: EngineSpec, values: Mapping[str, Any], cache_dir: Path, framework: str) -> Path:
    """Return the path of the report that this version of the framework and of the engine's code gives. Raises OSError."""
    sources = [path.read_text(encoding="utf-8") for path in source_files(spec.name, spec.backend)]
    digest = hashlib.sha256(json.dumps([framework, values, sources]).encode()).hexdigest()[:20]
    return cache_dir / "hyperparameters" / f"{engine_id(spec.name, spec.backend)}-{digest}.json"


def _run_probe(spec: EngineSpec, plain: Mapping[str, Any], cache_dir: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the framework with its version, and its report of each config, from a worker of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        arguments = ["--describe", str(path), json.dumps(plain)]
        answer = run_once(spec, arguments, cache_dir=cache_dir, timeout=TIMEOUT_SECONDS)
        try:
            answered = json.loads(path.read_text(encoding="utf-8"))
            return str(answered["framework"]), dict(answered["reports"])
        except (OSError, ValueError):
            raise PresetsError(f"{spec.title} did not report its hyperparameters: {answer.failure_reason}") from None


def _shared_rows(config: TrainConfig, reports: Mapping[str, Mapping[str, Any]]) -> list[HyperparameterRow]:
    """Return the rows that recipe.py and trainer.py define once for both engines, beside the libraries' own defaults."""
    values: dict[str, Any] = {
        name: getattr(config, name) for name in ("epochs", "batch_size", "schedule", "augment", "seed", "precision")
    }
    values |= {"limit_train": config.limit_train} if config.limit_train else {}
    values |= _recipe_values(config)
    values |= {
        "loss": "softmax cross-entropy",
        "kernel_initializer": "Glorot uniform, seeded",
        "bias_initializer": "zeros",
        "order of digits": "seeded permutation",
        "last batch": "kept",
        "pixels": "grey / 255",
    }
    default_keys = {"kernel_initializer": "dense1.kernel_initializer", "bias_initializer": "dense1.bias_initializer"}
    rows = []
    for name, value in values.items():
        defaults = {engine: report.get(default_keys.get(name, "")) for engine, report in reports.items()}
        if name == "precision":
            tf32 = {engine: report.get("default.tf32") for engine, report in reports.items()}
            defaults = {engine: f"TF32 on CUDA in {parts}" if parts else None for engine, parts in tf32.items()}
        reported = {engine: default for engine, default in defaults.items() if default is not None}
        rows.append(HyperparameterRow(name, dict.fromkeys(reports, value), same=True, defaults=reported))
    implementations = {engine: report.get("optimizer.implementation") for engine, report in reports.items()}
    return [*rows, HyperparameterRow("optimizer.implementation", implementations, same=True)]


def _recipe_values(config: TrainConfig) -> dict[str, Any]:
    """Return the constants of recipe.py that this config uses: the warm-up, and the largest change of each augmentation."""
    from engines.experiment.recipe import AFFINE, WARM_UP_FRACTION  # imports numpy, which `--help` must not

    values: dict[str, Any] = {}
    if config.schedule == "one-cycle":
        values["schedule.warm_up"] = f"{100 * WARM_UP_FRACTION:g} % of the run"
    if config.augment == "affine":
        shares = {name: f"±{100 * value:g} %" for name, value in AFFINE._asdict().items() if name != "degrees"}
        values |= {f"augment.{name}": value for name, value in {"turn": f"±{AFFINE.degrees:g}°", **shares}.items()}
    return values


def compare(reports: Mapping[str, Mapping[str, Any]]) -> list[HyperparameterRow]:
    """Return the rows of what the libraries reported, in the first one's order."""
    translated = {engine: _translated(report) for engine, report in reports.items()}
    names = dict.fromkeys(name for report in translated.values() for name in report if not name.startswith("default."))
    rows = []
    for name in names:
        values = {engine: report.get(name) for engine, report in translated.items()}
        key = name.replace("optimizer.", "default.")
        defaults = {engine: report[key] for engine, report in translated.items() if name != key and key in report}
        changed = any(_normalized(values[engine]) != _normalized(default) for engine, default in defaults.items())
        same = len({json.dumps(_normalized(value)) for value in values.values()}) == 1
        rows.append(HyperparameterRow(name, values, same, defaults if changed else {}))
    return rows


def _translated(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report's hyperparameters under their Keras names."""
    values: dict[str, Any] = {}
    for key, value in report.items():
        owner, _, name = key.partition(".")
        if {name, key} & _NOT_HYPERPARAMETERS or (name.startswith("ema_") and not report.get(f"{owner}.use_ema")):
            continue
        if name == "betas":
            values[f"{owner}.beta_1"], values[f"{owner}.beta_2"] = value
        else:
            values[f"{owner}.{TORCH_TO_KERAS.get(key) or TORCH_TO_KERAS.get(name, name)}"] = value
    return values


def _normalized(value: Any) -> Any:
    """Make values of the same effect equal: (2, 2) and 2; "valid", 0, off, and absent."""
    if isinstance(value, list) and value and all(item == value[0] for item in value):
        value = value[0]
    if value in (None, False, "valid") or value == 0:
        return None
    if value is True:
        return value
    return float(f"{value:.7g}") if isinstance(value, int | float) else value  # Keras stores float32
