"""Options that several commands share, and what is read from them. Imports nothing heavy before it has to."""

from __future__ import annotations

import argparse

from tui.theme_names import THEME_NAMES

TYPE_CHECKING = False  # as in tui.cli.main
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import Field
    from pathlib import Path
    from typing import Any

    from engines.api import RunRequest


MAX_FPS = 60
"""The most frames per second of the app."""
RECORDING_HELP = 'a saved run, its folder, an events.jsonl, or "demo"'
COLD_WARM_HELP = "A cold time includes importing the framework; a warm time does not."


class UsageError(Exception):
    """The command line can't be used: one sentence that says what to do. The command ends with exit code 2."""


class CommandError(Exception):
    """The command failed: one sentence that says why. The command ends with exit code 1."""


# Options


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each field of TrainConfig, and those that say which engines train and where."""
    add_setting_options(parser, with_framework=True)
    where = parser.add_argument_group("where")
    add_runs_dir_option(where)
    where.add_argument("--resume", metavar="RUN", help="continue a run from its last checkpoint, in a new folder")
    add_python_options(where)


def add_setting_options(parser: argparse.ArgumentParser, *, with_framework: bool = False) -> None:
    """Add an option for each field of TrainConfig, after --framework if that is asked for."""
    import dataclasses

    from engines.api import FRAMEWORK_CHOICES, SETTING_GROUPS, TrainConfig

    text: str | None = "In brackets: the defaults of the preset reference; others have their own."
    fields = {field.name: field for field in dataclasses.fields(TrainConfig)}
    for title, names in SETTING_GROUPS.items():
        group = parser.add_argument_group(title.lower(), text)
        text = None
        if with_framework and names[0] == "preset":
            group.add_argument("--framework", choices=(*FRAMEWORK_CHOICES,), help="which framework to train (both)")
        for name in names:
            _add_setting(group, fields[name])


def _add_setting(group: argparse._ArgumentGroup, field: Field[Any]) -> None:
    """Add the option of one field of TrainConfig."""
    option = f"--{field.name.replace('_', '-')}"
    if isinstance(field.default, bool):
        text = f"{field.metadata['help']} ({'on' if field.default else 'off'})"
        group.add_argument(option, action=argparse.BooleanOptionalAction, default=None, help=text)
        return
    choices = field.metadata.get("choices")
    placeholder = {int: "N", float: "X"}.get(
        type(field.default), "DIR" if field.name == "data_dir" else field.name.upper()
    )
    group.add_argument(
        option,
        type=setting(field.name),
        choices=choices,
        help=f"{field.metadata['help']} ({field.default if field.default != '' else 'none'})",
        metavar=None if choices else placeholder,
    )


def add_screen_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how the app is drawn."""
    group = parser.add_argument_group("screen")
    rate = integer_between(1, MAX_FPS)
    group.add_argument("--fps", type=rate, default=10, metavar="N", help=f"frames per second, at most {MAX_FPS} (10)")
    group.add_argument("--slow", action="store_true", help="for slow connections: 2 frames per second, 256 colours")
    group.add_argument("--ascii", action="store_true", help="only ASCII characters in charts and bars")
    group.add_argument(
        "--no-mouse", action="store_true", help="leave the mouse to the terminal, to select text with it"
    )
    group.add_argument(
        "--theme",
        choices=THEME_NAMES,
        help="colours (those used last; at first mnist-dark, or ansi-dark in 16 colours)",
    )


def add_on_end_option(parser: argparse.ArgumentParser) -> None:
    """Add --on-end."""
    text = "a command for the shell when training has ended; it finds MNIST_TUI_RUN, _VERDICT and _OUTCOME set"
    parser.add_argument("--on-end", metavar="COMMAND", default="", help=text)


def add_captions_option(parser: argparse.ArgumentParser) -> None:
    """Add --captions."""
    parser.add_argument("--captions", action="store_true", help="explain in short sentences what happens")


def add_python_options(parser: argparse._ActionsContainer) -> None:
    """Add the options that name each framework's interpreter."""
    parser.add_argument("--pytorch-python", metavar="PATH", default="", help="the interpreter that has PyTorch")
    parser.add_argument(
        "--keras-python", metavar="PATH", default="", help="the interpreter that has Keras and its backend"
    )


def add_backend_option(parser: argparse._ActionsContainer) -> None:
    """Add --keras-backend, for commands without the training options."""
    from engines.api import BACKENDS

    parser.add_argument("--keras-backend", choices=(*BACKENDS,), help="what Keras computes with (tensorflow)")


def add_runs_dir_option(parser: argparse._ActionsContainer) -> None:
    """Add --runs-dir."""
    parser.add_argument("--runs-dir", type=path, metavar="DIR", help="the folder of saved runs")


def add_dataset_option(parser: argparse._ActionsContainer) -> None:
    """Add --dataset, for commands without the training options."""
    choices = ("auto", "mnist", "drawn")
    parser.add_argument(
        "--dataset", choices=choices, default="auto", help="which digits: auto, mnist, or drawn offline (auto)"
    )


def add_data_dir_option(parser: argparse._ActionsContainer) -> None:
    """Add --data-dir, for commands without the training options."""
    parser.add_argument("--data-dir", type=path, metavar="DIR", default="", help="a folder that holds MNIST")


# Types of options


