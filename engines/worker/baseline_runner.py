"""Run a framework's plain script, for the benchmark: `python -m engines.worker --plain NAME TRAIN TEST DATA_DIR`.

Print "ready" after warming up; then, for every line on stdin, train one epoch, evaluate, and print the wall-clock and CPU seconds
of both as JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from itertools import pairwise
from pathlib import Path

from engines.data import load_digits


def main(name: str, train_size: str, test_size: str, data_dir: str) -> None:
    """Serve until stdin ends, with the first `train_size` and `test_size` digits."""
    data = load_digits("auto", Path(data_dir) if data_dir else None, cache_dir=Path(os.environ["MNIST_TUI_CACHE_DIR"]))
    script = importlib.import_module(f"engines.{name}").Script(data.limited(int(train_size), int(test_size)))
    script.warm_up()
    print("ready", flush=True)
    for _ in sys.stdin:
        clocks = [(time.perf_counter(), time.process_time())]
        for phase in (script.train, script.evaluate):
            phase()
            clocks.append((time.perf_counter(), time.process_time()))
        (train, train_cpu), (evaluate, evaluate_cpu) = (
            (after[0] - before[0], after[1] - before[1]) for before, after in pairwise(clocks)
        )
        costs = {"train": train, "evaluate": evaluate, "train_cpu": train_cpu, "evaluate_cpu": evaluate_cpu}
        print(json.dumps(costs), flush=True)
