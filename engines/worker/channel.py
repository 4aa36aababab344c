"""A worker's side of the pipe: it says events, hears commands, beats its heart, and ends when the app is gone."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from engines.messages.codec import ProtocolError, decode_command, encode
from engines.messages.commands import Command, Pause, Predict, Resume, SaveCheckpoint, Shutdown, Start, Stop
from engines.messages.events import (
    Event,
    Heartbeat,
    LogLine,
    Prediction,
    RunPaused,
    RunResumed,
)

if TYPE_CHECKING:
    from engines.experiment.contract import Engine  # numpy, which may be missing

HEARTBEAT_SECONDS = 1.0
SHUTDOWN_GRACE_SECONDS = 1.5
"""How long a worker whose app is gone, or that was told to end, may take before it is cut off."""


class ShuttingDown(Exception):
    """Raised at the next step once the worker was told to end."""


class Channel:
    """What the run loop needs of the world outside: `emit`, and `poll` at every step."""

    def __init__(self, engine: str, protocol_fd: int, command_fd: int) -> None:
        self.engine = engine
        self.run_id = ""
        self.stop_requested = False
        self.checkpoint_requested = False
        self.model: Engine | None = None
        """The engine object that answers Predict, once there is one."""
        self.position = (0, 0)
        """(epoch, global_step) of the model's weights."""
        self.load_model: Callable[[Path], None] | None = None
        """Makes the model that a checkpoint holds `model`, and says so in `recalled`; raises what it likes."""
        self.loaded_from = ""
        """The checkpoint that `model` is from; empty when it was trained here."""
        self._newest_question = 0
        self._protocol_fd = protocol_fd
        self._command_fd = command_fd
        self._lock = threading.Lock()
        self._seq = 0
        self._inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._shutdown = threading.Event()
        self._paused = False

    def start(self) -> None:
        """Start hearing and beating."""
        threading.Thread(target=self._read_commands, name="commands", daemon=True).start()
        threading.Thread(target=self._heartbeat, name="heartbeat", daemon=True).start()
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def emit(self, kind: type[Event], /, **fields: Any) -> None:
        """Say one event; a reader that is gone ends the worker."""
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
        """Say something for people that is no failure."""
        self.emit(LogLine, stream="worker", text=text)

    def wait_for_start(self) -> Start | None:
        """The next run, answering whatever else comes meanwhile; None when the worker is to end."""
        while not self._shutdown.is_set():
            with contextlib.suppress(ShuttingDown):
                command = self._take(block=True)
                if isinstance(command, Start):
                    self.stop_requested = self.checkpoint_requested = self._paused = False
                    self.run_id = command.run_id
                    return command
        return None

    @property
    def idle(self) -> bool:
        """Whether nothing has been commanded yet."""
        return self._inbox.empty()

    def poll(self) -> None:
        """Obey what was commanded since the last step, waiting here while paused. Raises ShuttingDown."""
        while self._take(block=self._paused) is not None or self._paused:
            pass
        if self._shutdown.is_set():
            raise ShuttingDown

    def _take(self, *, block: bool) -> Command | None:
        try:
            command = self._inbox.get(block=block)
        except queue.Empty:
            return None
        if isinstance(command, Shutdown):
            raise ShuttingDown
        if isinstance(command, Predict):
            self._answer(command)
        elif isinstance(command, SaveCheckpoint):
            self.checkpoint_requested = True
        elif self.run_id:
            self._apply(command)
        return command

    def _apply(self, command: Command) -> None:
        if isinstance(command, Stop):
            self.stop_requested = True
            if self._paused:
                self._paused = False
                self.emit(RunResumed)
        elif isinstance(command, Pause) and not self._paused:
            self._paused = True
            self.emit(RunPaused)
        elif isinstance(command, Resume) and self._paused:
            self._paused = False
            self.emit(RunResumed)

    def _answer(self, question: Predict) -> None:
        if question.request_id < self._newest_question:
            return
        probabilities: tuple[float, ...] = ()
        problem = ""
        try:
            other = question.checkpoint not in ("", self.loaded_from) and (self.model is None or self.loaded_from)
            if other and self.load_model is not None and not self.run_id:
                self.load_model(Path(question.checkpoint))
            if self.model is None:
                problem = "no model yet"
            elif len(question.image) != 784:
                problem = f"{len(question.image)} grey values are no digit"
            else:
                import numpy as np

                image = np.array(question.image).clip(0, 255).astype(np.uint8).reshape(1, 28, 28)
                probabilities = tuple(float(p) for p in self.model.predict(image)[0])
        except Exception as error:  # a question that can't be answered must not end a run, nor the worker
            problem = str(error) or type(error).__name__
        epoch, global_step = self.position
        self.emit(
            Prediction,
            request_id=question.request_id,
            probabilities=probabilities,
            epoch=epoch,
            global_step=global_step,
            checkpoint=self.loaded_from,
            problem=problem,
        )

    def _read_commands(self) -> None:
        with contextlib.suppress(OSError), os.fdopen(self._command_fd, "rb") as commands:
            for line in commands:
                try:
                    command = decode_command(line)
                except ProtocolError as error:
                    self.warn(f"a command that can't be read: {error}")
                    continue
                if isinstance(command, Shutdown):
                    break
                if isinstance(command, Predict):
                    self._newest_question = command.request_id
                self._inbox.put(command)
        self._end()

    def _end(self) -> None:
        self._shutdown.set()
        self._inbox.put(Shutdown())
        timer = threading.Timer(SHUTDOWN_GRACE_SECONDS, exit_now)
        timer.daemon = True
        timer.start()

    def _heartbeat(self) -> None:
        while not self._shutdown.wait(HEARTBEAT_SECONDS):
            memory = None
            if self.model is not None:
                with contextlib.suppress(Exception):  # a figure that can't be had must not stop the heart
                    memory = self.model.device_memory_bytes()
            self.emit(Heartbeat, device_memory_bytes=memory)


def exit_now(code: int = 0) -> NoReturn:
    """End now, and take along what is in the scratch folder: a framework may take seconds to come down, or crash."""
    if scratch := os.environ.get("MNIST_TUI_SCRATCH"):
        shutil.rmtree(scratch, ignore_errors=True)
    os._exit(code)
