"""Run one of `tests/programs`, or code, with a framework: two frameworks in one process would abort it.

Importing a framework takes seconds, so one process imports it for all of them, and each runs in a fork of that.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MODULES = {"pytorch": ("torch", "torch._dynamo"), "keras": ("tensorflow", "keras")}
"""The modules to import before the forks; PyTorch imports its compiler, too, with the first optimizer."""
ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@functools.cache
def _host(framework: str) -> subprocess.Popen[str]:
    """Start the process that has imported the framework; it ends with this one, whose pipe is its stdin."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.programs.host", *MODULES[framework]],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def output_of(framework: str, program: str, *arguments: str, code: bool = False, **environment: str) -> str:
    """Run a program, or code, on one core, without a GPU and with an empty cache; return what it prints on stdout."""
    host = _host(framework)
    assert host.stdin
    assert host.stdout
    with tempfile.TemporaryDirectory() as folder:
        files = {name: f"{folder}/{name}" for name in ("stdout", "stderr")}
        variables = os.environ | ENVIRONMENT | {"MNIST_TUI_CACHE_DIR": folder} | environment
        request = {"program": program, "code": code, "arguments": arguments, "environment": variables, **files}
        host.stdin.write(json.dumps(request) + "\n")
        host.stdin.flush()
        answer = host.stdout.readline().strip()
        assert answer == "0", f"{program} ended with {answer}: {Path(files['stderr']).read_text()}"
        return Path(files["stdout"]).read_text()


def results_of(framework: str, program: str, *arguments: str, code: bool = False, **environment: str) -> Any:
    """Run a program, or code, as `output_of` does; return the JSON that it prints last."""
    return json.loads(output_of(framework, program, *arguments, code=code, **environment).splitlines()[-1])
