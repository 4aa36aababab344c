"""The launcher's choices: what can be chosen, what can't and why, and how long a run will take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from engines import gpu_selection
from engines.api import Device, GpuReading, PaceKey, RunHistory, RunRequest, WorkerReady
from tui import launch_options

CPU = Device(id="cpu", name="CPU")
NO_GPU = Device(id="cuda:0", name="GPU", usable=False, reason="no NVIDIA driver")


def gpu(index: int) -> Device:
    return Device(id=f"cuda:{index}", name="NVIDIA H200", gpu=str(index))


def reading(index: int, percent: float = 0.0) -> GpuReading:
    return GpuReading(
        index=index, name="NVIDIA H200", uuid=f"GPU-{index}", utilization_percent=percent, memory_used_bytes=2 * 10**9,
        memory_total_bytes=143 * 10**9, temperature_celsius=None, power_watts=None, power_limit_watts=None,
    )  # fmt: skip


def histories_with(**devices: tuple[Device, ...]) -> dict[str, RunHistory]:
    """Return histories of ready workers that report these devices."""
    histories = {engine: RunHistory(engine) for engine in devices}
    for engine, its in devices.items():
        ready = WorkerReady(
            engine=engine, pid=1, framework="F 1", version="1", devices=its, num_threads=1, import_seconds=1.0
        )
        histories[engine].apply(ready)
    return histories


def labels(options: list[launch_options.LaunchOption]) -> list[str]:
    return [f"{'*' * option.chosen}{option.label}{': ' * bool(option.reason)}{option.reason}" for option in options]


def test_frameworks_are_both_or_one() -> None:
    histories = histories_with(pytorch=(CPU,), keras=(CPU,))
    options = launch_options.frameworks(RunRequest(), histories)
    assert labels(options) == ["*Both", "PyTorch", "Keras"]
    assert launch_options.next_option(options, -1).engines == ("keras",)
    del histories["keras"]
    assert labels(launch_options.frameworks(RunRequest(framework="pytorch"), histories)) == ["*PyTorch"]


def test_an_unusable_device_has_its_reason_and_is_skipped() -> None:
    options = launch_options.devices(RunRequest(), histories_with(pytorch=(CPU, NO_GPU), keras=(CPU, NO_GPU)), ())
    assert labels(options) == ["*auto = cpu", "cpu", "cuda:0: no NVIDIA driver"]
    cpu = launch_options.next_option(options, 1)
    assert cpu.values == {"device": "cpu"}
    assert launch_options.next_option(options, -1) == cpu


def test_a_device_that_one_framework_can_not_use_names_it() -> None:
    histories = histories_with(pytorch=(CPU, gpu(0)), keras=(CPU, NO_GPU))
    assert labels(launch_options.devices(RunRequest(), histories, ()))[2:] == ["cuda:0: Keras: no NVIDIA driver"]
    alone = launch_options.devices(RunRequest(framework="pytorch"), histories, [reading(0)])
    assert labels(alone)[2:] == ["cuda:0 H200, 141 GB free"]


def test_several_gpus_are_chosen_together_or_one_each() -> None:
    both = (CPU, gpu(0), gpu(1))
    options = launch_options.devices(
        RunRequest(), histories_with(pytorch=both, keras=both), [reading(0), reading(1, 90.0)]
    )
    assert labels(options) == [
        "*auto = cuda:0 H200, 141 GB free", "cpu", "cuda:0 H200, 141 GB free", "cuda:1 H200, 141 GB free, in use",
        "all 2 GPUs", "one each: cuda:0 and cuda:1",
    ]  # fmt: skip
    each = options[-1].request
    assert each.values == {"pytorch_device": "cuda:0", "keras_device": "cuda:1"}
    again = launch_options.devices(each, histories_with(pytorch=both, keras=both), ())
    assert [option.label for option in again if option.chosen] == ["one each: cuda:0 and cuda:1"]
    assert launch_options.next_option(again, 1) == RunRequest()
    assert launch_options.chosen_device(each, {}) == "PyTorch cuda:0 + Keras cuda:1"


def test_auto_spreads_over_free_gpus_in_a_race_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_selection, "freest_gpus", lambda: "1 GPU-1, 0 GPU-0")
    histories = histories_with(pytorch=(CPU, gpu(0), gpu(1)), keras=(CPU, gpu(0), gpu(1)))
    race, turns = RunRequest(), RunRequest.from_values({"mode": "time-trial"})
    assert launch_options.chosen_device(race, histories) == "PyTorch cuda:1 + Keras cuda:0"
    assert labels(launch_options.devices(race, histories, ()))[0] == "*auto = PyTorch cuda:1 + Keras cuda:0"
    assert launch_options.chosen_device(turns, histories) == "cuda:1"
    assert launch_options.chosen_device(RunRequest(framework="keras"), histories) == "cuda:1"
    monkeypatch.setattr(gpu_selection, "freest_gpus", lambda: "1 GPU-1, 0 GPU-0 busy")
    assert launch_options.chosen_device(race, histories) == "cuda:1", "one is free: they share it"


def test_auto_avoids_the_gpu_that_the_other_framework_has_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_selection, "freest_gpus", lambda: "1 GPU-1, 0 GPU-0")
    histories = histories_with(pytorch=(CPU, gpu(0), gpu(1)), keras=(CPU, gpu(0), gpu(1)))
    request = RunRequest.from_values({"pytorch_device": "cuda:1"})
    assert launch_options.chosen_device(request, histories) == "PyTorch cuda:1 + Keras cuda:0"


def test_a_device_that_the_command_line_named_is_an_option() -> None:
    options = launch_options.devices(RunRequest(settings={"device": "cpu,cpu"}), histories_with(pytorch=(CPU,)), ())
    assert labels(options) == ["*cpu,cpu", "auto = cpu", "cpu"]


@pytest.mark.parametrize(
    ("paces", "label"),
    [
        ({}, "*reference"),
        ({PaceKey("pytorch", "cpu", False): 0.001}, "*reference ≈ 13 min"),
    ],
)
def test_presets_have_their_estimated_time(paces: Mapping[PaceKey, float], label: str) -> None:
    histories = histories_with(pytorch=(CPU,))
    options = launch_options.presets(RunRequest(framework="pytorch"), histories, paces)
    assert labels(options)[0] == label
    assert [option.request.value("epochs") for option in options[:3]] == [12, 1, 20]


@pytest.mark.parametrize(
    ("values", "description"),
    [
        ({}, ["12 epochs", "60,000 digits", "batch 128", "Adadelta", "both at once"]),
        ({"framework": "keras", "preset": "quick"}, ["1 epoch", "24,000 digits", "batch 64", "Adam"]),
        (
            {"mode": "time-trial", "seeds": 3},
            ["12 epochs", "60,000 digits", "batch 128", "Adadelta", "one after the other", "3 seeds"],
        ),
        ({"epochs": 0}, ["epochs must be at least 1."]),
    ],
)
def test_a_run_is_described(values: dict[str, Any], description: list[str]) -> None:
    assert launch_options.describe_run(RunRequest.from_values(values)) == description
