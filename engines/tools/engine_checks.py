"""The doctor's checks of one engine: its import, its CUDA libraries, and a training step on each device."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engines.config import engine_id
from engines.monitors.gpu import GpuMonitor
from engines.supervision.one_shot import TIMEOUT_SECONDS, run_once
from engines.supervision.registry import EngineSpec
from engines.tools.finding import Finding, remedy

MINIMUM_DRIVER = {"13": 580, "12": 525}
"""The oldest NVIDIA driver that runs each CUDA major version (NVIDIA, CUDA minor version compatibility)."""


def engine_findings(spec: EngineSpec, cache_dir: Path, timeout: float = TIMEOUT_SECONDS) -> list[Finding]:
    """Import the engine in a worker, train one step on each of its devices, and try XLA in a process that may crash."""
    where = f"in {spec.python} ({spec.python_source})"
    report = _run_selftest(spec, cache_dir, "no", timeout)
    if isinstance(report, Finding):
        return [Finding(report.subject, report.state, f"{report.text} {where}", report.fix)]
    text = f"{report['framework']}, imported in {report['import_seconds']:.1f} s {where}"
    findings = [Finding(spec.title, "ok", text)]
    findings += report_findings(spec, report, _driver_version() if report.get("cuda") else "")
    if spec.name == "keras" and spec.backend == "tensorflow":
        xla = _run_selftest(spec, cache_dir, "yes", timeout)
        text = "ends the process" if isinstance(xla, Finding) else str(xla.get("xla"))
        findings.append(Finding("XLA", "note", f"{text}; not used, because it is slower on a CPU"))
    return findings


def report_findings(spec: EngineSpec, report: Mapping[str, Any], driver: str = "") -> list[Finding]:
    """Evaluate an engine's self-test report; `driver` is the version of the NVIDIA driver, empty without one."""
    findings = []
    cuda = str(report.get("cuda", ""))
    if cuda:
        kernels = ", ".join(map(str, report.get("kernels", ()))) or "n/a"
        text = f"{cuda}, cuDNN {report.get('cudnn')}, kernels for {kernels}"
        findings.append(Finding(f"{spec.title} CUDA", "ok", text))
        findings += _driver_findings(spec, cuda.partition(".")[0], driver, report["devices"])
    majors = sorted({name[-4:] for name in report.get("packages", {}) if name.startswith("nvidia-cudnn-cu")})
    if len(majors) > 1:
        text = f"cuDNN for {' and for '.join(majors)} in one environment: each overwrites the other's files"
        findings.append(Finding(f"{spec.title} CUDA", "bad", text, "mnist-tui setup --gpu"))
    return [*findings, *(_device_finding(spec, device) for device in report["devices"])]


def _driver_version() -> str:
    monitor = GpuMonitor()
    try:
        return monitor.nvidia_gpus().driver
    finally:
        monitor.close()


def _driver_findings(
    spec: EngineSpec, cuda_major: str, driver: str, devices: Sequence[Mapping[str, Any]]
) -> Iterator[Finding]:
    """Report a driver that is too old for this engine's CUDA, unless a GPU works anyway (forward compatibility)."""
    driver_major, minimum = driver.partition(".")[0], MINIMUM_DRIVER.get(cuda_major)
    gpu_works = any(device["usable"] and device["id"].startswith("cuda") for device in devices)
    if minimum is not None and driver_major.isdigit() and int(driver_major) < minimum and not gpu_works:
        text = f"driver {driver} can't run CUDA {cuda_major}; this {spec.title} needs driver {minimum}"
        yield Finding(f"{spec.title} driver", "bad", text, f"install NVIDIA driver {minimum} or newer")


def _device_finding(spec: EngineSpec, device: Mapping[str, Any]) -> Finding:
    words = [device["id"], device["name"]]
    words += [f"{device['memory_bytes'] / 1e9:.0f} GB"] if device.get("memory_bytes") else []
    words += [f"compute capability {device['capability']}"] if device.get("capability") else []
    if device.get("step_seconds") is not None:
        words.append(f"convolution forward and backward in {device['step_seconds']:.2f} s")
    cpu_broken = device["id"] == "cpu" and not device["usable"]
    state = "ok" if device["usable"] else "bad" if cpu_broken or "capability" in device else "note"
    reason = f": {device['reason']}" if device["reason"] else ""
    fix = "" if state != "bad" else _setup_command(spec, "--cpu" if cpu_broken else "--gpu")
    return Finding(f"{spec.title} device", state, " ".join(words) + reason, fix)


def _run_selftest(spec: EngineSpec, cache_dir: Path, xla: str, timeout: float) -> dict[str, Any] | Finding:
    """Run the self-test in the engine's own interpreter; return its report, or the finding that there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        answer = run_once(spec, ("--look", str(path), xla), cache_dir=cache_dir, timeout=timeout)
        if answer.exited is None:
            imports = f"import {'torch' if spec.name == 'pytorch' else spec.backend}"
            command = shlex.join([spec.python, "-X", "importtime", "-c", imports])
            return Finding(spec.title, "bad", f"did not answer within {timeout:.0f} s", command)
        if answer.failure is not None:
            hint = "" if answer.failure.kind == "internal" else answer.failure.hint
            message = answer.failure.message
            return Finding(spec.title, "bad", message, remedy(message) or hint)
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return Finding(spec.title, "bad", answer.failure_reason, _setup_command(spec))


def _setup_command(spec: EngineSpec, kind: str = "") -> str:
    """Return the command that makes an environment for this engine."""
    backend = f"--keras-backend {spec.backend}" if engine_id(spec.name, spec.backend) != spec.name else ""
    return " ".join(filter(None, ("mnist-tui setup", kind, f"--framework {spec.name}", backend)))
