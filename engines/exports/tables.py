"""Export every training and test figure of a run to CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from engines.config import ENGINES
from engines.messages.codec import to_plain
from engines.messages.events import EvalCompleted, Event, TrainProgress, TwinsCompared
from engines.runs.comparison import time_caveat
from engines.runs.history import RunHistory

COLUMNS = (
    "engine", "split", "t", "epoch", "global_step", "loss", "accuracy", "samples_per_sec", "learning_rate", "train_seconds",
    "dataset", "times", "began_cold", "answers_apart", "conv1_apart", "conv2_apart", "dense1_apart", "dense2_apart",
)  # fmt: skip
"""Columns of the table. `t` is in seconds since RunRequested; `times` says whether times are comparable.

`began_cold` is true where the import of the framework is part of `t`. The last five are those of TwinsCompared, in rows whose
engine is "both" and whose split is "twins".
"""


def rows(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return a row for each TrainProgress, EvalCompleted and TwinsCompared of a known engine.

    A figure that an event lacks is None.
    """
    events = [event for event in events if event.engine in ENGINES]
    histories = {engine: RunHistory(engine) for engine in dict.fromkeys(event.engine for event in events)}
    for event in events:
        histories[event.engine].apply(event)
    times = time_caveat(histories) or "comparable"
    table = []
    for event in events:
        if isinstance(event, TrainProgress | EvalCompleted | TwinsCompared):
            plain = to_plain(event)
            history = histories[event.engine]
            plain["t"] = round(event.t - (history.requested_t or 0.0), 6)
            plain["split"] = plain.get("split", "train")
            if isinstance(event, TwinsCompared):
                distances = {f"{layer}_apart": distance for layer, distance in event.layers}
                plain |= {"engine": "both", "split": "twins", "answers_apart": event.answers, **distances}
            common = {"dataset": history.data.dataset if history.data else "", "times": times}
            plain["began_cold"] = history.cold_start
            table.append({name: plain.get(name) for name in COLUMNS} | common)
    return table


def as_json(events: Sequence[Event]) -> str:
    """Return the rows as a JSON list of objects."""
    return json.dumps(rows(events)) + "\n"


def as_csv(events: Sequence[Event]) -> str:
    """Return the rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(events))
    return text.getvalue()
