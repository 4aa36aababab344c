"""A kept run in the form that was asked for: text for a pipe or a file, or files for other tools."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from engines.api import (
    TITLES,
    ExportError,
    RunHistory,
    as_csv,
    as_json,
    read_events,
    read_run,
    read_weights,
    reason,
    run_start_time,
    write_onnx,
    write_safetensors,
    write_tensorboard,
)
from tui import formatting
from tui.charts import svg
from tui.charts.viewport import smoothed
from tui.reports import card

TEXTS = ("csv", "json", "markdown", "html")
"""One text."""
FILES = ("tensorboard", "onnx", "safetensors")
"""A file for each engine, or a folder of them."""
FOLDER = "export"
"""In the run's own folder."""
_ENDINGS = {"markdown": "md"}
_OURS = re.compile(r"\w+-(train|test)(/events\.out\.tfevents\.[^/]+)?")
"""All that an export puts into a folder of its own."""


def name_of(recording: Path) -> str:
    """The run's: of its folder, or of a file that lies alone."""
    path = Path(os.path.abspath(recording))  # in "." its folder has a name, too
    return path.parent.name if path.name == "events.jsonl" else path.stem


def text(form: str, recording: Path) -> str:
    """One of TEXTS. Raises ExportError and OSError."""
    if form in ("csv", "json"):
        events = list(read_events(recording))
        said = (as_csv if form == "csv" else as_json)(events)
        return "".join(f"{formatting.to_plain_text(line)}\n" for line in said.removesuffix("\n").split("\n"))
    histories, machine = read_run(recording.parent, recording.name)
    report = card.report(histories, machine)
    if report is None:
        raise ExportError(f"{recording} holds no run.")
    return card.markdown(report) if form == "markdown" else card.html(report, charts(histories))


def charts(histories: Mapping[str, RunHistory]) -> str:
    """Loss and accuracy of all engines, as SVG."""
    drawn = []
    for name in ("loss", "accuracy"):
        lines = []
        for history in histories.values():
            train = history.train_loss if name == "loss" else history.train_accuracy
            tests = [(float(e.global_step), e.loss if name == "loss" else e.accuracy) for e in history.evaluations]
            curve = [float(y) for y in smoothed(train.ys, 0.6)]
            title = TITLES.get(history.engine, history.engine)
            lines.append(svg.Line(title, history.engine, train.xs, curve, tests, dashed=history.engine == "keras"))
        drawn.append(svg.chart(f"{name}: line training (smoothed), points test", "step", lines))
    return "".join(drawn)


def write_text(content: str, path: Path, *, force: bool) -> None:
    """Into a file, whole or not at all, or straight into a device or a pipe. Raises ExportError."""

    def write(part: Path) -> None:
        part.write_text(content, encoding="utf-8")

    if path.exists() and not (path.is_file() or path.is_dir()):  # never to be replaced by a file
        try:
            write(path)
        except OSError as error:
            raise ExportError(f"{path}: {reason(error)}.") from error
    else:
        _whole(Path(os.path.realpath(path)), write, force=force)  # a link stays one


def write_files(form: str, recording: Path, place: Path, *, force: bool) -> list[Path]:
    """One of FILES, into that folder; says which files or folders were made. Raises ExportError and OSError."""
    if place.exists() and not place.is_dir():
        raise ExportError(f"{place} is no folder; name one, or a new one.")
    place.mkdir(parents=True, exist_ok=True)
    run = name_of(recording)
    if form == "tensorboard":
        events = list(read_events(recording))
        target = place / f"{run}-tensorboard"
        _whole(target, lambda part: write_tensorboard(events, _began(recording), part), force=force, folder=True)
        return [target]
    write, ending = (write_onnx, "onnx") if form == "onnx" else (write_safetensors, "safetensors")
    engines = [engine for engine in TITLES if (recording.parent / f"{engine}.npz").is_file()]
    if not engines:
        raise ExportError(f"{run} holds no model: it has no checkpoint.")
    made = []
    for engine in engines:
        weights, target = read_weights(recording.parent, engine), place / f"{run}-{engine}.{ending}"
        _whole(target, lambda part, weights=weights: write(weights, part), force=force)  # type: ignore[misc]  # bound now
        made.append(target)
    if missing := [TITLES[engine] for engine in read_run(recording.parent, recording.name)[0] if engine not in engines]:
        written = ", ".join(str(path) for path in made)
        raise ExportError(f"{run} holds no checkpoint of {' and '.join(missing)}; written was only {written}.")
    return made


def write_all(folder: Path) -> tuple[list[str], list[str]]:
    """Everything into the run's folder, over what is there; (names of what was made, why the rest was not)."""
    place, made, why = folder / FOLDER, [], []
    for form in (*TEXTS, *FILES):
        try:
            place.mkdir(exist_ok=True)
            if form in FILES:
                made += [path.name for path in write_files(form, folder / "events.jsonl", place, force=True)]
                continue
            path = place / f"results.{_ENDINGS.get(form, form)}"
            write_text(text(form, folder / "events.jsonl"), path, force=True)
            made.append(path.name)
        except (ExportError, OSError) as error:
            why.append(f"{form}: {error if isinstance(error, ExportError) else reason(error)}")
    return made, why


def _began(recording: Path) -> float:
    """When, in seconds since 1970: as the run's name or its record tells, or else its file."""
    path = Path(os.path.abspath(recording))
    folder = path.parent if path.name == "events.jsonl" else path.with_suffix("")
    return run_start_time(folder) or path.stat().st_mtime


def _whole(target: Path, write: Callable[[Path], None], *, force: bool, folder: bool = False) -> None:
    """`folder` says whether `write` makes one. Nothing is deleted but what an export made. Raises ExportError."""
    if target.is_dir() and not folder:
        raise ExportError(f"{target} is a folder; name a file in it.")
    if target.exists() and not force:
        raise ExportError(f"{target} is there already; --force writes over it.")
    if folder and target.exists() and not _is_ours(target):
        raise ExportError(f"{target} is no export of mnist-tui; move it away, or name another folder.")
    try:
        with tempfile.TemporaryDirectory(prefix=".mnist-tui-", dir=target.parent) as scratch:
            part = Path(scratch) / target.name
            write(part)
            if folder and target.exists():
                shutil.rmtree(target)
            os.replace(part, target)
    except OSError as error:  # it may name the scratch folder, which nobody has heard of
        raise ExportError(f"{target}: {reason(error)}.") from error


def _is_ours(folder: Path) -> bool:
    inside = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return folder.is_dir() and not folder.is_symlink() and all(map(_OURS.fullmatch, inside))
