"""The doctor's checks of one engine: its import, its CUDA libraries, and a training step on each device."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engines.compute_capability import NONE, PTX
from engines.config import engine_id
from engines.gpu_selection import first_unknown
from engines.monitors.gpu import GpuMonitor, NvidiaGpus
from engines.plural import plural
from engines.supervision.one_shot import TIMEOUT_SECONDS, run_once
from engines.supervision.registry import EngineSpec
from engines.tools import builds
from engines.tools.finding import Finding, remedy

COMPILE_SECONDS = 1800.0
"""Time for a first step whose kernels the driver compiles from PTX: TensorFlow took half an hour (tensorflow#89272)."""
_NO_GPUS = NvidiaGpus()


def engine_findings(spec: EngineSpec, cache_dir: Path, timeout: float = TIMEOUT_SECONDS) -> Iterator[Finding]:
    """Import the engine in a worker, train one step on each of its devices, and try XLA in a process that may crash."""
    where = f"in {spec.python} ({spec.python_source})"
    report = _run_selftest(spec, cache_dir, "quick", timeout)
    if isinstance(report, Finding):
        yield Finding(report.subject, report.state, f"{report.text} {where}", report.fix)
        return
    text = f"{report['framework']}, imported in {report['import_seconds']:.1f} s {where}"
    yield Finding(spec.title, "ok", text)
    if compiling := [device for device in report["devices"] if device.get("support") == PTX]:
        timeout = COMPILE_SECONDS
        for device in compiling:
            text = f"{device['id']} {device['name']}: {_without_kernels(device)}; the driver compiles them from PTX for"
            yield Finding(f"{spec.title} device", "note", f"{text} up to {timeout / 60:.0f} minutes")
        complete = _run_selftest(spec, cache_dir, "complete", timeout)
        if isinstance(complete, Finding):
            for device in compiling:
                device.update(usable=False, reason=complete.text)
        else:
            report = complete
    yield from report_findings(spec, report, _visible_gpus(os.environ))
    if spec.name == "keras" and spec.backend == "tensorflow":
        xla = _run_selftest(spec, cache_dir, "xla", timeout)
        text = "ends the process" if isinstance(xla, Finding) else str(xla.get("xla"))
        yield xla_finding(text, report)


def report_findings(spec: EngineSpec, report: Mapping[str, Any], gpus: NvidiaGpus = _NO_GPUS) -> Iterator[Finding]:
    """Evaluate an engine's self-test report; `gpus` are those that the driver has and CUDA_VISIBLE_DEVICES does not hide."""
    cuda = str(report.get("cuda", ""))
    major = cuda.partition(".")[0]
    if cuda:
        kernels = ", ".join(map(str, report.get("kernels", ()))) or "n/a"
        text = f"{cuda}, cuDNN {report.get('cudnn')}, kernels for {kernels}"
        yield Finding(f"{spec.title} CUDA", "ok", text)
    driver = _driver_finding(spec, major, report, gpus)
    if driver is not None:
        yield driver
        gpus = _NO_GPUS  # the driver explains why the engine sees none
    packages = report.get("packages", {})
    majors = sorted({name[-4:] for name in packages if name.startswith("nvidia-cudnn-cu")})
    if len(majors) > 1:
        text = f"cuDNN for {' and for '.join(majors)} in one environment: each overwrites the other's files"
        yield Finding(f"{spec.title} CUDA", "bad", text, "mnist-tui setup --gpu")
    has_libraries = not cuda or f"nvidia-cudnn-cu{major}" in packages
    for device in report["devices"]:
        if (
            not device["usable"]
            and "capability" not in device
            and device["id"].startswith("cuda")
            and gpus.capabilities
        ):
            missing = "" if has_libraries else f" and this environment has no libraries of CUDA {major}"
            text = f"{device['reason']}; the driver has {plural(len(gpus.capabilities), 'GPU')}{missing}"
            yield _device_finding(spec, {**device, "reason": text}, gpus, "bad")
        else:
            yield _device_finding(spec, device, gpus)


def xla_finding(text: str, report: Mapping[str, Any]) -> Finding:
    """Return what XLA did on the first GPU of a self-test report, or on the CPU, where it is never used."""
    gpu = next((device["id"] for device in report["devices"] if device["usable"] and device["id"] != "cpu"), "")
    return Finding("XLA", "note", f"{text} on {gpu}" if gpu else f"{text}; not used, because it is slower on a CPU")


def _visible_gpus(environment: Mapping[str, str]) -> NvidiaGpus:
    """Return the driver and its GPUs; no GPUs where CUDA_VISIBLE_DEVICES hides them all."""
    monitor = GpuMonitor()
    try:
        gpus, readings = monitor.nvidia_gpus(), monitor.sample().readings
    finally:
        monitor.close()
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    hides_all = visible is not None and visible.split(",")[0] == first_unknown(visible, readings)
    return dataclasses.replace(gpus, capabilities=()) if hides_all else gpus


def _driver_finding(spec: EngineSpec, cuda_major: str, report: Mapping[str, Any], gpus: NvidiaGpus) -> Finding | None:
    """Return that the driver is too old for this engine's CUDA, unless a GPU works anyway (forward compatibility)."""
    driver_major, minimum = gpus.driver.partition(".")[0], builds.MINIMUM_DRIVER.get(cuda_major)
    gpu_works = any(device["usable"] and device["id"].startswith("cuda") for device in report["devices"])
    if minimum is None or not driver_major.isdigit() or int(driver_major) >= minimum or gpu_works:
        return None
    text = f"driver {gpus.driver} can't run CUDA {cuda_major}; this {spec.title} needs driver {minimum}"
    has_build = builds.runnable_builds(engine_id(spec.name, spec.backend), gpus.driver)
    fix = _setup_command(spec, "gpu", gpus) if has_build else f"install NVIDIA driver {minimum} or newer"
    return Finding(f"{spec.title} driver", "bad", text, fix)


def _device_finding(spec: EngineSpec, device: Mapping[str, Any], gpus: NvidiaGpus, state: str = "") -> Finding:
    parts = [device["id"] if device["id"] == "cpu" else f"{device['id']} {device['name']}"]
    parts += [f"{device['memory_bytes'] / 1e9:.0f} GB"] if device.get("memory_bytes") else []
    parts += [f"compute capability {device['capability']}"] if device.get("capability") else []
    if device.get("step_seconds") is not None:
        compiled = ", with compiling from PTX" if device.get("support") == PTX else ""
        parts.append(f"convolution forward and backward in {device['step_seconds']:.2f} s{compiled}")
    cpu_broken = device["id"] == "cpu" and not device["usable"]
    state = state or ("ok" if device["usable"] else "bad" if cpu_broken or "capability" in device else "note")
    reasons = [_without_kernels(device)] if device.get("support") == NONE and not device["usable"] else []
    reasons += [device["reason"]] if device["reason"] else []
    text = ": ".join([", ".join(parts), *reasons])
    fix = "" if state != "bad" else _setup_command(spec, "cpu" if cpu_broken else "gpu", gpus)
    return Finding(f"{spec.title} device", state, text, fix)


def _without_kernels(device: Mapping[str, Any]) -> str:
    return f"this build has no kernels for compute capability {device['capability']}"


def _run_selftest(spec: EngineSpec, cache_dir: Path, part: str, timeout: float) -> dict[str, Any] | Finding:
    """Run the self-test in the engine's own interpreter; return its report, or the finding that there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        answer = run_once(spec, ("--look", str(path), part), cache_dir=cache_dir, timeout=timeout)
        if answer.exited is None:
            imports = f"import {'torch' if spec.name == 'pytorch' else spec.backend}"
            command = shlex.join([spec.python, "-X", "importtime", "-c", imports])
            return Finding(spec.title, "bad", f"did not answer within {timeout:.0f} s", command)
        if answer.failure is not None:
            message, hint = answer.failure.message, answer.failure.hint
            hint = "" if hint.startswith("Restart") else hint  # a key of the app
            return Finding(spec.title, "bad", message, remedy(message) or hint)
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return Finding(spec.title, "bad", answer.exit_reason, answer.hint or _setup_command(spec))


def _setup_command(spec: EngineSpec, kind: str = "", gpus: NvidiaGpus = _NO_GPUS) -> str:
    """Return the command that makes an environment for this engine, or for Keras on JAX where TensorFlow can't use these GPUs."""
    engine = engine_id(spec.name, spec.backend)
    return builds.setup_command(builds.suitable_engine(engine, gpus) if kind == "gpu" else engine, kind)
