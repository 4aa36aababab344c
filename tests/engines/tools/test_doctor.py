"""The doctor finds every planted fault, names it, and shows the command that fixes it."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shlex
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engines.api import ENGINES, FAILED, FINISHED, OFF, PAUSED, STOPPED, TRAINING, engine_spec
from engines.monitors.gpu import GpuMonitor, NvidiaGpus
from engines.supervision.registry import EngineSpec
from engines.supervision.supervisor import Supervisor
from engines.tools import engine_checks, machine_checks
from engines.tools.doctor import diagnose
from engines.tools.engine_checks import engine_findings, report_findings
from engines.tools.finding import Finding
from engines.tools.machine_checks import gpu_findings, terminal_findings
from engines.worker import requirements
from tests.support.engines import scripted_spec
from tests.support.fake_nvml import FakeNvml
from tui import formatting
from tui.cli import arguments, doctor as doctor_command, main
from tui.widgets.engine_panel import GLYPHS

PYTORCH = EngineSpec(name="pytorch", title="PyTorch", module="", python="")
KERAS = EngineSpec(name="keras", title="Keras", module="", python="")
TF_KERNELS = ["sm_60", "sm_70", "sm_80", "sm_89", "compute_90"]
TF_SEES_NONE = {"id": "cuda:0", "name": "GPU", "usable": False, "reason": "TensorFlow finds no usable GPU"}


def bad(findings: Iterable[Finding], *, has_fix: bool = True) -> Finding:
    """Return the only finding with state "bad", which names its fix unless `has_fix` is false."""
    (finding,) = [finding for finding in findings if finding.state == "bad"]
    assert finding.fix or not has_fix
    return finding


def test_a_healthy_engine(tmp_path: Path) -> None:
    findings = list(engine_findings(scripted_spec(), tmp_path))
    assert {finding.state for finding in findings} <= {"ok", "note"}
    assert "Scripted 1.0" in findings[0].text


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("missing", "a_framework_that_nobody_has is not installed"),
        ("break@import", "libscripted.so.1"),
        ("abort@import", "SIGABRT"),
        ("terminate@import", "std::bad_alloc"),
        ("exit@import", "code 3"),
    ],
)
def test_an_engine_that_does_not_import(
    script: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", script)
    assert cause in bad(engine_findings(scripted_spec(), tmp_path)).text


def test_an_import_that_never_ends_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "hang@import")
    started = time.monotonic()
    finding = bad(engine_findings(scripted_spec(), tmp_path, timeout=1.0))
    assert "did not answer within 1 s" in finding.text
    assert "importtime" in finding.fix
    assert time.monotonic() - started < 30


def no_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make /tmp and all its substitutes read-only: not even root may write into /proc."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc"])


def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads fail to start, as when a container's limit on processes is reached."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


@pytest.mark.fault(
    "app", "the doctor, where no temporary folder can be written, or no thread started: red lines, exit 3"
)
@pytest.mark.parametrize(
    ("break_machine", "cause", "fix"),
    [
        (no_temporary_folder, "No usable temporary directory found in ['/proc']", "export TMPDIR="),
        (no_thread, "can't start new thread", "processes and threads"),
    ],
)
def test_an_engine_that_can_not_be_checked_is_red(
    break_machine: Callable[[pytest.MonkeyPatch], None],
    cause: str,
    fix: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(arguments, "specs", lambda _: [scripted_spec("pytorch"), scripted_spec("keras")])
    break_machine(monkeypatch)
    assert main.main(["doctor", "--json"]) == 3
    out, err = capsys.readouterr()
    for engine in ENGINES:
        (red,) = [finding for finding in json.loads(out) if finding["subject"] == engine]
        assert red["state"] == "bad"
        assert cause in red["text"]
        assert fix in red["fix"]
    assert err == ""


def test_an_exception_in_any_check_is_red(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("an unforeseen bug")

    for name in ("usable_core_ids", "find_digits", "GpuMonitor"):
        monkeypatch.setattr(machine_checks, name, broken)
    monkeypatch.setattr(shutil, "disk_usage", broken)
    monkeypatch.setattr(engine_checks, "engine_findings", broken)
    findings = list(diagnose([scripted_spec()], None, tmp_path, tmp_path))
    red = {finding.subject for finding in findings if "ZeroDivisionError: an unforeseen bug" in finding.text}
    assert red == {"limits", "data", "GPU", "cache folder", "runs folder", "pytorch"}
    assert {finding.state for finding in findings if finding.subject in red} == {"bad"}


def test_an_exception_in_the_supervisor_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise ZeroDivisionError("an unforeseen bug")

    monkeypatch.setattr(Supervisor, "_start", start)
    finding = bad(engine_findings(scripted_spec(), tmp_path), has_fix=False)
    assert "an unforeseen bug" in finding.text
    assert "did not answer" not in finding.text


def test_a_folder_whose_parent_can_not_be_entered(tmp_path: Path) -> None:
    """A name that is too long fails like a folder without permission, which root could enter."""
    findings = list(diagnose([], None, tmp_path / ("x" * 300) / "cache", tmp_path))
    assert [finding.state for finding in findings if finding.subject == "cache folder"] == ["ok"]


@pytest.mark.parametrize("content", ["", "#!/bin/sh\nexit 9\n"])
def test_a_wrong_python(content: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    if content:
        python.write_text(content)
        python.chmod(0o755)
    spec = dataclasses.replace(scripted_spec(), python=str(python))
    assert str(python) in bad(engine_findings(spec, tmp_path)).text


def test_a_missing_python_is_not_fixed_by_the_doctor(tmp_path: Path) -> None:
    spec = engine_spec("keras", "/nope")
    finding = bad(engine_findings(spec, tmp_path))
    assert "/nope" in finding.text
    assert "--keras-python" in finding.fix
    assert "doctor" not in finding.fix


def test_commands_can_be_copied_from_a_folder_with_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my digits"
    finding = bad(list(diagnose([], folder, tmp_path, tmp_path)))
    assert shlex.split(finding.fix) == ["ls", "-l", str(folder)]
    monkeypatch.setattr(sys, "executable", "/opt/my python/bin/python")
    hint = requirements.failure("keras", ModuleNotFoundError("", name="keras"))["hint"]
    assert shlex.split(hint)[0] == "/opt/my python/bin/python"


def test_two_cudas_in_one_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant the metadata of two packages, as pip would have written it."""
    for name, version in (("nvidia_cudnn_cu12", "9.28.0.42"), ("nvidia_cudnn_cu13", "9.26.0.51")):
        folder = tmp_path / "planted" / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "planted"))
    finding = bad(engine_findings(scripted_spec(), tmp_path))
    assert "cu12 and for cu13" in finding.text
    assert finding.fix == "mnist-tui setup --gpu"


