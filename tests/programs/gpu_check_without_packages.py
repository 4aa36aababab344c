"""The GPU check in an interpreter that can't import what the app needs besides numpy and the frameworks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

BLOCKED = ("platformdirs", "psutil", "pynvml", "rich", "textual")


class Blocker(MetaPathFinder):
    """Finds none of the blocked packages, although they are installed."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


if __name__ == "__main__":
    sys.meta_path.insert(0, Blocker())
    from tests.gpu_check.__main__ import main

    sys.exit(main(sys.argv[1:]))
