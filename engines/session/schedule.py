"""Which runs begin together, and where they are kept: the turns of a race, of a time trial, of a series of seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engines.config import TrainConfig
from engines.record import Record

if TYPE_CHECKING:
    from engines.runs.directory import RunDirectory
    from engines.runs.resume import ResumePoint


class RunFolder:
    """Where the runs of one seed are kept: one folder for all engines, made when the first of them begins."""

    def __init__(self, configs: Mapping[str, TrainConfig], resumed: str = "") -> None:
        self.configs = configs
        self.resumed = resumed
        self.run_id = ""
        self.directory: RunDirectory | None = None

    def open(self, runs_dir: Path | None, series: str) -> None:
        """Make the folder, unless nothing is kept or it is there already."""
        if self.run_id:
            return
        from engines.runs.directory import RunDirectory, new_run_id

        self.run_id = new_run_id(next(iter(self.configs.values())).seed)
        if runs_dir is not None:
            folder = runs_dir / self.run_id
            self.directory = RunDirectory(folder, self.configs, series=series, resumed=self.resumed)

    @property
    def folder(self) -> str:
        """Where checkpoints go; empty when nothing can be kept."""
        return str(self.directory.folder) if self.directory and self.directory.takes_files else ""


class Round(Record, kw_only=False):
    """The runs that begin together: of both engines in a race, of one in a time trial."""

    configs: Mapping[str, TrainConfig]
    place: RunFolder
    pasts: Mapping[str, ResumePoint]
    """Of those that go on from a checkpoint."""

    @property
    def config(self) -> TrainConfig:
        """Any of them: they agree in mode and seeds."""
        return next(iter(self.configs.values()))


def rounds_of(configs: Mapping[str, TrainConfig]) -> list[Round]:
    """For each seed all engines at once, or one after the other, as their mode says."""
    first = next(iter(configs.values()))
    heats = []
    for i in range(first.seeds):
        seeded = {engine: replace(config, seed=(config.seed + i) % 2**32) for engine, config in configs.items()}
        place = RunFolder(seeded)
        if first.mode == "race":
            heats.append(Round(seeded, place, {}))
        else:  # who goes first changes with each seed, so that neither always has the warmer machine
            turns = list(seeded.items())[:: 1 if i % 2 == 0 else -1]
            heats += [Round({engine: config}, place, {}) for engine, config in turns]
    return heats


def resumed_rounds(pasts: Mapping[str, ResumePoint], resumed: str) -> list[Round]:
    """What is left of a run that was cut off, in the place that goes on from it."""
    configs = {engine: past.config for engine, past in pasts.items()}
    place = RunFolder(configs, resumed)
    left = {engine: past for engine, past in pasts.items() if past.checkpoint}
    turns = [left] if next(iter(configs.values())).mode == "race" else [{engine: left[engine]} for engine in left]
    return [Round({engine: past.config for engine, past in turn.items()}, place, turn) for turn in turns]


def drop_engine(heats: Iterable[Round], engine: str) -> list[Round]:
    """No turns of that engine; a record in which its turn was still to come is whole without that."""
    rest = []
    for heat in heats:
        if engine in heat.configs and heat.place.directory is not None:
            heat.place.directory.drop_engine(engine)
        others = {name: config for name, config in heat.configs.items() if name != engine}
        if others:
            rest.append(replace(heat, configs=others))
    return rest