def test_a_device_that_fails_a_step_is_red_and_an_absent_one_is_not() -> None:
    absent = {"id": "cuda:0", "name": "GPU", "usable": False, "reason": "no driver"}
    assert [finding.state for finding in report_findings(KERAS, {"devices": [absent]})] == ["note"]
    broken = {**absent, "name": "H200", "capability": "9.0", "reason": "no kernel image is available"}
    assert "no kernel image" in bad(report_findings(KERAS, {"devices": [broken]})).text


@pytest.mark.parametrize(
    ("packages", "text"),
    [
        ({"nvidia-cudnn-cu13": "9.24"}, "the driver has 1 GPU and this environment has no libraries of CUDA 12"),
        ({"nvidia-cudnn-cu12": "9.3"}, "the driver has 1 GPU"),
    ],
)
def test_a_tensorflow_that_does_not_see_the_drivers_gpu_is_red(packages: dict[str, str], text: str) -> None:
    """With both frameworks in one environment, TensorFlow has no CUDA libraries of its own."""
    report = {"cuda": "12.5.1", "packages": packages, "kernels": TF_KERNELS, "devices": [TF_SEES_NONE]}
    finding = bad(report_findings(KERAS, report, NvidiaGpus(driver="580.65.06", capabilities=((9, 0),))))
    assert finding.text.endswith(text)
    assert finding.fix == "mnist-tui setup --gpu --framework keras"
    for hidden_or_absent in (NvidiaGpus(driver="580.65.06"), NvidiaGpus(reason="no NVIDIA driver")):
        assert not [one for one in report_findings(KERAS, report, hidden_or_absent) if one.state == "bad"]


