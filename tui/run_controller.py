"""What can be done with the runs, when, and to which of them: the rules behind the keys, without a screen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from engines.api import (
    FAILED,
    FRAMEWORK_CHOICES,
    PAUSED,
    TITLES,
    ConfigError,
    RunHistory,
    RunSource,
    TrainConfig,
    from_settings,
)


class RunController:
    """Obeys for the engine that is aimed at, or for all."""

    def __init__(self, session: RunSource, settings: Mapping[str, Any]) -> None:
        self.session = session
        self.settings = dict(settings)
        """Of the next run, as they were said; `configs` checks them."""
        self.aim: str | None = None
        """The engine that commands are for; None is all."""

    # What is to run

    def configs(self) -> dict[str, TrainConfig]:
        """The config of each chosen engine. Raises ConfigError."""
        settings = dict(self.settings)
        engines = FRAMEWORK_CHOICES.get(str(settings.pop("framework", "both")), ())
        config = from_settings(settings)
        return {engine: config for engine in engines if engine in self.session.histories}

    def present_config(self) -> TrainConfig:
        """Of what runs or ran; before the first run, of the settings, or the reference where these can't be used."""
        known = next((config for history in self.session.histories.values() if (config := history.config)), None)
        if known is not None:
            return known
        try:
            return next(iter(self.configs().values()), TrainConfig())
        except ConfigError:
            return TrainConfig()

    # Who is meant

    def aim_at_next(self) -> None:
        """At the next engine, then at all."""
        engines: list[str | None] = [*self.session.histories, None]
        self.aim = engines[(engines.index(self.aim) + 1) % len(engines)]

    def turns_to(self, engine: str) -> int:
        """How often the aim has to go on until commands are for that engine, and for no other that has a worker."""
        engines: list[str | None] = [*self.session.histories, None]
        alone = not any(history.alive for name, history in self.session.histories.items() if name != engine)
        return 0 if self.aim is None and alone else (engines.index(engine) - engines.index(self.aim)) % len(engines)

    @property
    def aimed(self) -> list[RunHistory]:
        """The histories of those that commands are for."""
        return [self.session.histories[self.aim]] if self.aim else list(self.session.histories.values())

    @property
    def _running(self) -> list[str]:
        return [history.engine for history in self.aimed if history.running]

    @property
    def _free(self) -> list[RunHistory]:
        return [history for history in self.aimed if self.session.is_free(history.engine)]

    # What makes sense

    def can(self, name: str) -> bool | None:
        """Whether the command makes sense now. None: not now, it is grey; False: it is not even shown."""
        recorded = self.session.recorded
        if name == "start":
            return None if self.session.running or recorded else True
        if name in ("seek", "seek_epoch", "hurry"):
            return recorded
        if name == "pause" and recorded:
            return True
        if name == "stop" and any(self.session.waiting_for(history.engine) for history in self.aimed):
            return True
        if name in ("pause", "stop", "save"):
            return True if self._running and not recorded else None
        if name == "kill":
            return True if any(history.alive for history in self.aimed) else None
        if name == "restart":
            return True if any(h.requested_t is not None or h.phase == FAILED for h in self._free) else None
        if name == "resume":
            return any(history.can_continue for history in self._free)
        if name == "settings":
            return None if recorded else True
        return True

    # Runs

    def warm(self) -> None:
        """Import the frameworks while the user reads; the machine is watched in any case. Raises ConfigError."""
        configs: dict[str, TrainConfig] = {}
        try:
            configs = self.configs()
        finally:
            self.session.start_workers(configs)

    def start(self) -> None:
        """Train. Raises ConfigError."""
        configs = self.configs()
        if configs and not self.session.running:
            self.session.start(configs)

    def restart(self) -> None:
        """Start again what is not running. Raises ConfigError."""
        free = [history.engine for history in self._free]
        again = {engine: config for engine, config in self.configs().items() if engine in free}
        if again:
            self.session.start(again)

    def pause(self) -> None:
        """Pause what runs; when all of it is paused, go on."""
        if self.session.recorded:
            self.session.toggle()
            return
        running = self._running
        all_paused = all(self.session.histories[engine].phase == PAUSED for engine in running)
        for engine in running:
            (self.session.resume if all_paused else self.session.pause)(engine)

    def stop(self) -> None:
        """Finish the step, evaluate, keep; turns that are still to come are dropped."""
        for history in self.aimed:
            if history.running or self.session.waiting_for(history.engine):
                self.session.stop(history.engine)

    def kill(self) -> None:
        """SIGKILL."""
        for history in self.aimed:
            self.session.kill(history.engine)

    def save(self) -> str:
        """A checkpoint, now; returns what is to be said of it."""
        saved = [engine for engine in self._running if self.session.histories[engine].global_step]
        for engine in saved:
            self.session.save(engine)
        names = " and ".join(TITLES.get(engine, engine) for engine in saved)
        return f"{names}: a checkpoint is written after this step." if saved else "There is no step to save yet."

    def to_resume(self) -> dict[Path, list[str]]:
        """The folders of the runs that can go on from their last checkpoint, and the engines that can do so in each."""
        folders: dict[Path, list[str]] = {}
        for history in self._free:
            folder = self.session.folder(history.engine) if history.can_continue else None
            if folder is not None:
                folders.setdefault(folder, []).append(history.engine)
        return folders

    def resume(self, folder: Path, changes: Mapping[str, Any] | None = None, engines: Collection[str] = ()) -> str:
        """Go on with the run in that folder, with some settings changed; returns a warning or an empty text.

        Raises ResumeError and ConfigError.
        """
        return self.session.resume_run(folder, changes or {}, engines)

    # Recordings

    def seek(self, seconds: float) -> None:
        """Wind the recording."""
        self.session.seek(seconds)

    def seek_epoch(self, epochs: int) -> None:
        """Wind it by epochs."""
        self.session.seek_epoch(epochs)

    def hurry(self, steps: int) -> None:
        """Play it faster, or slower."""
        self.session.change_speed(steps)
