"""The commands that answer and end: doctor, parity, presets, code, setup, data, runs, export."""

from __future__ import annotations

import itertools
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from engines.api import (
    ENGINES,
    KNOWN_DIFFERENCES,
    PRESETS,
    TITLES,
    TRASH,
    ConfigError,
    DataError,
    EngineSpec,
    ExportError,
    ParityError,
    PresetsError,
    RunSummary,
    SetupError,
    build,
    diagnose,
    empty_trash,
    engine_id,
    find_digits,
    from_settings,
    list_runs,
    move_to_trash,
    paths,
    plan,
    plural,
    prove,
    prunable_runs,
    read_run,
    size_bytes,
    summarize,
    tabulate,
    to_plain,
)
from tui import formatting
from tui.terminal import display


def doctor(specs: Sequence[EngineSpec], data_dir: str, *, json_lines: bool) -> int:
    """Look at everything a run needs, and say each finding as it comes; 3 when a chosen engine can't run as it should."""
    place = Path(data_dir) if data_dir else None
    marks = {"ok": "✓", "note": "·", "bad": "✗"}
    findings = []
    for finding in diagnose(specs, place, paths.cache_dir(), paths.runs_dir()):
        findings.append(finding)
        if not json_lines:
            print(formatting.to_plain_text(f"{marks[finding.state]} {finding.subject:14} {finding.text}"), flush=True)
            if finding.fix:
                print(formatting.to_plain_text(f"  {'':14} → {finding.fix}"), flush=True)
    if json_lines:
        print(json.dumps([to_plain(finding) for finding in findings], indent=1))
    return 3 if any(finding.state == "bad" for finding in findings) else 0


def parity(
    specs: Sequence[EngineSpec], *, seed: int, data_dir: str, dataset: str, quick: bool, json_lines: bool
) -> int:
    """Prove that both engines are one experiment; 1 when a bar is missed or the proof can't be made."""
    live = display.can_rewrite(sys.stderr) and not json_lines
    clear = "\r\x1b[K" if live else ""
    done: dict[str, str] = {}

    def show(engine: str, step: int, steps: int) -> None:
        if not live:
            return
        done[engine] = f"{engine} {step:,} of {plural(steps, 'step')}"
        print(clear + "   ".join(done.values()), end="", file=sys.stderr, flush=True)

    try:
        if live:
            print("Both engines sit the same exam …", end="", file=sys.stderr, flush=True)
        rows = prove(
            specs,
            cache_dir=paths.cache_dir(),
            seed=seed,
            data_dir=data_dir,
            dataset=dataset,
            full_epoch=not quick,
            on_progress=show,
        )
    except ParityError as error:
        print(f"{clear}mnist-tui: {formatting.to_plain_text(str(error))}", file=sys.stderr)
        return 1
    print(clear, end="", file=sys.stderr)
    passed = all(row.passed for row in rows)
    if json_lines:
        plain = [to_plain(row) for row in rows]
        print(json.dumps({"passed": passed, "rows": plain, "cannot_match": KNOWN_DIFFERENCES}))
        return 0 if passed else 1
    width = max(len(row.what) for row in rows)
    part = ""
    for row in rows:
        if row.part != part:
            part = row.part
            print(part)
        mark = "    " if not row.tolerance else "pass" if row.passed else "FAIL"
        print(f"  {mark}  {row.what:{width}}  {row.value:>23}  {row.tolerance}".rstrip())
    print(KNOWN_DIFFERENCES)
    print("Every bar is met." if passed else "A bar is MISSED.")
    return 0 if passed else 1


