"""Test how the stand-alone scripts are timed."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

import engines
from engines.api import ENGINES
from engines.bench.engines import Cost

WORKER = Path(engines.__file__).parent / "worker" / "__main__.py"


@pytest.mark.framework
@pytest.mark.parametrize("engine", ENGINES)
def test_a_plain_script_is_timed_on_our_digits(engine: str, small_mnist: Path) -> None:
    """The script that ships trains one epoch of as many digits as asked for, and evaluates once, not in its training too."""
    command = [sys.executable, str(WORKER), "--plain", f"{engine}.script", "192", "100", str(small_mnist)]
    done = subprocess.run(command, input="\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ready, cost = done.stdout.splitlines()
    assert ready == "ready"
    assert min(dataclasses.astuple(Cost(**json.loads(cost)))) > 0
    assert done.stderr.count("test loss ") == 2, "once to warm up"
    assert "val_accuracy" not in done.stderr
    assert engine == "pytorch" or done.stderr.count("2/2 - ") == 2, "an epoch has a step of 128 digits and one of 64"
