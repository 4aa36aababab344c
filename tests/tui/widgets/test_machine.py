"""Tests of the line about the machine."""

from __future__ import annotations

from dataclasses import replace

from engines.messages.events import GpuReading, MachineUsage
from engines.runs.machine_history import MachineHistory
from tui.widgets.machine import render_machine


def test_several_gpus_have_short_entries() -> None:
    """The readings are made up: no GPU has this name."""
    reading = GpuReading(
        index=0, name="Fake GPU", uuid="GPU-0", utilization_percent=61.0, memory_used_bytes=3 * 10**9,
        memory_total_bytes=80 * 10**9, temperature_celsius=55.0, power_watts=212.0, power_limit_watts=700.0,
        sm_clock_mhz=1980.0, throttled="heat",
    )  # fmt: skip
    history = MachineHistory()
    lines = {}
    for gpus in ((reading,), tuple(replace(reading, index=i, throttled="") for i in range(4))):
        history.apply(MachineUsage(engine="machine", t=1.0, cpu_percent=9.0, per_core=(9.0,), memory_used_bytes=10**9,
                                   memory_total_bytes=10**10, gpus=gpus, gpu_reason=""))  # fmt: skip
        lines[len(gpus)] = render_machine(history, 200, False).plain
        narrow = render_machine(history, 115, False).plain
        assert "GPU 0" in narrow
        assert "cores" not in narrow, "they give way first"
    assert "   GPU 0 Fake GPU  61 % 55 °C 212 W 1980 MHz 3.0/80 GB slowed by heat   cores" in lines[1]
    assert "   GPU 3  61 % 3.0/80 GB   cores" in lines[4]
    assert lines[4].count("GPU") == 4
