"""What people do to kept runs: name them, note, mark a baseline, throw them away, make room."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engines.atomic_file import write_atomically

TRASH = ".trash"
"""In the folder of runs: what was thrown away, until it is emptied by hand."""
ABOUT = "about.json"
"""In a run's folder: what people say of it."""
LONGEST = 200
"""Characters of a name or a note."""


def read_about(folder: Path) -> dict[str, Any]:
    """{"name", "note", "baseline"}, as far as they were given; empty when the file is not there or not readable."""
    try:
        content = json.loads((folder / ABOUT).read_text(encoding="utf-8")) if os.path.isfile(folder / ABOUT) else {}
    except (OSError, ValueError, RecursionError):
        return {}
    said = content if isinstance(content, dict) else {}
    return {word: it for word, it in said.items() if isinstance(it, str | bool)}


def write_about(folder: Path, said: Mapping[str, Any]) -> None:
    """Change what is said of a run. Raises OSError."""
    content = {**read_about(folder), **{k: v[:LONGEST] if isinstance(v, str) else v for k, v in said.items()}}
    write_atomically(folder / ABOUT, lambda part: part.write_text(json.dumps(content) + "\n", encoding="utf-8"))


def move_to_trash(folder: Path) -> Path:
    """Move a run into the trash beside it; says where it lies now. Raises OSError."""
    trash = folder.parent / TRASH
    trash.mkdir(exist_ok=True)
    place = trash / folder.name
    if place.exists():
        place = trash / f"{folder.name}-{time.time_ns()}"
    return folder.rename(place)


def size_bytes(folder: Path) -> int:
    """Of all files in it, and in folders in it; what vanishes meanwhile counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total


def to_prune(runs: Sequence[Mapping[str, Any]], keep: int) -> list[str]:
    """The ids of all but the newest `keep` of `runs`, which are in the order of `list_runs`; named ones, baselines and what
    still runs stay, and are not counted."""
    free = [
        run["id"]
        for run in runs
        if not any((run.get("about") or {}).get(word) for word in ("name", "baseline"))
        and not any(isinstance(its, dict) and its.get("outcome") == "running" for its in run["summary"].values())
    ]
    return free[keep:]


def empty_trash(runs_dir: Path) -> int:
    """Delete for good what was thrown away; says how many runs. Raises OSError."""
    trash = runs_dir / TRASH
    if not trash.is_dir():
        return 0
    count = len(os.listdir(trash))
    shutil.rmtree(trash)
    return count
