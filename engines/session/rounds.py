"""The schedule: which runs start together, in a race, a time trial or a series of seeds, and which folder they share."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engines.config import TrainConfig
from engines.gpu_selection import auto_devices
from engines.messages.commands import AutoDevice
from engines.preset_configs import for_engine
from engines.record import Record

if TYPE_CHECKING:
    from engines.runs.directory import RunDirectory
    from engines.runs.history import RunHistory
    from engines.runs.resume import ResumePoint


@dataclass(slots=True)
class Series:
    """The runs of several seeds, which belong together by the id of the first."""

    first_id: str = ""
    """The id of the run that started first; empty until one is saved."""


UTILISATION_SECONDS = 2.0
"""Seconds after which the driver's utilisation of a GPU is no longer that of a run that has ended: it is a mean of up to one."""


class RunFolder:
    """The folder that the engines' runs of one seed share; it is made when the first of them starts."""

    def __init__(self, configs: Mapping[str, TrainConfig], resumed: str = "", series: Series | None = None) -> None:
        """`resumed` is the id of the run that these ones continue; a single run is of no series."""
        self.configs = configs
        self.resumed = resumed
        self.series = series
        self.run_id = ""
        """The id of the runs; empty until the folder is open."""
        self.directory: RunDirectory | None = None

    def open(self, runs_dir: Path | None) -> None:
        """Choose the run id and make the folder, unless that is done; without `runs_dir` nothing is saved."""
        if self.run_id:
            return
        from engines.runs import run_id
        from engines.runs.directory import RunDirectory, new_run_id

        seed, series = next(iter(self.configs.values())).seed, self.series or Series()
        self.run_id = new_run_id(seed)
        while series.first_id and run_id.start_time(self.run_id, "") == run_id.start_time(series.first_id, ""):
            self.run_id = new_run_id(seed)  # the other runs of a series sort behind the first
        if runs_dir is not None:
            folder = runs_dir / self.run_id
            self.directory = RunDirectory(folder, self.configs, series=series.first_id, resumed=self.resumed)
            series.first_id = series.first_id or self.run_id

    def drop_engine(self, engine: str) -> None:
        """Record no run of this engine, which will not start any more."""
        if self.directory is not None:
            self.directory.drop_engine(engine)
        self.configs = {name: config for name, config in self.configs.items() if name != engine}

    @property
    def path(self) -> str:
        """The folder of the workers' checkpoints; empty when nothing can be saved."""
        return str(self.directory.folder) if self.directory and self.directory.accepts_files else ""


class Round(Record, kw_only=False):
    """The runs that start together: of both engines in a race, of one in a time trial."""

    configs: Mapping[str, TrainConfig]
    run_folder: RunFolder
    resume_points: Mapping[str, ResumePoint]
    """Resume points of the engines that continue from a checkpoint."""

    @property
    def config(self) -> TrainConfig:
        """The config of any of the engines: all agree in mode and seeds."""
        return next(iter(self.configs.values()))

    def auto_devices(self, histories: Mapping[str, RunHistory], now: float) -> dict[str, AutoDevice]:
        """Return the choice of each engine among the free GPUs; `histories` are those of the runs before."""
        devices = {engine: for_engine(config, engine).device for engine, config in self.configs.items()}
        before = [histories[engine] for engine in self.configs if devices[engine] == "auto"]
        held = tuple(gpu for history in before for gpu in _held_gpus(history))
        just_used = any(now - (history.ended_t or -math.inf) < UTILISATION_SECONDS for history in before)
        autos = auto_devices(self.config.mode, devices)
        return {engine: replace(auto, held=held, just_used=just_used) for engine, auto in autos.items()}


def _held_gpus(history: RunHistory) -> list[str]:
    """Return the driver's ids of the GPUs on which an engine's worker has trained last."""
    if history.worker is None or history.started is None:
        return []
    used = history.started.device.split(",")
    return [device.gpu for device in history.worker.devices if device.id in used and device.gpu]


def rounds_of(configs: Mapping[str, TrainConfig]) -> list[Round]:
    """Return the rounds of a series, seed by seed."""
    return list(itertools.chain.from_iterable(rounds_by_seed(configs)))


def rounds_by_seed(configs: Mapping[str, TrainConfig]) -> list[list[Round]]:
    """Return the rounds of each seed of a series: all engines at once, or one after the other, by their mode."""
    first = next(iter(configs.values()))
    series = Series() if first.seeds > 1 else None
    rounds = []
    for i in range(first.seeds):
        seeded = {engine: replace(config, seed=(config.seed + i) % 2**32) for engine, config in configs.items()}
        run_folder = RunFolder(seeded, series=series)
        if first.mode == "race":
            rounds.append([Round(seeded, run_folder, {})])
        else:  # the order alternates, so that neither engine always has the warmer machine
            turns = list(seeded.items())[:: 1 if i % 2 == 0 else -1]
            rounds.append([Round({engine: config}, run_folder, {}) for engine, config in turns])
    return rounds


def resumed_rounds(resume_points: Mapping[str, ResumePoint], resumed: str) -> list[Round]:
    """Return the rounds that are left of the run with the id `resumed`, all in one new folder."""
    configs = {engine: point.config for engine, point in resume_points.items()}
    run_folder = RunFolder(configs, resumed)
    left = {engine: point for engine, point in resume_points.items() if point.checkpoint}
    turns = [left] if next(iter(configs.values())).mode == "race" else [{engine: left[engine]} for engine in left]
    return [Round({engine: point.config for engine, point in turn.items()}, run_folder, turn) for turn in turns]


def drop_engine(rounds: Iterable[Round], engine: str) -> list[Round]:
    """Return the rounds without the engine; records that waited for its run are complete without it."""
    remaining = []
    for round_ in rounds:
        if engine in round_.configs:
            round_.run_folder.drop_engine(engine)
        others = {name: config for name, config in round_.configs.items() if name != engine}
        if others:
            remaining.append(replace(round_, configs=others))
    return remaining
