"""Run one of `tests/programs` in a process of its own: two frameworks in one process would abort it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def results_of(name: str, *arguments: str, cache: Path) -> Any:
    """Run the program on one core and without a GPU, and return the JSON that it prints."""
    environment = {
        "KERAS_BACKEND": "tensorflow",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-m", f"tests.programs.{name}", *arguments]
    environment |= {"MNIST_TUI_CACHE_DIR": str(cache)}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)
