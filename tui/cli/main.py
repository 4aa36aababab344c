"""The command line: the app without a command, everything else by name. Imports nothing heavy before it has to."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys

from tui.cli import arguments as known
from tui.cli.arguments import UsageError
from tui.terminal import display, streams

TYPE_CHECKING = False  # typing's own would take as long as all the rest
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

PROGRAM = "mnist-tui"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[0].upper()}{message[1:]}. See `{self.prog} --help`.")

    def print_help(self, file: object = None) -> None:
        print(self.format_help(), end="", flush=True)  # argparse itself would ignore that a disk is full


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 failed, 2 bad usage, 3 doctor found something, 128+n by signal."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    streams.open_missing()
    streams.accept_any_text()
    display.ignore_exported_size()
    # Where it is ignored, a worker's number would be free before we know of its end.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if os.path.expanduser("~") == "~":
        os.environ["HOME"] = "/"  # as container engines do: libraries fail where a user has no home at all
    complaint = ""
    try:
        code = _dispatch(arguments)
    except SystemExit:  # argparse has printed the help
        code = 0
    except UsageError as error:
        code, complaint = 2, str(error)
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # the reader went away, and misses nothing
        code = 1
    except Exception as error:
        if "--debug" in arguments:
            raise
        from tui.cli import failures

        code, complaint = 1, failures.describe(error)
    unwritten = streams.write_out(sys.stdout)
    if unwritten is not None and code < 128:
        code = code or 1
        complaint = "" if isinstance(unwritten, BrokenPipeError) else streams.describe_lost_output(unwritten)
    if complaint:
        from tui import formatting

        with contextlib.suppress(OSError):
            print(f"{PROGRAM}: {formatting.to_plain_text(complaint)}", file=sys.stderr)
    streams.write_out(sys.stderr)
    return code


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] in (["--version"], ["-V"]):
        from engines.version import __version__

        print(f"{PROGRAM} {__version__}")
        return 0
    if "--slow" in arguments:
        os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", "256")  # shorter than true colour; Textual reads it once
    name = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    if name not in COMMANDS:
        commands = ", ".join(command for command in COMMANDS if command)
        raise UsageError(f"There is no command {name!r}. Known: {commands}; without a command the app opens.")
    build, run, _ = COMMANDS[name]
    parser = _Parser(
        prog=f"{PROGRAM} {name}".strip(),
        description=COMMANDS[name][2],
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    build(parser)
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    if not name:
        parser.add_argument("--version", action="store_true", help="say the version")
        parser.epilog = "commands:\n" + "\n".join(f"  {n:9} {c[2]}" for n, c in COMMANDS.items() if n)
    options = parser.parse_args(arguments[1:] if name else arguments)
    if name not in ("", "doctor") and "keras_python" in options:  # those two say it in their own way
        known.report_config_problems()
    return run(options)


# Commands


def _run_app(options: argparse.Namespace) -> int:
    if options.version:
        return _dispatch(["--version"])
    settings = known.settings(options)
    if options.plain or (lacks := display.missing()):
        if options.start or options.plain:
            from tui.cli import train

            known.report_config_problems()
            return train.train(
                known.specs(options),
                settings,
                known.runs_dir(options),
                json_lines=False,
                bars=False,
                resume=known.resumed(options),
            )
        raise UsageError(f"The app needs {lacks}. Use `mnist-tui train`, or --plain.")
    from pathlib import Path

    from tui.terminal import startup_gc

    startup_gc.pause_gc()
    from engines.api import engine_spec
    from tui import preferences
    from tui.app import MnistApp

    before = preferences.load(preferences.default_path())
    usable, unusable = preferences.usable(before)
    resume = known.resumed(options)
    settings = {**({} if resume else usable), **settings, **_theme(options, before)}
    app = MnistApp(
        [engine_spec("pytorch", options.pytorch_python), engine_spec("keras", options.keras_python)],
        settings,
        start=options.start,
        resume=resume,
        fps=2 if options.slow else options.fps,
        runs_dir=Path(known.runs_dir(options)),
        ascii_only=_ascii_only(options),
        preferences_file=preferences.default_path(),
        warnings=[*known.startup_problems(options), *preferences.problems(preferences.default_path(), unusable)],
    )
    code = app.run_guarded()
    if not app.is_web:  # a browser has no screen that stays
        _say_goodbye(app)
    return code


def _theme(options: argparse.Namespace, remembered: dict[str, Any]) -> dict[str, str]:
    """The looks that were asked for, or else those of the last time, or else those that suit the terminal."""
    from tui import themes

    theme = options.theme or remembered.get("theme")
    return {"theme": theme if isinstance(theme, str) else themes.AUTO}


def _say_goodbye(app: Any) -> None:
    """A line for each engine that trained, on the screen that stays."""
    from tui.cli import train

    app.session.drain()
    with contextlib.suppress(OSError):  # its window was closed
        for line in train.closing_lines(app.session):
            print(line)
    streams.write_out(sys.stdout)


def _ascii_only(options: argparse.Namespace) -> bool:
    """Whether the app is drawn in ASCII: because that was asked for, or because the terminal can show nothing else."""
    from engines.api import has_braille

    return options.ascii or not _utf8() or has_braille(os.environ.get("TERM", "")) is False


def _utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _train_options(parser: argparse.ArgumentParser) -> None:
    known.training(parser)
    parser.add_argument(
        "--json", action="store_true", help="the events of both engines on stdout, a JSON object a line"
    )
    parser.add_argument("--plain", action="store_true", help="lines of text, also on a terminal")


def _run_train(options: argparse.Namespace) -> int:
    from tui.cli import train

    bars = display.can_rewrite(sys.stdout) and not options.plain
    return train.train(
        known.specs(options),
        known.settings(options),
        known.runs_dir(options),
        json_lines=options.json,
        bars=bars,
        resume=known.resumed(options),
    )


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the findings as JSON")
    parser.add_argument("--framework", choices=("pytorch", "keras", "both"), help="which to look at (both)")
    known.pythons(parser)
    known.backend(parser)
    known.data(parser)


def _run_doctor(options: argparse.Namespace) -> int:
    from tui.cli import output

    return output.doctor(known.specs(options), options.data_dir, json_lines=options.json)


def _parity_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="without the whole epoch")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--seed", type=known.value("seed"), default=0, metavar="N", help="of weights and order (0)")
    known.dataset(parser)
    known.data(parser)
    known.pythons(parser)
    known.backend(parser)


def _run_parity(options: argparse.Namespace) -> int:
    from tui.cli import output

    options.framework = "both"
    return output.parity(
        known.specs(options),
        seed=options.seed,
        data_dir=options.data_dir,
        dataset=options.dataset,
        quick=options.quick,
        json_lines=options.json,
    )


BENCHES = ("charts", "startup", "workers", "ui", "engines", "growth")


def _bench_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(BENCHES)} (all)")
    parser.add_argument("--repeats", type=known.integer, default=5, metavar="N", help="interleaved repeats (5)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--framework", choices=("pytorch", "keras", "both"), help="whose workers and engines (both)")
    known.data(parser)
    known.pythons(parser)
    known.backend(parser)


def _run_bench(options: argparse.Namespace) -> int:
    from tui.bench import suite

    unknown = [one for one in options.what if one not in BENCHES]
    if unknown:
        raise UsageError(f"There is no bench {unknown[0]!r}. Known: {', '.join(BENCHES)}.")
    if options.repeats < 1:
        raise UsageError("--repeats must be at least 1.")
    what = options.what or BENCHES
    return suite.measure(
        known.specs(options), what, repeats=options.repeats, data_dir=options.data_dir, json_lines=options.json
    )


def _presets_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", nargs="*", metavar="PRESET", help="which (all)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--framework", choices=("pytorch", "keras", "both"), help="which libraries to ask (both)")
    known.pythons(parser)
    known.backend(parser)


def _run_presets(options: argparse.Namespace) -> int:
    from engines.api import PRESETS
    from tui.cli import output

    unknown = [one for one in options.preset if one not in PRESETS]
    if unknown:
        raise UsageError(f"There is no preset {unknown[0]!r}. Known: {', '.join(PRESETS)}.")
    return output.presets(known.specs(options), options.preset, json_lines=options.json)


def _code_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--width", type=known.integer, metavar="N", help="columns of both engines together (the terminal's, or 160)"
    )
    parser.add_argument("--no-hyperparameters", action="store_true", help="the code alone, at once")
    parser.add_argument("--json", action="store_true", help="sections and counts as JSON")
    known.pythons(parser)
    known.backend(parser)


def _run_code(options: argparse.Namespace) -> int:
    import shutil

    from tui.cli import output

    options.framework = "both"
    width = options.width or shutil.get_terminal_size((160, 24)).columns
    return output.code(
        known.specs(options),
        width=width,
        hyperparameters=not options.no_hyperparameters,
        json_lines=options.json,
        backend=options.keras_backend or "tensorflow",
    )


def _setup_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--framework", choices=("pytorch", "keras", "both"), default="both", help="for which (both)")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--gpu", dest="kind", action="store_const", const="gpu", default="cpu", help="with CUDA for both")
    kind.add_argument("--cpu", dest="kind", action="store_const", const="cpu", help="the standard builds (this)")
    known.backend(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the commands")


def _run_setup(options: argparse.Namespace) -> int:
    from engines.api import ENGINES, engine_id
    from tui.cli import output

    engines = ENGINES if options.framework == "both" else (options.framework,)
    backend = options.keras_backend or "tensorflow"
    return output.setup([engine_id(engine, backend) for engine in engines], options.kind, dry_run=options.dry_run)


def _runs_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--last", type=known.integer, default=50, metavar="N", help="how many, the newest first; 0 for all (50)"
    )
    parser.add_argument("--filter", default="", metavar="WORDS", help='as "preset:best acc>99 state:interrupted"')
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--prune", type=known.integer, metavar="KEEP", help="throw away all but the newest KEEP, and named ones"
    )
    parser.add_argument("--empty-trash", action="store_true", help="delete for good what was thrown away")
    parser.add_argument("--yes", action="store_true", help="do it; without this, only say what would be done")
    known.runs(parser)


def _run_runs(options: argparse.Namespace) -> int:
    from engines.api import FilterError, parse_filter
    from tui.cli import output

    if options.last < 0 or (options.prune or 0) < 0:
        raise UsageError("--last and --prune must be 0 or more.")
    if options.prune is not None or options.empty_trash:
        return output.make_room(known.runs_dir(options), options.prune, empty=options.empty_trash, sure=options.yes)
    try:
        chosen = parse_filter(options.filter)
    except FilterError as error:
        raise UsageError(str(error)) from None
    return output.runs(known.runs_dir(options), chosen, last=options.last, json_lines=options.json)


def _replay_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help='a kept run, its folder, an events.jsonl, or "demo"')
    parser.add_argument("--speed", default="1", metavar="X", help="1, 10, ... or max (1)")
    known.runs(parser)
    known.screen(parser)


def _run_replay(options: argparse.Namespace) -> int:
    from pathlib import Path

    from engines.api import MAX_SPEED, parse_float, read_events
    from tui import preferences

    try:
        speed = MAX_SPEED if options.speed == "max" else min(parse_float(options.speed), MAX_SPEED)
    except ValueError as error:
        raise UsageError(f"--speed {options.speed!r} {error}, or max.") from None
    if not speed > 0:
        raise UsageError("--speed must be more than 0.")
    path = known.recording(options.run, options)
    try:
        events = list(read_events(path))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.") from None
    if not events:
        raise UsageError(f"{options.run} holds no events of mnist-tui.")
    if lacks := display.missing():
        raise UsageError(f"A replay needs {lacks}.")
    from tui.terminal import startup_gc

    startup_gc.pause_gc()
    from tui.app import MnistApp

    app = MnistApp(
        settings=_theme(options, preferences.load(preferences.default_path())),
        recording=events,
        speed=speed,
        runs_dir=Path(known.runs_dir(options)),
        fps=2 if options.slow else options.fps,
        ascii_only=_ascii_only(options),
    )
    return app.run_guarded()


def _export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help='a kept run, its folder, an events.jsonl, or "demo"')
    forms = ("csv", "json", "markdown", "html", "tensorboard", "onnx", "safetensors")
    parser.add_argument(
        "--to", choices=forms, default="csv", help="the form (csv); the last three need mnist-tui[export]"
    )
    parser.add_argument(
        "--out",
        type=known.path,
        default="",
        metavar="PATH",
        help="a file, or a folder for the last three (stdout; here)",
    )
    parser.add_argument("--force", action="store_true", help="write over what is there")
    known.runs(parser)


def _run_export(options: argparse.Namespace) -> int:
    from tui.cli import output

    return output.export(known.recording(options.run, options), options.to, options.out, force=options.force)


def _compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="+", help='kept runs, their folders, events.jsonl files, or "demo"')
    parser.add_argument("--json", action="store_true", help="as JSON")
    known.runs(parser)


def _run_compare(options: argparse.Namespace) -> int:
    from tui.cli import output

    return output.compare([known.recording(run, options) for run in options.run], json_lines=options.json)


def _data_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fetch", action="store_true", help="get the digits now, as a run would")
    known.dataset(parser)
    known.data(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")


def _run_data(options: argparse.Namespace) -> int:
    from tui.cli import output

    return output.data(options.dataset, options.data_dir, fetch=options.fetch, json_lines=options.json)


COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int], str]] = {
    "": (known.app, _run_app, "Train the MNIST convnet in PyTorch and Keras, live and side by side."),
    "train": (_train_options, _run_train, "train without the app: bars on a terminal, lines otherwise, or --json"),
    "parity": (_parity_options, _run_parity, "prove that both frameworks train the same thing"),
    "presets": (_presets_options, _run_presets, "every hyperparameter in both libraries, hidden defaults included"),
    "code": (_code_options, _run_code, "the code of both engines side by side, counted, and every hyperparameter"),
    "bench": (_bench_options, _run_bench, "measure, as ratios to plain scripts"),
    "doctor": (_doctor_options, _run_doctor, "look at frameworks, devices and data, and say what to mend"),
    "setup": (_setup_options, _run_setup, "make an environment for each framework"),
    "data": (_data_options, _run_data, "where the digits are, and get them"),
    "runs": (_runs_options, _run_runs, "list the kept runs"),
    "replay": (_replay_options, _run_replay, "show a kept run as if it were live"),
    "compare": (_compare_options, _run_compare, "kept runs side by side, with verdicts and the settings that differ"),
    "export": (
        _export_options,
        _run_export,
        "write a kept run as csv, json, markdown, html, or for TensorBoard, ONNX, safetensors",
    ),
}
