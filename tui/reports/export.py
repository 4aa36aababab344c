"""Write a saved run in other formats: a text for a pipe or a file, or files for other tools."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from engines.api import (
    INTERRUPTED,
    TITLES,
    ExportError,
    RunHistory,
    as_csv,
    as_json,
    read_events,
    read_models,
    read_run,
    reason,
    run_start_time,
    write_onnx,
    write_safetensors,
    write_tensorboard,
)
from tui import formatting
from tui.charts import svg
from tui.charts.viewport import SMOOTHING, smoothed
from tui.reports import card

TEXTS = ("csv", "json", "markdown", "html")
"""Formats that are one text."""
MODELS = ("onnx", "safetensors")
"""Formats of a checkpoint, which need no record."""
FILES = ("tensorboard", *MODELS)
"""Formats that are a file, or a folder of files, for each engine."""
FOLDER = "export"
"""The folder in a run's own folder that the app writes to."""
_ENDINGS = {"markdown": "md"}
_TENSORBOARD_FILE = re.compile(r"(twins|\w+-(train|validation|test))(/events\.out\.tfevents\.[^/]+)?")
"""The paths that an export for TensorBoard has in its folder."""


def run_name(recording: Path) -> str:
    """Return the name of a recording's run: its folder's, or the file's own when it is not an events.jsonl."""
    path = Path(os.path.abspath(recording))  # relative to ".", a folder has no name
    return path.parent.name if path.name == "events.jsonl" else path.stem


def ending(form: str) -> str:
    """Return the ending of a file in that format."""
    return _ENDINGS.get(form, form)


def damage(recording: Path) -> str:
    """Return a sentence on a record that breaks off, or an empty text. Raises ExportError where it holds no run."""
    histories, _ = read_run(recording.parent, recording.name)
    if not histories:
        raise ExportError(f"{recording} holds no run.")
    cut_off = any(history.outcome == INTERRUPTED for history in histories.values())
    return f"The record {recording} breaks off before the end of its run." if cut_off else ""


def text(form: str, recording: Path) -> str:
    """Return a recording in one of TEXTS. Raises ExportError and OSError."""
    if form in ("csv", "json"):
        events = list(read_events(recording))
        table = (as_csv if form == "csv" else as_json)(events)
        return "".join(f"{formatting.to_plain_text(line)}\n" for line in table.removesuffix("\n").split("\n"))
    histories, machine = read_run(recording.parent, recording.name)
    report = card.report(histories, machine)
    if report is None:
        raise ExportError(f"{recording} holds no run.")
    return _card_text(form, report, histories)


def _card_text(form: str, report: card.Report, histories: Mapping[str, RunHistory]) -> str:
    return card.markdown(report) if form == "markdown" else card.html(report, charts(histories))


def charts(histories: Mapping[str, RunHistory]) -> str:
    """Draw loss and accuracy of all engines as SVG."""
    drawn = []
    for name in ("loss", "accuracy"):
        lines, points = [], set[str]()
        for history in histories.values():
            train = history.train_loss if name == "loss" else history.train_accuracy
            tests = [(float(e.global_step), e.loss if name == "loss" else e.accuracy) for e in history.evaluations]
            points |= {history.split}
            curve = [float(y) for y in smoothed(train.means, round(SMOOTHING[2] * len(train)))]
            title = TITLES.get(history.engine, history.engine)
            lines.append(svg.Line(title, history.engine, train.xs, curve, tests, dashed=history.engine == "keras"))
        drawn.append(
            svg.chart(f"{name}: line training (smoothed), points {' and '.join(sorted(points))}", "step", lines)
        )
    return "".join(drawn)


def write_text(content: str, path: Path, *, force: bool) -> None:
    """Write a text to a file, as `write_file` does. Raises ExportError."""

    def write(target: Path) -> None:
        target.write_text(content, encoding="utf-8")

    write_file(path, write, force=force)


def write_file(path: Path, write: Callable[[Path], None], *, force: bool) -> None:
    """Let `write` make a file, completely or not at all, or write straight to a device or a pipe. Raises ExportError."""
    if _is_device(path):
        try:
            write(path)
        except OSError as error:
            raise ExportError(f"{path}: {reason(error)}.") from error
    else:
        _write_atomically(Path(os.path.realpath(path)), write, force=force)  # so that a link stays a link


def check_file(path: Path, *, force: bool) -> None:
    """Raise ExportError where `write_file` would refuse to write."""
    if not _is_device(path):
        _check_target(Path(os.path.realpath(path)), force=force)
    if not path.parent.is_dir():
        raise ExportError(f"{path.parent} is not a folder.")


def _is_device(path: Path) -> bool:
    """Return whether the path is a device or a pipe, which is never replaced by a file."""
    return path.exists() and not (path.is_file() or path.is_dir())


