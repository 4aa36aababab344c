"""Measure how the frameworks' own data parallelism scales: 1, 2, 4 and 8 devices share the same batch (strong scaling).

PyTorch trains with DistributedDataParallel, a process for each device (engines/pytorch/parallel.py), and Keras on TensorFlow with
tf.distribute.MirroredStrategy (engines/keras/parallel.py), as in `mnist-tui train --device`. Both libraries' documents have the
caller divide the global batch by the number of replicas, so that each step is the one that a single device would make.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from engines.bench.engines import BenchPlace, WorkerRunner
from engines.bench.measurement import BenchError
from engines.config import engine_id
from engines.experiment.recipe import layer_parameters
from engines.gpu_selection import readings_of
from engines.messages.events import Device, Event, TrainProgress
from engines.monitors.cgroups import usable_core_ids
from engines.monitors.sampler import Sample, Sampler
from engines.plural import plural
from engines.runs.energy import joules_between
from engines.runs.machine_history import MachineHistory
from engines.supervision.registry import EngineSpec

BATCH_SIZE = 128
"""The reference's batch: digits per step, of all devices together."""
CPU_DIGITS = 12_800
"""Training digits of each repeat on CPUs: a hundred steps of the reference's batch."""
GPU_EPOCHS = 10
"""Epochs of each repeat on GPUs, so that the driver's counters see some seconds."""
EPOCH_DIGITS = 60_000
TEST_DIGITS = 100
ENERGY_INTERVAL_SECONDS = 0.25
SHORTEST_SECONDS = 1.0
"""A shorter run is over before the driver's energy counter has moved a few times."""


@dataclass(frozen=True, slots=True)
class ScalingRun:
    """One measured run."""

    images_per_second: float
    """Training digits per second of the time in steps, without the first step."""
    joules_per_epoch: float | None
    joules_reason: str
    """The reason why the energy is not known; empty when it is."""


@dataclass(frozen=True, slots=True)
class ScalingRow:
    """One framework on some devices: medians of all repeats. A missing figure is None, with its reason."""

    engine: str
    devices: tuple[str, ...]
    batch_size: int
    """Digits per step, of all devices together."""
    images_per_second: tuple[float, ...]
    """One for each repeat; none when a run failed."""
    speedup: float | None
    """The median divided by that of one device."""
    efficiency_percent: float | None
    """The speed-up divided by the number of devices."""
    joules_per_epoch: float | None
    """Joules that all devices together take for 60,000 digits."""
    joules_reason: str
    problem: str
    """The reason why this row has no figures; empty when it has."""


def measure_scaling(
    specs: Sequence[EngineSpec],
    device: str,
    batch_size: int,
    repeats: int,
    place: BenchPlace,
    report: Callable[[str], None] = lambda _: None,
) -> Iterator[ScalingRow]:
    """Measure each framework on 1, 2, 4 and 8 of the devices, in an order that is reversed from repeat to repeat.

    `device` is a comma list or "all"; `report` gets a line before each run. What fails is a row with its reason.
    """
    for spec in specs:
        worker = WorkerRunner(spec, usable_core_ids(), place)
        engine = engine_id(spec.name, spec.backend)
        runs: dict[int, list[ScalingRun]] = {}
        problems: dict[int, str] = {}
        try:
            try:
                seen = worker.devices()
                names = device_names(device, seen)
            except BenchError as error:
                yield _row(engine, (device,), batch_size, (), None, str(error))
                continue
            order = counts(len(names))
            for repeat in range(repeats):
                for count in order:
                    if count in problems:
                        continue
                    report(f"{spec.title} on {','.join(names[:count])}, {repeat + 1} of {repeats}")
                    try:
                        runs.setdefault(count, []).append(_measure(worker, names[:count], seen, batch_size))
                    except BenchError as error:
                        problems[count] = str(error)
                        worker.close()
                        worker = WorkerRunner(spec, usable_core_ids(), place)
                order.reverse()
        finally:
            worker.close()
        yield from tabulate_scaling(engine, names, batch_size, runs, problems)


def counts(devices: int) -> list[int]:
    """Return the powers of two up to the number of devices."""
    return [2**i for i in range(devices.bit_length())]


def device_names(device: str, seen: Sequence[Device]) -> tuple[str, ...]:
    """Return the names in a comma list, or of all GPUs for "all". Raises BenchError without a GPU."""
    if device != "all":
        return tuple(device.split(","))
    gpus = tuple(one.id for one in seen if one.usable and one.id != "cpu")
    if not gpus:
        reasons = "; ".join(one.reason for one in seen if one.reason)
        raise BenchError(f"There is no GPU here{f': {reasons}' if reasons else ''}.")
    return gpus


