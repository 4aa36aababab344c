"""The command that shows GPUs, with a fake box of eight."""

from __future__ import annotations

import json
import re
import sys

import pytest

from engines.api import GpuMonitor
from tests.support.fake_gpu_box import FakeGpuBox
from tests.support.fake_nvml import FakeNvml, NVMLError_LibraryNotFound
from tui.cli import gpus, main
from tui.terminal import display


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> FakeGpuBox:
    """Return a fake box that the command reads; its clock goes on in the pauses."""
    now = [100.0]
    box = FakeGpuBox(clock=lambda: now[0])
    monkeypatch.setattr(gpus, "GpuMonitor", lambda: GpuMonitor(box, clock=lambda: now[0]))
    monkeypatch.setattr(gpus, "pause", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    return box


def test_gpus_are_shown_once_where_stdout_is_no_terminal(box: FakeGpuBox, capsys: pytest.CaptureFixture[str]) -> None:
    box.mig, box.failing, box.lost = {2}, {5}, {3}
    assert main.main(["gpus"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "8 GPUs, 2 busy, 1 lost, CUDA_VISIBLE_DEVICES='4'"
    assert lines[1].split()[:4] == ["0", "Fake-SXM4-80GB", "87", "%"]
    assert "NVLink in 1.1, out 1.1 GB/s" in lines[2]
    assert "   3 GPU 3  n/a: GPU is lost" in lines
    assert lines[-2:] == [
        "n/a: utilisation of GPU 2: not available under MIG",
        "n/a: power, clock, memory clock, PCIe, NVLink of GPU 5: not supported by this GPU",
    ]


def test_only_ascii_where_that_is_asked_for(box: FakeGpuBox, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["gpus", "--ascii", "--once"]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert "55 oC 1980/2619 MHz ! heat" in out


def test_json_has_every_reading(box: FakeGpuBox, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["gpus", "--json", "--once"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["reason"], found["cuda_visible_devices"]) == ("", "4")
    assert [gpu["visible"] for gpu in found["gpus"]] == [i == 4 for i in range(8)]
    assert found["gpus"][7]["details"]["pcie_in"] == 1.2e9


def test_a_terminal_shows_them_every_second_until_ctrl_c(
    box: FakeGpuBox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU that is lost meanwhile stays as a row."""
    pauses = iter([None, None])

    def pause(seconds: float) -> None:
        if next(pauses, "end") == "end":
            raise KeyboardInterrupt
        box.lost = {7}

    monkeypatch.setattr(gpus, "pause", pause)
    monkeypatch.setattr(display, "can_rewrite", lambda _: True)
    monkeypatch.setattr(display, "size", lambda: (80, 24))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main.main(["gpus"]) == 130
    frames = [re.sub(r"\x1b\[[0-9;]*[mKJ]", "", frame) for frame in capsys.readouterr().out.split("\x1b[H")[1:]]
    assert len(frames) == 3
    assert "7 Fake-SXM4-…" in frames[0]
    assert "PCIe 1.2/0.3 GB/s  NVLink n/a" in frames[0], "a rate needs two readings"
    assert "GPU is lost" in frames[1]
    assert all(frame.count("\n") <= 24 for frame in frames)


def test_without_a_gpu_one_sentence_says_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "GpuMonitor", lambda: GpuMonitor(FakeNvml(nvmlInit=NVMLError_LibraryNotFound())))
    assert main.main(["gpus"]) == 0
    assert capsys.readouterr().out == "No GPU can be read here: no NVIDIA driver.\n"
    assert main.main(["gpus", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "no NVIDIA driver"
