"""The results of several seeds, and the verdict over all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from engines.config import TITLES, reaches
from engines.record import Record
from engines.runs.history import RunHistory
from engines.runs.statistics import Verdict, judge_seeds, mean, standard_deviation

_CUT_SHORT = ("stopped", "diverged")
"""Outcomes of runs that say nothing about other seeds of the engine."""


def reached_target(history: RunHistory) -> bool:
    """Return whether a run ended by itself and reached its target accuracy, if it had one."""
    ended = history.finished is not None and history.finished.outcome not in _CUT_SHORT
    best = max((evaluation.accuracy for evaluation in history.evaluations), default=0.0)
    return ended and reaches(best, 100 * (history.target or 0.0))


class SeedResult(Record, kw_only=False):
    """The result of one engine with one seed."""

    seed: int
    correct: int
    """Correctly read test digits, of n."""
    n: int
    steps: int
    train_seconds: float


@dataclass(slots=True)
class SeedResults:
    """The results of several seeds, by engine."""

    results: dict[str, list[SeedResult]] = field(default_factory=dict)
    ended: int = 0
    """Number of runs that ended, one for each engine and seed."""
    unsuccessful: int = 0
    """Number of runs that failed, were stopped, or did not reach their target."""

    def add(self, history: RunHistory) -> None:
        """Add a run that ended. Only its count is added when it failed, diverged or was stopped."""
        self.ended += 1
        self.unsuccessful += not reached_target(history)
        finished = history.finished
        if finished is None or finished.outcome in _CUT_SHORT or history.test_interval is None or not history.config:
            return
        last = history.evaluations[-1]
        n = sum(last.confusion)
        seed = history.config.seed
        result = SeedResult(seed, n - len(last.mistakes), n, last.global_step, finished.train_seconds)
        self.results.setdefault(history.engine, []).append(result)
        self.results = {engine: self.results[engine] for engine in sorted(self.results, key=_display_order)}

    def summary_lines(self) -> list[str]:
        """Return lines for people: each engine's mean and standard deviation, and the verdict over the common seeds."""
        import statistics  # not before the first paint

        lines = []
        for engine, results in self.results.items():
            if len(results) > 1:
                accuracies = [100 * result.correct / result.n for result in results]
                seconds = [result.train_seconds for result in results]
                lines.append(
                    f"{TITLES.get(engine, engine)} over {len(results)} seeds: test accuracy {mean(accuracies):.3f} ±"
                    f" {standard_deviation(accuracies):.3f} % (median {statistics.median(accuracies):.2f}, {min(accuracies):.2f} to"
                    f" {max(accuracies):.2f}), training {mean(seconds):.1f} ± {standard_deviation(seconds):.1f} s"
                )
        verdict = self.verdict()
        return [*lines, f"{verdict.text} ({verdict.why})"] if verdict else lines

    def verdict(self) -> Verdict | None:
        """Judge the seeds that both engines trained equally long; None for fewer than two."""
        if len(self.results) != 2:
            return None
        (a, first), (b, second) = (
            (TITLES.get(engine, engine), {result.seed: result for result in results})
            for engine, results in self.results.items()
        )
        common = first.keys() & second.keys()
        seeds = sorted(seed for seed in common if first[seed].steps == second[seed].steps)
        if len(seeds) < 2 or len({results[seed].n for results in (first, second) for seed in seeds}) != 1:
            return None
        correct = [first[seed].correct for seed in seeds], [second[seed].correct for seed in seeds]
        return judge_seeds((a, b), correct, first[seeds[0]].n)


def _display_order(engine: str) -> int:
    return list(TITLES).index(engine) if engine in TITLES else len(TITLES)
