"""Make an environment for each framework."""

from __future__ import annotations

import argparse
import shlex
import sys

from engines.api import ENGINES, SetupError, advice, build, engine_id, plan
from tui.cli import arguments
from tui.cli.arguments import CommandError

EXAMPLES = (
    ("mnist-tui setup --dry-run", "what would be done"),
    ("mnist-tui setup --gpu", "both, with CUDA"),
    ("mnist-tui setup --framework keras --keras-backend jax --gpu", "Keras on JAX"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui setup`."""
    parser.add_argument(
        "--framework", choices=("pytorch", "keras", "both"), default="both", help="which framework to install (both)"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--gpu", dest="kind", action="store_const", const="gpu", default="cpu", help="install the builds with CUDA"
    )
    kind.add_argument(
        "--cpu", dest="kind", action="store_const", const="cpu", help="install the standard builds (the default)"
    )
    arguments.add_backend_option(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the commands and run none")


def run(options: argparse.Namespace) -> int:
    """Make the environments, or print the commands that would. Raises CommandError when one can't be made."""
    frameworks = ENGINES if options.framework == "both" else (options.framework,)
    for engine in (engine_id(framework, options.keras_backend or "tensorflow") for framework in frameworks):
        try:
            commands = plan(engine, options.kind)
            for sentence in advice(engine, options.kind):
                print(sentence, file=sys.stderr)  # stdout has the commands, for a shell
            if options.dry_run:
                print("\n".join(map(shlex.join, commands)))
                continue
            python = build(engine, options.kind, print)
        except SetupError as error:
            raise CommandError(str(error)) from None
        print(f"{engine}: {python}")
    return 0
