"""The list of saved runs: a summary of each, and filters that select among them."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engines.config import ENGINES, TrainConfig
from engines.messages.codec import ProtocolError, from_plain
from engines.numerals import parse_float
from engines.preset_configs import preset_changes
from engines.record import Record
from engines.runs.run_id import local_time, start_time

STATES = ("completed", "stopped", "failed", "interrupted", "running")
"""The states of a run. A run with engines in several states has the last of them in this order."""


class FilterError(ValueError):
    """A filter that can't be parsed; the message says what is wrong."""


class RunSummary(Record, kw_only=False):
    """One row in the list of runs, read from the run's small files alone."""

    id: str
    created: str
    """Start of the run in local time, ISO 8601."""
    state: str
    """One of STATES."""
    dataset: str
    """The digits, as DataReady names them; of two engines with different ones, those that are not MNIST. Empty when unknown."""
    preset: str
    device: str
    accuracy: Mapping[str, float | None]
    """Test accuracy by engine, as a fraction of 1."""
    interval: Mapping[str, tuple[float, float] | None]
    """95 % interval of the test accuracy by engine."""
    outcome: Mapping[str, str]
    """Outcome by engine, as in summary.json."""
    seconds: float | None
    """Wall time of the slowest engine, since the run was requested."""
    seed: int | None
    epochs: int | None
    name: str
    note: str
    baseline: bool
    resumable: tuple[str, ...]
    backend: str = ""
    """Keras' backend; empty when Keras did not train."""
    changes: str = ""
    """Settings that differ from the preset, as `preset_changes` writes them, and a learning rate that was changed by hand."""
    start: str = ""
    """"cold" where that wall time includes the import of the framework, else "warm"; empty in older summaries."""
    start_time: float = 0.0
    """Start of the run in seconds since 1970; 0 when unknown."""

    @property
    def preset_title(self) -> str:
        """The preset's name, and whether settings differ from it: "reference, changed"."""
        return f"{self.preset}, changed" if self.changes else self.preset

    @property
    def best(self) -> float | None:
        """The highest test accuracy of the run's engines."""
        return max((a for a in self.accuracy.values() if a is not None), default=None)


def summarize(run: Mapping[str, Any]) -> RunSummary:
    """Summarize one item of `list_runs`; what a file lacks, or has in another form, is empty."""
    configs = {engine: config for engine, config in run["engines"].items() if engine in ENGINES}
    first: Mapping[str, Any] = next(iter(configs.values()), {})
    results = {engine: its for engine in configs if isinstance(its := run["summary"].get(engine), dict)}
    about = run.get("about") or {}
    datasets = [name for its in results.values() if (name := _text(its.get("dataset")))]
    walls = [
        (s, its.get("began_cold")) for its in results.values() if (s := _number(its.get("wall_seconds"))) is not None
    ]
    by_hand = "learning rate by hand" * any(its.get("learning_rate_changes") for its in results.values())
    seconds, began_cold = max(walls, key=lambda wall: wall[0], default=(None, None))
    return RunSummary(
        id=run["id"],
        created=local_time(run.get("created")),
        state=_worst_state(_text(its.get("outcome")) for its in results.values()),
        dataset=min(datasets, key=lambda name: name == "mnist", default=""),
        preset=_text(first.get("preset")),
        device=" ".join(dict.fromkeys(_text(its.get("device")) for its in results.values() if its.get("device"))),
        accuracy={engine: _number(results.get(engine, {}).get("test_accuracy")) for engine in configs},
        interval={engine: _interval(results.get(engine, {}).get("test_interval_95")) for engine in configs},
        outcome={engine: _text(results.get(engine, {}).get("outcome")) for engine in configs},
        seconds=seconds,
        seed=_integer(first.get("seed")),
        epochs=_integer(first.get("epochs")),
        name=_text(about.get("name")),
        note=_text(about.get("note")),
        baseline=about.get("baseline") is True,
        resumable=tuple(run.get("resumable", ())),
        backend=_text(configs.get("keras", {}).get("keras_backend")),
        changes=", ".join(filter(None, (_changes(first), by_hand))),
        start=("cold" if began_cold else "warm") if isinstance(began_cold, bool) else "",
        start_time=start_time(run["id"], run.get("created")),
    )


def _changes(config: Mapping[str, Any]) -> str:
    try:
        return preset_changes(from_plain(TrainConfig, dict(config)))
    except (ProtocolError, TypeError):  # a file that mnist-tui did not write
        return ""


def _worst_state(outcomes: Iterable[str]) -> str:
    # an outcome that is no state, such as "target-reached", is a completed run
    states = [outcome if outcome in STATES else "completed" for outcome in outcomes]
    return max(states, key=STATES.index, default="interrupted")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def _interval(value: Any) -> tuple[float, float] | None:
    low, high = map(_number, value) if isinstance(value, list) and len(value) == 2 else (None, None)
    return None if low is None or high is None else (low, high)


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


# Filters

_TEXT_FIELDS: dict[str, Callable[[RunSummary], str]] = {
    "state": lambda run: run.state + (" resumable" if run.resumable else ""),
    "preset": lambda run: run.preset,
    "dataset": lambda run: run.dataset,
    "device": lambda run: run.device,
    "engine": lambda run: " ".join(run.accuracy),
    "backend": lambda run: run.backend,
    "name": lambda run: run.name,
    "note": lambda run: run.note,
    "id": lambda run: run.id,
}
_NUMBER_FIELDS: dict[str, Callable[[RunSummary], float | None]] = {
    "acc": lambda run: None if run.best is None else round(100 * run.best, 6),  # as `reaches` does
    "seconds": lambda run: run.seconds,
    "seed": lambda run: run.seed,
    "epochs": lambda run: run.epochs,
}
_OPERATORS = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    ":": operator.eq,
}
_TERM = re.compile(r"([a-z]+)(>=|<=|>|<|=|:)(.+)")
_FIELDS = f"{' '.join(f'{name}:' for name in _TEXT_FIELDS)} {' '.join(f'{name}>' for name in _NUMBER_FIELDS)}"


def parse_filter(text: str) -> Callable[[RunSummary], bool]:
    """Parse a filter such as "preset:best acc>99 state:interrupted demo"; a run must match all of its terms.

    A term without a field is searched for in all texts; accuracies are in percent. Raises FilterError.
    """
    predicates = [_parse_term(term) for term in text.lower().split()]
    return lambda run: all(matches(run) for matches in predicates)


def _parse_term(term: str) -> Callable[[RunSummary], bool]:
    parts = _TERM.fullmatch(term)
    if parts is None:
        return lambda run: any(term in text_of(run).lower() for text_of in _TEXT_FIELDS.values())
    field, sign, value = parts.groups()
    if field == "state" and sign in ":=" and not any(value in state for state in (*STATES, "resumable")):
        raise FilterError(f"{value!r} is no state. There are: {', '.join(STATES)} and resumable.")
    if field in _TEXT_FIELDS and sign in ":=":
        return lambda run: value in _TEXT_FIELDS[field](run).lower()
    if field not in _NUMBER_FIELDS:
        raise FilterError(f"{term!r} is not a filter. There are: {_FIELDS}")
    try:
        limit = parse_float(value)
    except ValueError as error:
        raise FilterError(f"{value!r} {error}, in {term!r}.") from None
    if math.isnan(limit):
        raise FilterError(f"{value!r} must be a number, in {term!r}.")
    return lambda run: (figure := _NUMBER_FIELDS[field](run)) is not None and _OPERATORS[sign](figure, limit)
