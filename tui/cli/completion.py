"""Print a script that completes commands, options, presets, devices and runs in bash, zsh or fish."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from engines.api import PRESETS
from tui.cli import arguments
from tui.cli.bench import BENCHES, SCALING

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = (
    ("source <(mnist-tui completion bash)", "in ~/.bashrc"),
    ('eval "$(mnist-tui completion zsh)"', "in ~/.zshrc, after compinit"),
    ("mnist-tui completion fish | source", "in config.fish"),
)
LISTS = ("runs", "devices")
"""The values for which a script starts the program; all else is in the script, so that most tab presses start nothing."""

_VALUES = {
    "runs": ("run", "runs", "resume"),
    "devices": ("device", "pytorch_device", "keras_device"),
    "file": ("out", "file", "font", "same_weights", "pytorch_python", "keras_python"),
    "directory": ("data_dir", "runs_dir"),
}
"""The names of options and arguments, by what their values are."""
_FUNCTIONS = {
    "bash": '_mnist_tui_LIST() { compgen -W "$(mnist-tui completion LIST 2>/dev/null)" -- "$1"; }',
    "zsh": '_mnist_tui_LIST() { compadd -V LIST -- ${(f)"$(mnist-tui completion LIST 2>/dev/null)"}; }',
}
"""The definition of the function that completes with one of LISTS; fish calls the program itself."""
_BASH_WORDS = """

# Bash breaks words at ":" and "=", as in cuda:0 and --preset=best: join them again before they are completed.
_mnist_tui() {
  local word last=0
  local -a words=("${COMP_WORDS[0]}")
  for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [[ $last != 0 && ($word == :* || ${words[last]} == *:) ]]; then
      words[last]+=$word
    elif [[ $word == = ]]; then
      words[++last]=
    elif [[ $last != 0 && -z ${words[last]} ]]; then
      words[last]=$word
    else
      words[++last]=$word
    fi
  done
  local -a COMP_WORDS=("${words[@]}")
  local COMP_CWORD=$last
  _shtab_mnist_tui
  local broken=${words[last]%"${words[last]##*:}"}
  COMPREPLY=("${COMPREPLY[@]#"$broken"}")
}
complete -o nosort -o bashdefault -F _mnist_tui mnist-tui"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui completion`."""
    parser.add_argument(
        "what",
        metavar="SHELL",
        choices=(*SHELLS, *LISTS),
        help="bash, zsh or fish; their scripts call it with runs or devices, to list those",
    )
    arguments.add_runs_dir_option(parser)


def run(options: argparse.Namespace) -> int:
    """Print the script of a shell; or the runs or the devices, one a line."""
    if options.what in SHELLS:
        print(script(options.what))
    else:
        names = run_names(Path(arguments.runs_dir(options))) if options.what == "runs" else device_names()
        print(*names, sep="\n")
    return 0


def script(shell: str) -> str:
    """Return the completion script of a shell, made from the options of all commands."""
    import shtab

    parser = _parser_of_all()
    for action in _actions(parser):
        if action.nargs == "*":  # argparse would reject no value at all
            action.choices = {"preset": PRESETS, "what": (*BENCHES, SCALING)}[action.dest]
        for values, names in _VALUES.items():
            if action.dest in names:
                action.complete = _completer(values)  # type: ignore[attr-defined]  # shtab reads it
    functions = "\n".join(_FUNCTIONS[shell].replace("LIST", name) for name in LISTS if shell in _FUNCTIONS)
    text: str = shtab.complete(parser, shell, root_prefix="mnist_tui", preamble=functions)
    return text + _BASH_WORDS if shell == "bash" else text


def _parser_of_all() -> argparse.ArgumentParser:
    """Return one parser that has every command."""
    from tui.cli import main

    parser = main.make_parser("", main.load(""))
    subparsers = parser.add_subparsers()
    for name, text in main.COMMANDS.items():
        if name:
            main.fill_parser(subparsers.add_parser(name, help=text, add_help=False), name, main.load(name))
    return parser


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield every option and argument of the parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)


def _completer(values: str) -> Mapping[str, object]:
    """Return what completes these values, by shell, as shtab wants it."""
    import shtab

    if values not in LISTS:
        return {"file": shtab.FILE, "directory": shtab.DIRECTORY}[values]
    function = f"_mnist_tui_{values}"
    return {"bash": function, "zsh": function, "fish": f"(mnist-tui completion {values} 2>/dev/null)"}


# The values


def run_names(runs_dir: Path) -> list[str]:
    """Return the ids of the saved runs, newest first, and the name of the recording that comes with the program."""
    names = sorted(os.listdir(runs_dir), reverse=True) if runs_dir.is_dir() else []
    return [*(name for name in names if (runs_dir / name / "events.jsonl").is_file()), "demo"]


def device_names() -> list[str]:
    """Return the devices of this machine that may be named, found without a framework or the GPU's driver."""
    gpus = [name for name in os.listdir("/dev") if re.fullmatch(r"nvidia\d+", name)]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = min(len(gpus), len([name for name in visible.split(",") if name])) if visible is not None else len(gpus)
    several = ["all"] * (count > 1)
    return ["auto", "cpu", *(f"cuda:{i}" for i in range(count)), *several, *["mps"] * (sys.platform == "darwin")]
