"""The doctor finds every planted fault, names it, and says the command that mends it."""

from __future__ import annotations

import dataclasses
import io
import json
import shlex
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from engines.api import ENGINES, FAILED, FINISHED, OFF, PAUSED, STOPPED, TRAINING, engine_spec
from engines.monitors.gpu import GpuMonitor
from engines.supervision.registry import EngineSpec
from engines.tools.doctor import Finding, diagnose, engine_findings, gpu_findings, judge
from engines.worker import requirements
from tests.support.engines import scripted_spec
from tests.support.fake_nvml import FakeNvml
from tui import formatting
from tui.cli import main
from tui.widgets.engine_panel import GLYPHS


def bad(findings: Sequence[Finding], *, mended: bool = True) -> Finding:
    """The one finding that is red; it says what mends it, where anybody can know that."""
    (found,) = [finding for finding in findings if finding.state == "bad"]
    assert found.fix or not mended
    return found


def test_a_healthy_engine(tmp_path: Path) -> None:
    found = engine_findings(scripted_spec(), tmp_path)
    assert {finding.state for finding in found} <= {"ok", "note"}
    assert "Scripted 1.0" in found[0].text


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("missing", "a_framework_that_nobody_has is not installed"),
        ("break@import", "libscripted.so.1"),
        ("abort@import", "SIGABRT"),
        ("terminate@import", "std::bad_alloc"),
        ("exit@import", "code 3"),
    ],
)
def test_an_engine_that_does_not_import(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", script)
    assert said in bad(engine_findings(scripted_spec(), tmp_path)).text


def test_an_import_that_never_ends_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "hang@import")
    began = time.monotonic()
    found = bad(engine_findings(scripted_spec(), tmp_path, timeout=1.0))
    assert "did not answer within 1 s" in found.text
    assert "importtime" in found.fix
    assert time.monotonic() - began < 30


def no_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where /tmp and all its substitutes are read-only; not even root may write into /proc."""
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: ["/proc"])


def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a container's limit on processes is reached."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


@pytest.mark.fault(
    "app", "the doctor, where no temporary folder can be written, or no thread started: red lines, exit 3"
)
@pytest.mark.parametrize(
    ("cause", "said", "fix"),
    [
        (no_temporary_folder, "No usable temporary directory found in ['/proc']", "export TMPDIR="),
        (no_thread, "can't start new thread", "ulimit -u"),
    ],
)
def test_an_engine_that_can_not_be_looked_at_is_red(
    cause: Callable[[pytest.MonkeyPatch], None],
    said: str,
    fix: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tui.cli.arguments.specs", lambda _: [scripted_spec("pytorch"), scripted_spec("keras")])
    cause(monkeypatch)
    assert main.main(["doctor", "--json"]) == 3
    out, err = capsys.readouterr()
    for engine in ENGINES:
        (red,) = [one for one in json.loads(out) if one["subject"] == engine]
        assert red["state"] == "bad"
        assert said in red["text"]
        assert red["fix"].startswith(fix)
    assert err == ""


def test_whatever_goes_wrong_while_looking_is_red(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    for part in ("usable_core_ids", "find_digits", "GpuMonitor", "shutil.disk_usage", "engine_findings"):
        monkeypatch.setattr(f"engines.tools.doctor.{part}", broken)
    found = list(diagnose([scripted_spec()], None, tmp_path, tmp_path))
    red = {finding.subject for finding in found if "ZeroDivisionError: nobody foresaw this" in finding.text}
    assert red == {"limits", "data", "GPU", "cache folder", "runs folder", "pytorch"}
    assert {finding.state for finding in found if finding.subject in red} == {"bad"}


def test_a_supervisor_that_raises_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr("engines.supervision.supervisor.Supervisor._start", start)
    found = bad(engine_findings(scripted_spec(), tmp_path), mended=False)
    assert "nobody foresaw this" in found.text
    assert "did not answer" not in found.text


def test_a_folder_that_may_not_even_be_looked_for(tmp_path: Path) -> None:
    """A name that is too long fails as a folder does that one may not enter, which root always may."""
    found = list(diagnose([], None, tmp_path / ("x" * 300) / "cache", tmp_path))
    assert [finding.state for finding in found if finding.subject == "cache folder"] == ["ok"]


@pytest.mark.parametrize("content", ["", "#!/bin/sh\nexit 9\n"])
def test_a_wrong_python(content: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    if content:
        python.write_text(content)
        python.chmod(0o755)
    spec = dataclasses.replace(scripted_spec(), python=str(python))
    assert str(python) in bad(engine_findings(spec, tmp_path)).text


def test_a_python_that_is_not_there_is_not_mended_by_the_doctor(tmp_path: Path) -> None:
    spec = engine_spec("keras", "/nope")
    found = bad(engine_findings(spec, tmp_path))
    assert "/nope" in found.text
    assert "--keras-python" in found.fix
    assert "doctor" not in found.fix


def test_commands_can_be_copied_from_a_folder_with_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my digits"
    found = bad(list(diagnose([], folder, tmp_path, tmp_path)))
    assert shlex.split(found.fix) == ["ls", "-l", str(folder)]
    monkeypatch.setattr(sys, "executable", "/opt/my python/bin/python")
    hint = requirements.failure("keras", ModuleNotFoundError("", name="keras"))["hint"]
    assert shlex.split(hint)[0] == "/opt/my python/bin/python"


def test_two_cudas_in_one_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted as the metadata of packages that pip would have left there."""
    for name, version in (("nvidia_cudnn_cu12", "9.28.0.42"), ("nvidia_cudnn_cu13", "9.26.0.51")):
        folder = tmp_path / "planted" / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "planted"))
    found = bad(engine_findings(scripted_spec(), tmp_path))
    assert "cu12 and for cu13" in found.text
    assert found.fix == "mnist-tui setup --gpu"


