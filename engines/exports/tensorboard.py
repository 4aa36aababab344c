"""Export the curves of a run to TensorBoard's event files, a folder for each engine and split, and one for both."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from engines.config import ENGINES
from engines.exports import missing
from engines.messages.events import EvalCompleted, Event, RunRequested, TrainProgress, TwinsCompared

FIGURES = ("loss", "accuracy", "samples_per_sec", "learning_rate")
"""Figures to write; an event has some of them."""
SPLITS = ("train", "validation", "test")
"""The digits of a figure; a recording may hold any other name."""

TWINS = "twins"
"""The folder of what lies between both engines."""


def write_tensorboard(events: Sequence[Event], created: float, folder: Path) -> None:
    """Write scalars by global step into folder/ENGINE-SPLIT; needs tensorboard.

    `created` is the time of the first request in seconds since 1970, because the events' own clock has no fixed origin.
    Raises ExportError and OSError.
    """
    # this module tells tensorboard not to import TensorFlow
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))
    try:
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise missing(error) from error
    writers: dict[str, EventFileWriter] = {}
    requests = [event.t for event in events if isinstance(event, RunRequested)]
    first_t = min(requests or [event.t for event in events], default=0.0)  # a warm worker's start may be hours before
    try:
        for event in events:
            if not isinstance(event, TrainProgress | EvalCompleted | TwinsCompared) or event.engine not in ENGINES:
                continue  # an engine names a folder, and a recording may hold any name
            if isinstance(event, TwinsCompared):
                name = TWINS
                figures: dict[str, float | None] = {
                    f"weights_apart/{layer}": distance for layer, distance in event.layers
                }
                figures["answers_apart"] = event.answers
            else:
                split = "train" if isinstance(event, TrainProgress) else event.split
                name = f"{event.engine}-{split if split in SPLITS else 'test'}"
                figures = {figure: getattr(event, figure, None) for figure in FIGURES}
            if name not in writers:
                (folder / name).mkdir(parents=True)
                writers[name] = EventFileWriter(str(folder / name))
            values = [Summary.Value(tag=tag, simple_value=v) for tag, v in figures.items() if v is not None]
            record = Record(
                wall_time=created + event.t - first_t, step=event.global_step, summary=Summary(value=values)
            )
            writers[name].add_event(record)
    finally:
        for writer in writers.values():
            writer.close()
