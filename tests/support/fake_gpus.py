"""Readings of fake GPUs, and runs on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engines.config import TrainConfig
from engines.messages.events import GpuReading, Heartbeat, MachineUsage, RunRequested, RunStarted
from engines.monitors.gpu import FIGURES
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory


def fake_gpu(watts: float | None = 200.0, joules: float | None = None, index: int = 0) -> GpuReading:
    """Return a reading of a fake GPU."""
    return GpuReading(
        index=index,
        name="Fake GPU",
        uuid=f"GPU-{index}",
        utilization_percent=61.0,
        memory_used_bytes=3 * 10**9,
        memory_total_bytes=80 * 10**9,
        temperature_celsius=55.0,
        power_watts=watts,
        power_limit_watts=700.0,
        energy_joules=joules,
    )


def fake_box(*percents: float | None, t: float = 1.0) -> MachineHistory:
    """Return a machine with a fake GPU for each utilisation; None is unknown, as under MIG."""
    history = MachineHistory()
    gpus = (replace(fake_gpu(index=i), utilization_percent=percent) for i, percent in enumerate(percents))
    history.apply(usage(t, *gpus))
    return history


def lost_fake_gpu(index: int) -> GpuReading:
    """Return the reading of a fake GPU that has fallen off the bus."""
    missing: dict[str, Any] = dict.fromkeys(FIGURES)
    reasons = tuple((name, "GPU is lost") for name in FIGURES)
    return replace(fake_gpu(index=index), missing=reasons, **missing)


def usage(t: float, *gpus: GpuReading) -> MachineUsage:
    return MachineUsage(
        engine="machine",
        t=t,
        cpu_percent=50.0,
        per_core=(50.0,),
        memory_used_bytes=1,
        memory_total_bytes=2,
        gpus=gpus,
        gpu_reason="" if gpus else "no NVIDIA driver",
    )


def on_a_fake_gpu(seconds: int, device: str = "cuda:0") -> tuple[RunHistory, MachineHistory]:
    """Return a run that started at second 0, and the machine after so many seconds."""
    history, machine = RunHistory("pytorch"), MachineHistory()
    config = TrainConfig(device="cuda:0")
    history.apply(RunRequested(engine="pytorch", t=0.0, config=config))
    history.apply(
        RunStarted(
            engine="pytorch",
            t=0.0,
            config=config,
            device=device,
            precision="fp32",
            num_threads=1,
            steps_per_epoch=469,
            total_steps=5628,
        )
    )
    history.apply(Heartbeat(engine="pytorch", t=1.0, device_memory_bytes=912_000_000))
    for t in range(seconds):
        machine.apply(usage(float(t), fake_gpu(watts=200.0)))
    return history, machine
