"""The growing end of a record that another process writes, perhaps on another machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

from engines.messages.codec import ProtocolError, decode_event
from engines.messages.events import Event
from engines.runs.reader import open_record


class RecordTail:
    """Reads the events that a record has gained since the last call.

    The file is opened for each call: only then does a network file system show what was written, and no handle goes stale.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        """Bytes of the whole lines that were read."""
        self._inode: int | None = None
        self.age_seconds = 0.0
        """Seconds since the file was last written, by this machine's clock; 0 where that clock is behind the file's."""

    def read(self) -> tuple[bool, list[Event]]:
        """Return whether the record has been replaced, and its new events, or all of them if it was.

        A line that is not yet complete waits for its end; one of an unknown type is skipped. Raises OSError.
        """
        with open_record(self._path) as text:
            record = text.buffer
            status = os.fstat(record.fileno())
            self.age_seconds = max(time.time() - status.st_mtime, 0.0)
            replaced = self._inode not in (None, status.st_ino) or status.st_size < self._offset
            if replaced:
                self._offset = 0
            self._inode = status.st_ino
            record.seek(self._offset)
            arrived, _, _ = record.read().partition(b"\0")  # bytes that a network file system has not got yet read as 0
        whole = arrived[: arrived.rfind(b"\n") + 1]
        self._offset += len(whole)
        events = []
        for line in whole.decode(errors="replace").split("\n"):
            try:
                events.append(decode_event(line))
            except ProtocolError:
                continue
        return replaced, events
