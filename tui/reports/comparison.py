"""Compare saved runs: figures with intervals, verdicts, and the settings that differ. Knows no Textual."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engines.api import (
    ONE_RUN_CAVEAT,
    TIE,
    TITLES,
    RunHistory,
    Verdict,
    compare_answers,
    device_of,
    for_engine,
    holm,
    judge_answers,
    to_plain,
)
from tui import formatting

SAME_SETTINGS = "All settings are the same."
_OTHER_DIGITS = "they were not trained and tested on the same digits"


@dataclass(frozen=True, slots=True)
class Entry:
    """One engine's part of one run."""

    run: str
    history: RunHistory

    @property
    def title(self) -> str:
        """The engine's name for people."""
        return TITLES.get(self.history.engine, self.history.engine)


def entries(runs: Sequence[tuple[str, Mapping[str, RunHistory]]]) -> list[Entry]:
    """Return every engine of every run that was requested, in order; a run comes as (name, histories)."""
    return [Entry(run, h) for run, histories in runs for h in histories.values() if h.config is not None]


def figures(entry: Entry) -> dict[str, Any]:
    """Return the figures of an entry as values for JSON; None where one is missing."""
    history = entry.history
    ended = history.finished
    return {
        "run": entry.run,
        "engine": history.engine,
        "framework": history.framework,
        "dataset": history.data.dataset if history.data else "",
        "device": device_of(history),
        "test_accuracy": history.test_accuracy,
        "test_interval_95": history.test_interval,
        "epochs": history.epochs_done,
        "train_seconds": ended.train_seconds if ended else None,
        "wall_seconds": history.wall_seconds(history.last_t),
        "began_cold": history.cold_start,
        "reached": {f"{milestone.accuracy:.4g}": milestone.wall_seconds for milestone in history.milestones},
    }


def verdicts(compared: Sequence[Entry]) -> list[str]:
    """Compare each network with the first, corrected for the number of tests, or say why there is no verdict."""
    sentences = []
    for number, verdict in _judge(compared).items():
        pair = f"1 {compared[0].title}, {number} {compared[number - 1].title}"
        untested = [str(n) for n in (1, number) if compared[n - 1].history.tested is None]
        why = f"there is no test result of {' and '.join(untested)}" if untested else _OTHER_DIGITS
        sentences.append(f"{pair}: {f'{verdict.text}. {verdict.why}' if verdict else f'no verdict, because {why}'}")
    return sentences


def notes(compared: Sequence[Entry]) -> list[str]:
    """Return what to know beside the verdicts: the correction, the rate of the same framework, and digits that are not MNIST."""
    made = [verdict for verdict in _judge(compared).values() if verdict is not None]
    sentences = []
    if len(made) > 1:
        sentences.append(
            f"The p-values are corrected for {len(made)} tests (Holm): of many tests, some would show a difference by chance."
        )
    if any(verdict.text != TIE for verdict in made):
        sentences.append(ONE_RUN_CAVEAT)
    others: dict[str, list[str]] = {}
    for number, entry in enumerate(compared, 1):
        if entry.history.data is not None and entry.history.data.dataset != "mnist":
            others.setdefault(formatting.digits_title(entry.history.data.dataset), []).append(str(number))
    return [*sentences, *(f"{', '.join(numbers)}: {title}." for title, numbers in others.items())]


def _judge(compared: Sequence[Entry]) -> dict[int, Verdict | None]:
    """Return the verdict of each entry but the first, by its number; None where a test result is missing or the digits differ."""
    if not compared:
        return {}
    first = compared[0]
    paired = {number: compare_answers(first.history, entry.history) for number, entry in enumerate(compared[1:], 2)}
    tested = {number: answers for number, answers in paired.items() if answers is not None}
    corrected = dict(zip(tested, holm([answers.p_value for answers in tested.values()]), strict=True))
    made: dict[int, Verdict | None] = dict.fromkeys(paired)
    for number, answers in tested.items():
        names = (f"network 1 ({first.title})", f"network {number} ({compared[number - 1].title})")
        p = corrected[number] if len(tested) > 1 else None
        made[number] = judge_answers(names, answers, "one run each", corrected=p)
    return made


def differences(compared: Sequence[Entry]) -> dict[str, list[Any]]:
    """Return the values of each setting that is not the same in all entries, by its name, and of the jobs of its series."""
    configs = [for_engine(entry.history.config, entry.history.engine) for entry in compared if entry.history.config]
    names = [field.name for field in dataclasses.fields(configs[0])] if configs else []
    all_values = {name: [to_plain(getattr(config, name)) for config in configs] for name in names}
    all_values["jobs"] = [entry.history.jobs for entry in compared if entry.history.config]
    return {name: values for name, values in all_values.items() if any(value != values[0] for value in values)}


def figure_rows(compared: Sequence[Entry]) -> list[tuple[str, ...]]:
    """Return the titles of the columns, and a row of texts for each entry."""
    titles = ("", "run", "framework", "device", "test accuracy", "95 % interval", "epochs", "training", "to 98 %")
    rows: list[tuple[str, ...]] = [titles]
    for number, entry in enumerate(compared, 1):
        values = figures(entry)
        bounds, reached = values["test_interval_95"], values["reached"].get("0.98")
        start = " cold" if values["began_cold"] else " warm"
        rows.append(
            (
                str(number), values["run"], values["framework"] or entry.title, values["device"],
                formatting.percent(values["test_accuracy"]),
                f"{100 * bounds[0]:.2f} to {100 * bounds[1]:.2f} %" if bounds else "–", str(values["epochs"]),
                formatting.seconds(values["train_seconds"]), formatting.clock(reached) + start * (reached is not None),
            )
        )  # fmt: skip
    return rows


def setting_rows(compared: Sequence[Entry]) -> list[tuple[str, ...]]:
    """Return the numbers of the entries, and a row for each setting that is not the same in all; empty without any."""
    different = differences(compared)
    if not different:
        return []
    numbers = ("", *(str(number) for number in range(1, len(compared) + 1)))
    return [numbers, *((name, *("none" if v == "" else str(v) for v in values)) for name, values in different.items())]


def lines(compared: Sequence[Entry]) -> list[str]:
    """Write the comparison for people."""
    results = [*_table(figure_rows(compared)), "", *verdicts(compared), *notes(compared), ""]
    settings = setting_rows(compared)
    return [*results, "Settings that differ:", *_table(settings)] if settings else [*results, SAME_SETTINGS]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
