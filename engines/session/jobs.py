"""The jobs that train the seeds of a series at the same time, and the GPUs that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engines.config import ConfigError, TrainConfig
from engines.plural import plural
from engines.preset_configs import for_engine
from engines.record import Record


class Job(Record):
    """One of the jobs: its place among them, and the device that `auto` is in it."""

    number: int = 0
    count: int = 1
    """Number of the jobs."""
    devices: Mapping[str, str]
    """The device of each engine: its setting, or what was chosen for `auto`; empty without a choice."""


ONLY_JOB = Job(devices={})
"""A session's own, when it shares a series with no other."""


def jobs_of(configs: Mapping[str, TrainConfig], jobs: int | None, free: Sequence[str] | None) -> list[Job]:
    """Return the jobs for a series, never more than it has seeds; `jobs` is their number, or None for as many as GPUs are free.

    `free` are the free GPUs as a worker names them, None without GPUs. No two jobs get the same GPU; in a race, both engines of a
    job get one each where there are enough. Raises ConfigError.
    """
    first = next(iter(configs.values()))
    settings = {engine: for_engine(config, engine).device for engine, config in configs.items()}
    autos = [engine for engine, setting in settings.items() if setting == "auto"]
    fixed = next((setting for setting in settings.values() if setting != "auto" and not _is_cpu(setting)), "")
    racing = len(autos) if first.mode == "race" else min(len(autos), 1)
    if jobs is None:
        jobs = max(1, len(free or ()) // racing) if racing and not fixed else 1
    count = min(jobs, first.seeds)
    if count == 1:
        return [ONLY_JOB]
    if fixed:
        raise ConfigError(
            f"{fixed} would hold {count} runs at once. Leave out --jobs, or let auto choose a free GPU for each run."
        )
    if not autos or free is None:
        return [Job(number=i, count=count, devices=_without_gpus(settings)) for i in range(count)]
    each = racing if racing * count <= len(free) else 1
    if each * count > len(free):
        listed = f" ({', '.join(free)})" if free else ""
        raise ConfigError(
            f"--jobs {count} needs a free GPU for each run, and {plural(len(free), 'GPU')} of this machine"
            f" {'is' if len(free) == 1 else 'are'} free{listed}. Choose fewer, --jobs auto, or --device cpu."
        )
    out = []
    for i in range(count):
        own = free[i * each : (i + 1) * each]
        chosen = {engine: own[k % each] for k, engine in enumerate(autos)}
        out.append(Job(number=i, count=count, devices={**settings, **chosen}))
    return out


def _is_cpu(setting: str) -> bool:
    return set(setting.split(",")) == {"cpu"}


def _without_gpus(settings: Mapping[str, str]) -> dict[str, str]:
    return {engine: "cpu" if setting == "auto" else setting for engine, setting in settings.items()}
