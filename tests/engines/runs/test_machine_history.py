"""The history of the machine, and the energy of a run, from the readings of a fake GPU."""

from __future__ import annotations

import pytest

from engines.messages.events import WorkerUsage
from engines.runs.energy import energy_joules
from engines.runs.history import RunHistory
from engines.runs.machine_history import MAX_GAP_SECONDS, MachineHistory
from tests.support.fake_gpus import fake_gpu, on_a_fake_gpu, usage
from tui.widgets import resource_usage
from tui.widgets.machine import render_machine as machine_line


def test_the_energy_of_a_fake_gpu_is_the_drivers_counter() -> None:
    machine = MachineHistory()
    for t in range(11):
        machine.apply(usage(float(t), fake_gpu(watts=999.0, joules=5_000.0 + 300.0 * t)))
    assert machine.gpus[0].energy_joules(2.0, 6.0) == pytest.approx(1_200.0)
    assert machine.gpus[0].energy_joules(2.5, 100.0) == pytest.approx(2_250.0), "up to the last reading"


def test_without_a_counter_energy_is_power_over_time_without_gaps() -> None:
    machine = MachineHistory()
    for t, watts in ((0.0, 100.0), (1.0, 300.0), (2.0, 300.0), (2.0 + 2 * MAX_GAP_SECONDS, 300.0)):
        machine.apply(usage(t, fake_gpu(watts=watts)))
    assert machine.gpus[0].energy_joules(0.0, 1.0) == pytest.approx(200.0)
    assert machine.gpus[0].energy_joules(0.0, 1_000.0) == pytest.approx(500.0)


def test_without_power_readings_energy_is_unknown() -> None:
    machine = MachineHistory()
    for t in range(5):
        machine.apply(usage(float(t), fake_gpu(watts=None)))
    assert machine.gpus[0].energy_joules(0.0, 4.0) is None
    assert list(machine.gpus[0].power_watts) == [None] * 5


def test_a_counter_that_restarts_lowers_no_energy() -> None:
    machine = MachineHistory()
    for t, joules in ((0.0, 1_000.0), (1.0, 1_300.0), (2.0, 50.0), (3.0, 350.0)):
        machine.apply(usage(t, fake_gpu(joules=joules)))
    assert machine.gpus[0].energy_joules(0.0, 3.0) == pytest.approx(600.0)


@pytest.mark.parametrize("room", [12, 30, 36, 55, 95])
def test_the_line_of_a_fake_gpu_shows_what_fits(room: int) -> None:
    history, machine = on_a_fake_gpu(60)
    line = resource_usage.gpu(history, machine, energy_joules(history, machine, [history], 59.0), room, False).plain
    assert len(line) <= max(room, len("GPU 0   61 %"))
    assert line.startswith("GPU 0   61 %")
    if room >= 55:
        assert "912 MB" in line
        assert "200 W" in line
        assert "11.8 kJ" in line
    if room >= 95:
        assert "▅" in line
        assert "61 % in all" in line
        assert "912 MB allocated" in line


def test_a_frameworks_share_of_a_fake_gpu_stands_before_the_total() -> None:
    history, machine = on_a_fake_gpu(60)
    history.pid = 7
    history.apply(
        WorkerUsage(
            engine="pytorch",
            t=2.0,
            cpu_percent=1.0,
            cores_allowed=1,
            rss_bytes=1,
            num_threads=1,
            gpu_memory_bytes=1_400_000_000,
            gpu_percent=34.0,
        )
    )
    line = resource_usage.gpu(history, machine, (None, ""), 95, False).plain
    assert line.startswith("GPU 0  34 of 61 %")
    assert "1.4 GB" in line


def test_two_fake_gpus_are_shown_as_one() -> None:
    """Mean utilisation, the sum of power and energy; memory as the framework counts it, or else the sum."""
    history, machine = on_a_fake_gpu(0, "cuda:0,cuda:1")
    for t in range(60):
        machine.apply(usage(float(t), fake_gpu(watts=200.0), fake_gpu(watts=300.0, index=1)))
    energy = energy_joules(history, machine, [history], 59.0)
    line = resource_usage.gpu(history, machine, energy, 95, False).plain
    for part in ("GPU 0+1   61 %", "912 MB", "500 W", "55 °C", "29.5 kJ"):
        assert part in line
    history.device_memory_bytes = None
    assert "6.0 GB in all" in resource_usage.gpu(history, machine, energy, 95, False).plain
    machine.apply(usage(60.0, fake_gpu()))
    assert resource_usage.gpu(history, machine, energy, 95, False).plain == "GPU n/a: the driver lists no cuda:0,cuda:1"


def test_a_missing_figure_says_why() -> None:
    history, machine = on_a_fake_gpu(0)
    assert resource_usage.gpu(history, machine, (None, ""), 60, False).plain == "GPU n/a: not sampled yet"
    machine.apply(usage(1.0))
    assert resource_usage.gpu(history, machine, (None, ""), 60, False).plain == "GPU n/a: no NVIDIA driver"
    assert resource_usage.cpu(history, 60, False).plain == "CPU n/a: no worker"


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda:", "cuda:x", "\x1b[2J", ""])
def test_a_device_that_is_no_cuda_gpu_has_no_energy(device: str) -> None:
    history, machine = on_a_fake_gpu(60, device)
    assert energy_joules(history, machine, [history], 59.0)[0] is None
    expected = "GPU not used: runs on the CPU" if device == "cpu" else f"GPU n/a: the driver lists no {device}"
    assert resource_usage.gpu(history, machine, (None, ""), 60, False).plain == expected


def test_a_run_on_the_cpu_of_a_machine_with_a_fake_gpu_shows_no_gpu() -> None:
    machine = MachineHistory()
    machine.apply(usage(0.0, fake_gpu()))
    assert (
        resource_usage.gpu(RunHistory("keras"), machine, (None, ""), 60, False).plain == "GPU not used: runs on the CPU"
    )


def test_the_energy_of_a_shared_fake_gpu_is_unknown() -> None:
    history, machine = on_a_fake_gpu(60)
    other, _ = on_a_fake_gpu(0)
    energy = energy_joules(history, machine, [history, other], 59.0)
    assert energy == (None, "the GPU was shared")
    line = resource_usage.gpu(history, machine, energy, 95, False).plain
    assert "energy n/a: the GPU was shared" in line
    assert "kJ" not in line


@pytest.mark.parametrize("width", [12, 40, 80, 120, 200])
def test_the_machines_line_shows_a_figure_in_full_or_not_at_all(width: int) -> None:
    machine = MachineHistory()
    machine.apply(usage(0.0))
    line = machine_line(machine, width, False).plain
    assert line.startswith(" machine  CPU  50 %")
    assert line.endswith(("no NVIDIA driver", " GB", "cores ▄", "▅", "▄"))
    assert len(line) <= max(width, 32), "the CPU is always shown"
    assert ("no NVIDIA driver" in line) == (width >= 80)
