"""The GPU check of one scripted engine that has a fake GPU, under the name of Keras on JAX."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engines.supervision.registry import EngineSpec
from tests.gpu_check.__main__ import check_engines

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "tests" / "support" / "fake_gpu_engine.py"


def fake_gpu_spec() -> EngineSpec:
    """Return the specification of that engine."""
    return EngineSpec(name="keras", title="scripted", module=str(ENGINE), python=sys.executable, backend="jax")


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(ROOT)  # the worker imports the scripted engine
    sys.exit(check_engines([fake_gpu_spec()]))