def test_a_framework_without_cuda_beside_a_gpu_is_red() -> None:
    cpu_only = {"id": "cuda:0", "name": "GPU", "usable": False, "reason": "this PyTorch is built without CUDA"}
    finding = bad(
        report_findings(PYTORCH, {"devices": [cpu_only]}, NvidiaGpus(driver="580", capabilities=((9, 0),) * 8))
    )
    assert finding.text.endswith("built without CUDA; the driver has 8 GPUs")
    assert finding.fix == "mnist-tui setup --gpu --framework pytorch"


@pytest.mark.parametrize(
    ("spec", "capability", "fix"),
    [
        (PYTORCH, (5, 2), "mnist-tui setup --gpu --framework pytorch"),
        (KERAS, (5, 2), "mnist-tui setup --gpu --framework keras --keras-backend jax"),
    ],
)
def test_a_gpu_without_kernels_is_red(spec: EngineSpec, capability: tuple[int, int], fix: str) -> None:
    gpu = {
        "id": "cuda:0", "name": "GTX 980", "usable": False, "reason": "no kernel image", "capability": "5.2", "support": "none"
    }  # fmt: skip
    finding = bad(report_findings(spec, {"devices": [gpu]}, NvidiaGpus(driver="580", capabilities=(capability,))))
    assert "this build has no kernels for compute capability 5.2: no kernel image" in finding.text
    assert finding.fix == fix
    proven = {**gpu, "usable": True, "reason": "", "step_seconds": 0.2}
    assert [one.state for one in report_findings(spec, {"devices": [proven]})] == ["ok"], "the step worked all the same"


