"""The doctor's checks of the machine: limits, settings, GPUs, digits, folders and the terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from engines import paths
from engines.config_file import config_problems
from engines.data.dataset import DataError
from engines.data.sources import explain_missing, find_digits, user_places
from engines.gpu_selection import PERSISTENCE_MODE, first_unknown, query_problem
from engines.monitors.cgroups import memory_limit, usable_core_ids
from engines.monitors.gpu import GpuMonitor
from engines.plural import plural
from engines.terminal_type import has_braille, is_dumb
from engines.tools.finding import LOW_SPACE_BYTES, Finding


def config_findings() -> Iterator[Finding]:
    """Report each problem of config.toml."""
    file = paths.config_file()
    for problem in config_problems(file):
        yield Finding("config.toml", "note", problem, f"${{EDITOR:-vi}} {shlex.quote(str(file))}")


def limits_finding() -> Finding:
    """Return the cores and the memory that this process may use."""
    cores, limit = usable_core_ids(), memory_limit()
    text = f"{len(cores)} of {plural(os.cpu_count() or len(cores), 'core')} usable ({', '.join(map(str, cores))})"
    return Finding("limits", "ok", text + (f", memory {limit / 1e9:.1f} GB" if limit else ", memory not limited"))


def gpu_findings(environment: Mapping[str, str], monitor: GpuMonitor | None = None) -> list[Finding]:
    """Report hidden GPUs, the driver's version, and each GPU's free memory with the processes that hold the rest."""
    findings = []
    monitor = monitor or GpuMonitor()
    usage, driver = monitor.sample(), monitor.nvidia_gpus().driver
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and (unknown := first_unknown(visible, usage.readings)) is not None:
        hides_all = visible.split(",")[0] == unknown
        hidden = "every GPU" if hides_all else f"{unknown!r}, which names no GPU, and all after it"
        text = f"CUDA_VISIBLE_DEVICES={visible!r} hides {hidden} from both frameworks"
        findings.append(Finding("GPU", "note", text, "unset CUDA_VISIBLE_DEVICES"))
    elif visible is not None:
        findings.append(Finding("GPU", "ok", f"CUDA_VISIBLE_DEVICES={visible} chooses among the GPUs below"))
    if driver:
        findings.append(Finding("GPU driver", "ok", driver))
    if problem := query_problem():
        findings.append(Finding("GPU", "note", problem, PERSISTENCE_MODE))
    if not usage.readings:
        findings.append(Finding("GPU figures", "note", f"none: {usage.reason}"))
    for gpu in usage.readings:
        text = f"GPU {gpu.index} {gpu.name}"
        if gpu.memory_used_bytes is not None and gpu.memory_total_bytes is not None:
            free = gpu.memory_total_bytes - gpu.memory_used_bytes
            holders = monitor.processes_on(gpu.index)
            held = f"; held by {', '.join(holders)}" if holders else ""
            text += f", {free / 1e9:.1f} of {gpu.memory_total_bytes / 1e9:.1f} GB free{held}"
            if free < LOW_SPACE_BYTES:
                findings.append(Finding("GPU figures", "note", f"{text}: too little to train on", "nvidia-smi"))
                continue
        findings.append(Finding("GPU figures", "ok", text))
    monitor.close()
    return findings


def data_findings(data_dir: Path | None, cache_dir: Path) -> Iterator[Finding]:
    """Report each copy of the digits on this machine, and each named folder that holds none."""
    from engines.data.readers import read

    copies, named = find_digits(data_dir, cache_dir), user_places(data_dir)
    for origin, folder in named:
        if not any(copy.origin == origin for copy in copies):
            text = f"{origin} names {folder}, {explain_missing(folder)}"
            yield Finding("data", "bad", text, shlex.join(["ls", "-l", str(folder)]))
    for copy in copies:
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
    if not copies and not named:
        text = "no MNIST on this machine: the first run downloads it or, offline, draws digits"
        yield Finding("data", "note", text, "mnist-tui data --fetch")


def folder_finding(kind: str, folder: Path) -> Finding:
    """Report whether the folder, or its nearest existing parent, can be written, and how much space it has."""
    existing = next(place for place in (folder, *folder.parents) if os.path.exists(place))
    variable = "MNIST_TUI_CACHE_DIR" if kind == "cache" else "MNIST_TUI_HOME"
    if not os.path.isdir(existing) or not os.access(existing, os.W_OK):
        fix = f"export {variable}=/a/folder/that/can/be/written"
        return Finding(f"{kind} folder", "note", f"{folder} can't be written: nothing is saved there", fix)
    free = shutil.disk_usage(existing).free
    low = free < LOW_SPACE_BYTES
    text = f"{folder}, {free / 1e9:.1f} GB free"
    return Finding(f"{kind} folder", "note" if low else "ok", text, "df -h" if low else "")


def temp_folder_finding() -> Finding:
    """Return the folder for the workers' temporary files. Raises OSError when no such folder can be written."""
    with tempfile.TemporaryFile() as file:  # gettempdir alone checks only once in a process
        file.write(b"mnist-tui")
    return Finding("temp folder", "ok", tempfile.gettempdir())


def terminal_findings(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Report the terminal's colours, its braille, the locale, and tmux."""
    term, colors = environment.get("TERM", ""), environment.get("COLORTERM", "")
    depth = "true colour" if colors in ("truecolor", "24bit") else "256 colours" if "256" in term else "few colours"
    if is_dumb(term):
        text = f"TERM={term}: lines instead of a screen"
        yield Finding("terminal", "note", text, "export TERM=xterm-256color")
    else:
        yield Finding(
            "terminal", "ok", f"TERM={term or 'unset'}, {depth}" + (", NO_COLOR" if environment.get("NO_COLOR") else "")
        )
    if has_braille(term) is False:
        yield Finding("terminal", "ok", f"TERM={term} has no braille: charts are drawn in ASCII")
    elif has_braille(term) is None:
        text = f"TERM={term}: its fonts may lack braille, which charts are drawn in"
        yield Finding("terminal", "note", text, "mnist-tui --ascii")
    locale = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    if "utf" not in locale.lower():
        text = f"no UTF-8 ({locale or 'no locale'}): charts are drawn in ASCII"
        yield Finding("terminal", "note", text, "export LC_ALL=C.UTF-8")
    if environment.get("TMUX"):
        fix = "" if depth == "true colour" else "export COLORTERM=truecolor"
        yield Finding("terminal", "ok" if not fix else "note", f"inside {_tmux_version()}", fix)


def _tmux_version() -> str:
    try:
        done = subprocess.run(["tmux", "-V"], capture_output=True, timeout=2, check=False)
        return done.stdout.decode(errors="replace").strip()
    except (OSError, subprocess.SubprocessError):
        return "tmux of unknown version"
