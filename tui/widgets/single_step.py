"""The words for one step that a paused run trained alone: its loss, its right answers, and how far it moved each layer."""

from __future__ import annotations

import textwrap

from engines.api import RunHistory, StepMeasured
from tui import formatting
from tui.widgets.step_changes import log_ratio

WIDTH = 31
"""The columns that a pane has at 80 columns."""
MOST_LINES = 6
"""The most lines about what moved."""


def step_text(history: RunHistory) -> str:
    """Return the lines for the newest such step, at most WIDTH columns wide; empty without one."""
    step = history.step_by_hand
    if step is None:
        return ""
    accuracy = formatting.percent(step.correct / step.samples, 1) if step.samples else "n/a"
    lines = [f"Step {step.global_step:,}: loss {formatting.loss(step.loss)}"]
    lines.append(f"{step.correct:,} of {step.samples:,} right: {accuracy}")
    return "\n".join([*lines, *_changes(step)])


def _changes(step: StepMeasured) -> list[str]:
    """Return a table of what moved, with what matters most on the left, or the reason why it is unknown."""
    if not step.layers:
        return textwrap.wrap(f"What moved: n/a, {formatting.to_plain_text(step.problem)}", WIDTH)[:MOST_LINES]
    rows = [f"{one.layer:6} {log_ratio(one):6.1f} {one.update:8.1e} {one.gradient:8.1e}" for one in step.layers]
    return [f"{'layer':6} {'log10*':>6} {'update':>8} {'gradient':>8}", *rows, "* update/weight: -3 is usual"]