def presets(specs: Sequence[EngineSpec], names: Sequence[str], *, json_lines: bool) -> int:
    """Every hyperparameter of the presets in both libraries; 1 when a library can't be asked."""
    try:
        configs = {name: from_settings({"preset": name}) for name in names or PRESETS}
        tables = tabulate(specs, configs, paths.cache_dir())
    except PresetsError as error:
        print(f"mnist-tui: {formatting.to_plain_text(str(error))}", file=sys.stderr)
        return 1
    if json_lines:
        print(json.dumps({preset: [to_plain(row) for row in rows] for preset, rows in tables.items()}))
        return 0
    for preset, rows in tables.items():
        print(f"\n{preset:30}" + "".join(f"{TITLES.get(engine, engine):25}" for engine in rows[0].values))
        for row in rows:
            if not any(row.values.values()) and not row.defaults:
                continue  # off in both: --json has it
            cells = "".join(f"{formatting.value(value):24.24} " for value in row.values.values())
            defaults = [f"{TITLES.get(e, e)}: {formatting.value(value)}" for e, value in row.defaults.items()]
            hidden = f" left alone, {'; '.join(defaults)}" if defaults else ""
            print(f"{' ' if row.same else '≠'} {row.name:28}{cells}{hidden}".rstrip())
    return 0


def code(
    specs: Sequence[EngineSpec], *, width: int, hyperparameters: bool, json_lines: bool, backend: str = "tensorflow"
) -> int:
    """Both engines' code side by side, counted; then the reference's hyperparameters. 1 when a library can't be asked."""
    from tui.reports import source_columns as beside

    aligned = beside.read_pairs(ENGINES, backend)
    if json_lines:
        print(json.dumps(beside.plain(aligned, ENGINES)))
        return 0
    for line in beside.listing(ENGINES, aligned, width, backend):
        print(line)
    sys.stdout.flush()  # the table takes some seconds: both libraries are imported for it
    return presets(specs, ["reference"], json_lines=False) if hyperparameters else 0


def setup(engines: Sequence[str], kind: str, *, dry_run: bool) -> int:
    """Make an environment for each framework, or print the commands that would."""
    for engine in engines:
        if dry_run:
            print("\n".join(map(shlex.join, plan(engine, kind))))
            continue
        try:
            python = build(engine, kind, print)
        except SetupError as error:
            print(f"mnist-tui: {formatting.to_plain_text(str(error))}", file=sys.stderr)
            return 1
        print(f"{engine}: {python}")
    return 0


def data(dataset: str, data_dir: str, *, fetch: bool, json_lines: bool) -> int:
    """Where digits are; with `fetch`, get them as a run would."""
    folder = Path(data_dir) if data_dir else None
    found = find_digits(folder, paths.cache_dir())
    if not fetch:
        if json_lines:
            print(json.dumps([{"kind": f.kind, "path": str(f.path), "origin": f.origin} for f in found]))
        else:
            for copy in found:
                print(formatting.to_plain_text(f"{copy.origin:15} {copy.path}"))
            if not found:
                print("No MNIST on this machine. `mnist-tui data --fetch` downloads it; offline, digits are drawn.")
        return 0
    try:
        from engines.api import load_digits  # needs numpy, which nothing before it does

        digits = load_digits(dataset, folder, cache_dir=paths.cache_dir(), on_progress=_say_bytes)
    except (DataError, ConfigError) as error:
        said = formatting.to_plain_text(f"{error} {getattr(error, 'hint', '')}")
        print(f"\nmnist-tui: {said}".rstrip(), file=sys.stderr)
        return 1
    facts = {
        "dataset": digits.dataset,
        "source": digits.source,
        "sha256": digits.sha256,
        "train_size": len(digits.train_labels),
        "test_size": len(digits.test_labels),
    }
    print(
        json.dumps(facts)
        if json_lines
        else "\n".join(formatting.to_plain_text(f"{name:11} {value}") for name, value in facts.items())
    )
    return 0


def _say_bytes(done: int, total: int, source: str) -> None:
    if display.can_rewrite(sys.stderr):
        end = "\n" if done >= total else ""
        print(
            f"\r{formatting.size(done)} of {formatting.size(total)} from {formatting.to_plain_text(source)}\x1b[K",
            end=end,
            file=sys.stderr,
        )


