"""A root folder with the files of a fake kernel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_files(root: Path, files: Mapping[str, str]) -> Path:
    """Write files by their paths below the root, and return the root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def limited_to(root: Path, quota: str = "max 100000", memory: int | None = None, **files: str) -> Path:
    """Write a cgroup of version 2: its quota, "50000 100000" for half a core, its limit in bytes, and more files.

    In their names "_" stands for a dot.
    """
    more = {f"sys/fs/cgroup/{name.replace('_', '.', 1)}": text for name, text in files.items()}
    return write_files(
        root,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": f"{quota}\n",
            "sys/fs/cgroup/memory.max": f"{memory if memory is not None else 'max'}\n",
            **more,
        },
    )
