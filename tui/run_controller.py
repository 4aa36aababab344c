"""The rules behind the keys, without a screen: what can be done with the runs, when, and to which of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from engines.api import (
    FAILED,
    PAUSED,
    TITLES,
    ConfigError,
    PaceKey,
    RunHistory,
    RunRequest,
    RunSource,
    TrainConfig,
    step_of_rate_change,
)


class RunController:
    """Runs the user's commands on the engine that is aimed at, or on all of them."""

    def __init__(self, session: RunSource, request: RunRequest) -> None:
        self.session = session
        self.request = request
        self.paces: Mapping[PaceKey, float] = {}
        """Paces of the saved runs, from which the time of the next one is estimated."""
        self.aim: str | None = None
        """The engine that commands act on; None for all."""

    @property
    def request(self) -> RunRequest:
        """The frameworks and settings of the next run."""
        return self.session.request

    @request.setter
    def request(self, request: RunRequest) -> None:
        self.session.request = request

    @property
    def shown_engines(self) -> tuple[str, ...]:
        """The engines that have a pane: those of the current or the last run, and before it those that are chosen."""
        chosen = tuple(engine for engine in self.request.engines if engine in self.session.histories)
        return self.session.engines or chosen or tuple(self.session.histories)

    @property
    def has_run(self) -> bool:
        """True once a run was requested, also one that failed."""
        return any(history.requested_t is not None for history in self.session.histories.values())

    # Configs

    def configs(self) -> dict[str, TrainConfig]:
        """Return the config of each chosen engine. Raises ConfigError."""
        config = self.request.config
        return {engine: config for engine in self.request.engines if engine in self.session.histories}

    def current_config(self) -> TrainConfig:
        """Return the config of the current or last run; before the first, that of the settings.

        Settings that are invalid give the reference config.
        """
        used = next((config for history in self.session.histories.values() if (config := history.config)), None)
        if used is not None:
            return used
        try:
            return next(iter(self.configs().values()), TrainConfig())
        except ConfigError:
            return TrainConfig()

    # The aim

    @property
    def _aims(self) -> list[str | None]:
        return [*self.session.histories, None]

    def aim_at_next(self) -> None:
        """Aim at the next engine, and after the last one at all."""
        self.aim = self._aims[(self._aims.index(self.aim) + 1) % len(self._aims)]

    def presses_to_aim_at(self, engine: str) -> int:
        """Return how often `aim_at_next` must be called until commands act on this engine and on no other live worker."""
        alone = not any(history.alive for name, history in self.session.histories.items() if name != engine)
        if self.aim is None and alone:
            return 0
        return (self._aims.index(engine) - self._aims.index(self.aim)) % len(self._aims)

    @property
    def targets(self) -> list[RunHistory]:
        """The histories of the engines that commands act on."""
        return [self.session.histories[self.aim]] if self.aim else list(self.session.histories.values())

    @property
    def _running(self) -> list[str]:
        return [history.engine for history in self.targets if history.running]

    @property
    def _paused(self) -> list[str]:
        return [history.engine for history in self.targets if history.running and history.phase == PAUSED]

    @property
    def _free(self) -> list[RunHistory]:
        return [history for history in self.targets if self.session.is_free(history.engine)]

    @property
    def _waiting(self) -> list[str]:
        return [history.engine for history in self.targets if self.session.waiting_for(history.engine)]

    def check_command(self, name: str) -> bool | None:
        """Return whether a command makes sense now: True, None for grey, False for hidden."""
        rule = _RULES.get(name)
        return True if rule is None else rule(self)

    # Runs

    def start_workers(self) -> None:
        """Start the workers, so that the frameworks are imported before a run starts. Raises ConfigError.

        The machine is watched even with invalid settings.
        """
        configs: dict[str, TrainConfig] = {}
        try:
            configs = self.configs()
        finally:
            self.session.start_workers(configs)

    def start(self) -> None:
        """Start training, unless a run is under way. Raises ConfigError."""
        configs = self.configs()
        if configs and not self.session.running:
            self.session.start(configs)

    def restart(self) -> None:
        """Start the engines again that have no run. Raises ConfigError."""
        free = [history.engine for history in self._free]
        configs = {engine: config for engine, config in self.configs().items() if engine in free}
        if configs:
            shown = {*self.session.engines, *configs}
            self.session.start(configs)
            self.session.engines = tuple(engine for engine in self.session.histories if engine in shown)

    def pause(self) -> None:
        """Pause the running engines, or resume them when all are paused."""
        if self.session.recorded:
            self.session.toggle()
            return
        running = self._running
        all_paused = all(self.session.histories[engine].phase == PAUSED for engine in running)
        for engine in running:
            (self.session.resume if all_paused else self.session.pause)(engine)

    def step(self) -> None:
        """Train one step of each paused run."""
        for engine in self._paused:
            self.session.step(engine)

    @property
    def changeable_rates(self) -> dict[str, float]:
        """The learning rate of each run that trains now, by engine; empty while one still starts, or waits for its turn."""
        runs = [history for history in self.targets if history.running]
        if self._waiting or any(history.progress is None or history.started is None for history in runs):
            return {}
        return {history.engine: history.progress.learning_rate for history in runs if history.progress}

    def change_learning_rate(self, factor: float) -> str:
        """Multiply the learning rates from one step on, the same in all of these runs; return a message for the user."""
        runs = [self.session.histories[engine] for engine in self.changeable_rates]
        step = step_of_rate_change(runs) if runs else 0
        if not runs or step >= min(history.total_steps for history in runs):
            return "Too late: the run ends before the learning rate could change."
        for history in runs:
            self.session.change_learning_rate(history.engine, factor, step)
        names = " and ".join(TITLES.get(history.engine, history.engine) for history in runs)
        return (
            f"{names}: the learning rate is {factor:g} times as high after step {step:,}. The log says when it changed."
        )

    def stop(self) -> None:
        """Stop the runs after the current step and an evaluation; drop the turns that are still to come."""
        running, waiting = self._running, self._waiting
        for history in self.targets:
            if history.engine in running or history.engine in waiting:
                self.session.stop(history.engine)

    def kill(self) -> None:
        """Kill the workers with SIGKILL."""
        for history in self.targets:
            self.session.kill(history.engine)

    def save(self) -> str:
        """Request a checkpoint; return a message for the user."""
        engines = [engine for engine in self._running if self.session.histories[engine].global_step]
        for engine in engines:
            self.session.save(engine)
        names = " and ".join(TITLES.get(engine, engine) for engine in engines)
        return f"{names}: a checkpoint is written after this step." if engines else "There is no step to save yet."

    def resumable_folders(self) -> dict[Path, list[str]]:
        """Return the folders of the runs that can continue from a checkpoint, with the engines that can.

        An engine that has finished its part of such a run comes along, so that the new folder holds both results.
        """
        folders: dict[Path, list[str]] = {}
        for history in self._free:
            folder = self.session.folder(history.engine) if history.can_continue else None
            if folder is not None:
                folders.setdefault(folder, []).append(history.engine)
        for engine, history in self.session.histories.items():
            folder = self.session.folder(engine)
            comes_along = history.finished is not None and not history.can_continue and self.session.is_free(engine)
            if comes_along and folder is not None and folder in folders:
                folders[folder].append(engine)
        return folders

    def resume(self, folder: Path, changes: Mapping[str, Any] | None = None, engines: Collection[str] = ()) -> str:
        """Continue the run in that folder with some settings changed; return a warning or an empty text.

        Raises ResumeError and ConfigError.
        """
        return self.session.resume_run(folder, changes or {}, engines)

    # Recordings

    def seek(self, seconds: float) -> None:
        """Move a recording by some seconds."""
        self.session.seek(seconds)

    def seek_epoch(self, epochs: int) -> None:
        """Move a recording by some epochs."""
        self.session.seek_epoch(epochs)

    def change_speed(self, steps: int) -> None:
        """Play a recording faster, or slower for negative `steps`."""
        self.session.change_speed(steps)


