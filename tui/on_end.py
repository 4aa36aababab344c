"""The user's command that runs when training has ended."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from engines.api import RunSource, reason, verdict
from tui import formatting, run_status


class OnEnd:
    """Runs a command of the shell once after each run, when its record is complete."""

    def __init__(self, command: str) -> None:
        self.command = command
        self._handled: tuple[str, ...] = ()
        """The ids of the runs after which the command was last run."""

    def due(self, session: RunSource) -> dict[str, str]:
        """Return the command's variables if runs have ended since the last call; empty if not."""
        histories = run_status.requested(session)
        run_ids = tuple(history.run_id for history in histories.values())
        if session.running or run_ids == self._handled or any(h.ended_t is None for h in histories.values()):
            return {}
        self._handled = run_ids
        result, folder = verdict(histories), session.folder(next(iter(histories)))
        return {
            "MNIST_TUI_RUN": str(folder or ""),
            "MNIST_TUI_VERDICT": result.text if result is not None else "",
            "MNIST_TUI_OUTCOME": run_status.worst_outcome(histories),
        }

    def run_if_due(self, session: RunSource) -> None:
        """Run the command if runs have ended since the last call; its output and its failure go to stderr."""
        if (variables := self.due(session)) and (problem := self.run(variables, output=2)):
            print(f"mnist-tui: {problem}", file=sys.stderr)

    def run(self, variables: Mapping[str, str], output: int | None = None) -> str:
        """Run the command, all its output to a descriptor; return in one line why it failed, or an empty text.

        Without a descriptor its output is dropped, but for the last line of stderr, which says why it failed.
        """
        with tempfile.TemporaryFile() as errors:  # a pipe would have no end while a process in its background lives
            try:
                done = subprocess.run(
                    self.command, shell=True, stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL if output is None else output, stderr=errors if output is None else output,
                    env={**os.environ, **variables}, check=False,
                )  # fmt: skip
            except (OSError, ValueError) as error:
                return f"The command of --on-end could not start: {reason(error)}."
            errors.seek(0)
            lines = errors.read().decode(errors="replace").split("\n")
        if not done.returncode:
            return ""
        last = next((text for line in reversed(lines) if (text := formatting.to_plain_text(line).strip())), "")
        ending = f"exit code {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        return f"The command of --on-end ended with {ending}{': ' + last if last else ''}".removesuffix(".") + "."
