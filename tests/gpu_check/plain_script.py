"""Time the plain script of a framework (`engines/*/script.py`) in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from engines.monitors.cgroups import usable_cores
from engines.supervision.environment import FOLDER, neutral_environment
from engines.supervision.registry import EngineSpec
from tests.gpu_check.table import Failed, Skipped
from tests.gpu_check.worker import WAIT_SECONDS

_WORKER = Path(__file__).parents[2] / "engines" / "worker" / "__main__.py"


def plain_seconds(spec: EngineSpec, digits: int, cache_dir: Path) -> float:
    """Return the seconds in which the plain script trains one epoch of `digits` digits.

    Raises Skipped without a package that it needs, and Failed for any other end.
    """
    environment = neutral_environment(spec, usable_cores(), cache_dir) | {
        "MNIST_TUI_MIRRORS": "",  # the digits are in the cache already, if they are not on this machine
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # our worker keeps its part of the GPU meanwhile
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    process = subprocess.Popen(
        [spec.python, str(_WORKER), "--plain", f"{spec.name}.script", str(digits), "1000", ""],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=FOLDER,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # so that its data loader ends with it
    )
    try:
        printed, errors = process.communicate("\n", timeout=WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failed(f"the plain script did not end within {WAIT_SECONDS:.0f} s") from None
    finally:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        reason = errors.strip().rpartition("\n")[2] or f"code {process.returncode}"
        raise (Skipped if reason.startswith("ModuleNotFoundError") else Failed)(f"the plain script: {reason}")
    return float(json.loads(printed.splitlines()[-1])["train"])
