"""Run a worker's process: parse its arguments, import its framework, and serve commands."""

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

from engines.messages.events import ExamProgress, RunFailed, WorkerReady
from engines.worker import requirements, watchdog
from engines.worker.channel import Channel

if TYPE_CHECKING:
    from engines.experiment.contract import EngineModule  # numpy, which may be missing


NICENESS = 5
"""The niceness of the hyperparameter probe, which leaves a run three quarters of a core that both want."""


def main(argv: list[str]) -> int:
    """Serve one engine, or run one probe, and return the exit code."""
    parser = argparse.ArgumentParser(prog="engines.worker")
    parser.add_argument("engine")
    parser.add_argument("--protocol-fd", type=int, default=1)
    parser.add_argument("--guard-fd", type=int, help="a pipe that closes when the app ends")
    parser.add_argument("--module", required=True, help="the engine's module, or the path of its file")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--exam", nargs=5, metavar=("FILE", "SEED", "DATA_DIR", "DATASET", "FULL_EPOCH"))
    parser.add_argument("--describe", nargs=2, metavar=("FILE", "CONFIGS"))
    parser.add_argument("--look", nargs=2, metavar=("FILE", "PART"))
    options = parser.parse_args(argv)

    if options.describe:  # a run may be under way, whose cores and GPUs these are
        os.nice(NICENESS)
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    protocol_fd, command_fd = os.dup(options.protocol_fd), os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)  # a framework that reads stdin must not consume commands
    if options.protocol_fd > 2:
        os.close(options.protocol_fd)
    if options.guard_fd is not None:
        watchdog.start(options.guard_fd)
    channel = Channel(options.engine, protocol_fd, command_fd)
    channel.start()
    try:
        module, import_seconds = _import_engine(options.module)
        requirements.check(options.engine)
        framework = module.framework()
        module.set_threads(options.threads)
        devices = module.devices()
        from engines.worker.trainer import Trainer
    except (Exception, SystemExit) as error:
        channel.publish(RunFailed, **requirements.failure(options.engine, error))
        return 1
    if options.exam or options.describe or options.look:
        return _run_probe(module, options, channel, import_seconds)
    channel.publish(
        WorkerReady,
        pid=os.getpid(),
        framework=framework,
        version=module.version(),
        devices=devices,
        num_threads=options.threads,
        import_seconds=import_seconds,
    )
    trainer = Trainer(module, devices, options.threads, channel)
    if channel.idle:  # a run that waits would only start later
        trainer.warm_up()
    while (start := channel.wait_for_start()) is not None:
        trainer.run(start)
        channel.run_id = ""
    return 0


def _run_probe(module: EngineModule, options: argparse.Namespace, channel: Channel, import_seconds: float) -> int:
    """Run the parity probe, the hyperparameter probe or the self-test instead of serving; return the exit code."""
    from engines.worker import hyperparameter_probe, parity_probe, selftest

    try:
        if options.look:
            selftest.run(module, import_seconds, Path(options.look[0]), options.look[1])
        elif options.describe:
            hyperparameter_probe.run(module, Path(options.describe[0]), options.describe[1])
        else:
            path, seed, data_dir, dataset, full_epoch = options.exam
            parity_probe.run(
                module,
                Path(path),
                lambda done, total: channel.publish(ExamProgress, done=done, total=total),
                seed=int(seed),
                data_dir=data_dir,
                dataset=dataset,
                full_epoch=full_epoch == "yes",
            )
    except Exception as error:
        hint = str(getattr(error, "hint", ""))
        channel.publish(RunFailed, kind="exam", message=str(error), hint=hint, traceback=traceback.format_exc())
        return 1
    return 0


def _import_engine(module: str) -> tuple[EngineModule, float]:
    """Import the engine's module, named or a path; return it with the seconds of the import."""
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
