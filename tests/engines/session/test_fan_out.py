"""A series over several jobs, with fake sessions: which seed is where, what a failure and a stop do, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engines.preset_configs import from_settings
from engines.runs.seeds import SeedResults
from engines.session.fan_out import FanOut
from engines.session.rounds import Round
from engines.session.session import Session


class FakeSession:
    """A session without workers; a test ends its runs."""

    engines = ("pytorch",)

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.rounds: Sequence[Round] = ()
        self.running = self.was_stopped = False
        self.stopped: list[str] = []
        self.seed_results = SeedResults()
        self.histories = {"pytorch": SimpleNamespace(outcome="", config=None)}
        self.closed = threading.Event()
        self.close_after = threading.Event()
        self.close_after.set()

    def start_seed(self, rounds: Sequence[Round], results: SeedResults) -> None:
        self.rounds, self.seed_results, self.running = rounds, results, True
        self.histories["pytorch"] = SimpleNamespace(outcome="", config=rounds[0].config)
        self.seeds.append(rounds[0].config.seed)

    def end(self, outcome: str = "completed") -> None:
        self.running = False
        self.histories["pytorch"].outcome = outcome

    def stop(self, engine: str) -> None:
        self.stopped.append(engine)

    def drain(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        assert self.close_after.wait(60)
        self.closed.set()


@pytest.fixture
def sessions() -> list[FakeSession]:
    return [FakeSession(), FakeSession()]


def fan_out(sessions: list[FakeSession], **settings: Any) -> FanOut:
    """Start a series of five seeds in these sessions."""
    fan = FanOut(cast("list[Session]", sessions))
    fan.start({"pytorch": from_settings({"seeds": 5, "seed": 7, **settings})})
    return fan


def test_each_session_takes_the_next_seed_when_it_is_free(sessions: list[FakeSession]) -> None:
    fan = fan_out(sessions)
    first, second = sessions
    fan.drain()
    assert (first.seeds, second.seeds) == ([7], [8])
    second.end()
    fan.drain()
    first.end()
    fan.drain()
    assert (first.seeds, second.seeds) == ([7, 10], [8, 9])
    for session in (second, first):
        session.end()
        fan.drain()
    assert (first.seeds, second.seeds, fan.running) == ([7, 10], [8, 9, 11], True)
    second.end()
    fan.drain()
    assert not fan.running
    assert first.seed_results is second.seed_results is fan.seed_results
    assert (fan.seed_results.seeds, fan.seed_results.first_seed) == (5, 7)
    assert cast("list[FakeSession]", fan.by_seed) == [first, second]


def test_a_failure_ends_no_other_run_and_frees_its_session(sessions: list[FakeSession]) -> None:
    fan = fan_out(sessions)
    sessions[0].end("failed")
    fan.drain()
    assert (sessions[0].seeds, sessions[1].running, sessions[1].stopped) == ([7, 9], True, [])


def test_a_stop_of_one_run_ends_the_series(sessions: list[FakeSession]) -> None:
    fan = fan_out(sessions)
    sessions[1].was_stopped = True
    fan.drain()
    sessions[1].end("completed")  # the request came in its last step
    for _ in range(3):
        fan.drain()
    assert sessions[0].stopped == ["pytorch"], "once"
    sessions[0].end("stopped")
    fan.drain()
    assert (sessions[0].seeds, sessions[1].seeds, fan.running) == ([7], [8], False)


def test_all_sessions_are_closed_at_the_same_time_and_no_seed_starts(sessions: list[FakeSession]) -> None:
    """The first waits for its workers until the second is closed."""
    fan = fan_out(sessions)
    sessions[0].close_after = sessions[1].closed
    fan.close()
    assert all(session.closed.is_set() for session in sessions)
    sessions[0].end()
    fan.drain()
    assert sessions[0].seeds == [7]


def test_seeds_of_a_time_trial_alternate_their_order_and_stay_in_one_session(sessions: list[FakeSession]) -> None:
    fan = FanOut(cast("list[Session]", sessions))
    fan.start(dict.fromkeys(("pytorch", "keras"), from_settings({"mode": "time-trial", "seeds": 2})))
    orders = [[*round_.configs] for session in sessions for round_ in session.rounds]
    assert orders == [["pytorch"], ["keras"], ["keras"], ["pytorch"]]
    for session in sessions:
        assert len({round_.run_folder for round_ in session.rounds}) == 1