def test_a_device_that_fails_a_real_step_is_red_and_one_that_is_not_there_is_none() -> None:
    spec = EngineSpec(name="keras", title="Keras", module="", python="")
    absent = {"id": "cuda:0", "name": "GPU", "usable": False, "reason": "no driver"}
    assert [finding.state for finding in judge(spec, {"devices": [absent]})] == ["note"]
    lost = {**absent, "name": "H200", "capability": "9.0", "reason": "no kernel image is available"}
    assert "no kernel image" in bad(judge(spec, {"devices": [lost]})).text


def test_hidden_gpus() -> None:
    for value in ("", "-1"):
        found = gpu_findings({"CUDA_VISIBLE_DEVICES": value})
        assert found[0].fix == "unset CUDA_VISIBLE_DEVICES"
    for value, said in (("abc", "hides every GPU"), ("0,abc", "hides 'abc', which names no GPU, and all after it")):
        found = gpu_findings({"CUDA_VISIBLE_DEVICES": value})
        assert (found[0].state, said in found[0].text) == ("note", True), found[0].text
    assert "chooses" in gpu_findings({"CUDA_VISIBLE_DEVICES": "GPU-1234"})[0].text


@pytest.mark.parametrize(
    ("cuda", "driver", "usable", "needed"),
    [
        ("13.0", "550.54.15", False, 580),
        ("13.0", "580.65.06", False, None),
        ("12.5.1", "550.54.15", False, None),
        ("12.5.1", "470.82.01", False, 525),
        ("13.0", "550.54.15", True, None),
        ("13.0", "", False, None),
        ("", "470.82.01", False, None),
        ("99.0", "470.82.01", False, None),
    ],
)
def test_a_driver_is_too_old_for_an_engine_or_is_not(cuda: str, driver: str, usable: bool, needed: int | None) -> None:
    """By what that engine was built for; a GPU that works all the same proves the driver."""
    spec = EngineSpec(name="pytorch", title="PyTorch", module="", python="")
    gpu = {"id": "cuda:0", "name": "GPU", "usable": usable, "reason": "" if usable else "the driver is too old"}
    found = judge(spec, {"cuda": cuda, "devices": [gpu]}, driver)
    if needed is None:
        assert not [finding for finding in found if finding.state == "bad"]
    else:
        assert driver in bad(found).text
        assert str(needed) in bad(found).fix


