"""Find the seeds of a series among the saved runs, and read their results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engines.runs.reader import read_json, read_summary
from engines.runs.seeds import SeedResults


def read_seed_results(folder: Path, *, others: bool = False) -> SeedResults | None:
    """Read the results of the series of seeds that a saved run belongs to; None when it belongs to none. Raises OSError.

    The first run of a series names it: the others have its id in their config.json. With `others`, without the run's own.
    """
    config = read_json(folder / "config.json")
    if config is None or _seeds(config) < 2:
        return None
    first = config.get("series") or folder.name
    results: SeedResults | None = None
    members = 0
    for member in _members(folder.parent, str(first), _seeds(config)):
        members += 1
        for history in ({} if others and member.name == folder.name else read_summary(member)).values():
            if history.config is not None:
                results = results or SeedResults.of(history.config)
                if history.ended_t is not None:
                    results.add(history)
    return results if members > 1 else None


def _members(runs_dir: Path, first: str, seeds: int) -> Iterator[Path]:
    """Yield the folders of a series, in their order; ids start with the time, and the other seeds come after the first."""
    found = 0
    for name in sorted(name for name in os.listdir(runs_dir) if name >= first):
        config = read_json(runs_dir / name / "config.json")
        if config is not None and (name == first or config.get("series") == first):
            yield runs_dir / name
            found += 1
            if found == seeds:
                return


def _seeds(config: dict[str, Any]) -> int:
    """Return how many seeds the run's config asked for."""
    engines = config.get("engines")
    configs = engines.values() if isinstance(engines, dict) else ()
    counts = [one["seeds"] for one in configs if isinstance(one, dict) and isinstance(one.get("seeds"), int)]
    return max(counts, default=1)
