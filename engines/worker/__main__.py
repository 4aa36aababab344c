"""`python -m engines.worker ENGINE`: run one framework in a process of its own.

An interpreter without this project may run this file, too: it then imports the package `engines` from this file's folder, and
nothing else from the app's environment.
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

    _package_folder = Path(__file__).resolve().parents[1]
    _spec = importlib.util.spec_from_file_location(
        "engines", _package_folder / "__init__.py", submodule_search_locations=[str(_package_folder)]
    )
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["engines"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["engines"])

from engines.worker.channel import exit_now  # noqa: E402  # with the path set
from engines.worker.main import main  # noqa: E402

if __name__ == "__main__":
    if sys.argv[1] == "--plain":
        from engines.worker import baseline_runner

        baseline_runner.main(*sys.argv[2:])
        os._exit(0)
    if sys.argv[1] == "--replica":
        importlib.import_module(sys.argv[2]).serve(*sys.argv[3:])
    exit_now(main(sys.argv[1:]))
