"""Record the replay of a saved run."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from engines.api import ExportError, Replay, read_events
from tui.app import MnistApp
from tui.screencast.recorder import FPS, Screencast, record
from tui.screencast.virtual_time import VirtualTimeLoop
from tui.theme_names import DARK

SIZE = (120, 34)
MAX_SECONDS = 30.0
"""The length of a film for which no speed is named, at most; a shorter run plays at its own speed."""
LAST_SECONDS = 2.0
"""Seconds for which the end is shown."""


def record_replay(
    recording: Path,
    *,
    size: tuple[int, int] = SIZE,
    speed: float | None = None,
    fps: float = FPS,
    theme: str = "",
    on_frame: Callable[[int, int], object] = lambda done, total: None,
) -> Screencast:
    """Replay a recording in the app at that speed, from its start to its end. Raises ExportError, OSError and Interrupted."""
    events = list(read_events(recording))
    if not events:
        raise ExportError(f"{recording} holds no run.")
    loop = VirtualTimeLoop()
    session = Replay(events, clock=loop.time, folder=recording.parent)
    length = session.length_seconds
    session.speed = speed or max(math.ceil(length / (MAX_SECONDS - LAST_SECONDS)), 1)
    app = MnistApp(session=session, theme=theme or DARK, runs_dir=recording.parent.parent, fps=max(round(fps), FPS))
    return record(app, loop, size, length / session.speed + LAST_SECONDS, fps=fps, on_frame=on_frame)
