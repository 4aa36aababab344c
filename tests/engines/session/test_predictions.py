"""Requests for predictions to a source whose weights a test changes."""

from __future__ import annotations

from collections.abc import Sequence

from engines.runs.history import RunHistory
from engines.session.predictions import PredictionRequests
from engines.session.run_source import RunSource


class FakeWatch(RunSource):
    """A watched run that answers no request."""

    recorded = True

    def __init__(self) -> None:
        self.histories = {"keras": RunHistory("keras")}
        self.version = self.requests = 0

    def weights_version(self, engine: str) -> int:
        return self.version

    def predict(self, engine: str, image: Sequence[int], checkpoint: str = "", *, inside: bool = False) -> int:
        self.requests += 1
        return self.requests


def test_a_request_that_was_forgotten_is_repeated_once_there_are_other_weights() -> None:
    """A watch that goes on with another run drops the requests about the one before."""
    source = FakeWatch()
    requests = PredictionRequests(source, clock=lambda: 0.0)
    requests.request([0] * 784)
    assert not requests.refresh()
    source.version = 1
    assert requests.refresh()
    assert not requests.refresh()
    assert source.requests == 2
