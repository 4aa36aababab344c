"""Train for hours in the app and record the event loop's lag: `soak_app SETTINGS RUNS_DIR LAGS real|scripted`.

SETTINGS is JSON. LAGS is a file that gets a line every ten seconds: time.monotonic(), the p99 and the highest lag in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from engines.api import RunRequest, engine_spec
from tests.support.engines import scripted_spec
from tui.app import MnistApp

SLEEP_SECONDS = 0.02
INTERVAL_SECONDS = 10.0


def main(settings: str, runs_dir: str, lags_file: str, engines: str) -> int:
    """Run the app until it is stopped; return its exit code."""
    make_spec = scripted_spec if engines == "scripted" else engine_spec
    specs = [make_spec("pytorch"), make_spec("keras")]
    app = MnistApp(specs, RunRequest.from_values(json.loads(settings)), start=True, runs_dir=Path(runs_dir))

    async def record_lags() -> NoReturn:
        while True:
            lags, end = [], time.monotonic() + INTERVAL_SECONDS
            while time.monotonic() < end:
                before = time.monotonic()
                await asyncio.sleep(SLEEP_SECONDS)
                lags.append(time.monotonic() - before - SLEEP_SECONDS)
            append(sorted(lags))

    def append(lags: list[float]) -> None:
        with Path(lags_file).open("a") as file:
            print(time.monotonic(), 1000 * lags[int(0.99 * (len(lags) - 1))], 1000 * lags[-1], file=file)

    def start_recording() -> None:
        while not app.is_running:
            time.sleep(0.1)
        app.call_from_thread(record_lags)

    threading.Thread(target=start_recording, daemon=True).start()
    return app.run_guarded()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
