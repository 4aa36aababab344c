"""A series of seeds in one job or in several at once: a session for each job, which takes the next seed when it is free."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence

from engines.config import TrainConfig
from engines.runs.seeds import SeedResults
from engines.session.rounds import Round, rounds_by_seed
from engines.session.session import Session


class FanOut:
    """The sessions of a series and the seeds that wait for one of them. With one session, it is that session's series."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.sessions = tuple(sessions)
        self._results = SeedResults()
        self._waiting: deque[Sequence[Round]] = deque()
        """The rounds of each seed that no session has."""
        self._stopped = False

    def start(self, configs: Mapping[str, TrainConfig]) -> None:
        """Start the first seeds, one in each session."""
        if len(self.sessions) == 1:
            self.sessions[0].start(configs)
            return
        self._results = SeedResults.of(next(iter(configs.values())))
        self._waiting.extend(rounds_by_seed(configs))
        self._hand_out()

    @property
    def seed_results(self) -> SeedResults:
        """The results of all sessions."""
        return self.sessions[0].seed_results

    @property
    def by_seed(self) -> list[Session]:
        """The sessions in the order of the seeds that they have, or had last."""
        return sorted(self.sessions, key=lambda session: self._results.place(_seed(session)))

    @property
    def running(self) -> bool:
        """True while any run is under way or waits for its turn."""
        return bool(self._waiting) or any(session.running for session in self.sessions)

    def drain(self) -> None:
        """Apply all events, and give each session that has ended its seed the next one.

        A run that was stopped ends the series, as it does in turns: the others stop, too.
        """
        for session in self.sessions:
            session.drain()
        if len(self.sessions) > 1 and not self._stopped and any(session.was_stopped for session in self.sessions):
            self._stopped = True
            self._waiting.clear()
            for session in self.sessions:
                for engine in session.engines if session.running else ():
                    session.stop(engine)
        self._hand_out()

    def _hand_out(self) -> None:
        for session in self.sessions:
            if self._waiting and not session.running:
                session.start_seed(self._waiting.popleft(), self._results)

    def close(self) -> None:
        """End all workers at the same time, and apply their last events; no seed starts any more."""
        self._waiting.clear()
        threads = [threading.Thread(target=session.close) for session in self.sessions[1:]]
        for thread in threads:
            thread.start()
        self.sessions[0].close()
        for thread in threads:
            thread.join()
        for session in self.sessions:
            session.drain()


def _seed(session: Session) -> int:
    return max((history.config.seed for history in session.histories.values() if history.config), default=0)
