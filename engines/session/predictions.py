"""Questions to the living models: one digit at a time, to each engine, and what came back. Knows no Textual.

Several screens ask the same models about different digits, and a history keeps only the last answer: each takes its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from engines.messages.events import Prediction
from engines.runs.history import BUILDING, FINISHED, FIRST_STEP, IMPORTING, LOADING, STOPPED, RunHistory
from engines.session.replay import Replay
from engines.session.session import Session

AGAIN_SECONDS = 0.4
"""From question to question about the same digit, while the models learn."""
LOST_SECONDS = 10.0
"""A question that was not answered for so long is asked again."""

BEFORE = (IMPORTING, LOADING, BUILDING, FIRST_STEP)
"""The phases in which nobody can answer yet."""


class PredictionRequests:
    """What one screen has asked."""

    def __init__(self, session: Session | Replay, clock: Callable[[], float] = time.monotonic) -> None:
        self.session = session
        self._clock = clock
        self._image: Sequence[int] = ()
        self._checkpoints: Mapping[str, str] = {}
        self._asked: dict[str, tuple[int, float]] = {}
        """The newest question to each engine, and when it was asked."""
        self._first: dict[str, int] = {}
        """The first question about the present digit."""
        self._step: dict[str, int] = {}
        """How far each engine was when it was asked last."""
        self._own: dict[str, set[int]] = {}
        """The questions that may still be answered."""
        self._answers: dict[str, Prediction] = {}

    def ask(self, image: Sequence[int], checkpoints: Mapping[str, str] | None = None) -> None:
        """What does each engine read in these 784 grey values? With those weights, where some are named."""
        self._image, self._checkpoints = image, checkpoints or {}
        if self.session.recorded:
            return
        for engine in self.session.histories:
            self._ask(engine)
            self._first[engine] = self._asked[engine][0]

    def ask_again(self) -> bool:
        """Where the models have learnt since, or an answer got lost; whether anything was asked."""
        again = False
        for engine, (number, when) in self._asked.items():
            history, waited = self.session.histories[engine], self._clock() - when
            answer = self.answer(history)
            if answer is None or answer.request_id < number:
                overtaken = history.prediction is not None and history.prediction.request_id > number
                due = overtaken or waited > LOST_SECONDS
            else:
                learns = history.running or history.phase in (FINISHED, STOPPED)  # its last step, too
                due = waited > AGAIN_SECONDS and learns and self._step.get(engine) != history.global_step
            if due:
                self._ask(engine)
                again = True
        return again

    def _ask(self, engine: str) -> None:
        number = self.session.predict(engine, self._image, self._checkpoints.get(engine, ""))
        self._asked[engine] = number, self._clock()
        self._step[engine] = self.session.histories[engine].global_step
        self._own.setdefault(engine, set()).add(number)

    def answer(self, history: RunHistory) -> Prediction | None:
        """The last answer to a question that was asked here."""
        said, engine = history.prediction, history.engine
        if said is None:  # another worker, which knows of nothing
            self._answers.pop(engine, None)
        elif said.request_id in self._own.get(engine, ()):
            self._answers[engine] = said
            self._own[engine] = {number for number in self._own[engine] if number >= said.request_id}
        return self._answers.get(engine)

    def source(self, history: RunHistory) -> str:
        """Which weights that answer is from."""
        answer = self.answer(history)
        return "" if answer is None else source(answer)

    @property
    def waiting(self) -> bool:
        """Whether any answer is still to come; none does from an engine that has failed and is not alive."""
        able = [one for one in self.session.histories.values() if one.alive or one.failure is None]
        return any(self._awaits(one) for one in able if one.engine in self._asked)

    def _awaits(self, history: RunHistory) -> bool:
        answer = self.answer(history)
        return answer is None or answer.request_id < self._asked[history.engine][0]

    def probabilities(self, history: RunHistory, *, exact: bool = False) -> tuple[float, ...]:
        """The probabilities that the engine answered last; with `exact`, only those for the present digit."""
        answer = self.answer(history)
        if (
            answer is None
            or len(answer.probabilities) != 10
            or (exact and answer.request_id < self._first.get(history.engine, 0))
        ):
            return ()
        wanted = self._checkpoints.get(history.engine, "")
        return answer.probabilities if wanted in ("", answer.checkpoint) else ()

    def problem(self, history: RunHistory) -> str:
        """Why there is no answer; empty when there is one."""
        if self.session.recorded:
            return "n/a: a recording has no models to ask"
        if history.failure is not None and not history.alive:
            return f"n/a: {history.failure.message}"
        answer = self.answer(history)
        if answer is None:
            return f"{history.phase}…" if history.phase in BEFORE else "asking…"
        if answer.problem == "no model yet":
            return "no model yet: s trains one"
        if answer.problem:
            return f"n/a: {answer.problem}"
        wanted = self._checkpoints.get(history.engine, "")
        return "" if wanted in ("", answer.checkpoint) else "n/a: the worker holds a model of its own"


def source(answer: Prediction) -> str:
    """Which weights an answer is from."""
    if answer.checkpoint:
        return f"a kept model, step {answer.global_step:,}"
    if not answer.global_step:
        return "before its first step"
    return f"epoch {answer.epoch}, step {answer.global_step:,}"
