"""The command line: the app without a command, everything else by name. Imports nothing heavy before it has to."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys

from tui.cli import arguments
from tui.cli.arguments import CommandError, UsageError
from tui.terminal import display, streams

TYPE_CHECKING = False  # importing typing would take as long as all the rest
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any, NoReturn

PROGRAM = "mnist-tui"

COMMANDS = {
    "": "Train the MNIST convnet in PyTorch and Keras, live and side by side.",
    "tour": "take a guided tour of three minutes; it needs no framework",
    "train": "train without the app: bars on a terminal, else lines, or --json",
    "watch": "show a run of another process live",
    "stop": "stop a run of another process, and keep its results",
    "replay": "show a saved run as if it were live",
    "runs": "list the saved runs, or delete old ones",
    "compare": "compare saved runs: figures, verdicts, settings that differ",
    "export": "write saved runs as tables, pages, moving pictures or models",
    "parity": "prove that both frameworks train the same thing",
    "presets": "show every hyperparameter in both libraries, and hidden defaults",
    "script": "print a plain script that trains with these settings",
    "code": "show scripts and engines side by side, and every hyperparameter",
    "bench": "measure speed, as ratios to plain scripts",
    "gpus": "show every GPU: its load, its temperature and who holds it",
    "setup": "make an environment for each framework",
    "data": "show where the digits are, or download them",
    "doctor": "check frameworks, devices and data, and say what to fix",
    "about": "show versions, paths and the terminal: what a bug report needs",
    "completion": "print a script that completes commands and options in your shell",
}
"""The description of each command by its name; the empty name is the app. `load` imports its module."""

MANUAL = {
    "environment": (
        ("MNIST_TUI_HOME", "the folder of runs, and of environments by setup"),
        ("MNIST_TUI_DATA", "a folder that holds MNIST"),
        ("MNIST_TUI_CACHE_DIR", "the folder of downloaded digits"),
        ("MNIST_TUI_CONFIG_DIR", "the folder of config.toml and remembered.toml"),
        ("MNIST_TUI_PYTORCH_PYTHON", "the interpreter that has PyTorch"),
        ("MNIST_TUI_KERAS_PYTHON", "the interpreter that has Keras"),
        ("NO_COLOR", "set to anything: no colours"),
    ),
    "files": (("`mnist-tui about` names them", "runs, digits, settings, your config.toml"),),
    "exit codes": (
        ("0", "done"),
        ("1", "failed, or a target was missed"),
        ("2", "bad usage"),
        ("3", "the doctor found a fault"),
        ("128 + n", "ended by signal n"),
    ),
}
"""The last sections of the help of `mnist-tui`."""
LEFT_WIDTH = 36
"""The most columns of the left side of such a section."""


NEVER_EMPTY = {"RUN": "the name of a run", "DIR": "a folder", "FILE": "a file", "PATH": "a path"}
"""The meaning of a value, by its placeholder in the help; an option that takes one of these refuses an empty value."""


class _Store(argparse.Action):
    """Stores an option's value. An empty name or path is an unset variable of a script, and not the default."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        if option and values == "" and (needed := NEVER_EMPTY.get(str(self.metavar))):
            raise UsageError(f"{option} needs {needed}.")
        setattr(namespace, self.dest, values)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, and whose help reads like a manual page."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.register("action", None, _Store)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[0].upper()}{message[1:]}. See `{self.prog} --help`.")

    def print_help(self, file: object = None) -> None:
        print(self.format_help(), end="", flush=True)  # argparse itself would ignore that a disk is full


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0 done, 1 failed, 2 bad usage, 3 the doctor found a fault, 128 + n ended by signal n.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    streams.open_missing()
    streams.accept_any_text()
    display.ignore_exported_size()
    # Where it is ignored, the system would reuse a worker's process id before we learn that it ended.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if os.path.expanduser("~") == "~":
        os.environ["HOME"] = "/"  # as container engines do: libraries fail where a user has no home at all
    # The app only reads digits: a thread for each core costs time, and where too few are allowed, numpy ends the process.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    complaint = ""
    try:
        code = _dispatch(words)
    except SystemExit:  # argparse has printed the help
        code = 0
    except UsageError as error:
        code, complaint = 2, str(error)
    except CommandError as error:
        code, complaint = 1, str(error)
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # the reader of the pipe has ended, and misses nothing
        code = 1
    except Exception as error:
        if "--debug" in words:
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


def load(command: str) -> ModuleType:
    """Import a command's module: `add_options(parser)` adds its options, `run(options)` returns its exit code."""
    return importlib.import_module(f"tui.cli.{command or 'app'}")


def _dispatch(words: list[str]) -> int:
    if words[:1] in (["--version"], ["-V"]):
        _print_version()
        return 0
    if "--slow" in words:
        os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", "256")  # shorter than true colour; Textual reads it once
    name = words[0] if words and not words[0].startswith("-") else ""
    if name not in COMMANDS:
        commands = ", ".join(command for command in COMMANDS if command)
        raise UsageError(f"There is no command {name!r}. Known: {commands}; without a command the app opens.")
    command = load(name)
    options = make_parser(name, command).parse_args(words[1:] if name else words)
    if not name and options.version:
        _print_version()
        return 0
    if name not in ("", "doctor") and "keras_python" in options:  # those two report it in their own way
        arguments.report_config_problems()
    code: int = command.run(options)
    return code


def make_parser(name: str, command: ModuleType) -> _Parser:
    """Return the parser of a command."""
    return fill_parser(_Parser(add_help=False), name, command)


def fill_parser(parser: _Parser, name: str, command: ModuleType) -> _Parser:
    """Add the options of a command and its help: examples first, then what it needs most, at last what all commands have."""
    parser.prog = f"{PROGRAM} {name}".strip()
    parser.allow_abbrev = False
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    text = COMMANDS[name]
    parser.description = f"{text[0].upper()}{text[1:]}." if name else text
    parser._positionals.title = "arguments"
    command.add_options(parser)
    other = parser.add_argument_group("other")
    other.add_argument("-h", "--help", action="help", help="show this help")
    other.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    parser.usage = " ".join([parser.prog, "[options]", *map(_usage, parser._get_positional_actions())])
    parser.description += f"\n\n{_section('examples', command.EXAMPLES)}"
    if not name:
        other.add_argument("--version", action="store_true", help="print the version")
        parser.usage += f"\n       {PROGRAM} COMMAND [options]"
        parser.description += f"\n\n{_section('commands, each with its own --help', [*COMMANDS.items()][1:])}"
        parser.epilog = "\n\n".join(_section(title, rows) for title, rows in MANUAL.items())
    return parser


def _usage(positional: argparse.Action) -> str:
    """Return an argument as the line of usage has it: "RUN", "[RUN]", "RUN ..." or "[PRESET ...]"."""
    word = str(positional.metavar or "|".join(positional.choices or ()))
    return {"?": f"[{word}]", "+": f"{word} ...", "*": f"[{word} ...]"}.get(str(positional.nargs), word)


def _section(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """Return a section of the help in two columns; a line that is too long for both has its second part below."""
    width = min(max(len(left) for left, _ in rows), LEFT_WIDTH)
    lines = [
        f"  {left:{width}}" + (f"  {right}" if len(left) <= width else f"\n  {'':{width}}  {right}")
        for left, right in rows
    ]
    return "\n".join([f"{title}:", *lines])


def _print_version() -> None:
    from engines.version import __version__

    print(f"{PROGRAM} {__version__}")
