"""Time a script that an engine is measured against: `python -m engines.worker --plain NAME TRAIN TEST DATA_DIR`.

Print "ready" after warming up; then, for every line on stdin, train one epoch, evaluate, and print the wall-clock and CPU seconds
of both as JSON. What the script itself prints goes to stderr.
"""

from __future__ import annotations

import importlib
import json
import os
import struct
import sys
import tempfile
import textwrap
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import engines
from engines.data import Digits, load_digits
from engines.data.sources import IDX_FILES

PLAIN = "script"
"""The module of the stand-alone script in each framework's package; any other has a class Script with the same methods."""


class PlainScript:
    """A stand-alone script, cut at its titles so that its training and its evaluation can be timed, on digits of ours."""

    def __init__(self, path: Path, digits: Digits) -> None:
        opening, _, rest = path.read_text(encoding="utf-8").partition("# Data\n")
        preparation, _, rest = rest.partition("# Train\n")
        training, _, evaluation = rest.partition("# Evaluate\n")
        self._names: dict[str, Any] = {}
        exec(opening, self._names)
        before = os.getcwd()
        with tempfile.TemporaryDirectory() as folder:
            self._supply(digits, Path(folder) / "data" / "MNIST" / "raw")
            os.chdir(folder)
            exec(preparation, self._names)
            os.chdir(before)
        self._names["EPOCHS"] = 1
        self._training, self._evaluation = (
            compile(textwrap.dedent(part), path, "exec") for part in (training, evaluation)
        )
        if "keras" in self._names:
            model = self._names["model"]
            fit = model.fit
            model.fit = lambda *data, validation_data, **options: fit(*data, **options)  # evaluation is timed alone

    def _supply(self, digits: Digits, folder: Path) -> None:
        """Make the library's own loader find these digits; torchvision's reads them from this folder."""
        arrays = (digits.train_images, digits.train_labels, digits.test_images, digits.test_labels)
        if "keras" in self._names:  # its loader reads no other file than the published one
            self._names["keras"].datasets.mnist.load_data = lambda: (arrays[:2], arrays[2:])
            return
        folder.mkdir(parents=True)
        for name, array in zip(IDX_FILES, arrays, strict=True):
            header = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
            (folder / name).write_bytes(header + array.tobytes())

    def warm_up(self) -> None:
        """Train one epoch and evaluate, which traces everything."""
        self.train()
        self.evaluate()

    def train(self) -> None:
        """Train one epoch."""
        exec(self._training, self._names)

    def evaluate(self) -> None:
        """Evaluate the test digits."""
        exec(self._evaluation, self._names)


def main(name: str, train_size: str, test_size: str, data_dir: str) -> None:
    """Serve until stdin ends, with the first `train_size` and `test_size` digits; `name` is "FRAMEWORK.MODULE"."""
    answers, sys.stdout = sys.stdout, sys.stderr
    data = load_digits("auto", Path(data_dir) if data_dir else None, cache_dir=Path(os.environ["MNIST_TUI_CACHE_DIR"]))
    data = data.limited(int(train_size), int(test_size))
    framework, _, module = name.partition(".")
    if module == PLAIN:
        script = PlainScript(Path(engines.__file__).parent / framework / f"{module}.py", data)
    else:
        script = importlib.import_module(f"engines.{name}").Script(data)
    script.warm_up()
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        clocks = [(time.perf_counter(), time.process_time())]
        for phase in (script.train, script.evaluate):
            phase()
            clocks.append((time.perf_counter(), time.process_time()))
        (train, train_cpu), (evaluate, evaluate_cpu) = (
            (after[0] - before[0], after[1] - before[1]) for before, after in pairwise(clocks)
        )
        costs = {"train": train, "evaluate": evaluate, "train_cpu": train_cpu, "evaluate_cpu": evaluate_cpu}
        print(json.dumps(costs), file=answers, flush=True)
