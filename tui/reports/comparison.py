"""Compare saved runs: figures with intervals, verdicts, and the settings that differ. Knows no Textual."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engines.api import TITLES, RunHistory, compare_answers, device_of, holm, judge_answers, to_plain
from tui import formatting

SAME_SETTINGS = "All settings are the same."


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
    """Compare each network with the first, corrected for the number of tests; other digits have no verdict."""
    paired = {
        number: compare_answers(compared[0].history, entry.history) for number, entry in enumerate(compared[1:], 2)
    }
    tested = {number: answers for number, answers in paired.items() if answers is not None}
    corrected = dict(zip(tested, holm([answers.p_value for answers in tested.values()]), strict=True))
    sentences = []
    for number, answers in paired.items():
        titles = (compared[0].title, compared[number - 1].title)
        pair = f"1 {titles[0]}, {number} {titles[1]}"
        if answers is None:
            sentences.append(f"{pair}: no verdict, because they were not trained and tested on the same digits")
            continue
        names = (f"network 1 ({titles[0]})", f"network {number} ({titles[1]})")
        p = corrected[number] if len(tested) > 1 else None
        verdict = judge_answers(names, answers, "one run each", corrected=p)
        sentences.append(f"{pair}: {verdict.text}. {verdict.why}")
    return sentences


def differences(compared: Sequence[Entry]) -> dict[str, list[Any]]:
    """Return the values of each setting that is not the same in all entries, by its name."""
    configs = [to_plain(entry.history.config) for entry in compared]
    names = [field.name for field in dataclasses.fields(compared[0].history.config)] if configs else []  # type: ignore[arg-type]  # `entries` has none without
    all_values = {name: [config.get(name) for config in configs] for name in names}
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
    results = [*_table(figure_rows(compared)), "", *verdicts(compared), ""]
    settings = setting_rows(compared)
    return [*results, "Settings that differ:", *_table(settings)] if settings else [*results, SAME_SETTINGS]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