def _measure(worker: WorkerRunner, names: Sequence[str], seen: Sequence[Device], batch_size: int) -> ScalingRun:
    """Train one run on the devices. Raises BenchError."""
    machine, on_gpus = MachineHistory(), names[0] != "cpu"

    def apply(sample: Sample) -> None:
        usage = sample.of_machine(0)
        if usage is not None:
            machine.apply(usage)

    sampler = Sampler(apply, ENERGY_INTERVAL_SECONDS)
    length = {"epochs": GPU_EPOCHS} if on_gpus else {"epochs": 1, "limit_train": CPU_DIGITS}
    device = ",".join(names)
    if on_gpus:
        sampler.start()
    try:
        events = worker.train(device=device, batch_size=batch_size, limit_test=TEST_DIGITS, **length)
    finally:
        sampler.stop()
    return evaluate_run(events, device, seen, machine)


def evaluate_run(events: Sequence[Event], device: str, seen: Sequence[Device], machine: MachineHistory) -> ScalingRun:
    """Return the figures of a run from its events and the machine's history meanwhile. Raises BenchError for a single step."""
    progress = [event for event in events if isinstance(event, TrainProgress)]
    seconds, digits = 0.0, 0
    for before, after in pairwise(progress):
        samples = after.samples_seen - before.samples_seen
        digits += samples
        seconds += samples / after.samples_per_sec
    if not seconds:
        raise BenchError("The run had only one step; with fewer digits per step it has more.")
    start, end = progress[0].t, progress[-1].t
    gpus = readings_of(device, seen, machine.gpu_readings)
    joules, reason = joules_between(device, gpus, machine, start, end)
    if joules is not None and end - start < SHORTEST_SECONDS:
        joules, reason = None, "the run was too short to measure its energy"
    return ScalingRun(digits / seconds, None if joules is None else joules * EPOCH_DIGITS / digits, reason)


def tabulate_scaling(
    engine: str,
    names: Sequence[str],
    batch_size: int,
    runs: Mapping[int, Sequence[ScalingRun]],
    problems: Mapping[int, str],
) -> Iterator[ScalingRow]:
    """Yield a row for each number of devices; one that failed in any repeat has no figures."""
    alone = None if 1 in problems else statistics.median(run.images_per_second for run in runs[1])
    for count in counts(len(names)):
        problem = problems.get(count, "")
        yield _row(engine, names[:count], batch_size, () if problem else runs[count], alone, problem)


def _row(
    engine: str, names: Sequence[str], batch_size: int, runs: Sequence[ScalingRun], alone: float | None, problem: str
) -> ScalingRow:
    speeds = tuple(run.images_per_second for run in runs)
    speedup = statistics.median(speeds) / alone if speeds and alone else None
    joules = [run.joules_per_epoch for run in runs if run.joules_per_epoch is not None]
    return ScalingRow(
        engine=engine,
        devices=tuple(names),
        batch_size=batch_size,
        images_per_second=speeds,
        speedup=speedup,
        efficiency_percent=None if speedup is None else 100 * speedup / len(names),
        joules_per_epoch=statistics.median(joules) if joules else None,
        joules_reason="" if joules or not runs else runs[0].joules_reason,
        problem=problem,
    )


def scaling_notes(rows: Sequence[ScalingRow]) -> Iterator[str]:
    """Yield sentences that say what the rows mean: how little a batch is, and what the devices share; none without figures."""
    measured = [row for row in rows if not row.problem]
    if not measured:
        return
    largest = max(measured, key=lambda row: len(row.devices))
    batch, count = largest.batch_size, len(largest.devices)
    shares = f": {count} get about {plural(max(1, batch // count), 'digit')} each" if count > 1 else ""
    parameters = sum(number for _, number in layer_parameters())
    yield (
        f"Every step trains one batch of {plural(batch, 'digit')}, on however many devices{shares}."
        f" After each step they add up the gradients of {parameters:,} parameters, {4 * parameters / 1e6:.1f} MB."
        " MNIST and this network are small for that: one device may be the fastest."
    )
    if largest.devices[0] == "cpu":
        cores = plural(len(usable_core_ids()), "core")
        cost = "this shows what the exchange costs, not what a second processor would give"
        yield f"All replicas on the CPU share its {cores} and its memory: {cost}. Beside other work two may get more time than one."
    else:
        yield "The GPUs share this machine's processor and the links between them. Their energy is that of the whole GPUs."
        yield "One GPU replays a captured graph (PyTorch) or runs an XLA program (Keras on TensorFlow); several can't."
