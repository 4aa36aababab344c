"""The notice in an engine's panel: a failure, a divergence, a slow start or a failed save, and what to do; or a single step."""

from __future__ import annotations

from textual.widgets import Static

from engines.api import (
    BUILDING,
    DIVERGED,
    FAILED,
    FIRST_STEP,
    IMPORTING,
    INTERRUPTED,
    LOADING,
    RunHistory,
    describe_save_failure,
)
from tui import formatting
from tui.widgets.single_step import step_text

MOST_NOTICE_ROWS = 9
"""The most rows of a notice; the style sheet below says the same."""
MESSAGE_CHARACTERS = 140
"""Longest message: the advice below it must have room, and the log has the rest."""


class Notice(Static):
    """A message about a problem, and advice."""

    DEFAULT_CSS = """
    Notice {
        height: auto;
        max-height: 9;
        margin: 1 0;
        padding: 0 1;
        border-left: thick $error;
        color: $foreground;
        &.-killed { border-left: thick $warning; }
        &.-step { border-left: thick $accent; text-wrap: nowrap; text-overflow: clip; }
        &.-over { layer: above; background: $background; }
    }
    """


def notice_text(history: RunHistory, now: float, kill_keys: str) -> str:
    """Return the notice for a run's present state; empty when all is well.

    `kill_keys` are the keys that end its worker; empty where no command reaches it: the notice names none then.
    """
    paragraphs = [_trouble(history, now, kill_keys) or step_text(history), *_unsaved(history)]
    return "\n".join(filter(None, paragraphs))


def _trouble(history: RunHistory, now: float, kill_keys: str) -> str:
    if history.killed and history.phase == FAILED:
        continues = f"c continues from epoch {history.checkpoint_epoch} · " if history.can_continue else ""
        keys = f"{continues}r starts over · " if kill_keys else ""
        return f"Killed at step {history.global_step:,}.\n{keys}l shows the log"
    if history.failure is not None and history.phase in (FAILED, INTERRUPTED):
        text = _shorten(history.failure.message)
        if history.failure.hint:
            text += "\n" + formatting.to_plain_text(history.failure.hint)
        continues = f" · c continues from epoch {history.checkpoint_epoch}" if history.can_continue else ""
        keys = f"r tries again{continues} · " if kill_keys else ""
        return f"{text}\n{keys}l shows the log"
    if history.diverged is not None:
        event = history.diverged
        text = f"Diverged: the loss was {formatting.loss(event.loss)} at step {event.global_step:,}."
        advice = "\nA smaller learning rate often helps (e). r tries again."
        return text + advice if history.phase == DIVERGED and kill_keys else text
    if history.is_slow(now):
        text = f"{_STARTING[history.phase]} takes unusually long: more than a minute so far."
        if kill_keys:
            text += f"\nIt may still finish. {kill_keys} ends the worker, then r starts a new one;"
            text += "\nfewer threads often help (e). l shows the log"
        return text
    return ""


_STARTING = {
    IMPORTING: "The import", LOADING: "Loading the digits", BUILDING: "Building the model", FIRST_STEP: "The first step",
}  # fmt: skip


def _unsaved(history: RunHistory) -> list[str]:
    """Return a paragraph for each file of the run that could not be saved; the screen's last line reports the record."""
    paragraphs = []
    for file in ("checkpoint", "model"):
        failure = history.unsaved.get((history.run_id, file))
        if failure is not None:
            advice = "\nTraining continues · w tries again" if file == "checkpoint" and history.running else ""
            paragraphs.append(_shorten(describe_save_failure(failure)) + advice)
    return paragraphs


def _shorten(message: str) -> str:
    return formatting.truncate(formatting.to_plain_text(message), MESSAGE_CHARACTERS)
