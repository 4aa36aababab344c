"""`python -m engines.worker ENGINE`: one framework in a process of its own.

May also be run as a file, by an interpreter that does not have this project installed: then the package `engines` is taken from
where this file lies, and nothing else of the app's environment is.
"""

from __future__ import annotations

import importlib
import os
import sys

_worker = os.path.dirname(os.path.realpath(__file__))
# On the path, this folder and its parent would shadow other modules, and the package engines/keras the library.
sys.path[:] = [folder for folder in sys.path if os.path.realpath(folder) not in (_worker, os.path.dirname(_worker))]

if not __package__:
    import importlib.util
    from pathlib import Path

    _home = Path(__file__).resolve().parents[1]
    _spec = importlib.util.spec_from_file_location(
        "engines", _home / "__init__.py", submodule_search_locations=[str(_home)]
    )
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["engines"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["engines"])

from engines.worker.channel import exit_now  # noqa: E402  # with the path set
from engines.worker.main import main  # noqa: E402

if __name__ == "__main__":
    if sys.argv[1] == "--plain":
        from engines.worker import baseline

        baseline.main(*sys.argv[2:])
        os._exit(0)
    if sys.argv[1] == "--replica":
        importlib.import_module(sys.argv[2]).serve(*sys.argv[3:])
    exit_now(main(sys.argv[1:]))
