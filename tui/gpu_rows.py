"""The rows of the GPU wall: a GPU each, with what marks it, sorted and filtered. Without a screen."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from engines.api import BUSY_PERCENT, GpuHistory, GpuReading, MachineHistory, Record, visible_indices


class GpuRow(Record):
    """A GPU that is there, or was there."""

    reading: GpuReading
    """The newest one; of a GPU that has gone, the last one."""
    history: GpuHistory
    visible: bool | None = None
    """True where CUDA_VISIBLE_DEVICES leaves it to CUDA; None where that is not set."""
    gone: str = ""
    """The reason why the GPU is not read any more; empty while it is."""

    @property
    def is_busy(self) -> bool:
        """True where its utilisation is known and not low."""
        percent = self.reading.utilization_percent
        return not self.gone and percent is not None and percent >= BUSY_PERCENT

    @property
    def words(self) -> tuple[str, ...]:
        """Words and names that a filter finds."""
        reading = self.reading
        holders = reading.details.holders if reading.details is not None else ()
        marks = {
            "busy": self.is_busy,
            "idle": not self.gone and not self.is_busy and reading.utilization_percent is not None,
            "lost": bool(self.gone),
            "visible": self.visible is not False,
            "ours": any(holder.ours for holder in holders),
            "slowed": bool(reading.throttled),
        }
        names = (reading.name, *(text for holder in holders for text in (holder.user, holder.name, str(holder.pid))))
        return (
            f"gpu{reading.index}",
            *(word for word, holds in marks.items() if holds),
            *(name.lower() for name in names if name),
        )


def machine_rows(machine: MachineHistory, environment: Mapping[str, str] = os.environ) -> list[GpuRow]:
    """Return the rows of the machine that the app watches."""
    reason = machine.usage.gpu_reason if machine.usage is not None else ""
    return gpu_rows(machine.gpus, machine.gpu_readings, reason, environment)


def gpu_rows(
    gpus: Mapping[int, GpuHistory],
    readings: Sequence[GpuReading],
    reason: str = "",
    environment: Mapping[str, str] = os.environ,
) -> list[GpuRow]:
    """Return a row for each GPU that was ever read, by index; `reason` is why there are no readings now."""
    now = {reading.index: reading for reading in readings}
    known = {index: history for index, history in gpus.items() if history.last is not None}
    visible = visible_indices([history.last for history in known.values() if history.last], environment)
    rows = []
    for index, history in sorted(known.items()):
        reading = now.get(index, history.last)
        assert reading is not None
        gone = "" if index in now else reason or "not reported any more"
        rows.append(
            GpuRow(
                reading=reading,
                history=history,
                visible=None if visible is None else index in visible,
                gone=dict(reading.missing)["memory_used_bytes"] if reading.is_lost and not gone else gone,
            )
        )
    return rows


def filter_rows(rows: Sequence[GpuRow], text: str) -> list[GpuRow]:
    """Return the rows of which every word of the text is a mark, such as "busy" or "ours", or a part of a name."""
    wanted = text.lower().split()
    return [row for row in rows if all(any(word in one for one in row.words) for word in wanted)]


SORTS: dict[str, Callable[[GpuReading], float | None]] = {
    "index": lambda reading: -reading.index,
    "utilisation": lambda reading: reading.utilization_percent,
    "memory": lambda reading: reading.memory_used_bytes,
    "power": lambda reading: reading.power_watts,
    "temperature": lambda reading: reading.temperature_celsius,
}
"""The figures to sort by, the largest first; a GPU of which it is unknown comes last."""


def sort_rows(rows: Sequence[GpuRow], by: str) -> list[GpuRow]:
    """Return the rows sorted by a figure of `SORTS`, those that have gone last."""

    def key(row: GpuRow) -> tuple[bool, bool, float]:
        value = SORTS[by](row.reading)
        return bool(row.gone) and by != "index", value is None, -(value or 0.0)

    return sorted(rows, key=key)


def summary(rows: Sequence[GpuRow]) -> str:
    """Count the GPUs in a few words, such as "8 GPUs, 2 busy, 1 lost"."""
    counts = {"busy": sum(row.is_busy for row in rows), "lost": sum(bool(row.gone) for row in rows)}
    counted = [f"{len(rows)} GPU{'s' * (len(rows) != 1)}", f"{counts['busy']} busy"]
    return ", ".join([*counted, *([f"{counts['lost']} lost"] if counts["lost"] else [])])
