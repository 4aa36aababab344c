"""Summaries of runs in lines for people: the command line prints them, and the app when it has closed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from engines.api import (
    INTERRUPTED,
    ONE_RUN_CAVEAT,
    TIE,
    Diverged,
    RunHistory,
    RunSource,
    describe_save_failures,
    plural,
    time_caveat,
    verdict,
)
from tui import formatting
from tui.reports import validation


def closing_lines(*sessions: RunSource, runs: bool = True) -> list[str]:
    """Return how every run ended, whether times are comparable, the verdict, and what could not be saved.

    Without `runs`, of the runs only those that failed. Several sessions are the jobs of one series.
    """
    lines, caveats = [], {}
    over_seeds = sessions[0].seed_results.summary_lines()
    for session in sessions:
        histories = {engine: h for engine, h in session.histories.items() if h.requested_t is not None}
        for engine, history in histories.items():
            if runs or history.failure is not None:
                seed = f"seed {history.config.seed}: " if len(sessions) > 1 and history.config else ""
                lines.append(seed + summary_line(history, session.folder(engine)))
        if caveat := time_caveat(histories):
            caveats[caveat] = _advice(histories)
        if not over_seeds and len(sessions) == 1:
            over_seeds = _verdict_lines(histories)
    times = [history for session in sessions for history in session.histories.values() if history.finished is not None]
    if len(times) < 2 and not over_seeds:
        caveats.clear()
    lines += [f"Times: {caveat}. {advice}, each has the machine to itself." for caveat, advice in caveats.items()]
    return [formatting.to_plain_text(line) for line in (*lines, *over_seeds, *save_problems(*sessions))]


def _advice(histories: Mapping[str, RunHistory]) -> str:
    """Return which options make times comparable, as the start of a sentence."""
    alone = ["without --jobs"] if any(history.jobs > 1 for history in histories.values()) else []
    racing = len(histories) > 1 and any(h.config is not None and h.config.mode == "race" for h in histories.values())
    turns = ["with --mode time-trial"] if racing or not alone else []
    words = " and ".join(turns + alone)
    return words[0].upper() + words[1:]


def _verdict_lines(histories: dict[str, RunHistory]) -> list[str]:
    result = verdict(histories)
    if result is not None:
        line = f"{result.text[0].upper()}{result.text[1:]} ({result.why})."
        return [line] if result.text == TIE else [line, ONE_RUN_CAVEAT]
    if len(histories) == 2 and all(history.finished for history in histories.values()):
        return ["No verdict: the two were not trained equally long."]
    return []


def save_problems(*sessions: RunSource) -> list[str]:
    """Return a sentence for each thing that could not be saved, and for a record that still waits for space on the disk."""
    problems = [
        problem
        for session in sessions
        for problem in (*describe_save_failures(session.histories.values()), session.problem)
    ]
    return list(dict.fromkeys(filter(None, problems)))


def summary_line(history: RunHistory, folder: Path | None = None) -> str:
    """Describe in one line how a run ended; `folder` is where it is saved."""
    name = history.framework or history.engine
    if history.outcome == INTERRUPTED:
        return f"{name}: {_interrupted_text(history, folder)}"
    if history.failure is not None:
        return f"{name}: failed: {formatting.to_plain_text(history.failure.explanation)}".rstrip()
    if history.finished is None:
        return f"{name}: not finished"
    ended = history.finished
    parts = [
        f"test accuracy {formatting.percent(ended.test_accuracy)}{formatting.interval(history.test_interval)}",
        f"test loss {formatting.loss(ended.test_loss)}",
        *validation.summary_texts(history),
        plural(history.epochs_done, "epoch"),
        f"training {formatting.seconds(ended.train_seconds)}",
        f"wall {formatting.seconds(history.wall_seconds(history.last_t))} ({_start_text(history)})",
    ]
    of = " of held-out digits" if validation.is_validated([history]) else ""
    parts += [
        f"{100 * m.accuracy:g} %{of} after {formatting.seconds(m.train_seconds)} of training,"
        f" {formatting.seconds(m.wall_seconds)} wall"
        for m in history.milestones
    ]
    if history.diverged is not None:
        parts.append(diverged_text(history.diverged))
    if history.data is not None and history.data.dataset != "mnist":
        parts.append(f"on {formatting.digits_title(history.data.dataset)}")
    return f"{name}: {ended.outcome.replace('-', ' ')}: " + ", ".join(parts)


def _start_text(history: RunHistory) -> str:
    """Write what the wall time includes before the second step: "with import 2.50 s, building 0.50 s, first step 0.50 s"."""
    figures = {
        "import": history.import_wait_seconds or None,
        "building": history.model.seconds if history.model else None,
        "first step": history.first_step_seconds,
    }
    known = ", ".join(f"{name} {formatting.seconds(value)}" for name, value in figures.items() if value is not None)
    resumed = ["resumed"] if history.started is not None and history.started.global_step else []
    warm = [] if history.cold_start else ["in a warm worker"]
    return ", ".join([*resumed, *warm, *([f"with {known}"] if known else [])])


def _interrupted_text(history: RunHistory, folder: Path | None) -> str:
    step = f"in epoch {history.epoch}, step {history.global_step:,} of {history.total_steps:,}"
    last = history.evaluations[-1].accuracy if history.evaluations else None
    tested = f"; {history.split} accuracy so far {formatting.percent(last)}" if history.evaluations else ""
    run = shlex.quote(str(folder or history.run_id))
    advice = f"; continue with: mnist-tui train --resume {run}" if history.can_continue else ""
    return f"interrupted {step if history.started else 'before the first step'}{tested}{advice}"


def diverged_text(event: Diverged) -> str:
    """Describe where training diverged."""
    return f"the loss was {formatting.loss(event.loss)} at step {event.global_step:,}: training has diverged"
