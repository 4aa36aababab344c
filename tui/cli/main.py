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
    from typing import NoReturn

PROGRAM = "mnist-tui"

COMMANDS = {
    "": "Train the MNIST convnet in PyTorch and Keras, live and side by side.",
    "tour": "take a guided tour of three minutes; it needs no framework",
    "train": "train without the app: bars on a terminal, lines otherwise, or --json",
    "parity": "prove that both frameworks train the same thing",
    "presets": "show every hyperparameter in both libraries, hidden defaults included",
    "script": "print a stand-alone script that trains with these settings in PyTorch or Keras",
    "code": "show both scripts and both engines side by side, their length, and every hyperparameter",
    "bench": "measure speed, as ratios to plain scripts",
    "doctor": "check frameworks, devices and data, and say how to fix what is wrong",
    "setup": "make an environment for each framework",
    "data": "show where the digits are, or download them",
    "runs": "list the saved runs, or delete old ones",
    "replay": "show a saved run as if it were live",
    "compare": "compare saved runs: figures, verdicts, and the settings that differ",
    "export": "write a saved run as csv, json, markdown, html, or for TensorBoard, ONNX, safetensors",
}
"""The description of each command by its name; the empty name is the app. `load` imports its module."""


class _Parser(argparse.ArgumentParser):
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
    options = _parser(name, command).parse_args(words[1:] if name else words)
    if not name and options.version:
        _print_version()
        return 0
    if name not in ("", "doctor") and "keras_python" in options:  # those two report it in their own way
        arguments.report_config_problems()
    code: int = command.run(options)
    return code


def _parser(name: str, command: ModuleType) -> _Parser:
    parser = _Parser(
        prog=f"{PROGRAM} {name}".strip(),
        description=COMMANDS[name],
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_options(parser)
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    if not name:
        parser.add_argument("--version", action="store_true", help="print the version")
        parser.epilog = "commands:\n" + "\n".join(f"  {n:9} {text}" for n, text in COMMANDS.items() if n)
    return parser


def _print_version() -> None:
    from engines.version import __version__

    print(f"{PROGRAM} {__version__}")
