"""Requests for predictions of one digit, to the models of all workers, and their answers.

Several screens request predictions of different digits, and a history holds only the newest answer: each screen keeps its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from engines.messages.events import Prediction
from engines.runs.history import RunHistory
from engines.runs.phases import BEFORE_TRAINING, FINISHED, STOPPED
from engines.session.run_source import RunSource

REFRESH_SECONDS = 0.4
"""Seconds between two requests for the same digit while the models learn."""
TIMEOUT_SECONDS = 10.0
"""Seconds after which a request without an answer is sent again."""
FINAL_WEIGHTS = "final weights"
"""The weights that answer in a replay after its first step, wherever it stands."""


class PredictionRequests:
    """The prediction requests of one screen."""

    def __init__(self, source: RunSource, clock: Callable[[], float] = time.monotonic, *, inside: bool = False) -> None:
        """With `inside`, the answers have the values inside the networks, too."""
        self._source = source
        self._inside = inside
        self._clock = clock
        self._image: Sequence[int] = ()
        self._checkpoints: Mapping[str, str] = {}
        self._newest: dict[str, tuple[int, float]] = {}
        """The id of the newest request to each engine, and when it was sent."""
        self._first_ids: dict[str, int] = {}
        """The id of the first request for the current digit."""
        self._versions: dict[str, int] = {}
        """The version of each engine's weights at its newest request."""
        self._open_ids: dict[str, set[int]] = {}
        """The ids of the requests that may still be answered."""
        self._answers: dict[str, Prediction] = {}

    def request(self, image: Sequence[int], checkpoints: Mapping[str, str] | None = None) -> None:
        """Request each engine's prediction of 784 grey values, by the checkpoint named for the engine, if any."""
        self._image, self._checkpoints = image, checkpoints or {}
        for engine in self._source.histories:
            self._first_ids[engine] = self._send(engine)

    def refresh(self) -> bool:
        """Repeat the requests whose model has learnt since, or whose answer was lost; return whether there were any."""
        due = [engine for engine in self._versions if self._is_due(self._source.histories[engine])]
        for engine in due:
            self._send(engine)
        return bool(due)

    def _is_due(self, history: RunHistory) -> bool:
        """Return whether to repeat the request to an engine."""
        if history.engine not in self._newest:  # there were no weights
            return self._has_learnt(history)
        request_id, sent_t = self._newest[history.engine]
        answer, waited = self.answer(history), self._clock() - sent_t
        if answer is None or answer.request_id < request_id:
            overtaken = history.prediction is not None and history.prediction.request_id > request_id
            forgotten = self._source.recorded and answer is None and self._has_learnt(history)  # another run is watched
            return overtaken or forgotten or waited > TIMEOUT_SECONDS
        return waited > REFRESH_SECONDS and self._has_learnt(history)

    def _has_learnt(self, history: RunHistory) -> bool:
        """Return whether the weights are others than at the newest request."""
        learns = (
            self._source.recorded or history.running or history.phase in (FINISHED, STOPPED)
        )  # to see its last step too
        return learns and self._versions[history.engine] != self._source.weights_version(history.engine)

    def _send(self, engine: str) -> int:
        """Send the request to an engine; return its id, which is 0 where no model answers."""
        checkpoint = self._checkpoints.get(engine, "")
        self._versions[engine] = self._source.weights_version(engine)
        request_id = self._source.predict(engine, self._image, checkpoint, inside=self._inside)
        if not request_id:
            self._newest.pop(engine, None)
            self._answers.pop(engine, None)
            return 0
        self._newest[engine] = request_id, self._clock()
        self._open_ids.setdefault(engine, set()).add(request_id)
        return request_id

    def answer(self, history: RunHistory) -> Prediction | None:
        """Return the engine's newest answer to a request of this screen."""
        prediction, engine = history.prediction, history.engine
        if prediction is None:  # a new worker, which has not received the requests
            self._answers.pop(engine, None)
        elif prediction.request_id in self._open_ids.get(engine, ()):
            self._answers[engine] = prediction
            self._open_ids[engine] = {i for i in self._open_ids[engine] if i >= prediction.request_id}
        return self._answers.get(engine)

    def source(self, history: RunHistory) -> str:
        """Return which weights the newest answer is from; empty without an answer."""
        answer = self.answer(history)
        if answer is None:
            return ""
        if self._source.playback and not answer.checkpoint:
            return FINAL_WEIGHTS
        return weights_source(answer)

    @property
    def waiting(self) -> bool:
        """True while an answer is to come; none comes from an engine that has failed and has no worker."""
        able = [history for history in self._source.histories.values() if not self._has_failed(history)]
        return any(self._awaits(history) for history in able if history.engine in self._newest)

    def _has_failed(self, history: RunHistory) -> bool:
        return history.failure is not None and not history.alive and not self._source.recorded

    def _awaits(self, history: RunHistory) -> bool:
        answer = self.answer(history)
        return answer is None or answer.request_id < self._newest[history.engine][0]

    def probabilities(self, history: RunHistory, *, exact: bool = False) -> tuple[float, ...]:
        """Return the engine's newest probabilities of the ten digits; with `exact`, only those for the current image."""
        answer = self.answer(history)
        if (
            answer is None
            or len(answer.probabilities) != 10
            or (exact and answer.request_id < self._first_ids.get(history.engine, 0))
        ):
            return ()
        checkpoint = self._checkpoints.get(history.engine, "")
        return answer.probabilities if checkpoint in ("", answer.checkpoint) else ()

    def problem(self, history: RunHistory) -> str:
        """Return why there is no answer; empty when there is one."""
        if self._source.recorded and history.engine not in self._newest:
            return self._source.no_weights
        if history.failure is not None and self._has_failed(history):
            return f"n/a: {history.failure.message}"
        answer = self.answer(history)
        if answer is None:
            return f"{history.phase}…" if history.phase in BEFORE_TRAINING else "asking…"
        if answer.problem == "no model yet":
            return "no model yet: s trains one"
        if answer.problem:
            return f"n/a: {answer.problem}"
        checkpoint = self._checkpoints.get(history.engine, "")
        return "" if checkpoint in ("", answer.checkpoint) else "n/a: the worker holds a model of its own"


def weights_source(answer: Prediction) -> str:
    """Return which weights an answer is from, for people."""
    if not answer.global_step:
        return "before its first step"
    if answer.checkpoint:
        return f"a kept model, step {answer.global_step:,}"
    return f"epoch {answer.epoch}, step {answer.global_step:,}"
