"""Measure speed, as ratios to plain scripts."""

from __future__ import annotations

import argparse

from tui.cli import arguments
from tui.cli.arguments import UsageError

BENCHES = ("charts", "startup", "workers", "ui", "engines", "growth")
SCALING = "scaling"
"""The bench of several devices, which is run only when it is named."""


EXAMPLES = (
    ("mnist-tui bench startup ui", "these two"),
    ("mnist-tui bench engines --device cuda:0", "training, on a GPU"),
    ("mnist-tui bench scaling --device all", "what 2, 4 and 8 GPUs gain"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui bench`."""
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(BENCHES)} (all these), or {SCALING}")
    parser.add_argument(
        "--repeats", type=arguments.integer, default=5, metavar="N", help="how often each is measured, in turns (5)"
    )
    parser.add_argument("--json", action="store_true", help="print the measurements as JSON")
    parser.add_argument(
        "--framework", choices=("pytorch", "keras", "both"), help="whose workers and engines to measure (both)"
    )
    parser.add_argument(
        "--device",
        type=arguments.setting("device"),
        default="cpu",
        help="where `engines` measures: cpu or cuda:N (cpu); for `scaling` several: cuda:0,cuda:1, all, or cpu,cpu",
    )
    parser.add_argument(
        "--batch-size",
        type=arguments.setting("batch_size"),
        default=128,
        help="digits per step of `scaling`, of all devices together (128)",
    )
    arguments.add_data_dir_option(parser)
    arguments.add_python_options(parser)
    arguments.add_backend_option(parser)


def run(options: argparse.Namespace) -> int:
    """Measure and print. Raises UsageError."""
    from engines.api import is_gpu
    from tui.bench import scaling, suite  # imports Textual, which --help does not need

    unknown = [name for name in options.what if name not in (*BENCHES, SCALING)]
    if unknown:
        raise UsageError(f"There is no bench {unknown[0]!r}. Known: {', '.join((*BENCHES, SCALING))}.")
    if options.repeats < 1:
        raise UsageError("--repeats must be at least 1.")
    if SCALING in options.what:
        if options.what != [SCALING]:
            raise UsageError("`bench scaling` needs devices of its own: name no other bench beside it.")
        if options.device != "all" and "," not in options.device:
            raise UsageError(
                "`bench scaling` needs several devices: --device all, cuda:0,cuda:1 and so on, or cpu,cpu."
            )
        return scaling.measure(
            arguments.specs(options),
            options.device,
            options.batch_size,
            repeats=options.repeats,
            data_dir=options.data_dir,
            json_lines=options.json,
        )
    if options.device != "cpu" and not is_gpu(options.device):
        raise UsageError("--device must be cpu or cuda:N, such as cuda:0.")
    return suite.measure(
        arguments.specs(options),
        options.what or BENCHES,
        repeats=options.repeats,
        data_dir=options.data_dir,
        device=options.device,
        json_lines=options.json,
    )
