"""A module of the program, run with scripted engines in place of the real ones: `scripted_module -m MODULE ARGUMENTS`."""

from __future__ import annotations

import runpy
import sys

from engines import api
from tests.support.engines import scripted_spec

if __name__ == "__main__":
    vars(api)["engine_spec"] = lambda name, *_: scripted_spec(name)
    module = sys.argv[2]
    sys.argv[:] = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
