"""The worker's end of the pipe: publish events and heartbeats, receive commands, and end the worker when the app is gone."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from engines.messages.codec import ProtocolError, decode_command, encode
from engines.messages.commands import (
    ChangeLearningRate,
    Command,
    MeasureStep,
    Pause,
    Predict,
    Resume,
    SaveCheckpoint,
    Shutdown,
    Start,
    Step,
    Stop,
)
from engines.messages.events import Event, Heartbeat, LogLine, Prediction, RunPaused, RunResumed

if TYPE_CHECKING:
    from engines.experiment.contract import Engine  # numpy, which may be missing

HEARTBEAT_SECONDS = 1.0
NO_INSIDE = "this engine can't show the inside of its network"
SHUTDOWN_GRACE_SECONDS = 1.5
"""Seconds that a worker may take to end by itself, once its app is gone or has sent Shutdown."""


class ShuttingDown(Exception):
    """The worker has to end; raised at the next step."""


class Channel:
    """The connection to the app; the training loop polls it at every step."""

    def __init__(self, engine: str, protocol_fd: int, command_fd: int) -> None:
        self.engine = engine
        self.run_id = ""
        """The active run; empty outside any run."""
        self.stop_requested = False
        self.checkpoint_requested = False
        self.measure_requested = False
        self.steps_requested = 0
        """Steps that a paused run still has to train, one at a time."""
        self.rate_changes: list[ChangeLearningRate] = []
        """The changes of the learning rate that the run has not made yet."""
        self.model: Engine | None = None
        """The engine that answers Predict; None before the first run."""
        self.position = (0, 0)
        """(epoch, global_step) of the model's weights."""
        self.load_model: Callable[[str], None] | None = None
        """Loads a checkpoint's model, or UNTRAINED, and sets `model`, `position` and `loaded_from`; may raise anything."""
        self.loaded_from = ""
        """The checkpoint that `model` was loaded from; empty when it was trained here."""
        self.inspect: Callable[[Engine, Any], str] | None = None
        """Returns the encoded activations for pixels (28, 28); None where the engine has no module for it. May raise anything."""
        self._newest_request_id = 0
        self._protocol_fd = protocol_fd
        self._command_fd = command_fd
        self._lock = threading.Lock()
        self._seq = 0
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._shutdown = threading.Event()
        self._paused = False

    def start(self) -> None:
        """Start the threads that receive commands and publish heartbeats, and handle signals."""
        threading.Thread(target=self._read_commands, name="commands", daemon=True).start()
        threading.Thread(target=self._heartbeat, name="heartbeat", daemon=True).start()
        signal.signal(signal.SIGTERM, lambda *_: self._shut_down())
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def publish(self, kind: type[Event], /, **fields: Any) -> None:
        """Publish one event. Ends the worker when nothing reads the pipe any more."""
        with self._lock:
            self._seq += 1
            event = kind(engine=self.engine, run_id=self.run_id, seq=self._seq, t=time.monotonic(), **fields)
            line = encode(event).encode() + b"\n"
            try:
                while line:
                    line = line[os.write(self._protocol_fd, line) :]
            except OSError:
                exit_now()

    def warn(self, text: str) -> None:
        """Publish a warning as a LogLine."""
        self.publish(LogLine, stream="worker", text=text)

    def wait_for_start(self) -> Start | None:
        """Wait for the next run, applying other commands meanwhile; return None when the worker has to end."""
        while not self._shutdown.is_set():
            with contextlib.suppress(ShuttingDown):
                command = self._apply_next(block=True)
                if isinstance(command, Start):
                    self.stop_requested = self.checkpoint_requested = self.measure_requested = self._paused = False
                    self.steps_requested, self.rate_changes = 0, []
                    self.run_id = command.run_id
                    return command
        return None

    @property
    def idle(self) -> bool:
        """True while no command waits."""
        return self._commands.empty()

    def poll(self) -> None:
        """Apply all waiting commands, and wait while the run is paused. Raises ShuttingDown."""
        while self._apply_next(block=self._waiting) is not None or self._waiting:
            pass
        if self._shutdown.is_set():
            raise ShuttingDown

    @property
    def _waiting(self) -> bool:
        """True while the run is paused and no single step is requested."""
        return self._paused and not self.steps_requested

    def _apply_next(self, *, block: bool) -> Command | None:
        """Apply and return the next command; None when none waits and `block` is false. Raises ShuttingDown."""
        try:
            command = self._commands.get(block=block)
        except queue.Empty:
            return None
        if isinstance(command, Shutdown):
            raise ShuttingDown
        if isinstance(command, Predict):
            self._predict(command)
        elif isinstance(command, SaveCheckpoint):
            self.checkpoint_requested = True
        elif isinstance(command, MeasureStep):
            self.measure_requested = True
        elif self.run_id:
            self._apply_to_run(command)
        return command

    def _apply_to_run(self, command: Command) -> None:
        if isinstance(command, Stop):
            self.stop_requested = True
        if isinstance(command, ChangeLearningRate):
            self.rate_changes.append(command)
        if isinstance(command, Pause) and not self._paused:
            self._paused = True
            self.publish(RunPaused)
        elif isinstance(command, Step) and self._paused:
            self.steps_requested += 1
        elif isinstance(command, (Resume, Stop)) and self._paused:
            self._paused = False
            self.steps_requested = 0
            self.publish(RunResumed)

    def _predict(self, request: Predict) -> None:
        """Publish the Prediction of a request, unless a newer one waits."""
        if request.request_id < self._newest_request_id:
            return
        probabilities: tuple[float, ...] = ()
        problem = activations = ""
        try:
            own_model = self.model is not None and not self.loaded_from
            other_checkpoint = request.checkpoint not in ("", self.loaded_from) and not own_model
            if other_checkpoint and self.load_model is not None and not self.run_id:
                self.load_model(request.checkpoint)
            if self.model is None:
                problem = "no model yet"
            elif len(request.image) != 784:
                problem = f"an image has 784 grey values, not {len(request.image)}"
            elif request.inside and self.inspect is None:
                problem = NO_INSIDE
            else:
                import numpy as np

                image = np.array(request.image).clip(0, 255).astype(np.uint8).reshape(28, 28)
                probabilities = tuple(float(p) for p in self.model.predict(image[np.newaxis])[0])
                if request.inside and self.inspect is not None:
                    activations = self.inspect(self.model, image)
        except Exception as error:  # a failed prediction must not end the run or the worker
            problem = str(error) or type(error).__name__
        epoch, global_step = self.position
        self.publish(
            Prediction,
            request_id=request.request_id,
            probabilities=probabilities,
            epoch=epoch,
            global_step=global_step,
            checkpoint=self.loaded_from,
            problem=problem,
            activations=activations,
        )

    def _read_commands(self) -> None:
        with contextlib.suppress(OSError), os.fdopen(self._command_fd, "rb") as commands:
            for line in commands:
                try:
                    command = decode_command(line)
                except ProtocolError as error:
                    self.warn(f"Ignored a command that can't be decoded: {error}")
                    continue
                if isinstance(command, Shutdown):
                    break
                if isinstance(command, Predict):
                    self._newest_request_id = command.request_id
                self._commands.put(command)
        self._shut_down()

    def _shut_down(self) -> None:
        """Wake the main thread to end the worker, and end it anyway after the grace period."""
        self._shutdown.set()
        self._commands.put(Shutdown())
        timer = threading.Timer(SHUTDOWN_GRACE_SECONDS, exit_now)
        timer.daemon = True
        timer.start()

    def _heartbeat(self) -> None:
        while not self._shutdown.wait(HEARTBEAT_SECONDS):
            memory = None
            if self.model is not None:
                with contextlib.suppress(Exception):  # an unavailable figure must not stop the heartbeats
                    memory = self.model.device_memory_bytes()
            self.publish(Heartbeat, device_memory_bytes=memory)


def exit_now(code: int = 0) -> NoReturn:
    """Delete the scratch folder and end at once: a framework's own shutdown may take seconds, or crash."""
    if scratch := os.environ.get("MNIST_TUI_SCRATCH"):
        shutil.rmtree(scratch, ignore_errors=True)
    os._exit(code)
