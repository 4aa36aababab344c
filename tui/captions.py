"""Captions that explain a run while it trains: whole sentences, chosen by the state of the runs, each once a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from engines.api import (
    CLEAR_LEAD_SECONDS,
    DIVERGED,
    EVALUATING,
    FINISHED,
    FIRST_STEP,
    IMPORTING,
    PAUSED,
    TIE,
    TITLES,
    TRAINING,
    RunHistory,
    compare_answers,
    judge_answers,
    lead,
    time_caveat,
    verdict,
)
from tui import formatting, frame_clock

CAPTION_SECONDS = 8.0
"""Seconds for which a caption stands on the screen: time to read it twice."""
LOOK_SECONDS = 0.3
"""Seconds between two looks for a caption while there is none."""
MANY = 0.9
"""The share of digits read right that is worth a remark."""
FIRST_STEPS = 20
"""Steps in which the start is still worth a remark."""
SETTLED_STEPS = 50
"""Steps after which a lead is worth a remark."""

Runs = Sequence[RunHistory]
"""The histories of the engines that train, one or two."""


class Captions:
    """Chooses the next caption; the caller shows it."""

    def __init__(self) -> None:
        self._chosen: set[tuple[str, str]] = set()
        """The ids of runs with the names of the captions that they have had."""

    def next(self, histories: Mapping[str, RunHistory]) -> str | None:
        """Return a caption that is true now and that the runs have not had yet; None without one."""
        runs = [history for history in histories.values() if history.requested_t is not None]
        run_id = max((history.run_id for history in runs), default="")
        for name, caption in CAPTIONS.items():
            text = caption(runs) if runs and (run_id, name) not in self._chosen else ""
            if text:
                self._chosen.add((run_id, name))
                return text
        return None


class CaptionLine:
    """The caption of a screen: each stands for CAPTION_SECONDS, then the next one that is true, or none."""

    def __init__(self, clock: Callable[[], float] = frame_clock.now) -> None:
        self._clock = clock
        self._captions = Captions()
        self._text = ""
        self._until = 0.0

    def text(self, histories: Mapping[str, RunHistory]) -> str:
        """Return the caption to show now; empty for none."""
        now = self._clock()
        if now >= self._until:
            self._text = self._captions.next(histories) or ""
            self._until = now + (CAPTION_SECONDS if self._text else LOOK_SECONDS)
        return self._text


def _diverged(runs: Runs) -> str:
    names = _names(run for run in runs if run.phase == DIVERGED)
    return f"{names}: the loss ran away. A smaller learning rate takes smaller steps." if names else ""


def _paused(runs: Runs) -> str:
    if not all(run.phase == PAUSED for run in runs):
        return ""
    return "Paused after a whole step: nothing is lost, and training goes on from here."


def _importing(runs: Runs) -> str:
    waiting = any(run.phase == IMPORTING for run in runs)
    return "A framework must be imported before anything trains; that takes seconds." if waiting else ""


def _same_start(runs: Runs) -> str:
    counts = {run.model.parameters for run in runs if run.model}
    begins = not any(run.global_step > FIRST_STEPS for run in runs)
    if len(runs) < 2 or len(counts) != 1 or not begins or any(run.model is None for run in runs):
        return ""
    return f"Both networks start from the same {counts.pop():,} numbers, drawn from one seed."


def _first_step(runs: Runs) -> str:
    if not all(run.phase == FIRST_STEP for run in runs):
        return ""
    who = "Both prepare their" if len(runs) > 1 else "It prepares its"
    return f"{who} first step, which takes longer than those after it."


def _loss_falls(runs: Runs) -> str:
    run = min(runs, key=lambda run: run.global_step)
    if run.phase != TRAINING or run.config is None or run.global_step < 3:
        return ""
    return f"Each step shows {run.config.batch_size} digits and moves every weight a little: the loss falls."


def _shared(runs: Runs) -> str:
    caveat = time_caveat({run.engine: run for run in runs})
    if not caveat.startswith("shared") or not all(run.phase == TRAINING for run in runs):
        return ""
    device = caveat.split()[1].rstrip(":")
    return f"They share one {device} and slow each other down: the times are no measure."


def _many_right(runs: Runs) -> str:
    for run in runs:
        accuracy = run.train_accuracy.last
        if run.phase == TRAINING and accuracy is not None and accuracy[1] >= MANY:
            title = TITLES.get(run.engine, run.engine)
            return f"{title} read {100 * accuracy[1]:.0f} % of its last digits right, after {run.global_step:,} steps."
    return ""


def _lead_is_noise(runs: Runs) -> str:
    leader = lead(*runs) if len(runs) == 2 and all(run.phase == TRAINING for run in runs) else None
    if leader is None or leader.seconds >= CLEAR_LEAD_SECONDS or min(run.global_step for run in runs) < SETTLED_STEPS:
        return ""
    return f"That lead is within the noise: less than {CLEAR_LEAD_SECONDS:g} s."


def _epoch(runs: Runs) -> str:
    if not any(run.epochs_done == 0 and run.phase == EVALUATING and run.data for run in runs):
        return ""
    data, split = next((run.data, run.split) for run in runs if run.data)
    judges = "the test" if split == "test" else "a look at digits that were held out"
    return f"One epoch: each of {data.train_size:,} digits was seen once. Now comes {judges}."


def _test_above_training(runs: Runs) -> str:
    for run in runs:
        epoch, tested = run.last_epoch, run.evaluations[-1] if run.evaluations else None
        if epoch is None or tested is None or run.config is None or run.split != "test" or tested.epoch != epoch.epoch:
            continue
        if run.config.dropout and tested.accuracy > epoch.train_accuracy:
            return "Test above training: that one is a mean over the epoch, with dropout on."
    return ""


def _tie(runs: Runs) -> str:
    if len(runs) < 2 or any(not run.running for run in runs) or len({run.epochs_done for run in runs}) > 1:
        return ""
    tested = [run.tested for run in runs if run.tested and run.tested.epoch == run.epochs_done]
    answers = compare_answers(*runs) if len(tested) == 2 else None
    if answers is None or judge_answers(("first", "second"), answers).text != TIE:
        return ""
    figures = " and ".join(formatting.percent(one.accuracy) for one in tested)
    return f"{figures} on the test: that difference is within the noise."


def _verdict(runs: Runs) -> str:
    result = verdict({run.engine: run for run in runs}) if all(run.phase == FINISHED for run in runs) else None
    if result is None:
        return ""
    if result.text == TIE:
        return "A statistical tie: their test results differ by no more than chance would."
    return f"{formatting.sentence(result.text)}. Other seeds may end otherwise."


def _names(runs: Iterable[RunHistory]) -> str:
    return " and ".join(TITLES.get(run.engine, run.engine) for run in runs)


CAPTIONS: dict[str, Callable[[Runs], str]] = {
    "diverged": _diverged,
    "paused": _paused,
    "importing": _importing,
    "same start": _same_start,
    "first step": _first_step,
    "loss falls": _loss_falls,
    "shared hardware": _shared,
    "many right": _many_right,
    "lead is noise": _lead_is_noise,
    "epoch": _epoch,
    "test above training": _test_above_training,
    "tie": _tie,
    "verdict": _verdict,
}
"""The caption that suits the runs now, empty for none, by name; what is most urgent comes first."""
