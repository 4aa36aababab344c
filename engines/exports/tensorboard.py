"""The curves of a run as TensorBoard's event files, one folder for each engine and split."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from engines.config import ENGINES
from engines.exports import missing
from engines.messages.events import EvalCompleted, Event, TrainProgress

FIGURES = ("loss", "accuracy", "samples_per_sec", "learning_rate")
"""Of those, each event's own."""


def write_tensorboard(events: Sequence[Event], created: float, folder: Path) -> None:
    """Scalars by global step into folder/ENGINE-train and folder/ENGINE-test; needs tensorboard.

    `created` is when the first event was, in seconds since 1970: the events' own clock counts from nowhere.
    Raises ExportError and OSError.
    """
    sys.modules.setdefault(
        "tensorboard.compat.notf", ModuleType("notf")
    )  # tensorboard's own word for "without TensorFlow"
    try:
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise missing(error) from error
    writers: dict[str, EventFileWriter] = {}
    begin = min((event.t for event in events), default=0.0)
    try:
        for event in events:
            if not isinstance(event, TrainProgress | EvalCompleted) or event.engine not in ENGINES:
                continue  # a recording may be anybody's, and an engine names a folder
            name = f"{event.engine}-{'train' if isinstance(event, TrainProgress) else 'test'}"
            if name not in writers:
                (folder / name).mkdir(parents=True)
                writers[name] = EventFileWriter(str(folder / name))
            known = {figure: getattr(event, figure, None) for figure in FIGURES}
            values = [Summary.Value(tag=tag, simple_value=v) for tag, v in known.items() if v is not None]
            said = Record(wall_time=created + event.t - begin, step=event.global_step, summary=Summary(value=values))
            writers[name].add_event(said)
    finally:
        for writer in writers.values():
            writer.close()