def test_kernels_that_must_be_compiled_get_half_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake self-test of TensorFlow on a Blackwell GPU."""
    quick = {"id": "cuda:0", "name": "B200", "usable": True, "reason": "", "capability": "10.0", "support": "ptx"}
    complete: Finding | dict[str, object] = {**quick, "step_seconds": 412.0}
    parts = []

    def selftest(_spec: EngineSpec, _cache: Path, part: str, timeout: float) -> Finding | dict[str, object]:
        parts.append((part, timeout))
        if part == "xla":
            return Finding("Keras", "bad", "LLVM ERROR")
        device = quick if part == "quick" else complete
        if isinstance(device, Finding):
            return device
        return {"framework": "Keras", "import_seconds": 1.0, "kernels": TF_KERNELS, "devices": [dict(device)]}

    monkeypatch.setattr(engine_checks, "_run_selftest", selftest)
    monkeypatch.setattr(engine_checks, "_visible_gpus", lambda _: NvidiaGpus(driver="580", capabilities=((10, 0),)))
    _, waiting, device, xla = engine_findings(KERAS, tmp_path)
    assert parts == [("quick", 120.0), ("complete", 1800.0), ("xla", 1800.0)]
    assert (
        "no kernels for compute capability 10.0; the driver compiles them from PTX for up to 30 minutes" in waiting.text
    )
    assert (device.state, device.text.endswith("in 412.00 s, with compiling from PTX")) == ("ok", True)
    assert xla.text == "ends the process on cuda:0"
    complete = Finding("Keras", "bad", "LLVM ERROR: PTX version 8.5 does not support target 'sm_100'")
    failed = bad(engine_findings(KERAS, tmp_path))
    assert "LLVM ERROR" in failed.text
    assert failed.fix.endswith("--keras-backend jax")


def test_xla_is_called_slower_on_a_cpu_only_there() -> None:
    cpu, gpu = {"id": "cpu", "usable": True}, {"id": "cuda:0", "usable": True}
    assert "slower on a CPU" in engine_checks.xla_finding("compiles", {"devices": [cpu, {**gpu, "usable": False}]}).text
    assert engine_checks.xla_finding("compiles", {"devices": [cpu, gpu]}).text == "compiles on cuda:0"


@pytest.mark.parametrize("visible", [None, "0", "GPU-0", "-1", "", "7", "abc"])
def test_gpus_that_cuda_visible_devices_hides_are_not_missed(
    visible: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_checks, "GpuMonitor", lambda: GpuMonitor(FakeNvml()))
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    seen = visible in (None, "0", "GPU-0")
    assert engine_checks._visible_gpus(environment).capabilities == (((9, 0),) if seen else ())


def test_a_finding_is_printed_while_the_engine_is_still_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = threading.Event()

    def findings(*_: object) -> Iterator[Finding]:
        yield Finding("PyTorch", "note", "compiling")
        assert read.wait(60)
        yield Finding("PyTorch", "ok", "compiled")

    monkeypatch.setattr(engine_checks, "engine_findings", findings)
    texts = []
    for finding in diagnose([scripted_spec()], None, tmp_path, tmp_path):
        texts.append(finding.text)
        if finding.text == "compiling":
            read.set()
    assert texts[-2:] == ["compiling", "compiled"]


def test_hidden_gpus() -> None:
    for value in ("", "-1"):
        (finding, *_) = gpu_findings({"CUDA_VISIBLE_DEVICES": value})
        assert finding.fix == "unset CUDA_VISIBLE_DEVICES"
    for value, text in (("abc", "hides every GPU"), ("0,abc", "hides 'abc', which names no GPU, and all after it")):
        (finding, *_) = gpu_findings({"CUDA_VISIBLE_DEVICES": value})
        assert (finding.state, text in finding.text) == ("note", True), finding.text
    assert "chooses" in gpu_findings({"CUDA_VISIBLE_DEVICES": "GPU-1234"})[0].text


@pytest.mark.parametrize(
    ("cuda", "driver", "usable", "fix"),
    [
        ("13.0", "550.54.15", False, "mnist-tui setup --gpu --framework pytorch"),
        ("13.0", "470.82.01", False, "install NVIDIA driver 580 or newer"),
        ("13.0", "580.65.06", False, None),
        ("12.5.1", "550.54.15", False, None),
        ("12.5.1", "470.82.01", False, "install NVIDIA driver 525 or newer"),
        ("13.0", "550.54.15", True, None),
        ("13.0", "", False, None),
        ("", "470.82.01", False, None),
        ("99.0", "470.82.01", False, None),
    ],
)
def test_a_driver_that_is_too_old_for_an_engines_cuda(cuda: str, driver: str, usable: bool, fix: str | None) -> None:
    """A GPU that works anyway proves the driver; one that the engine does not see is explained by it."""
    gpu = {"id": "cuda:0", "name": "GPU", "usable": usable, "reason": "" if usable else "the driver is too old"}
    report = {"cuda": cuda, "devices": [gpu]}
    capabilities = ((9, 0),) if fix else ()
    findings = list(report_findings(PYTORCH, report, NvidiaGpus(driver=driver, capabilities=capabilities)))
    if fix is None:
        assert not [finding for finding in findings if finding.state == "bad"]
    else:
        assert (driver in bad(findings).text, bad(findings).fix) == (True, fix)


def test_an_old_driver_and_a_full_gpu_with_a_fake_nvml() -> None:
    holder = SimpleNamespace(pid=4242, usedGpuMemory=78 * 10**9)
    nvml = FakeNvml(
        nvmlSystemGetDriverVersion="550.54.15",
        nvmlDeviceGetMemoryInfo=SimpleNamespace(used=79 * 10**9, total=80 * 10**9),
        nvmlDeviceGetComputeRunningProcesses=[holder],
    )
    findings = gpu_findings({}, GpuMonitor(nvml))
    assert Finding("GPU driver", "ok", "550.54.15") in findings
    full = next(finding for finding in findings if "free" in finding.text)
    assert "4242 (78.0 GB)" in full.text
    assert "too little" in full.text


def test_an_nvidia_smi_that_is_too_slow_is_told_to_keep_its_gpus_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "query_problem", lambda: "nvidia-smi did not answer within 60 s")
    finding = next(finding for finding in gpu_findings({}, GpuMonitor(FakeNvml())) if finding.fix)
    assert (finding.state, finding.fix) == ("note", "sudo nvidia-smi -pm 1")


def test_unreadable_data(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("empty", "broken"):
        if name == "broken":
            for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
                (tmp_path / "mine" / f"{part}-ubyte").write_bytes(b"<html>")
        finding = bad(list(diagnose([], tmp_path / "mine", tmp_path / "cache", tmp_path / "runs")))
        assert finding.subject == "data"
        assert "mine" in finding.text


def test_digits_that_are_not_mnist_as_published_are_called_custom(small_mnist: Path, tmp_path: Path) -> None:
    findings = diagnose([], small_mnist, tmp_path / "cache", tmp_path / "runs")
    (data,) = [finding for finding in findings if finding.subject == "data"]
    assert (data.state, "custom digits, not MNIST" in data.text) == ("note", True)


def test_folders_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()  # root can't make a folder in it either
    findings = list(diagnose([], None, tmp_path / "file" / "cache", tmp_path / "runs"))
    folder = next(finding for finding in findings if finding.subject == "cache folder")
    assert folder.text == f"{tmp_path / 'file' / 'cache'} can't be written: nothing is saved there"
    assert folder.fix == "export MNIST_TUI_CACHE_DIR=/a/folder/that/can/be/written"


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("TERM", "dumb", "export TERM=xterm-256color"),
        ("TERM", "unknown", "export TERM=xterm-256color"),
        ("TERM", "rxvt-unicode-256color", "mnist-tui --ascii"),
        ("LC_ALL", "C", "export LC_ALL=C.UTF-8"),
    ],
)
def test_terminals_with_fewer_features(
    name: str, value: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert fix in {finding.fix for finding in diagnose([], None, tmp_path, tmp_path)}


def test_the_app_opens_where_term_is_not_set() -> None:
    assert [finding.state for finding in terminal_findings({"LANG": "C.UTF-8"})] == ["ok"]


@pytest.mark.framework
@pytest.mark.parametrize("engine", ENGINES)
def test_the_real_frameworks_train_a_step(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in a worker; XLA is tried in another, which tests/engines/keras/test_xla.py does for real."""
    run_selftest = engine_checks._run_selftest

    def run_without_xla(spec: EngineSpec, cache_dir: Path, part: str, timeout: float) -> dict[str, Any] | Finding:
        return {"xla": "compiles"} if part == "xla" else run_selftest(spec, cache_dir, part, timeout)

    monkeypatch.setattr(engine_checks, "_run_selftest", run_without_xla)
    findings = list(engine_findings(engine_spec(engine), tmp_path))
    assert len([finding for finding in findings if finding.subject == "XLA"]) == (engine == "keras")
    cpu = next(finding for finding in findings if finding.text.startswith("cpu"))
    assert "convolution forward and backward in" in cpu.text
    assert not [finding for finding in findings if finding.state == "bad"]