def write_files(form: str, recording: Path, folder: Path, *, force: bool) -> list[Path]:
    """Write a recording in one of FILES into that folder; return the files or folders. Raises ExportError and OSError."""
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is not a folder; name one, or a new one.")
    folder.mkdir(parents=True, exist_ok=True)
    run = run_name(recording)
    if form == "tensorboard":
        events, start = list(read_events(recording)), start_time(recording)
        target = folder / f"{run}-tensorboard"
        _write_atomically(target, lambda path: write_tensorboard(events, start, path), force=force, is_folder=True)
        return [target]
    write, suffix = (write_onnx, "onnx") if form == "onnx" else (write_safetensors, "safetensors")
    engines = [engine for engine in TITLES if (recording.parent / f"{engine}.npz").is_file()]
    if not engines:
        raise ExportError(f"{run} holds no model: it has no checkpoint.")
    histories, written = read_run(recording.parent, recording.name)[0], []
    for engine in engines:
        data = histories[engine].data if engine in histories else None
        digits = formatting.digits_name(data.dataset) if data else "unknown"
        for model in read_models(recording.parent, engine):
            target = folder / f"{run}-{engine}{model.suffix}.{suffix}"
            about = {"digits": digits, "weights": model.moment}
            _write_atomically(target, partial(write, model.weights, about), force=force)
            written.append(target)
    if missing := [TITLES[engine] for engine in histories if engine not in engines]:
        paths = ", ".join(str(path) for path in written)
        raise ExportError(f"{run} holds no checkpoint of {' and '.join(missing)}; only {paths} is written.")
    return written


def write_card(folder: Path, report: card.Report, histories: Mapping[str, RunHistory], screenshot: str) -> list[str]:
    """Write a run's card as Markdown, HTML and an SVG `screenshot` to where `write_all` writes; return the files' names.

    Raises ExportError and OSError.
    """
    texts = {form: _card_text(form, report, histories) for form in ("markdown", "html")}
    return [_write_results(folder, form, content) for form, content in {**texts, "svg": screenshot}.items()]


def _write_results(folder: Path, form: str, content: str) -> str:
    """Write a text into FOLDER in the run's own folder, over what is there; return the file's name."""
    path = folder / FOLDER / f"results.{ending(form)}"
    path.parent.mkdir(exist_ok=True)
    write_text(content, path, force=True)
    return path.name


def write_all(folder: Path) -> tuple[list[str], list[str]]:
    """Write a run in every format into FOLDER in its own folder, over what is there.

    Returns the names of what was written, and why the rest was not.
    """
    recording, target, written, problems = folder / "events.jsonl", folder / FOLDER, [], []
    for form in (*TEXTS, *FILES):
        try:
            if form in TEXTS:
                written.append(_write_results(folder, form, text(form, recording)))
            else:
                written += [path.name for path in write_files(form, recording, target, force=True)]
        except (ExportError, OSError) as error:
            problems.append(f"{form}: {error if isinstance(error, ExportError) else reason(error)}")
    return written, problems


def start_time(recording: Path) -> float:
    """Return when the run started, in seconds since 1970, by its name or its record, or else by the file's time."""
    path = Path(os.path.abspath(recording))
    folder = path.parent if path.name == "events.jsonl" else path.with_suffix("")
    return run_start_time(folder) or path.stat().st_mtime


def _check_target(target: Path, *, force: bool, is_folder: bool = False) -> None:
    """Raise ExportError unless `target` is a new file, or one that may be overwritten."""
    if target.is_dir() and not is_folder:
        raise ExportError(f"{target} is a folder; name a file in it.")
    if not target.parent.exists():
        raise ExportError(f"There is no folder {target.parent}: make it first.")
    if target.exists() and not force:
        raise ExportError(f"{target} exists; --force overwrites it.")


def _write_atomically(target: Path, write: Callable[[Path], None], *, force: bool, is_folder: bool = False) -> None:
    """Call `write` with a temporary path and move the result to `target`; replace nothing but an export. Raises ExportError."""
    _check_target(target, force=force, is_folder=is_folder)
    if is_folder and target.exists() and not _is_tensorboard_export(target):
        raise ExportError(f"{target} is no export of mnist-tui; move it away, or name another folder.")
    try:
        with tempfile.TemporaryDirectory(prefix=".mnist-tui-", dir=target.parent) as scratch:
            path = Path(scratch) / target.name
            write(path)
            if is_folder and target.exists():
                shutil.rmtree(target)
            os.replace(path, target)
    except OSError as error:  # its own text may name the scratch folder, which is gone
        raise ExportError(f"{target}: {reason(error)}.") from error


def _is_tensorboard_export(folder: Path) -> bool:
    inside = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return folder.is_dir() and not folder.is_symlink() and all(map(_TENSORBOARD_FILE.fullmatch, inside))
