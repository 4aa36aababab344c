"""The runs of one worker, as its parent accounts for them: requested, under way, ended. It needs no worker to be tested."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from engines.messages.commands import Start
from engines.messages.events import TERMINAL_EVENTS, Event, LogLine, RunRequested
from engines.supervision.environment import environment_notes
from engines.supervision.exit_reason import activity_after
from engines.version import version_and_commit


class RunLedger:
    """Tracks the run under way, whether its end is still due, and the worker's last activity."""

    def __init__(self, engine: str, title: str) -> None:
        self._engine = engine
        self.run_id = ""
        """The run that was requested and has not ended; empty between runs."""
        self.no_run_yet = True
        """True until a run is requested or the worker reports an end."""
        self.activity = f"while importing {title}"
        """The worker's activity at its last event, as the end of a sentence."""

    def event(self, kind: type[Event], /, **fields: Any) -> Event:
        """Make an event of the parent's for the run under way; its time is now, unless `t` is among the fields."""
        return kind(engine=self._engine, run_id=self.run_id, **{"t": time.monotonic(), **fields})

    def open(self, start: Start, past: Sequence[Event], t: float) -> list[Event]:
        """Open the run that was requested at `t`, and return its first events; RunRequested, the first, has its start as `t`.

        The past of a resumed run comes again, shifted in time so that it ends at `t`.
        """
        self.run_id, self.no_run_yet = start.run_id, False
        shift = t - past[-1].t if past else 0.0
        start_t = past[0].t + shift if past else t
        jobs = max([start.jobs, *(event.jobs for event in past[:1] if isinstance(event, RunRequested))])
        return [
            self.event(RunRequested, t=start_t, config=start.config, build=version_and_commit(), jobs=jobs),
            *(dataclasses.replace(event, run_id=start.run_id, t=event.t + shift) for event in past[1:]),
            *(self.event(LogLine, t=t, stream="supervisor", text=text) for text in environment_notes()),
        ]

    def record(self, event: Event) -> Event | None:
        """Record an event of the worker's and return it, an end with its run's id; None for the end of another run."""
        if isinstance(event, TERMINAL_EVENTS):
            self.no_run_yet = False
            if event.run_id not in ("", self.run_id):
                return None
            event, self.run_id = dataclasses.replace(event, run_id=self.run_id), ""
        self.activity = activity_after(event) or self.activity
        return event

    def close(self) -> None:
        """Close the run under way: the parent has published its end."""
        self.run_id = ""