def setting(name: str) -> Callable[[str], Any]:
    """Return the function that reads a value of that setting from the command line."""

    def convert(text: str) -> Any:
        from engines.api import ConfigError, parse

        try:
            return parse(name, text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(f"{text!r} {error}") from None

    return convert


def integer(text: str) -> int:
    """Read a whole number from the command line."""
    from engines.api import parse_integer

    try:
        return parse_integer(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def integer_between(least: int, most: int) -> Callable[[str], int]:
    """Return the function that reads a whole number in this range from the command line."""

    def convert(text: str) -> int:
        number = integer(text)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is out of range, from {least} to {most}")
        return number

    return convert


def path(text: str) -> str:
    """Read a path from the command line: absolute, its ~ expanded also where the shell left it; empty stays empty."""
    from engines.api import user_path

    return str(user_path(text)) if text else ""


# Values


def request(options: argparse.Namespace, saved: Mapping[str, Any] | None = None) -> RunRequest:
    """Return what the command line asks to train; what it leaves out is as saved. Raises UsageError when it can't be used."""
    import dataclasses

    from engines.api import ConfigError, RunRequest, TrainConfig

    names = ["framework", *(field.name for field in dataclasses.fields(TrainConfig))]
    chosen = {name: value for name in names if (value := getattr(options, name)) is not None}
    try:
        _ = RunRequest.from_values(chosen).config
    except ConfigError as error:
        raise UsageError(str(error)) from None
    return RunRequest.from_values({**(saved or {}), **chosen})


def specs(options: argparse.Namespace) -> list[Any]:
    """Return the EngineSpec of each chosen engine."""
    from engines.api import FRAMEWORK_CHOICES, engine_spec

    pythons = {"pytorch": options.pytorch_python, "keras": options.keras_python}
    backend = options.keras_backend or "tensorflow"
    return [engine_spec(engine, pythons[engine], backend) for engine in FRAMEWORK_CHOICES[options.framework or "both"]]


def runs_dir(options: argparse.Namespace) -> str:
    """Return the folder of saved runs."""
    from engines.api import paths

    return getattr(options, "runs_dir", None) or str(paths.runs_dir())


def recording(run: str, options: argparse.Namespace) -> Path:
    """Return the recording that `run` names: a saved run, its folder, an events.jsonl, or "demo". Raises UsageError."""
    from pathlib import Path

    from engines.api import events_file

    try:
        return events_file(run, Path(runs_dir(options)))
    except OSError:
        if run == "demo":
            from engines.api import DEMO

            return DEMO
        import os
        import shlex

        place = f" --runs-dir {shlex.quote(options.runs_dir)}" if options.runs_dir else ""
        folders = [folder for folder in (os.path.expanduser(run), os.path.join(runs_dir(options), run)) if run]
        if folder := next(filter(os.path.isdir, folders), ""):
            fault, listed = f"The folder {folder} holds no record of a run: it has no events.jsonl.", "all runs"
        else:
            fault, listed = f"There is no run {run!r}.", "them"
        raise UsageError(f"{fault} `mnist-tui runs{place}` lists {listed}.") from None


def add_live_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add RUN, --last and --runs-dir: which run of another process is meant."""
    parser.add_argument("run", metavar="RUN", nargs="?", help="a run's id, the start of one, or its folder")
    parser.add_argument("--last", action="store_true", help="the newest run")
    add_runs_dir_option(parser)


def live_run_folder(options: argparse.Namespace) -> Path:
    """Return the folder of the run that RUN or --last names, which need not have events yet. Raises UsageError."""
    from pathlib import Path

    from engines.api import newest_run

    if bool(options.run) == options.last:
        raise UsageError("Name one run, or --last for the newest.")
    folder = Path(runs_dir(options))
    if options.last:
        try:
            newest = newest_run(folder)
        except OSError:
            newest = None
        if newest is None:
            raise UsageError(f"There is no run in {folder}.")
        return newest
    for candidate in (Path(options.run).expanduser(), folder / options.run):
        if (candidate / "config.json").is_file():
            return candidate.absolute()
    return recording(options.run, options).absolute().parent


def resume_folder(options: argparse.Namespace) -> Path | None:
    """Return the folder of the run that --resume names; None without it. Raises UsageError."""
    if options.resume is None:
        return None
    from engines.api import DEMO

    if (path := recording(options.resume, options)) == DEMO:
        raise UsageError("The demo is a recording and can't be continued. Name a run of your own.")
    return path.absolute().parent  # "." has no name


def speed(text: str) -> float:
    """Return the speed of a replay that --speed names. Raises UsageError."""
    from engines.api import MAX_SPEED, parse_float

    try:
        value = MAX_SPEED if text == "max" else min(parse_float(text), MAX_SPEED)
    except ValueError as error:
        raise UsageError(f"--speed {text!r} {error}, or max.") from None
    if not value > 0:
        raise UsageError("--speed must be more than 0.")
    return value


# Problems


def report_config_problems() -> None:
    """Print on stderr what in config.toml is not used, and why."""
    import sys

    from engines.api import config_problems, paths
    from tui import formatting

    for problem in config_problems(paths.config_file()):
        print(formatting.to_plain_text(f"mnist-tui: {problem}"), file=sys.stderr)


def startup_problems(options: argparse.Namespace) -> list[str]:
    """Return what the app warns of when it opens: what in config.toml is not used, and a folder that can't hold runs."""
    from pathlib import Path

    from engines.api import config_problems, paths

    problems = config_problems(paths.config_file())
    if not paths.can_write(Path(runs_dir(options))):
        problems.append(f"Runs can't be saved in {runs_dir(options)}. {paths.OTHER_RUNS_DIR}")
    return problems
