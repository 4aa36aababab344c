"""A worker's process: its arguments, the import of its framework, and the loop that serves commands."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, cast

from engines.messages.events import (
    ExamProgress,
    RunFailed,
    WorkerReady,
)
from engines.worker import requirements, watchdog
from engines.worker.channel import Channel

if TYPE_CHECKING:
    from engines.experiment.contract import EngineModule  # numpy, which may be missing


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
        watchdog.start(options.guard_fd)
    control = Channel(options.engine, protocol_fd, command_fd)
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
        trainer.warm_up()
    while (start := control.wait_for_start()) is not None:
        trainer.run(start)
        control.run_id = ""
    return 0


def _answer_once(module: EngineModule, options: argparse.Namespace, control: Channel, seconds: float) -> int:
    """Sit the parity proof's exam, say every hyperparameter, or look closely, instead of serving."""
    from engines.worker import hyperparameter_probe, parity_probe, selftest

    try:
        if options.look:
            selftest.look(module, seconds, Path(options.look[0]), xla=options.look[1] == "yes")
        elif options.describe:
            hyperparameter_probe.describe(module, Path(options.describe[0]), options.describe[1])
        else:
            answers, seed, data_dir, dataset, whole_epoch = options.exam
            whole = whole_epoch == "yes"

            def tell(done: int, total: int) -> None:
                control.emit(ExamProgress, done=done, total=total)

            parity_probe.run(
                module, Path(answers), tell, seed=int(seed), data_dir=data_dir, dataset=dataset, whole_epoch=whole
            )
    except Exception as error:
        hint = str(getattr(error, "hint", ""))
        control.emit(RunFailed, kind="exam", message=str(error), hint=hint, traceback=traceback.format_exc())
        return 1
    return 0


def _load(module: str) -> tuple[EngineModule, float]:
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
    return cast("EngineModule", loaded), time.perf_counter() - before
