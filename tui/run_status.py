"""The runs in one line, for who does not look at the screen: how far they are, or how they ended."""

from __future__ import annotations

from collections.abc import Mapping

from engines.api import DIVERGED, FAILED, INTERRUPTED, PAUSED, STOPPED, TITLES, RunHistory, RunSource, verdict
from tui import formatting

_FAILURES = (FAILED, INTERRUPTED, DIVERGED)
_WORST_FIRST = (*_FAILURES, STOPPED)


def requested(session: RunSource) -> dict[str, RunHistory]:
    """Return the histories of the current or the last run; empty before the first."""
    return {engine: h for engine, h in session.shown_histories.items() if h.requested_t is not None}


def is_under_way(session: RunSource) -> bool:
    """Return whether a run, of this process or a watched one, has not ended; never for a recording that is played."""
    runs = requested(session).values()
    return bool(runs) and not session.playback and (session.under_way or any(run.ended_t is None for run in runs))


def worst_outcome(histories: Mapping[str, RunHistory]) -> str:
    """Return the worst end of the runs: "failed", "interrupted", "diverged", "stopped", or else that of the first."""
    outcomes = [history.outcome for history in histories.values()]
    return next((outcome for outcome in _WORST_FIRST if outcome in outcomes), outcomes[0])


def line(session: RunSource) -> str:
    """Return such as "42 % · PyTorch 97.3 %, Keras 97.1 %"; empty without a run, and for a recording that is played."""
    histories, under_way = requested(session), is_under_way(session)
    if session.playback or not histories:
        return ""
    if under_way:  # an engine that waits for its turn still has its run before
        histories = {engine: h for engine, h in histories.items() if not session.waiting_for(engine)}
    figures = ", ".join(filter(None, map(_figure, histories.values())))
    waiting = len(session.shown_histories) - len(histories)
    head = _progress(histories, waiting) if under_way else worst_outcome(histories).replace("-", " ")
    return f"{head} · {figures}" if figures else head


def end(session: RunSource) -> str:
    """Return the line of runs that have ended, with the verdict."""
    result = verdict(requested(session))
    return f"{line(session)} · {result.text}" if result is not None else line(session)


def _progress(histories: Mapping[str, RunHistory], waiting: int) -> str:
    """Return the progress of the runs that have not failed, and of those `waiting`, and whether all under way are paused."""
    shares = [1.0 if h.ended_t is not None else h.fraction for h in histories.values() if h.outcome not in _FAILURES]
    phases = {history.phase for history in histories.values() if history.running}
    return f"{'paused at ' * (phases == {PAUSED})}{100 * sum(shares) / max(len(shares) + waiting, 1):.0f} %"


def _figure(history: RunHistory) -> str:
    """Return the accuracy of a run's last evaluation, or how it failed; empty when there is neither."""
    title = TITLES.get(history.engine, history.engine)
    if history.outcome in _FAILURES:
        return f"{title} {history.outcome}"
    return f"{title} {formatting.percent(history.evaluations[-1].accuracy, 1)}" if history.evaluations else ""
