"""Matching and choosing GPUs, with a fake nvidia-smi and a fake amdsmi."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engines import gpu_selection
from engines.gpu_selection import auto_devices, driver_id, freest_gpus, matches_id, most_free, readings_of
from engines.messages.codec import decode_command
from engines.messages.commands import ANY_GPU, AutoDevice, Start
from engines.messages.events import Device, GpuReading, LogLine
from engines.monitors.amd import Amd
from engines.monitors.gpu import FIGURES, GpuMonitor
from engines.monitors.host import ProcessUsage
from engines.monitors.sampler import gpu_share
from engines.preset_configs import from_settings
from engines.supervision import supervisor as supervisors
from engines.supervision.one_shot import run_once
from engines.supervision.supervisor import Supervisor
from tests.support.engines import scripted_spec
from tests.support.fake_gpu_box import FakeGpuBox
from tests.support.fake_nvml import FakeNvml


@pytest.fixture(autouse=True)
def _new_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the driver be read again."""
    monkeypatch.setattr(gpu_selection, "_driver", gpu_selection._Driver())


A, B = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "GPU-1b2c5f0a-0000-4106-c12f-20bd9faed9f6"


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["0", "1", "2"]),
        ("2,0", ["2", "0", ""]),
        (f" {B} , 0", [B, "0", ""]),
        ("GPU-1b2c", ["GPU-1b2c", "", ""]),
        ("MIG-7c0d", ["MIG-7c0d", "", ""]),
        ("", ["", "", ""]),
    ],
)
def test_cuda_visible_devices_chooses_and_orders(visible: str | None, names: list[str]) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert [driver_id(i, environment) for i in range(3)] == names


def test_an_id_may_be_a_shortened_uuid_and_an_empty_one_matches_nothing() -> None:
    assert matches_id("GPU-8932f9", 5, (A,))
    assert matches_id("MIG-7c0d", 5, (A, "MIG-7c0d1111"))
    assert not matches_id("GPU-8932f9", 5, (B,))
    assert not matches_id("", 0, (A,))
    assert not matches_id("1", 0, (A,))


def gpus(*names: str) -> tuple[Device, ...]:
    return tuple(Device(id=f"cuda:{i}", name="Fake GPU", gpu=name) for i, name in enumerate(names))


def fake_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    script = folder / "nvidia-smi"
    script.write_text("#!/bin/sh\ncat <<'END'\n" + "\n".join(lines) + "\nEND\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_auto_is_the_gpu_with_most_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvidia_smi(
        tmp_path,
        monkeypatch,
        f"0, {A}, 69500, 80000, 0",
        f"1, {B}, 79000, 80000, [N/A]",
        "2, [N/A], [N/A], [N/A], 0",
        "nonsense",
    )
    order = freest_gpus()
    assert order == f"1 {B}, 0 {A}"
    assert most_free(gpus("0", "1", "2"), order).id == "cuda:1"
    assert most_free(gpus(B[:12], A[:12]), order).id == "cuda:0"
    assert most_free(gpus("2", "0"), order).id == "cuda:1"
    assert most_free(gpus("2", "3"), order).id == "cuda:0", "neither is in the order: the first"
    fake_nvidia_smi(tmp_path, monkeypatch, f"0, {A}, 20000, 80000, 0", f"1, {B}, 1000, 80000, 0")
    assert freest_gpus() == order, "both frameworks get the same order, whichever is second"


def test_free_is_little_memory_and_little_utilisation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory alone would choose the busy fake GPU 0; a utilisation that MIG hides counts as none."""
    lines = ("0, A, 79000, 80000, 97", "1, B, 75000, 80000, 3", "2, C, 20000, 80000, 0", "3, D, 70000, 80000, [N/A]")
    fake_nvidia_smi(tmp_path, monkeypatch, *lines)
    assert freest_gpus() == "1 B, 3 D, 0 A busy, 2 C busy"


def test_the_free_gpus_are_read_again_at_each_start_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both engines of a run have one answer, and so have the screens; a driver that fails once changes nothing."""
    orders = []
    for line, run_id in (("0, A, 79000, 80000, 0", ""), ("0, A, 79000, 80000, 99", "run-1"), ("no answer", "run-2")):
        fake_nvidia_smi(tmp_path, monkeypatch, line, "1, B, 70000, 80000, 0")
        if line == "no answer":
            monkeypatch.setenv("PATH", "")
        orders.append((freest_gpus(), freest_gpus(run_id), freest_gpus(run_id), freest_gpus()))
    assert orders[0] == ("0 A, 1 B",) * 4
    assert orders[1] == ("0 A, 1 B", *["1 B, 0 A busy"] * 3)
    assert orders[2] == ("1 B, 0 A busy",) * 4


