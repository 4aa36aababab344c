"""Everything that a run needs, looked at closely: frameworks, devices, libraries, data, limits, terminal; and what mends it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines import paths
from engines.braille import has_braille
from engines.config import engine_id
from engines.config_file import config_problems
from engines.data.dataset import DataError
from engines.data.sources import explain_missing, find_digits, user_places
from engines.errors import reason
from engines.gpu_selection import first_unknown
from engines.monitors.cgroups import memory_limit, usable_core_ids
from engines.monitors.gpu import GpuMonitor
from engines.plural import plural
from engines.supervision.environment import environment_notes
from engines.supervision.one_shot import TIMEOUT_SECONDS, run_once
from engines.supervision.registry import EngineSpec
from engines.version import version_and_commit

NEEDED_DRIVER = {"13": 580, "12": 525}
"""By CUDA major, the oldest driver that runs it (NVIDIA, CUDA minor version compatibility)."""
FEW_BYTES = 2_000_000_000
"""Less free memory, or room on the disk, than this is worth a word."""


_REMEDIES = {
    "temporary directory": "export TMPDIR=/a/folder/that/can/be/written",
    "new thread": "ulimit -u",
    "Too many open files": "ulimit -n 4096",
    "No space left": "df -h",
}
"""By a part of an error's text: the command that mends it, or shows its cause."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    subject: str
    state: str
    """"ok", "note" or "bad": bad means that a chosen engine can't run as it should."""
    text: str
    fix: str = ""
    """The command that mends it."""


def diagnose(
    specs: Sequence[EngineSpec],
    data_dir: Path | None,
    cache_dir: Path,
    runs_dir: Path,
    timeout: float = TIMEOUT_SECONDS,
) -> Iterator[Finding]:
    """Every finding as it comes; each engine is looked at in its own interpreter, all at once."""
    yield Finding("mnist-tui", "ok", f"{version_and_commit()}, Python {sys.version.split()[0]} in {sys.executable}")
    yield from _checked("limits", lambda: [_limits()])
    yield from _checked("config.toml", _config_file)
    answers: dict[str, list[Finding]] = {}

    def look(spec: EngineSpec) -> None:
        answers[spec.name] = list(_checked(spec.title, lambda: engine_findings(spec, cache_dir, timeout)))

    threads = [threading.Thread(target=look, args=(spec,)) for spec in specs]
    for spec, thread in zip(specs, threads, strict=True):
        try:
            thread.start()
        except RuntimeError as error:
            answers[spec.name] = [_not_checked(spec.title, error)]
    yield from _checked("terminal", lambda: _terminal(os.environ))
    yield from _checked("data", lambda: _digits(data_dir, cache_dir))
    for what, folder in (("cache", cache_dir), ("runs", runs_dir)):
        yield from _checked(f"{what} folder", lambda what=what, folder=folder: [_room(what, folder)])  # type: ignore[misc]
    yield from _checked("temp folder", lambda: [_temporary_folder()])
    yield from _checked("GPU", lambda: gpu_findings(os.environ))
    yield from (Finding("environment", "note", text) for text in environment_notes())
    for spec, thread in zip(specs, threads, strict=True):
        if thread.ident is not None:  # else it was never started
            thread.join()
        yield from answers[spec.name]


