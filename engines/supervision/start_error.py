"""Explain to the user why a worker could not be started, and what to do about it."""

from __future__ import annotations

from engines.supervision.registry import MANAGED, OWN, EngineSpec
from engines.ulimits import limit_in


def explain(spec: EngineSpec, error: OSError) -> tuple[str, str, str]:
    """Return (kind, message, hint) of a worker that could not be started."""
    reason = error.strerror or str(error)
    if error.filename != spec.python:  # pipes, a process, or a temporary folder are missing
        message = f"The worker of {spec.title} could not be started: {reason}."
        no_folder = "Set TMPDIR to a folder that you can write to." if "temporary directory" in reason else ""
        return "internal", message, limit_in(reason) or no_folder or "Restart tries again."
    if spec.python_source == MANAGED:
        hint = "`mnist-tui setup` makes it again."
    elif spec.python_source == OWN:
        hint = "Python was moved or updated meanwhile: start mnist-tui again."
    else:
        hint = f"{spec.python_source} names it: name a Python that has {spec.title}, or name none."
    return "missing-interpreter", f"{spec.python} could not be started: {reason}.", hint
