"""Runs a plain script as its authors' users would: `python -m engines.worker --plain NAME TRAIN TEST DATA_DIR`.

Says "ready" once it is warm; for every line on stdin it then trains one epoch, evaluates, and says the seconds of both as JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path

from engines.data import load_digits


def main(name: str, train: str, test: str, data_dir: str) -> None:
    """Serve until stdin ends."""
    data = load_digits("auto", Path(data_dir) if data_dir else None, cache_dir=Path(os.environ["MNIST_TUI_CACHE_DIR"]))
    script = importlib.import_module(f"engines.worker.{name}_plain").Script(data.limited(int(train), int(test)))
    script.warm_up()
    print("ready", flush=True)
    for _ in sys.stdin:
        before = time.perf_counter()
        script.train()
        trained = time.perf_counter()
        script.evaluate()
        print(json.dumps({"train": trained - before, "evaluate": time.perf_counter() - trained}), flush=True)
