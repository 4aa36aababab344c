"""The energy of a run on its GPUs: known for all of them and all of the time, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engines.messages.events import Device, GpuReading, RunFinished, WorkerReady
from engines.monitors.gpu import FIGURES, GpuMonitor
from engines.runs.energy import energy_joules
from engines.runs.history import RunHistory
from engines.runs.machine_history import MAX_GAP_SECONDS, MachineHistory
from tests.support.fake_gpus import fake_gpu, on_a_fake_gpu, usage
from tests.support.fake_nvml import FakeNvml, NVMLError_GpuIsLost

UNKNOWN = (None, "the GPU's power is not known")


def energy(history: RunHistory, machine: MachineHistory, now: float, *others: RunHistory) -> tuple[float | None, str]:
    """Return what is shown at `now`; joules to the milliwatt-second."""
    joules, reason = energy_joules(history, machine, [history, *others], now)
    return (None if joules is None else round(joules, 3)), reason


def lost(reading: GpuReading) -> GpuReading:
    """Return the reading of a GPU that is lost."""
    figures: dict[str, Any] = dict.fromkeys(FIGURES)
    return replace(reading, **figures)


def end(history: RunHistory, t: float) -> None:
    history.apply(RunFinished(
        engine=history.engine, t=t, outcome="completed", test_accuracy=None, test_loss=None, best_epoch=None, train_seconds=1.0,
        wall_seconds=t,
    ))  # fmt: skip


def test_it_is_that_from_the_first_step_to_the_end() -> None:
    """The GPU is busy before and after the run, which starts at second 0 and ends at second 20."""
    history, machine = on_a_fake_gpu(0)
    for t in range(-5, 31):
        machine.apply(usage(float(t), fake_gpu(watts=100.0)))
    assert energy(history, machine, 10.0) == (1_000.0, "")
    end(history, 20.0)
    assert energy(history, machine, 30.0) == (2_000.0, "")


def test_it_is_the_sum_over_several_gpus() -> None:
    history, machine = on_a_fake_gpu(0, "cuda:0,cuda:1")
    for t in range(11):
        machine.apply(
            usage(float(t), fake_gpu(watts=100.0), fake_gpu(watts=300.0, index=1), fake_gpu(watts=9.0, index=2))
        )
    assert energy(history, machine, 10.0) == (4_000.0, "")


@pytest.mark.parametrize("other", ["without power", "not listed"])
def test_one_of_two_gpus_that_is_not_read_makes_it_unknown(other: str) -> None:
    history, machine = on_a_fake_gpu(0, "cuda:0,cuda:1")
    unread = [fake_gpu(watts=None, index=1)] if other == "without power" else []
    for t in range(11):
        machine.apply(usage(float(t), fake_gpu(), *unread))
    assert energy(history, machine, 10.0) == UNKNOWN


def test_a_slice_of_a_gpu_has_no_energy_of_its_own() -> None:
    """The driver counts the whole GPU, on which others may compute; the framework names the slice alone."""
    uuids = iter(["GPU-0", "MIG-a", "MIG-b"])
    fake = FakeNvml(
        nvmlDeviceGetMigMode=(1, 1), nvmlDeviceGetMaxMigDeviceCount=2, nvmlDeviceGetUUID=lambda: next(uuids)
    )
    (gpu,) = GpuMonitor(fake).sample().readings
    assert gpu.slices == ("MIG-a", "MIG-b")
    history, machine = on_a_fake_gpu(0)
    history.apply(WorkerReady(
        engine="pytorch", t=0.0, pid=1, framework="P", version="1", num_threads=1, import_seconds=1.0,
        devices=(Device(id="cuda:0", name="a slice", gpu="MIG-b"),),
    ))  # fmt: skip
    for t in range(11):
        machine.apply(usage(float(t), replace(gpu, energy_joules=300.0 * t)))
    assert energy(history, machine, 10.0) == (None, "a part of a GPU has no counter of its own")
    machine.apply(usage(11.0, replace(gpu, slices=("MIG-a",))))
    assert energy(history, machine, 11.0) == UNKNOWN, "another GPU's slice"


@pytest.mark.parametrize("counted", [True, False])
def test_a_gpu_that_is_lost_for_a_moment_is_counted_to_the_full(counted: bool) -> None:
    """By the driver's counter, or by the power before and after the moment: 200 W in both."""
    history, machine = on_a_fake_gpu(0)
    for t in range(11):
        reading = fake_gpu(joules=50.0 + 200.0 * t if counted else None)
        machine.apply(usage(float(t), lost(reading) if t in (4, 5) else reading))
    assert energy(history, machine, 10.0) == (2_000.0, "")