def test_an_old_driver_and_a_full_gpu_by_a_fake_nvml() -> None:
    holder = SimpleNamespace(pid=4242, usedGpuMemory=78 * 10**9)
    nvml = FakeNvml(
        nvmlSystemGetDriverVersion="550.54.15",
        nvmlDeviceGetMemoryInfo=SimpleNamespace(used=79 * 10**9, total=80 * 10**9),
        nvmlDeviceGetComputeRunningProcesses=[holder],
    )
    found = gpu_findings({}, GpuMonitor(nvml))
    assert Finding("GPU driver", "ok", "550.54.15") in found
    full = next(finding for finding in found if "free" in finding.text)
    assert "4242 (78.0 GB)" in full.text
    assert "too little" in full.text


def test_unreadable_data(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("empty", "broken"):
        if name == "broken":
            for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
                (tmp_path / "mine" / f"{part}-ubyte").write_bytes(b"<html>")
        found = bad(list(diagnose([], tmp_path / "mine", tmp_path / "cache", tmp_path / "runs")))
        assert found.subject == "data"
        assert "mine" in found.text


def test_digits_that_are_not_mnist_as_published_are_called_custom(small_mnist: Path, tmp_path: Path) -> None:
    found = [one for one in diagnose([], small_mnist, tmp_path / "cache", tmp_path / "runs") if one.subject == "data"]
    assert [(one.state, "custom digits, not MNIST" in one.text) for one in found] == [("note", True)]


def test_folders_that_can_not_be_written(tmp_path: Path) -> None:
    found = list(diagnose([], None, Path("/proc/cache"), tmp_path / "runs"))
    folder = next(finding for finding in found if finding.subject == "cache folder")
    assert "MNIST_TUI_CACHE_DIR" in folder.fix or "free" in folder.text  # root may write anywhere, they say


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("TERM", "dumb", "export TERM=xterm-256color"),
        ("TERM", "rxvt-unicode-256color", "mnist-tui --ascii"),
        ("LC_ALL", "C", "export LC_ALL=C.UTF-8"),
    ],
)
def test_terminals_that_can_do_less(
    name: str, value: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert fix in {finding.fix for finding in diagnose([], None, tmp_path, tmp_path)}


@pytest.mark.framework
@pytest.mark.parametrize("engine", ENGINES)
def test_the_real_frameworks_train_a_step(engine: str, tmp_path: Path) -> None:
    found = engine_findings(engine_spec(engine), tmp_path)
    cpu = next(finding for finding in found if finding.text.startswith("cpu"))
    assert "convolution forward and backward in" in cpu.text
    assert not [finding for finding in found if finding.state == "bad"]


def test_marks_where_there_is_only_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of findings by the stream, of engines' states by the screen: both say what resembles them."""
    found = [Finding(state, state, "t", "mend it" * (state == "bad")) for state in ("ok", "note", "bad")]
    monkeypatch.setattr("tui.cli.doctor.diagnose", lambda *_: found)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    assert main.main(["doctor"]) == 3
    stream.seek(0)
    assert [line.split()[0] for line in stream] == ["+", "*", "x", ">"]
    assert all(glyph in formatting.ASCII for glyph in GLYPHS.values())
    assert len({formatting.ASCII[GLYPHS[phase]] for phase in (TRAINING, PAUSED, FINISHED, STOPPED, FAILED, OFF)}) == 6


def test_the_command_exits_with_3(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tui.cli.arguments.specs", lambda _: [scripted_spec("pytorch")])
    assert main.main(["doctor", "--json"]) == 0
    assert {"subject", "state", "text", "fix"} == set(json.loads(capsys.readouterr().out)[0])
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "missing")
    assert main.main(["doctor"]) == 3
    assert "pip install torch" in capsys.readouterr().out
