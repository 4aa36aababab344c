"""The GPU check of one scripted engine that has a fake GPU, under the name of Keras on JAX."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engines.supervision.registry import EngineSpec
from tests.gpu_check.__main__ import check_engines

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "tests" / "support" / "fake_gpu_engine.py"

if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(ROOT)  # the worker imports the scripted engine
    spec = EngineSpec(name="keras", title="scripted", module=str(ENGINE), python=sys.executable, backend="jax")
    sys.exit(check_engines([spec]))
