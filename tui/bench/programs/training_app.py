"""Train in the app and record its event loop: `training_app SETTINGS FPS RUNS_DIR RESULT`.

SETTINGS is JSON. RESULT is a file that gets JSON: the ticks, each (time.monotonic(), seconds of delay, CPU seconds so far), and
the most bytes of memory that the process had.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from engines.api import RunRequest, engine_spec
from tui.app import MnistApp

TICK_SECONDS = 0.05
"""Seconds between two ticks; each costs as much as a keystroke, and counts as the app's."""


def main(settings: str, fps: str, runs_dir: str, result: str) -> int:
    """Run the app until it is stopped; return its exit code."""
    specs = [engine_spec("pytorch"), engine_spec("keras")]
    app = MnistApp(
        specs, RunRequest.from_values(json.loads(settings)), start=True, fps=int(fps), runs_dir=Path(runs_dir)
    )
    ticks: list[tuple[float, float, float]] = []

    async def record_ticks() -> NoReturn:
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)
            ticks.append((time.monotonic(), time.monotonic() - before - TICK_SECONDS, time.process_time()))

    def start_recording() -> None:
        while not app.is_running:
            time.sleep(TICK_SECONDS)
        app.call_from_thread(record_ticks)

    threading.Thread(target=start_recording, daemon=True).start()
    code = app.run_guarded()
    Path(result).write_text(json.dumps([ticks, peak_bytes()]))
    return code


def peak_bytes() -> int:
    """Return the most resident memory of this process. Linux's ru_maxrss would begin with that of the process that started it."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = re.search(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None, "see proc_pid_status(5)"
    return 1024 * int(found[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
