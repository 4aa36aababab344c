"""Changes that the user makes to saved runs: names, notes, a baseline, the trash, pruning."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engines.atomic_file import write_atomically

TRASH = ".trash"
"""Folder in the folder of runs that holds the deleted runs until the trash is emptied."""
ANNOTATIONS_FILE = "about.json"
"""File in a run's folder that holds the user's annotations."""
MAX_LENGTH = 200
"""Characters of a name or a note."""


def read_annotations(folder: Path) -> dict[str, Any]:
    """Read the annotations of a run, {"name", "note", "baseline"} as far as they are set; empty if unreadable."""
    path = folder / ANNOTATIONS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if os.path.isfile(path) else {}
    except (OSError, ValueError, RecursionError):
        return {}
    annotations = content if isinstance(content, dict) else {}
    return {name: value for name, value in annotations.items() if isinstance(value, str | bool)}


def write_annotations(folder: Path, changes: Mapping[str, Any]) -> None:
    """Change some annotations of a run. Raises OSError."""
    shortened = {name: value[:MAX_LENGTH] if isinstance(value, str) else value for name, value in changes.items()}
    text = json.dumps({**read_annotations(folder), **shortened}) + "\n"
    write_atomically(folder / ANNOTATIONS_FILE, lambda part: part.write_text(text, encoding="utf-8"))


def move_to_trash(folder: Path) -> Path:
    """Move a run into the trash beside it and return its new path. Raises OSError."""
    trash = folder.parent / TRASH
    trash.mkdir(exist_ok=True)
    target = trash / folder.name
    if target.exists():
        target = trash / f"{folder.name}-{time.time_ns()}"
    return folder.rename(target)


def restore_from_trash(trashed: Path, folder: Path) -> None:
    """Move a run from where `move_to_trash` put it back to its folder. Raises OSError, also if there is another run by now."""
    if folder.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
    trashed.rename(folder)


def size_bytes(folder: Path) -> int:
    """Return the size of all files below a folder; a file that vanishes meanwhile counts as empty."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:
                continue
    return total


def prunable_runs(runs: Sequence[Mapping[str, Any]], keep: int) -> list[str]:
    """Return the ids of all but the newest `keep` of `runs`, which are in the order of `list_runs`.

    Named runs, baselines and runs that are still running are never pruned, and do not count.
    """
    candidates = [
        run["id"]
        for run in runs
        if not any((run.get("about") or {}).get(name) for name in ("name", "baseline"))
        and not any(isinstance(its, dict) and its.get("outcome") == "running" for its in run["summary"].values())
    ]
    return candidates[keep:]


def empty_trash(runs_dir: Path) -> int:
    """Delete the runs in the trash for good and return their number. Raises OSError."""
    trash = runs_dir / TRASH
    if not trash.is_dir():
        return 0
    count = len(os.listdir(trash))
    shutil.rmtree(trash)
    return count
