"""Tests of the line about the machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.messages.events import GpuReading, MachineUsage
from engines.runs.machine_history import MachineHistory
from tests.support.fake_gpus import fake_box, fake_gpu, lost_fake_gpu
from tui.widgets.machine import heat_strip, render_machine


def test_several_gpus_have_short_entries() -> None:
    """The readings are made up: no GPU has this name."""
    reading = GpuReading(
        index=0, name="Fake GPU", uuid="GPU-0", utilization_percent=61.0, memory_used_bytes=3 * 10**9,
        memory_total_bytes=80 * 10**9, temperature_celsius=55.0, power_watts=212.0, power_limit_watts=700.0,
        sm_clock_mhz=1980.0, throttled="heat",
    )  # fmt: skip
    history = MachineHistory()
    lines = {}
    for gpus in ((reading,), tuple(replace(reading, index=i, throttled="") for i in range(2))):
        history.apply(MachineUsage(engine="machine", t=1.0, cpu_percent=9.0, per_core=(9.0,), memory_used_bytes=10**9,
                                   memory_total_bytes=10**10, gpus=gpus, gpu_reason=""))  # fmt: skip
        lines[len(gpus)] = render_machine(history, 200, False).plain
        narrow = render_machine(history, 100, False).plain
        assert "GPU 0" in narrow
        assert "cores" not in narrow, "they give way first"
    assert "   GPU 0 Fake GPU  61 % 55 °C 212 W 1980 MHz 3.0/80 GB slowed by heat   cores" in lines[1]
    assert "   GPU 1  61 % 3.0/80 GB   cores" in lines[2]
    assert lines[2].count("GPU") == 2


def test_three_or_more_gpus_are_a_heat_strip() -> None:
    busy = (87.0, 0.0, 0.0, 9.9, 60.0, 0.0, 0.0, 0.0)
    line = render_machine(fake_box(*busy), 80, False).plain
    assert "   GPU 0-7 ▇▁▁▁▅▁▁▁ 2 busy   RAM" in line
    assert len(line) <= 80
    assert "   GPU 0-2 @__ 1 busy   " in render_machine(fake_box(100.0, 0.0, 0.0), 80, True).plain
    assert "busy" not in render_machine(fake_box(100.0, 0.0), 200, False).plain, "two have entries of their own"


@pytest.mark.parametrize("count", [3, 8, 16, 64])
def test_the_strip_gives_way_to_counts_and_is_never_cut(count: int) -> None:
    history = fake_box(*[50.0] * count)
    forms = set()
    for width in range(20, 201):
        line = render_machine(history, width, False).plain
        assert len(line) <= max(width, 32), "the CPU is always shown"
        forms.add(next((part.strip() for part in line.split("   ") if "busy" in part), ""))
    assert forms == {"", f"{count} GPUs, {count} busy", f"GPU 0-{count - 1} {'▅' * count} {count} busy"}


def test_the_strip_tells_unknown_and_lost_gpus_from_idle_ones() -> None:
    gpus = [replace(fake_gpu(index=i), utilization_percent=percent) for i, percent in ((0, 50.0), (1, None), (5, 0.0))]
    assert heat_strip([*gpus, lost_fake_gpu(6)], 80) == "GPU 0-1,5-6 ▅?▁! 1 busy, 1 lost"
    assert heat_strip([gpus[1]] * 3, 80).endswith("??? busy n/a"), "unknown is not idle"