def _checked(subject: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield what `look` finds; an exception becomes a red line, because then nothing was checked."""
    try:
        yield from look()
    except Exception as error:
        yield _not_checked(subject, error)


def _not_checked(subject: str, error: Exception) -> Finding:
    text = reason(error)
    return Finding(subject, "bad", f"could not be checked: {text}", _remedy(text))


def _remedy(text: str) -> str:
    return next((command for cause, command in _REMEDIES.items() if cause in text), "")


# Engines


def engine_findings(spec: EngineSpec, cache_dir: Path, timeout: float = TIMEOUT_SECONDS) -> list[Finding]:
    """Import the engine in a worker, train one step on each of its devices, and try XLA in a process that may be lost."""
    where = f"in {spec.python} ({spec.python_source})"
    said = _ask(spec, cache_dir, "no", timeout)
    if isinstance(said, Finding):
        return [Finding(said.subject, said.state, f"{said.text} {where}", said.fix)]
    found = [Finding(spec.title, "ok", f"{said['framework']}, imported in {said['import_seconds']:.1f} s {where}")]
    found += judge(spec, said, _driver() if said.get("cuda") else "")
    if spec.name == "keras" and spec.backend == "tensorflow":
        xla = _ask(spec, cache_dir, "yes", timeout)
        text = "ends the process" if isinstance(xla, Finding) else str(xla.get("xla"))
        found.append(Finding("XLA", "note", f"{text}; it is not used, for on a CPU it is slower"))
    return found


def _driver() -> str:
    monitor = GpuMonitor()
    try:
        return monitor.driver_version()
    finally:
        monitor.close()


def judge(spec: EngineSpec, said: Mapping[str, Any], driver: str = "") -> list[Finding]:
    """What an engine said of itself, weighed; `driver` is the version of NVIDIA's, empty where there is none."""
    found = []
    cuda = str(said.get("cuda", ""))
    if cuda:
        kernels = ", ".join(map(str, said.get("kernels", ()))) or "n/a"
        found.append(Finding(f"{spec.title} CUDA", "ok", f"{cuda}, cuDNN {said.get('cudnn')}, kernels for {kernels}"))
        found += _too_old(spec, cuda.partition(".")[0], driver, said["devices"])
    majors = sorted({name[-4:] for name in said.get("packages", {}) if name.startswith("nvidia-cudnn-cu")})
    if len(majors) > 1:
        text = f"cuDNN for {' and for '.join(majors)} in one environment: each overwrites the other's files"
        found.append(Finding(f"{spec.title} CUDA", "bad", text, "mnist-tui setup --gpu"))
    for device in said["devices"]:
        words = [device["id"], device["name"]]
        words += [f"{device['memory_bytes'] / 1e9:.0f} GB"] if device.get("memory_bytes") else []
        words += [f"compute capability {device['capability']}"] if device.get("capability") else []
        if device.get("step_seconds") is not None:
            words.append(f"convolution forward and backward in {device['step_seconds']:.2f} s")
        cpu_lost = device["id"] == "cpu" and not device["usable"]
        state = "ok" if device["usable"] else "bad" if cpu_lost or "capability" in device else "note"
        why_not = f": {device['reason']}" if device["reason"] else ""
        fix = "" if state != "bad" else _setup(spec, "--cpu" if cpu_lost else "--gpu")
        found.append(Finding(f"{spec.title} device", state, " ".join(words) + why_not, fix))
    return found


def _too_old(spec: EngineSpec, cuda: str, driver: str, devices: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Whether the driver is older than this engine's CUDA needs; not where a GPU works all the same (forward compatibility)."""
    major, needed = driver.partition(".")[0], NEEDED_DRIVER.get(cuda)
    works = any(device["usable"] and device["id"].startswith("cuda") for device in devices)
    if needed is not None and major.isdigit() and int(major) < needed and not works:
        text = f"driver {driver} runs no CUDA {cuda}, which this {spec.title} is built for (it needs {needed})"
        yield Finding(f"{spec.title} driver", "bad", text, f"install NVIDIA driver {needed} or newer")


def _ask(spec: EngineSpec, cache_dir: Path, xla: str, timeout: float) -> dict[str, Any] | Finding:
    """What the engine's own interpreter says, or why it says nothing."""
    with tempfile.TemporaryDirectory() as folder:
        paper = Path(folder) / "look.json"
        answer = run_once(spec, ("--look", str(paper), xla), cache_dir=cache_dir, timeout=timeout)
        if answer.exited is None:
            imports = f"import {'torch' if spec.name == 'pytorch' else spec.backend}"
            command = shlex.join([spec.python, "-X", "importtime", "-c", imports])
            return Finding(spec.title, "bad", f"did not answer within {timeout:.0f} s", command)
        if answer.failure is not None:
            remedy = "" if answer.failure.kind == "internal" else answer.failure.hint
            message = answer.failure.message
            return Finding(spec.title, "bad", message, _remedy(message) or remedy)
        try:
            return dict(json.loads(paper.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return Finding(spec.title, "bad", answer.failure_reason, _setup(spec))


def _setup(spec: EngineSpec, kind: str = "") -> str:
    """The command that makes this engine an environment."""
    backend = f"--keras-backend {spec.backend}" if engine_id(spec.name, spec.backend) != spec.name else ""
    return " ".join(filter(None, ("mnist-tui setup", kind, f"--framework {spec.name}", backend)))


# The machine


def _config_file() -> Iterator[Finding]:
    file = paths.config_file()
    for problem in config_problems(file):
        yield Finding("config.toml", "note", problem, f"${{EDITOR:-vi}} {shlex.quote(str(file))}")


def _limits() -> Finding:
    cores, limit = usable_core_ids(), memory_limit()
    text = f"{len(cores)} of {plural(os.cpu_count() or len(cores), 'core')} usable ({', '.join(map(str, cores))})"
    return Finding("limits", "ok", text + (f", memory {limit / 1e9:.1f} GB" if limit else ", memory not limited"))


def gpu_findings(environment: Mapping[str, str], monitor: GpuMonitor | None = None) -> list[Finding]:
    """What the driver says: its version, each GPU's free memory and who holds the rest, and whether GPUs are hidden."""
    found = []
    monitor = monitor or GpuMonitor()
    usage, driver = monitor.sample(), monitor.driver_version()
    hidden = environment.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and (unknown := first_unknown(hidden, usage.readings)) is not None:
        every = hidden.split(",")[0] == unknown
        what = "every GPU" if every else f"{unknown!r}, which names no GPU, and all after it"
        text = f"CUDA_VISIBLE_DEVICES={hidden!r} hides {what} from both frameworks"
        found.append(Finding("GPU", "note", text, "unset CUDA_VISIBLE_DEVICES"))
    elif hidden is not None:
        found.append(Finding("GPU", "ok", f"CUDA_VISIBLE_DEVICES={hidden} chooses among the GPUs below"))
    if driver:
        found.append(Finding("GPU driver", "ok", driver))
    if not usage.readings:
        found.append(Finding("GPU figures", "note", f"none: {usage.reason}"))
    for gpu in usage.readings:
        text = f"GPU {gpu.index} {gpu.name}"
        if gpu.memory_used_bytes is not None and gpu.memory_total_bytes is not None:
            free = gpu.memory_total_bytes - gpu.memory_used_bytes
            holders = monitor.processes_on(gpu.index)
            held = f"; held by {', '.join(holders)}" if holders else ""
            text += f", {free / 1e9:.1f} of {gpu.memory_total_bytes / 1e9:.1f} GB free{held}"
            if free < FEW_BYTES:
                found.append(Finding("GPU figures", "note", f"{text}: too little to train on", "nvidia-smi"))
                continue
        found.append(Finding("GPU figures", "ok", text))
    monitor.close()
    return found


def _digits(data_dir: Path | None, cache_dir: Path) -> Iterator[Finding]:
    from engines.data.readers import read

    found = find_digits(data_dir, cache_dir)
    for origin, folder in user_places(data_dir):
        if not any(copy.origin == origin for copy in found):
            yield Finding(
                "data",
                "bad",
                f"{origin} names {folder}, {explain_missing(folder)}",
                shlex.join(["ls", "-l", str(folder)]),
            )
    for copy in found:
        try:
            digits = read(copy)
        except DataError as error:
            state = "bad" if copy.user_specified else "note"
            yield Finding(
                "data", state, error.message, "mnist-tui data --fetch" if not copy.user_specified else error.hint
            )
            continue
        count = f"{len(digits.train_labels):,} + {len(digits.test_labels):,}"
        text = f"{count} digits in {copy.path} ({copy.origin}), SHA-256 {digits.sha256[:16]}"
        custom = digits.dataset == "custom"
        yield Finding("data", "note" if custom else "ok", text + ": custom digits, not MNIST as published" * custom)
    if not found and not user_places(data_dir):
        text = "no MNIST here: it is downloaded at the first run, or digits are drawn"
        yield Finding("data", "note", text, "mnist-tui data --fetch")


def _room(what: str, folder: Path) -> Finding:
    """Whether the folder, or the first above it that is there, can be written, and how much room it has."""
    there = next(place for place in (folder, *folder.parents) if os.path.exists(place))
    variable = "MNIST_TUI_CACHE_DIR" if what == "cache" else "MNIST_TUI_HOME"
    if not os.path.isdir(there) or not os.access(there, os.W_OK):
        fix = f"export {variable}=/a/folder/that/can/be/written"
        return Finding(f"{what} folder", "note", f"{folder} can't be written: nothing is kept there", fix)
    free = shutil.disk_usage(there).free
    few = free < FEW_BYTES
    return Finding(
        f"{what} folder", "note" if few else "ok", f"{folder}, {free / 1e9:.1f} GB free", "df -h" if few else ""
    )


def _temporary_folder() -> Finding:
    """Where workers put their temporary files. Raises OSError when no such folder can be written."""
    with tempfile.TemporaryFile() as file:  # gettempdir alone looks only once in the life of a process
        file.write(b"mnist-tui")
    return Finding("temp folder", "ok", tempfile.gettempdir())


def _terminal(environment: Mapping[str, str]) -> Iterator[Finding]:
    term, colors = environment.get("TERM", ""), environment.get("COLORTERM", "")
    deep = "true colour" if colors in ("truecolor", "24bit") else "256 colours" if "256" in term else "few colours"
    if term in ("", "dumb"):
        yield Finding(
            "terminal", "note", f"TERM={term or 'unset'}: lines instead of a screen", "export TERM=xterm-256color"
        )
    else:
        yield Finding("terminal", "ok", f"TERM={term}, {deep}" + (", NO_COLOR" if environment.get("NO_COLOR") else ""))
    if has_braille(term) is False:
        yield Finding("terminal", "ok", f"TERM={term} has no braille: charts are drawn in ASCII")
    elif has_braille(term) is None:
        said = f"TERM={term}: its fonts may have no braille, which charts are drawn in"
        yield Finding("terminal", "note", said, "mnist-tui --ascii")
    words = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    if "utf" not in words.lower():
        said = f"no UTF-8 ({words or 'no locale'}): charts are drawn in ASCII"
        yield Finding("terminal", "note", said, "export LC_ALL=C.UTF-8")
    if environment.get("TMUX"):
        try:
            done = subprocess.run(["tmux", "-V"], capture_output=True, timeout=2, check=False)
            version = done.stdout.decode(errors="replace").strip()
        except (OSError, subprocess.SubprocessError):
            version = "tmux of unknown version"
        fix = "" if deep == "true colour" else "export COLORTERM=truecolor"
        yield Finding("terminal", "ok" if not fix else "note", f"inside {version}", fix)
