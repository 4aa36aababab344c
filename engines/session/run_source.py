"""The interface between front ends and runs, live or recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from engines.config import TrainConfig
from engines.run_request import RunRequest
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.seeds import SeedResults

NO_WEIGHTS = "n/a: no weights recorded"


class RunSource:
    """A live session, a replay or a watched run: histories that `drain` brings up to date, and controls.

    Each kind overrides the controls that it has; the others do nothing. Only a live session has runs to command, and only a
    replay has a player.
    """

    histories: dict[str, RunHistory]
    """The history of each engine, in display order."""
    machine: MachineHistory
    seed_results: SeedResults
    request: RunRequest = RunRequest()
    """The frameworks and settings of the next run."""
    engines: tuple[str, ...] = ()
    """The engines of the current or the last run, in display order; empty before the first."""
    recorded: bool = False
    """True for a replay and for a run of another process: there are no workers, and commands to runs do nothing."""

    @property
    def shown_histories(self) -> dict[str, RunHistory]:
        """The histories of the current or the last run's engines; all of them before the first run."""
        return {engine: self.histories[engine] for engine in self.engines or self.histories}

    @property
    def badge(self) -> str:
        """A word in every header for a run that is not this process's own; empty for a live session."""
        return "RECORDED" if self.recorded else ""

    @property
    def problem(self) -> str:
        """The reason why the record of the last run is not on disk or not complete, or not yet; empty when it is."""
        return ""

    @property
    def running(self) -> bool:
        """True while any live run is under way or waits for its turn."""
        return False

    @property
    def under_way(self) -> bool:
        """True while any run, also a watched one of another process, is under way or waits for its turn."""
        return self.running

    @property
    def predicting(self) -> bool:
        """True while a recording's models work on an answer."""
        return False

    def now(self) -> float:
        """Return the present time on the events' clock."""
        raise NotImplementedError

    def drain(self) -> set[str]:
        """Apply the events since the last call to the histories; return the names of those that changed."""
        raise NotImplementedError

    def folder(self, engine: str) -> Path | None:
        """Return the folder of the engine's last run; None when it is not saved."""
        return None

    def checkpoint(self, engine: str) -> Path | None:
        """Return the newest checkpoint of the engine's last run; None when there is none."""
        history = self.histories.get(engine)
        return Path(history.checkpoint) if history is not None and history.checkpoint else None

    def waiting_for(self, engine: str) -> str:
        """Return what an engine waits for while a series of runs is under way; empty when it waits for nothing."""
        return ""

    def is_free(self, engine: str) -> bool:
        """Return whether another run of the engine can be requested."""
        return False

    def watch_gpu_details(self, on: bool) -> None:
        """Read who holds each GPU and what its links carry, or no longer."""

    # Runs

    def start_workers(self, configs: Mapping[str, TrainConfig]) -> None:
        """Start the workers, so that their frameworks are imported when a run is requested."""

    def start(self, configs: Mapping[str, TrainConfig]) -> None:
        """Run each engine by its config."""

    def resume_run(self, folder: Path, changes: Mapping[str, object], engines: Collection[str] = ()) -> str:
        """Continue a saved run; return a warning for the user, or an empty text."""
        return ""

    def pause(self, engine: str) -> None:
        """Pause after the current step."""

    def resume(self, engine: str) -> None:
        """End the pause."""

    def stop(self, engine: str) -> None:
        """Finish the step, evaluate, and save the results."""

    def kill(self, engine: str) -> None:
        """Kill the worker."""

    def save(self, engine: str) -> None:
        """Write a checkpoint after the current step."""

    def predict(self, engine: str, image: Sequence[int], checkpoint: str = "", *, inside: bool = False) -> int:
        """Request a prediction for 784 grey values; return its request id, which is 0 when no answer will come.

        With `inside` the answer has the values inside the network, too.
        """
        return 0

    def weights_version(self, engine: str) -> int:
        """Return a number that changes when other weights predict."""
        return self.histories[engine].global_step

    @property
    def no_weights(self) -> str:
        """The reason why a recorded engine's weights do not predict."""
        return NO_WEIGHTS

    def measure_step(self, engine: str) -> None:
        """Measure how the next training step changes each layer."""

    def step(self, engine: str) -> None:
        """Train one step of a paused run."""

    def change_learning_rate(self, engine: str, factor: float, global_step: int) -> None:
        """Multiply the learning rates after so many steps of the run."""

    def fail_to_start(self, engine: str, error: Exception) -> None:
        """Report that the thread of the engine's worker could not be started."""

    def close(self, timeout: float = 4.5) -> bool:
        """End every worker within `timeout` seconds; return whether none is left."""
        return True

    # The player

    @property
    def length_seconds(self) -> float:
        """Seconds from the first to the last moment of a recording."""
        return 0.0

    @property
    def playback(self) -> str:
        """The state of the player: "10x", "paused" or "end"; empty without a player."""
        return ""

    def starts_at(self, engine: str) -> float | None:
        """Return when an engine's run starts that comes later in a recording, in seconds from its start; None for any other."""
        return None

    def toggle(self) -> None:
        """Pause a recording or play on; at its end, play it from the start."""

    def seek(self, seconds: float) -> None:
        """Move by seconds of the recording; negative seconds move back."""

    def seek_epoch(self, epochs: int) -> None:
        """Move to the start of the next epoch (1) or the one before (-1)."""

    def change_speed(self, steps: int) -> None:
        """Play some steps faster, or slower if negative."""