def test_the_memory_of_our_own_workers_makes_no_gpu_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stay where they are, each on its own, unless somebody else computes there."""
    fake_nvidia_smi(tmp_path, monkeypatch, "0, A, 10000, 16000, 0", "1, B, 11000, 16000, 3", "2, C, 15900, 16000, 0")
    assert freest_gpus("run-1", ("0", "B")) == "0 A, 2 C, 1 B busy", "an id is an index or a whole UUID of the driver's"
    assert freest_gpus("run-2", ("0", "1")) == "0 A, 1 B, 2 C"
    assert freest_gpus("run-3", ("1", "0")) == "1 B, 0 A, 2 C"
    fake_nvidia_smi(tmp_path, monkeypatch, "0, A, 10000, 16000, 70", "1, B, 11000, 16000, 3", "2, C, 15900, 16000, 0")
    assert freest_gpus("run-4", ("0", "1")) == "1 B, 2 C, 0 A busy"


@pytest.mark.parametrize(
    ("settings", "auto", "order"),
    [
        ({}, ANY_GPU, "of run"),
        ({}, AutoDevice(just_used=True), "of "),
        ({}, AutoDevice(chosen="cuda:1"), ""),
        ({"pytorch_device": "cpu"}, ANY_GPU, ""),
    ],
)
def test_a_worker_is_told_which_gpus_are_free_when_it_is_to_choose(
    settings: dict[str, str], auto: AutoDevice, order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisors, "freest_gpus", lambda run_id, held: f"of {run_id}")
    supervisor = Supervisor(scripted_spec(), lambda _: None, cache_dir=tmp_path)
    supervisor.start_run("run", from_settings(settings), auto=auto)
    supervisor._encode_commands()
    start = decode_command(bytes(supervisor._unsent))
    assert isinstance(start, Start)
    assert start.auto.order == order


@pytest.mark.parametrize(
    ("visible", "free"),
    [
        (None, ["cuda:1", "cuda:2", "cuda:3", "cuda:5", "cuda:6", "cuda:7"]),
        ("4,1,GPU-fake-6", ["cuda:1", "cuda:2"]),
        ("0", []),
        ("", None),
        ("MIG-7c0d", None),
    ],
)
def test_the_free_gpus_of_a_fake_box_are_those_that_cuda_sees(
    visible: str | None, free: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = FakeGpuBox()
    order = (f"{i} GPU-fake-{i}{' busy' * (box.busy[i] >= gpu_selection.BUSY_PERCENT)}" for i in reversed(range(8)))
    listed = ", ".join(order)
    monkeypatch.setattr(gpu_selection, "freest_gpus", lambda: listed)
    assert gpu_selection.free_gpus({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == free
    monkeypatch.setattr(gpu_selection, "freest_gpus", lambda: "")
    assert gpu_selection.free_gpus({}) is None


@pytest.mark.parametrize(
    ("order", "first", "second"),
    [
        ("1 B, 0 A, 2 C", "cuda:1", "cuda:0"),
        ("2 C, 0 A busy, 1 B busy", "cuda:2", "cuda:2"),  # one is free: they share it
        ("2 C busy, 1 B busy, 0 A busy", "cuda:2", "cuda:2"),
        ("7 X, 2 C, 1 B", "cuda:2", "cuda:1"),  # hidden from CUDA
        ("", "cuda:0", "cuda:0"),
    ],
)
def test_each_engine_of_a_race_has_a_free_gpu_of_its_own(order: str, first: str, second: str) -> None:
    assert [most_free(gpus("0", "1", "2"), order, AutoDevice(rank=rank)).id for rank in (0, 1)] == [first, second]


def test_only_the_engines_of_a_race_that_leave_it_to_us_have_a_rank() -> None:
    auto = {"pytorch": "auto", "keras": "auto"}
    assert [one.rank for one in auto_devices("race", auto).values()] == [0, 1]
    assert auto_devices("race", {**auto, "pytorch": "cuda:1"})["keras"] == AutoDevice(taken=("cuda:1",))
    assert set(auto_devices("time-trial", {**auto, "pytorch": "cuda:1"}).values()) == {AutoDevice()}


@pytest.mark.parametrize(
    ("order", "taken", "expected"),
    [
        ("1 B, 0 A, 2 C", ("cuda:1",), "cuda:0"),
        ("1 B, 0 A, 2 C", ("cuda:1", "cuda:0"), "cuda:2"),
        ("1 B, 0 A busy", ("cuda:0",), "cuda:1"),
        ("1 B, 0 A busy", ("cuda:1",), "cuda:1"),  # no other is free: they share it
        ("1 B, 0 A", ("cpu",), "cuda:1"),
    ],
)
def test_auto_is_not_the_gpu_that_the_other_engine_has_by_name(
    order: str, taken: tuple[str, ...], expected: str
) -> None:
    assert most_free(gpus("0", "1", "2"), order, AutoDevice(taken=taken)).id == expected


@pytest.mark.fault("input", "nvidia-smi prints bytes that are no text, and text that is not ASCII")
@pytest.mark.parametrize(
    "line",
    [r"\377\376", r"1, GPU-\303\251, 90000, 1, 0", r"1, GPU-\000, 90000, 1, 0", "1, x, " + 5000 * "9" + ", 1, 0"],
)
def test_output_that_fits_no_variable_is_ignored(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker must start all the same."""
    script = tmp_path / "nvidia-smi"
    script.write_text(f"#!/bin/sh\nprintf '{line}\\n0, {A}, 20000, 80000, 0\\n'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert freest_gpus() == f"0 {A} busy"


@pytest.mark.parametrize(
    ("visible", "has_readings", "unknown"),
    [
        ("0,1", True, None),
        (f"{B[:12]}, 0", True, None),
        ("abc", True, "abc"),
        ("0,abc,1", True, "abc"),
        ("0,7", True, "7"),
        ("0,7", False, None),
        ("abc", False, "abc"),
        ("", False, ""),
    ],
)
def test_the_first_entry_that_names_no_gpu_is_returned(visible: str, has_readings: bool, unknown: str | None) -> None:
    readings = (reading(0, A), reading(1, B)) if has_readings else ()
    assert gpu_selection.first_unknown(visible, readings) == unknown


def test_without_nvidia_smi_auto_is_the_first_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert freest_gpus() == ""
    assert most_free(gpus("1", "0")).id == "cuda:0"


@pytest.mark.fault(
    "workers", "nvidia-smi takes longer than its limit: the first GPU, and a log line on persistence mode"
)
def test_an_nvidia_smi_that_never_answers_names_persistence_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gpu_selection.QUERY_SECONDS >= 3 * 16, "3 s for each of 16 GPUs"
    monkeypatch.setattr(gpu_selection, "QUERY_SECONDS", 0.1)
    script = tmp_path / "nvidia-smi"
    script.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    try:
        assert freest_gpus() == ""
        assert "did not answer within 0.1 s" in gpu_selection.query_problem()
        logged: list[str] = []
        run_once(
            scripted_spec(),
            ("--look", str(tmp_path / "report.json"), "quick"),
            cache_dir=tmp_path,
            on_event=lambda event: logged.append(event.text) if isinstance(event, LogLine) else None,
        )
        assert any("sudo nvidia-smi -pm 1" in text for text in logged)
    finally:
        monkeypatch.setattr(gpu_selection, "_driver", gpu_selection._Driver())
    monkeypatch.setenv("PATH", "")
    assert gpu_selection.query_problem() == "", "without the tool there is no problem"


@pytest.mark.fault("workers", "nvidia-smi answers slowly: commands return at once")
def test_a_slow_nvidia_smi_delays_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, release = threading.Event(), threading.Event()

    def slow(*_: object) -> tuple[str, str]:
        asked.set()
        assert release.wait(60)
        return "", ""

    monkeypatch.setattr(gpu_selection, "_query_driver", slow)
    supervisor = Supervisor(scripted_spec(), lambda _: None, cache_dir=tmp_path)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    assert asked.wait(60)
    assert supervisor.start_run("run", from_settings({}))
    supervisor.kill()
    assert thread.is_alive()
    release.set()
    thread.join(60)
    assert not thread.is_alive()


def reading(index: int, uuid: str, *slices: str) -> GpuReading:
    fields: dict[str, Any] = dict.fromkeys(FIGURES)
    return GpuReading(index=index, name="Fake GPU", uuid=uuid, slices=slices, **fields)


def test_a_frameworks_device_is_matched_to_the_drivers_gpu() -> None:
    seen = (reading(0, A, "MIG-7c0d1111"), reading(1, B))
    assert [one.index for one in readings_of("cuda:0", gpus("1"), seen)] == [1]
    assert [one.index for one in readings_of("cuda:1", gpus("1", "MIG-7c0d"), seen)] == [0]
    assert [one.index for one in readings_of("cuda:0,cuda:1", gpus(B[:9], "0"), seen)] == [1, 0]
    assert readings_of("cpu", (Device(id="cpu", name="CPU"),), seen) == []
    assert readings_of("cuda:3", (), seen) == []
    old = (Device(id="cuda:1", name="of a record that knows no names"),)
    assert [one.index for one in readings_of("cuda:1", old, seen)] == [1]


def test_a_fake_gpu_in_mig_mode_has_slices() -> None:
    uuids = iter((A, "MIG-7c0d", "MIG-11aa"))
    fake = FakeNvml(
        nvmlDeviceGetMigMode=(1, 1), nvmlDeviceGetMaxMigDeviceCount=2, nvmlDeviceGetUUID=lambda: next(uuids)
    )
    (gpu,) = GpuMonitor(fake).sample().readings
    assert (gpu.slices, gpu.utilization_percent) == (("MIG-7c0d", "MIG-11aa"), None)


def test_the_usage_of_a_fake_gpu_is_attributed_to_processes() -> None:
    """The driver reports these processes by their own numbers; 9 belongs to another user."""
    running = [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in ((7, 3 << 30), (8, None), (9, 1 << 30))]
    measured = [SimpleNamespace(pid=7, smUtil=use, timeStamp=t * 10**5) for use, t in ((60, 200), (20, 199))]
    queried = []

    def utilization(_: Any, since: int) -> list[Any]:
        queried.append(since)
        return measured

    fake = FakeNvml(nvmlDeviceGetComputeRunningProcesses=lambda: running)
    vars(fake)["nvmlDeviceGetProcessUtilization"] = utilization
    gpus = GpuMonitor(fake, wall_clock=lambda: 20.5).sample()
    assert queried == [19_500_000]

    def tree(*pids: int) -> ProcessUsage:
        return ProcessUsage(cpu_percent=100.0, cores_allowed=1, rss_bytes=1, num_threads=1, pids=pids)

    assert gpu_share(tree(6, 7), gpus) == (3 << 30, 60.0)
    assert gpu_share(tree(8), gpus) == (None, None), "the driver has no figures"
    assert gpu_share(tree(1, 2), gpus) == (None, None), "numbers inside a container"


class FakeAmdSmi:
    """A fake amdsmi 7.0 with one GPU that, like an Instinct, has no sensor at its edge and knows only its mean power."""

    AmdSmiTemperatureType = SimpleNamespace(EDGE="edge", HOTSPOT="hotspot")
    AmdSmiTemperatureMetric = SimpleNamespace(CURRENT="current")
    AmdSmiClkType = SimpleNamespace(GFX="gfx")

    def amdsmi_init(self) -> None:
        """Do nothing."""

    def amdsmi_shut_down(self) -> None:
        """Do nothing."""

    def amdsmi_get_processor_handles(self) -> list[str]:
        return ["handle"]

    def amdsmi_get_temp_metric(self, handle: str, kind: str, _: str) -> int:
        assert handle == "handle"
        if kind == "edge":
            raise RuntimeError("AMDSMI_STATUS_NOT_SUPPORTED")
        return 48

    def __getattr__(self, name: str) -> Any:
        figures = {
            "amdsmi_get_gpu_asic_info": {"market_name": "Fake Instinct"},
            "amdsmi_get_gpu_device_uuid": "3eff74a1-0000-1000-8023-ffffffffffff",
            "amdsmi_get_gpu_activity": {"gfx_activity": 73, "umc_activity": "N/A"},
            "amdsmi_get_gpu_vram_usage": {"vram_total": 196_592, "vram_used": 283},
            "amdsmi_get_power_info": {"current_socket_power": "N/A", "average_socket_power": 310},
            "amdsmi_get_clock_info": {"clk": "N/A"},
        }
        return lambda *_: figures[name]


def test_a_fake_amd_gpu_is_read_like_any_other() -> None:
    monitor = GpuMonitor(Amd(FakeAmdSmi()))
    (gpu,) = monitor.sample().readings
    assert (gpu.name, gpu.utilization_percent, gpu.temperature_celsius, gpu.power_watts) == (
        "Fake Instinct",
        73,
        48,
        310,
    )
    assert (gpu.memory_used_bytes, gpu.memory_total_bytes) == (283 << 20, 196_592 << 20)
    missing = dict(gpu.missing)
    assert missing["sm_clock_mhz"] == missing["energy_joules"] == "not supported by this GPU"
    monitor.close()