def test_marks_have_ascii_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream replaces the marks of findings, and the screen those of the engines' states."""
    findings = [Finding(state, state, "t", "fix it" * (state == "bad")) for state in ("ok", "note", "bad")]
    monkeypatch.setattr(doctor_command, "diagnose", lambda *_: findings)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main.main(["doctor"]) == 3
    stream.seek(0)
    assert [line.split()[0] for line in stream] == ["+", "*", "x", ">"]
    assert all(glyph in formatting.ASCII for glyph in GLYPHS.values())
    assert len({formatting.ASCII[GLYPHS[phase]] for phase in (TRAINING, PAUSED, FINISHED, STOPPED, FAILED, OFF)}) == 6


def test_a_finding_is_wrapped_to_the_terminal_and_its_command_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fix = "mnist-tui setup --gpu --framework keras --keras-backend jax" * 2
    findings = [Finding("PyTorch device", "bad", "word-word " * 30, fix)]
    monkeypatch.setattr(doctor_command, "diagnose", lambda *_: findings)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: os.terminal_size((80, 24)))
    assert main.main(["doctor"]) == 3
    assert len(capsys.readouterr().out.splitlines()) == 2
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main.main(["doctor"]) == 3
    first, *others, command = capsys.readouterr().out.splitlines()
    assert first.startswith("✗ PyTorch device word-word")
    assert others
    assert all(len(line) <= 80 and line.startswith(" " * 17 + "word-word") for line in others)
    assert command == " " * 17 + "→ " + fix


def test_the_command_exits_with_3(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(arguments, "specs", lambda _: [scripted_spec("pytorch")])
    assert main.main(["doctor", "--json"]) == 0
    assert {"subject", "state", "text", "fix"} == set(json.loads(capsys.readouterr().out)[0])
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "missing")
    assert main.main(["doctor"]) == 3
    assert "pip install torch" in capsys.readouterr().out