def _grey_unless(enabled: object) -> bool | None:
    return True if enabled else None


def _has_player(controller: RunController) -> bool:
    return bool(controller.session.playback)


_RULES: dict[str, Callable[[RunController], bool | None]] = {
    "start": lambda it: _grey_unless(not it.session.running and not it.session.recorded),
    "seek": _has_player,
    "seek_epoch": _has_player,
    "change_speed": _has_player,
    "pause": lambda it: _grey_unless((it._running and not it.session.recorded) or it.session.playback),
    "step": lambda it: _grey_unless(it._paused) if it._running and not it.session.recorded else False,
    "learning_rate": lambda it: False if it.session.recorded else _grey_unless(it.changeable_rates),
    "stop": lambda it: _grey_unless(it._waiting or (it._running and not it.session.recorded)),
    "save": lambda it: _grey_unless(it._running and not it.session.recorded),
    "kill": lambda it: _grey_unless(not it.session.recorded and any(history.alive for history in it.targets)),
    "restart": lambda it: _grey_unless(any(h.requested_t is not None or h.phase == FAILED for h in it._free)),
    "resume": lambda it: any(history.can_continue for history in it._free),
    "settings": lambda it: _grey_unless(not it.session.recorded),
}
"""The state of each command, in the terms of `check_command`; other commands are always enabled."""
