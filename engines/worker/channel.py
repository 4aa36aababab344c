"""A worker's side of the pipe: it says events, hears commands, beats its heart, and ends when the app is gone."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from engines.messages.codec import ProtocolError, decode_command, encode
from engines.messages.events import (
    Command,
    Event,
    ExamProgress,
    Heartbeat,
    LogLine,
    Pause,
    Predict,
    Prediction,
    Resume,
    RunFailed,
    RunPaused,
    RunResumed,
    SaveCheckpoint,
    Shutdown,
    Start,
    Stop,
    WorkerReady,
)
from engines.worker import requirements, watchdog

HEARTBEAT_SECONDS = 1.0
LAST_WORD_SECONDS = 1.5
"""How long a worker whose app is gone, or that was told to end, may take before it is cut off."""


class ShuttingDown(Exception):
    """Raised at the next step once the worker was told to end."""


class Control:
    """What the run loop needs of the world outside: `emit`, and `poll` at every step."""

    def __init__(self, engine: str, protocol_fd: int, command_fd: int) -> None:
        self.engine = engine
        self.run_id = ""
        self.stop_requested = False
        self.checkpoint_requested = False
        self.model: Any = None
        """The engine object that answers Predict, once there is one."""
        self.position = (0, 0)
        """(epoch, global_step) of the model's weights."""
        self.recall: Callable[[Path], None] | None = None
        """Makes the model that a checkpoint holds `model`, and says so in `recalled`; raises what it likes."""
        self.recalled = ""
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
        threading.Thread(target=self._hear, name="commands", daemon=True).start()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
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
                leave()

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
            self._obey(command)
        return command

    def _obey(self, command: Command) -> None:
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
            other = question.checkpoint not in ("", self.recalled) and (self.model is None or self.recalled)
            if other and self.recall is not None and not self.run_id:
                self.recall(Path(question.checkpoint))
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
            checkpoint=self.recalled,
            problem=problem,
        )

    def _hear(self) -> None:
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
        timer = threading.Timer(LAST_WORD_SECONDS, leave)
        timer.daemon = True
        timer.start()

    def _beat(self) -> None:
        while not self._shutdown.wait(HEARTBEAT_SECONDS):
            memory = None
            if self.model is not None:
                with contextlib.suppress(Exception):  # a figure that can't be had must not stop the heart
                    memory = self.model.device_memory_bytes()
            self.emit(Heartbeat, device_memory_bytes=memory)


def leave(code: int = 0) -> NoReturn:
    """End now, and take along what is in the scratch folder: a framework may take seconds to come down, or crash."""
    if scratch := os.environ.get("MNIST_TUI_SCRATCH"):
        shutil.rmtree(scratch, ignore_errors=True)
    os._exit(code)


def main(argv: list[str]) -> int:
    """Serve one engine until told to end; returns the exit code."""
    parser = argparse.ArgumentParser(prog="engines.worker")
    parser.add_argument("engine")
    parser.add_argument("--protocol-fd", type=int, default=1)
    parser.add_argument("--guard-fd", type=int, help="ends when the app does")
    parser.add_argument("--module", required=True, help="the engine's module, or the path of its file")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--exam", nargs=5, metavar=("FILE", "SEED", "DATA_DIR", "DATASET", "WHOLE_EPOCH"))
    parser.add_argument("--describe", nargs=2, metavar=("FILE", "CONFIGS"))
    parser.add_argument("--look", nargs=2, metavar=("FILE", "XLA"))
    options = parser.parse_args(argv)

    protocol_fd, command_fd = os.dup(options.protocol_fd), os.dup(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)  # a framework that reads stdin must not eat commands
    if options.protocol_fd > 2:
        os.close(options.protocol_fd)
    if options.guard_fd is not None:
        watchdog.stand(options.guard_fd)
    control = Control(options.engine, protocol_fd, command_fd)
    control.start()
    try:
        module, seconds = _load(options.module)
        requirements.check(options.engine)
        framework = module.framework()
        module.set_threads(options.threads)
        devices = module.devices()
        from engines.worker.trainer import Trainer
    except (Exception, SystemExit) as error:
        control.emit(RunFailed, **requirements.failure(options.engine, error))
        return 1
    if options.exam or options.describe or options.look:
        return _answer_once(module, options, control, seconds)
    control.emit(
        WorkerReady,
        pid=os.getpid(),
        framework=framework,
        version=module.version(),
        devices=devices,
        num_threads=options.threads,
        import_seconds=seconds,
    )
    trainer = Trainer(module, devices, options.threads, control)
    if control.idle:  # while the user still reads; a run that waits is its own rehearsal
        trainer.rehearse()
    while (start := control.wait_for_start()) is not None:
        trainer.run(start)
        control.run_id = ""
    return 0


def _answer_once(module: ModuleType, options: argparse.Namespace, control: Control, seconds: float) -> int:
    """Sit the parity proof's exam, say every hyperparameter, or look closely, instead of serving."""
    from engines.worker import parity_probe, selftest

    try:
        if options.look:
            selftest.look(module, seconds, Path(options.look[0]), xla=options.look[1] == "yes")
        elif options.describe:
            parity_probe.describe(module, Path(options.describe[0]), options.describe[1])
        else:
            answers, seed, data_dir, dataset, whole_epoch = options.exam
            whole = whole_epoch == "yes"

            def tell(done: int, total: int) -> None:
                control.emit(ExamProgress, done=done, total=total)

            parity_probe.sit(
                module, Path(answers), tell, seed=int(seed), data_dir=data_dir, dataset=dataset, whole_epoch=whole
            )
    except Exception as error:
        hint = str(getattr(error, "hint", ""))
        control.emit(RunFailed, kind="exam", message=str(error), hint=hint, traceback=traceback.format_exc())
        return 1
    return 0


def _load(module: str) -> tuple[ModuleType, float]:
    before = time.perf_counter()
    if module.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(module).stem, module)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = loaded
        spec.loader.exec_module(loaded)
    else:
        loaded = importlib.import_module(module)
    return loaded, time.perf_counter() - before
