"""What can be said on the command line, shared by its commands. Imports nothing heavy before it has to."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False  # as in tui.cli.main
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any


THEMES = ("mnist-dark", "mnist-light", "mnist-clear", "ansi-dark", "ansi-light")
"""As in tui.themes, for which one would have to wait until Textual is imported."""


class UsageError(Exception):
    """Something on the command line can't be used: one sentence that says what to do."""


def training(parser: argparse.ArgumentParser) -> None:
    """One flag for each field of TrainConfig, and what decides who trains where."""
    import dataclasses

    from engines.api import FRAMEWORK_CHOICES, TrainConfig

    group = parser.add_argument_group(
        "what is trained", "In brackets: the defaults, which are the preset reference; another preset has its own."
    )
    group.add_argument("--framework", choices=(*FRAMEWORK_CHOICES,), help="which to train (both)")
    for field in dataclasses.fields(TrainConfig):
        if isinstance(field.default, bool):
            switch = argparse.BooleanOptionalAction
            text = f"{field.metadata['help']} ({'on' if field.default else 'off'})"
            group.add_argument(f"--{field.name.replace('_', '-')}", action=switch, default=None, help=text)
            continue
        choices = field.metadata.get("choices")
        placeholder = {int: "N", float: "X"}.get(type(field.default), field.name.upper())
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=value(field.name),
            choices=choices,
            help=f"{field.metadata['help']} ({field.default if field.default != '' else 'none'})",
            metavar=None if choices else placeholder,
        )
    where = parser.add_argument_group("where")
    runs(where)
    where.add_argument("--resume", metavar="RUN", help="go on with a run from its last checkpoint, in a new folder")
    pythons(where)


def value(name: str) -> Callable[[str], Any]:
    """Reads that setting from the command line, or says what is wrong with it."""

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


def path(text: str) -> str:
    """Read a path from the command line: absolute, its ~ expanded also where the shell left it; empty stays empty."""
    from engines.api import user_path

    return str(user_path(text)) if text else ""


def app(parser: argparse.ArgumentParser) -> None:
    """What the app takes."""
    parser.description = f"{parser.description} Settings that are not given are those of the last time."
    training(parser)
    parser.add_argument("--start", action="store_true", help="begin to train at once")
    parser.add_argument("--plain", action="store_true", help="train at once, with lines of text instead of a screen")
    screen(parser)


def screen(parser: argparse.ArgumentParser) -> None:
    """How the app is drawn."""
    group = parser.add_argument_group("screen")
    group.add_argument("--fps", type=integer, default=10, metavar="N", help="frames a second (10)")
    group.add_argument("--slow", action="store_true", help="for slow connections: 2 frames a second, 256 colours")
    group.add_argument("--ascii", action="store_true", help="only ASCII characters in charts and bars")
    group.add_argument(
        "--theme", choices=THEMES, help="the looks (the last ones; at first mnist-dark, or ansi-dark in 16 colours)"
    )


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of a run, checked; only what was said."""
    import dataclasses

    from engines.api import ConfigError, TrainConfig, from_settings

    names = [field.name for field in dataclasses.fields(TrainConfig)]
    said = {name: value for name in names if (value := getattr(options, name)) is not None}
    try:
        from_settings(said)
    except ConfigError as error:
        raise UsageError(str(error)) from None
    if options.framework:
        said["framework"] = options.framework
    return said


def recording(run: str, options: argparse.Namespace) -> Path:
    """The recording that `run` names: a kept run, its folder, an events.jsonl, or "demo". Raises UsageError."""
    from pathlib import Path

    from engines.api import events_file

    try:
        return events_file(run, Path(runs_dir(options)))
    except OSError:
        if run == "demo":
            from engines.api import DEMO

            return DEMO
        import shlex

        place = f" --runs-dir {shlex.quote(options.runs_dir)}" if options.runs_dir else ""
        raise UsageError(f"There is no run {run!r}. `mnist-tui runs{place}` lists them.") from None


def resumed(options: argparse.Namespace) -> Path | None:
    """The folder of the run that --resume names; None without it. Raises UsageError."""
    return recording(options.resume, options).absolute().parent if options.resume else None  # in "." it has a name, too


def report_config_problems() -> None:
    """Say on stderr what in config.toml is not used."""
    import sys

    from engines.api import config_problems, paths
    from tui import formatting

    for problem in config_problems(paths.config_file()):
        print(formatting.to_plain_text(f"mnist-tui: {problem}"), file=sys.stderr)


def startup_problems(options: argparse.Namespace) -> list[str]:
    """What the app says when it has opened: what in config.toml is not used, and that no run can be kept."""
    from pathlib import Path

    from engines.api import config_problems, paths

    problems = config_problems(paths.config_file())
    if not paths.can_exist(Path(runs_dir(options))):
        problems.append(
            f"No run can be kept in {runs_dir(options)}. Set MNIST_TUI_HOME to a folder that you can write to."
        )
    return problems


def specs(options: argparse.Namespace) -> list[Any]:
    """How to start each chosen engine."""
    from engines.api import FRAMEWORK_CHOICES, engine_spec

    pythons = {"pytorch": options.pytorch_python, "keras": options.keras_python}
    backend = options.keras_backend or "tensorflow"
    return [engine_spec(engine, pythons[engine], backend) for engine in FRAMEWORK_CHOICES[options.framework or "both"]]


def pythons(parser: argparse._ActionsContainer) -> None:
    """In which interpreter each framework lives."""
    parser.add_argument("--pytorch-python", metavar="PATH", default="", help="the interpreter that has PyTorch")
    parser.add_argument(
        "--keras-python", metavar="PATH", default="", help="the interpreter that has Keras and its backend"
    )


def backend(parser: argparse._ActionsContainer) -> None:
    """What Keras computes with, for the commands that are told nothing else of a run."""
    from engines.api import BACKENDS

    parser.add_argument("--keras-backend", choices=(*BACKENDS,), help="what Keras computes with (tensorflow)")


def runs(parser: argparse._ActionsContainer) -> None:
    """Where runs are kept."""
    parser.add_argument("--runs-dir", type=path, metavar="DIR", help="where runs are kept")


def dataset(parser: argparse._ActionsContainer) -> None:
    """Which digits, for the commands that are told nothing else of a run."""
    choices = ("auto", "mnist", "drawn")
    parser.add_argument(
        "--dataset", choices=choices, default="auto", help="which digits: auto, mnist, or drawn offline (auto)"
    )


def data(parser: argparse._ActionsContainer) -> None:
    """Where MNIST is."""
    parser.add_argument("--data-dir", type=path, metavar="DIR", default="", help="a folder that holds MNIST")


def runs_dir(options: argparse.Namespace) -> str:
    """Where runs are kept."""
    from engines.api import paths

    return getattr(options, "runs_dir", None) or str(paths.runs_dir())
