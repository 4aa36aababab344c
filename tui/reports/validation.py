"""Sentences and figures of the digits that judge a run: held-out training digits, or the test digits. Knows no Textual."""

from __future__ import annotations

from collections.abc import Iterable

from engines.api import RunHistory
from tui import formatting


def is_validated(runs: Iterable[RunHistory]) -> bool:
    """Return whether held-out digits judge any of the runs."""
    return any(history.split == "validation" for history in runs)


def last_accuracy(history: RunHistory) -> float | None:
    """Return the accuracy in the last evaluation of held-out digits; None without any."""
    return history.evaluations[-1].accuracy if is_validated([history]) and history.evaluations else None


def best_epoch(history: RunHistory) -> str:
    """Write the best epoch, its accuracy, and which digits chose it."""
    if history.best_epoch is None:
        return "–"
    held_out = f"{history.config.validation:,} held-out digits" if history.config and history.config.validation else ""
    return (
        f"{history.best_epoch}: {formatting.percent(history.best_accuracy)}, chosen by {held_out or 'the test digits'}"
    )


def held_out_digits(history: RunHistory) -> str:
    """Write how many digits are held out, and the beginning of their SHA-256."""
    if history.data is None:
        return "n/a: not loaded"
    sha256 = f", SHA-256 {history.data.validation_sha256[:16]}" if history.data.validation_sha256 else ""
    return f"{history.data.validation_size:,}{sha256}"


def summary_texts(history: RunHistory) -> list[str]:
    """Return the best accuracy on held-out digits, as a part of a line; nothing where there were none."""
    if not is_validated([history]) or history.best_epoch is None:
        return []
    return [f"best validation accuracy {formatting.percent(history.best_accuracy)} in epoch {history.best_epoch}"]
