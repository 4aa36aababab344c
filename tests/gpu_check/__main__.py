"""The command: `python3 -m tests.gpu_check [ENGINE ...]`.

The exit code is 0 when no check failed, 1 when one did, and 130 when the command was interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from engines.frameworks import PACKAGES
from engines.supervision.registry import EngineSpec, engine_spec
from tests.gpu_check.checks import REQUIRED, EngineChecks, MachineChecks
from tests.gpu_check.table import Check, Row, print_header, print_row, run_checks


def main(argv: list[str]) -> int:
    """Check the engines that the arguments name, or all, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.gpu_check", description="Check everything that needs a GPU."
    )
    parser.add_argument("engine", nargs="*", help=f"engines to check: {', '.join(PACKAGES)}; all without any")
    names = parser.parse_args(argv).engine or list(PACKAGES)
    if unknown := [name for name in names if name not in PACKAGES]:
        parser.error(f"there is no engine {unknown[0]}")
    return check_engines([spec_of(name) for name in names])


def spec_of(name: str) -> EngineSpec:
    """Return the specification of an engine id, such as "keras-jax", in this interpreter or the user's for that engine."""
    engine, _, backend = name.partition("-")
    python = os.environ.get(f"MNIST_TUI_{engine.upper()}_PYTHON") or sys.executable
    return engine_spec(engine, python, backend or "tensorflow")


def check_engines(specs: Sequence[EngineSpec]) -> int:
    """Print the whole table, and return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit ends the table as ctrl+c does
    started, rows = time.monotonic(), list[Row]()

    def report(row: Row) -> None:
        rows.append(row)  # first: an interruption right after the row is printed must not count it as missing
        print_row(row)

    with tempfile.TemporaryDirectory(prefix="gpu-check-", ignore_cleanup_errors=True) as cache:
        machine = MachineChecks(Path(cache))
        engines = [EngineChecks(spec, machine) for spec in specs]
        planned = {"machine": machine.checks(), **{engine.name: engine.checks() for engine in engines}}
        print_header()
        try:
            run_checks("machine", planned["machine"], (), report)
            for engine in engines:
                with engine:
                    run_checks(engine.name, planned[engine.name], REQUIRED, report)
        except KeyboardInterrupt:
            report_missing(planned, rows)
    results = Counter(row.result for row in rows)
    counts = ", ".join(f"{count} {result}" for result, count in sorted(results.items()))
    print(f"\n{counts}, in {time.monotonic() - started:.0f} s.", flush=True)
    return 130 if results["missing"] else 1 if results["FAILED"] else 0


def report_missing(planned: Mapping[str, Mapping[str, Check]], rows: list[Row]) -> None:
    """Add a row for each check that has none."""
    reported = {(row.subject, row.check) for row in rows}
    for subject, checks in planned.items():
        for check in checks:
            if (subject, check) not in reported:
                rows.append(Row(subject, check, "missing", None, "interrupted"))
                print_row(rows[-1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
