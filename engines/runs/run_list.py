"""The list of kept runs: one line of facts each, and words that choose among them."""

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
from engines.runs.run_id import began, local_time

STATES = ("completed", "stopped", "failed", "interrupted", "running")


class FilterError(ValueError):
    """Words that choose no runs: one sentence, with what would."""


class RunSummary(Record, kw_only=False):
    """What a list says of a run, taken from its small files alone."""

    id: str
    created: str
    """ISO 8601, local time."""
    state: str
    """Of STATES: of the engine that fared worst."""
    dataset: str
    preset: str
    device: str
    accuracy: Mapping[str, float | None]
    """By engine, as a fraction."""
    interval: Mapping[str, tuple[float, float] | None]
    """By engine, its 95 % interval."""
    outcome: Mapping[str, str]
    """By engine, how it ended."""
    seconds: float | None
    """Of wall time, until the last engine had ended."""
    seed: int | None
    epochs: int | None
    name: str
    note: str
    baseline: bool
    resumable: tuple[str, ...]
    backend: str = ""
    """What Keras computed with; empty where it did not train, or the run is older than the choice."""
    changes: str = ""
    """What was changed beside the preset, as `preset_changes` writes it."""
    began: float = 0.0
    """In seconds since 1970; 0 when nothing tells."""

    @property
    def best(self) -> float | None:
        """The highest accuracy of its engines."""
        return max((a for a in self.accuracy.values() if a is not None), default=None)


def summarize(run: Mapping[str, Any]) -> RunSummary:
    """The facts of one of `list_runs`; whatever a file lacks, or has in another form, is empty."""
    configs = {engine: config for engine, config in run["engines"].items() if engine in ENGINES}
    first: Mapping[str, Any] = next(iter(configs.values()), {})
    ends = {engine: its for engine in configs if isinstance(its := run["summary"].get(engine), dict)}
    about = run.get("about") or {}
    seconds = [s for its in ends.values() if (s := _number(its.get("wall_seconds"))) is not None]
    return RunSummary(
        id=run["id"],
        created=local_time(run.get("created")),
        state=_worst(_text(its.get("outcome")) for its in ends.values()),
        dataset=_text(next((its.get("dataset") for its in ends.values() if its.get("dataset")), "")),
        preset=_text(first.get("preset")),
        device=" ".join(dict.fromkeys(_text(its.get("device")) for its in ends.values() if its.get("device"))),
        accuracy={engine: _number(ends.get(engine, {}).get("test_accuracy")) for engine in configs},
        interval={engine: _interval(ends.get(engine, {}).get("test_interval_95")) for engine in configs},
        outcome={engine: _text(ends.get(engine, {}).get("outcome")) for engine in configs},
        seconds=max(seconds, default=None),
        seed=_whole(first.get("seed")),
        epochs=_whole(first.get("epochs")),
        name=_text(about.get("name")),
        note=_text(about.get("note")),
        baseline=about.get("baseline") is True,
        resumable=tuple(run.get("resumable", ())),
        backend=_text(configs.get("keras", {}).get("keras_backend")),
        changes=_changes(first),
        began=began(run["id"], run.get("created")),
    )


def _changes(config: Mapping[str, Any]) -> str:
    try:
        return preset_changes(from_plain(TrainConfig, dict(config)))
    except (ProtocolError, TypeError):  # somebody else's file
        return ""


def _worst(outcomes: Iterable[str]) -> str:
    known = [
        outcome if outcome in STATES else "completed" for outcome in outcomes
    ]  # also "target-reached" and its like
    return max(known, key=STATES.index, default="interrupted")


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


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


# Filters

_WORDS: dict[str, Callable[[RunSummary], str]] = {
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
_NUMBERS: dict[str, Callable[[RunSummary], float | None]] = {
    "acc": lambda run: None if run.best is None else 100 * run.best,
    "seconds": lambda run: run.seconds,
    "seed": lambda run: run.seed,
    "epochs": lambda run: run.epochs,
}
_SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq, ":": operator.eq}
_TERM = re.compile(r"([a-z]+)(>=|<=|>|<|=|:)(.+)")
FIELDS = f"{', '.join(f'{name}:' for name in _WORDS)} and {', '.join(f'{name}>' for name in _NUMBERS)}"
"""For people."""


def parse_filter(text: str) -> Callable[[RunSummary], bool]:
    """Whether a run is meant by words such as "preset:best acc>99 state:interrupted demo": all of them must hold.

    A word of its own is looked for in every text; accuracies are in percent. Raises FilterError.
    """
    tests = [_test(term) for term in text.lower().split()]
    return lambda run: all(test(run) for test in tests)


def _test(term: str) -> Callable[[RunSummary], bool]:
    parts = _TERM.fullmatch(term)
    if parts is None:
        return lambda run: any(term in of(run).lower() for of in _WORDS.values())
    field, sign, wanted = parts.groups()
    if field in _WORDS and sign in ":=":
        return lambda run: wanted in _WORDS[field](run).lower()
    if field not in _NUMBERS:
        raise FilterError(f"{term!r} is no filter. Known: {FIELDS}.")
    try:
        number = parse_float(wanted)
    except ValueError as error:
        raise FilterError(f"{wanted!r} {error}, in {term!r}.") from None
    if math.isnan(number):
        raise FilterError(f"{wanted!r} must be a number, in {term!r}.")
    return lambda run: (value := _NUMBERS[field](run)) is not None and _SIGNS[sign](value, number)