def runs(runs_dir: str, chosen: Callable[[RunSummary], bool], *, last: int, json_lines: bool) -> int:
    """List the `last` kept runs that are chosen, newest first; all of them when that is 0."""
    found = (run for run in list_runs(Path(runs_dir)) if chosen(summarize(run)))
    kept = list(itertools.islice(found, last or None))
    if json_lines:
        print(json.dumps(kept))
        return 0
    if not kept:
        print(formatting.to_plain_text(f"No such runs in {runs_dir}."))
    for run in kept:
        figures, said = [], summarize(run)
        changed = f", changed: {said.changes}" if said.changes else ""
        for engine, outcome in said.outcome.items():
            accuracy = formatting.percent(said.accuracy[engine]) + formatting.interval(said.interval[engine])
            goes_on = ", resumable" if engine in said.resumable else ""
            name = engine_id(engine, said.backend or "tensorflow")
            figures.append(f"{name} {outcome} {accuracy} ({said.preset}{changed}{goes_on})")
        words = (
            said.created[:16].replace("T", " "),
            said.dataset,
            said.device,
            formatting.clock(said.seconds),
            said.name,
            "baseline" * said.baseline,
            said.note,
        )
        print(formatting.to_plain_text("  ".join([said.id, *figures, *filter(None, words)])))
    if last and len(kept) == last:
        print(f"The last {last}; --last 0 lists all.")
    return 0


def make_room(runs_dir: str, keep: int | None, *, empty: bool, sure: bool) -> int:
    """Throw runs away, and empty the trash; or say what would be done."""
    place = Path(runs_dir)
    doomed = [] if keep is None else prunable_runs(list(list_runs(place)), keep)
    for run in doomed:
        said = formatting.size(size_bytes(place / run))
        print(formatting.to_plain_text(f"{run}  {said}{'' if sure else '  would be thrown away'}"))
    if not sure:
        would = [] if keep is None else [f"{plural(len(doomed), 'run')} would be thrown away"]
        if empty:
            lying = plural(len(list((place / TRASH).glob("*"))) + len(doomed), "run")
            would.append(f"{lying} in {place / TRASH} would be deleted for good")
        print(formatting.to_plain_text(f"{', '.join(would)}; --yes does it."))
        return 0
    for run in doomed:
        move_to_trash(place / run)
    if keep is not None:
        print(formatting.to_plain_text(f"{plural(len(doomed), 'run')} moved to {place / TRASH}."))
    if empty:
        print(f"{plural(empty_trash(place), 'run')} deleted.")
    return 0


def compare(recordings: Sequence[Path], *, json_lines: bool) -> int:
    """Figures, verdicts against the first, and the settings that differ."""
    from tui.reports import comparison as comparison
    from tui.reports.export import name_of

    read = [(path, read_run(path.parent, path.name)[0]) for path in recordings]
    names = [name_of(path) for path, _ in read]
    runs = [(name if names.count(name) == 1 else str(path), of) for name, (path, of) in zip(names, read, strict=True)]
    compared = comparison.entries(runs)
    if not compared:
        print("mnist-tui: no run was recorded there.", file=sys.stderr)
        return 1
    if json_lines:
        figures = [comparison.figures(entry) for entry in compared]
        said = {"verdicts": comparison.verdicts(compared), "differences": comparison.differences(compared)}
        print(json.dumps({"runs": figures, **said}))
    else:
        for line in comparison.lines(compared):
            print(formatting.to_plain_text(line))
    return 0


def export(recording: Path, form: str, out: str, *, force: bool) -> int:
    """A run in that form: texts on stdout or into the file `out`, files into the folder `out`, or here."""
    from tui.reports import export

    try:
        if form in export.FILES:
            for made in export.write_files(form, recording, Path(out or "."), force=force):
                print(formatting.to_plain_text(str(made)))
        elif out:
            export.write_text(export.text(form, recording), Path(out), force=force)
        else:
            print(export.text(form, recording), end="")
    except ExportError as error:
        print(formatting.to_plain_text(f"mnist-tui: {error}"), file=sys.stderr)
        return 1
    return 0
