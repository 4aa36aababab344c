"""A run that was read from its folder, and its place among the kept runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from engines.api import MachineHistory, RunHistory, SeedResults, read_run, read_seed_results


class StoredRun(NamedTuple):
    """A run on disk, and what its events say."""

    folder: Path
    histories: Mapping[str, RunHistory]
    machine: MachineHistory
    seeds: SeedResults | None
    """The results of the series of seeds that the run belongs to; None for a single run."""

    @classmethod
    def read(cls, folder: Path) -> StoredRun:
        """Read a run from its folder; a long one has thousands of events. Raises OSError."""
        return cls(folder, *read_run(folder), read_seed_results(folder))


def older_folder(runs_dir: Path, folder: Path | None, steps: int, own: Collection[Path | None]) -> Path | None:
    """Return the folder of the run that is `steps` older than that in `folder`, or newer for negative steps.

    None stands for the session's runs, whose folders are `own`; they are the newest.
    """
    folders = [path.parent for path in sorted(runs_dir.glob("*/events.jsonl"), reverse=True)]
    choices: list[Path | None] = [None, *(choice for choice in folders if choice not in own)]
    index = choices.index(folder) if folder in choices else 0
    return choices[min(max(index + steps, 0), len(choices) - 1)]