def test_a_gpu_without_a_counter_for_a_moment_is_not_counted_twice() -> None:
    """Its power was read meanwhile."""
    history, machine = on_a_fake_gpu(0)
    for t in range(11):
        machine.apply(usage(float(t), fake_gpu(joules=None if t in (4, 5) else 50.0 + 200.0 * t)))
    assert energy(history, machine, 10.0) == (2_000.0, "")


def test_a_gpu_that_is_lost_before_the_end_has_no_known_energy() -> None:
    history, machine = on_a_fake_gpu(0)
    for t in range(60):
        machine.apply(usage(float(t), fake_gpu() if t <= 20 else lost(fake_gpu())))
    assert energy(history, machine, 20.0 + MAX_GAP_SECONDS)[0] == 4_000.0, "nearly to the end"
    assert energy(history, machine, 21.0 + MAX_GAP_SECONDS) == UNKNOWN
    end(history, 20.0)
    assert energy(history, machine, 59.0) == (4_000.0, ""), "it was lost after the run"


def test_a_gpu_that_another_run_used_at_another_time_is_not_shared() -> None:
    """In a time trial, one starts when the other has ended."""
    history, machine = on_a_fake_gpu(31)
    end(history, 20.0)
    second, _ = on_a_fake_gpu(0)
    assert second.started is not None
    for start, shared in ((20.0, False), (19.0, True)):
        second.started = replace(second.started, t=start)
        assert (energy(history, machine, 30.0, second)[1] == "the GPU was shared") == shared
        assert (energy(second, machine, 30.0, history)[1] == "the GPU was shared") == shared


def test_a_run_on_another_gpu_shares_nothing() -> None:
    history, machine = on_a_fake_gpu(0)
    other, _ = on_a_fake_gpu(0, "cuda:1")
    for t in range(11):
        machine.apply(usage(float(t), fake_gpu(watts=100.0), fake_gpu(watts=300.0, index=1)))
    assert energy(history, machine, 10.0, other)[0] == 1_000.0
    assert energy(other, machine, 10.0, history)[0] == 3_000.0


def test_readings_are_in_watts_joules_and_bytes() -> None:
    """NVML has milliwatts and millijoules."""
    fake = FakeNvml(nvmlDeviceGetPowerUsage=212_345, nvmlDeviceGetTotalEnergyConsumption=1_234_567)
    (gpu,) = GpuMonitor(fake).sample().readings
    assert (gpu.power_watts, gpu.power_limit_watts, gpu.energy_joules) == (212.345, 700.0, 1234.567)
    assert (gpu.memory_used_bytes, gpu.memory_total_bytes) == (3 * 10**9, 80 * 10**9)


def test_a_lost_gpu_is_listed_without_figures_and_says_so() -> None:
    """Its neighbour is read as before."""
    fake = FakeNvml()
    fake.count = 2
    monitor = GpuMonitor(fake)
    assert len(monitor.sample().readings) == 2
    handles = iter([NVMLError_GpuIsLost(), None])

    def handle() -> None:
        if (error := next(handles)) is not None:
            raise error

    fake.wrong["nvmlDeviceGetHandleByIndex"] = handle
    first, second = monitor.sample().readings
    assert (first.index, first.name, first.uuid) == (0, "Fake GPU", "GPU-0")
    assert [getattr(first, field) for field in FIGURES] == [None] * len(FIGURES)
    assert dict(first.missing) == dict.fromkeys(FIGURES, "GPU is lost")
    assert (second.index, second.power_watts, second.missing) == (1, 212.0, ())


def test_readings_that_begin_after_the_run_leave_its_energy_unknown() -> None:
    """In the record of a resumed run, an engine that had finished before was not measured: 0 J would be wrong."""
    history, machine = on_a_fake_gpu(0)
    end(history, 20.0)
    for t in range(21, 60):
        machine.apply(usage(float(t), fake_gpu()))
    assert energy(history, machine, 60.0) == UNKNOWN
