"""The device that a setting means: `auto` is the freest GPU, and each of several is checked."""

from __future__ import annotations

import pytest

from engines.gpu_selection import GPU_ORDER_ENV
from engines.messages.commands import AutoDevice
from engines.messages.events import Device, RunStarted
from engines.preset_configs import from_settings
from engines.worker.placement import DeviceError, resolve
from tests.support.digits import FIXED_DIGITS
from tests.support.local_worker import LocalWorker

CPU = Device(id="cpu", name="CPU")
GPUS = (
    Device(id="cuda:0", name="fake GPU", gpu="0"),
    Device(id="cuda:1", name="fake GPU", gpu="1", usable=False, reason="its memory is full"),
    Device(id="cuda:2", name="fake GPU", gpu="2"),
)
ORDER = "1 GPU-b, 2 GPU-c, 0 GPU-a"
"""The fake GPUs by free memory: the freest is not usable, and the next is not the first."""


@pytest.mark.parametrize(
    ("setting", "device"),
    [
        ("auto", "cuda:2"),
        ("cpu", "cpu"),
        ("cuda:0", "cuda:0"),
        ("all", "cuda:0,cuda:2"),
        ("cuda:2,cuda:0", "cuda:2,cuda:0"),
        ("cpu,cpu", "cpu,cpu"),
    ],
)
def test_a_setting_means_a_device(setting: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GPU_ORDER_ENV, ORDER)
    assert resolve(setting, (CPU, *GPUS)) == device


def test_the_second_engine_of_a_race_has_another_free_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GPU_ORDER_ENV, ORDER)
    assert [resolve("auto", (CPU, *GPUS), AutoDevice(rank=rank)) for rank in (0, 1)] == ["cuda:2", "cuda:0"]
    assert resolve("auto", (CPU,), AutoDevice(rank=1)) == "cpu"


def test_the_gpus_at_the_start_of_the_run_come_before_those_at_the_start_of_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(GPU_ORDER_ENV, ORDER)
    assert resolve("auto", (CPU, *GPUS), AutoDevice(order="0 GPU-a, 2 GPU-c busy")) == "cuda:0"


@pytest.mark.parametrize(("rank", "device"), [(0, "cuda:2"), (1, "cuda:0")])
def test_a_run_trains_on_the_gpu_of_its_rank(rank: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GPU_ORDER_ENV, ORDER)
    settings = {"batch_size": 16, "data_dir": str(FIXED_DIGITS), "epochs": 1}
    events = LocalWorker(monkeypatch, GPUS).train(from_settings(settings), auto=AutoDevice(rank=rank))
    assert [event.device for event in events if isinstance(event, RunStarted)] == [device]


def test_the_gpu_of_a_job_is_the_one_that_was_chosen_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GPU_ORDER_ENV, ORDER)
    assert resolve("auto", (CPU, *GPUS), AutoDevice(chosen="cuda:0")) == "cuda:0"
    assert resolve("auto", (CPU,), AutoDevice(chosen="cuda:0")) == "cpu", "this framework uses no GPU"
    for chosen, message in (("cuda:1", "its memory is full"), ("cpu", "would share cuda:0")):
        with pytest.raises(DeviceError, match=message):
            resolve("auto", (CPU, *GPUS), AutoDevice(chosen=chosen))


def test_without_a_usable_gpu_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GPU_ORDER_ENV, ORDER)
    assert resolve("auto", (CPU, GPUS[1])) == "cpu"
    assert resolve("auto", (CPU,)) == "cpu"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("cuda:1", "cuda:1 can't be used: its memory is full."),
        ("cuda:7", "There is no cuda:7 here."),
        ("cuda:1,cuda:0", "cuda:1 can't be used: its memory is full."),
        ("cuda:0,cuda:1", "cuda:1 can't be used: its memory is full."),
        ("cuda:0,cuda:2,cuda:7", "There is no cuda:7 here."),
    ],
)
def test_every_device_of_a_setting_must_be_usable(setting: str, message: str) -> None:
    with pytest.raises(DeviceError) as caught:
        resolve(setting, (CPU, *GPUS))
    assert str(caught.value) == message


def test_a_missing_gpu_has_the_reason_why_there_is_none() -> None:
    no_driver = Device(id="cuda:0", name="GPU", usable=False, reason="no driver was found")
    with pytest.raises(DeviceError, match=r"^There is no cuda:3 here: no driver was found\.$"):
        resolve("cuda:3", (CPU, no_driver))


def test_all_devices_need_a_gpu() -> None:
    with pytest.raises(DeviceError, match="There is no GPU here: its memory is full"):
        resolve("all", (CPU, GPUS[1]))
    with pytest.raises(DeviceError, match=r"^There is no GPU here\.$"):
        resolve("all", (CPU,))
