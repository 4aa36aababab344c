"""The app, training with two scripted engines: `scripted_app DATA_DIR FOLDER [STATEMENTS]`.

STATEMENTS are Python, executed before the app runs, with the app as `app`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from engines.api import RunRequest
from tests.support.engines import scripted_spec
from tui.app import MnistApp
from tui.terminal import streams


def main(data_dir: str, folder: str, statements: str = "") -> int:
    """Run the app; return its exit code."""
    app = MnistApp(
        [scripted_spec("pytorch"), scripted_spec("keras")],
        RunRequest(settings={"epochs": 10000, "batch_size": 64, "data_dir": data_dir}),
        start=True,
        cache_dir=Path(folder),
        runs_dir=Path(folder) / "runs",
    )
    exec(statements, {"app": app})
    code = app.run_guarded()
    for stream in (sys.stdout, sys.stderr):  # as the command does
        streams.write_out(stream)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
