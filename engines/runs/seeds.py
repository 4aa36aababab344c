"""The results of several seeds, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass, field

from engines.config import TITLES, reaches
from engines.record import Record
from engines.runs.history import RunHistory
from engines.runs.statistics import Verdict, judge_seeds, mean, standard_deviation


def reached_target(history: RunHistory) -> bool:
    """Whether the run ended by itself, and well enough for its target."""
    ended = history.finished is not None and history.finished.outcome not in ("stopped", "diverged")
    best = max((one.accuracy for one in history.evaluations), default=0.0)
    return ended and reaches(best, 100 * (history.target or 0.0))


class Result(Record, kw_only=False):
    """How one engine's run of one seed ended."""

    seed: int
    right: int
    """Of the n test digits."""
    n: int
    steps: int
    train_seconds: float


@dataclass(slots=True)
class SeedResults:
    """The results of several seeds, engine by engine."""

    results: dict[str, list[Result]] = field(default_factory=dict)
    ended: int = 0
    missed: int = 0
    """Runs that failed, were stopped, or did not reach their target."""

    def add(self, history: RunHistory) -> None:
        """Count a run that ended; one that was stopped or diverged says nothing of its engine's other seeds."""
        self.ended += 1
        self.missed += not reached_target(history)
        ended = history.finished
        if (
            ended is None
            or ended.outcome in ("stopped", "diverged")
            or history.test_interval is None
            or history.config is None
        ):
            return
        last = history.evaluations[-1]
        n = sum(last.confusion)
        one = Result(history.config.seed, n - len(last.mistakes), n, last.global_step, ended.train_seconds)
        self.results.setdefault(history.engine, []).append(one)
        self.results = {engine: self.results[engine] for engine in sorted(self.results, key=_shown_order)}

    def lines(self) -> list[str]:
        """For people: each engine's mean and standard deviation, and the verdict over the seeds that both finished."""
        import statistics  # not before the first paint

        out = []
        for engine, results in self.results.items():
            if len(results) > 1:
                accuracies = [100 * one.right / one.n for one in results]
                seconds = [one.train_seconds for one in results]
                out.append(
                    f"{TITLES.get(engine, engine)} over {len(results)} seeds: test accuracy {mean(accuracies):.3f} ±"
                    f" {standard_deviation(accuracies):.3f} % (median {statistics.median(accuracies):.2f}, {min(accuracies):.2f} to"
                    f" {max(accuracies):.2f}), training {mean(seconds):.1f} ± {standard_deviation(seconds):.1f} s"
                )
        said = self.verdict()
        return [*out, f"{said.text} ({said.why})"] if said else out

    def verdict(self) -> Verdict | None:
        """Over the seeds that both trained equally long; None for fewer than two."""
        if len(self.results) != 2:
            return None
        (a, first), (b, second) = ((TITLES.get(e, e), {one.seed: one for one in r}) for e, r in self.results.items())
        both = first.keys() & second.keys()
        seeds = sorted(seed for seed in both if first[seed].steps == second[seed].steps)
        if len(seeds) < 2 or len({r[seed].n for r in (first, second) for seed in seeds}) != 1:
            return None
        right = [first[seed].right for seed in seeds], [second[seed].right for seed in seeds]
        return judge_seeds((a, b), right, first[seeds[0]].n)


def _shown_order(engine: str) -> int:
    return list(TITLES).index(engine) if engine in TITLES else len(TITLES)
