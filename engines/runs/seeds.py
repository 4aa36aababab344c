"""The results of several seeds, and the verdict over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engines.config import TITLES, TrainConfig, reaches
from engines.record import Record
from engines.runs.comparison import device_caveat, device_of
from engines.runs.history import RunHistory
from engines.runs.statistics import (
    Verdict,
    few_seeds_caveat,
    judge_seeds,
    mean,
    ratio_of_paired_times,
    standard_deviation,
)
from engines.runs.time_ratio import TimeRatio, time_ratio

_CUT_SHORT = ("stopped", "diverged")
"""Outcomes of runs that say nothing about other seeds of the engine."""


def reached_target(history: RunHistory) -> bool:
    """Return whether a run ended by itself and reached its target accuracy, if it had one."""
    ended = history.finished is not None and history.finished.outcome not in _CUT_SHORT
    return ended and reaches(history.best_accuracy or 0.0, 100 * (history.target or 0.0))


class SeedResult(Record, kw_only=False):
    """The result of one engine with one seed."""

    seed: int
    correct: int
    """Correctly read test digits, of n."""
    n: int
    steps: int
    train_seconds: float

    @property
    def accuracy(self) -> float:
        """The test accuracy as a fraction of 1."""
        return self.correct / self.n


class SeedRun(Record):
    """The runs of one seed: of both engines, or of one alone."""

    seed: int
    run_id: str
    outcomes: Mapping[str, str]
    """The ends of the runs that have ended, by engine, as `RunHistory.outcome` names them."""


@dataclass(slots=True)
class SeedResults:
    """The results of several seeds, by engine."""

    first_seed: int = 0
    seeds: int = 1
    """Number of seeds that were asked for."""
    mode: str = "race"
    results: dict[str, list[SeedResult]] = field(default_factory=dict)
    runs: dict[int, SeedRun] = field(default_factory=dict)
    """The runs that have ended, by seed, in their order."""
    devices: dict[str, str] = field(default_factory=dict)
    """The device of each engine's newest run that has ended."""
    datasets: set[str] = field(default_factory=set)
    """The digits of the runs that have ended, as DataReady names them."""
    jobs: int = 1
    """Number of jobs that trained the seeds at the same time."""
    ended: int = 0
    """Number of runs that ended, one for each engine and seed."""
    unsuccessful: int = 0
    """Number of runs that failed, were stopped, or did not reach their target."""
    _judged: tuple[int, Verdict | None, TimeRatio | None] = field(default=(-1, None, None), compare=False)
    """The verdict and the ratio after so many runs: a screen reads both in every frame."""

    @classmethod
    def of(cls, config: TrainConfig) -> SeedResults:
        """Return the results, still empty, of the runs that start with this config."""
        return cls(config.seed, config.seeds, config.mode)

    def add(self, history: RunHistory) -> None:
        """Add a run that ended. It is no result when it failed, diverged or was stopped."""
        self.ended += 1
        self.unsuccessful += not reached_target(history)
        if history.config is None:
            return
        seed, finished = history.config.seed, history.finished
        self.jobs = max(self.jobs, history.jobs)
        self.datasets |= {history.data.dataset} if history.data else set()
        before = self.runs.get(seed)
        outcomes = {**(before.outcomes if before else {}), history.engine: history.outcome}
        self.runs[seed] = SeedRun(seed=seed, run_id=history.run_id, outcomes=outcomes)
        self.runs = {one: self.runs[one] for one in sorted(self.runs, key=self.place)}  # not by their ends
        if (
            finished is None
            or finished.outcome in _CUT_SHORT
            or history.tested is None
            or history.test_interval is None
        ):
            return
        last = history.tested
        n = sum(last.confusion)
        result = SeedResult(seed, n - len(last.mistakes), n, last.global_step, finished.train_seconds)
        results = self.results.setdefault(history.engine, [])
        results.append(result)
        results.sort(key=lambda one: self.place(one.seed))
        self.results = {engine: self.results[engine] for engine in sorted(self.results, key=_display_order)}
        self.devices[history.engine] = device_of(history)

    def shares_runs(self, other: SeedResults) -> bool:
        """Return whether both hold runs of the same series."""
        return not {run.run_id for run in self.runs.values()}.isdisjoint(run.run_id for run in other.runs.values())

    def number(self, seed: int) -> int:
        """Return a seed's place in the series, from 1; 0 when it is not in it."""
        place = self.place(seed) + 1
        return place if self.seeds > 1 and place <= self.seeds else 0

    def place(self, seed: int) -> int:
        """Return by how many seeds this one comes after the first; 0 comes after the last that there is."""
        return (seed - self.first_seed) % 2**32

    def by_seed(self, engine: str) -> dict[int, SeedResult]:
        """Return an engine's results by seed."""
        return {result.seed: result for result in self.results.get(engine, ())}

    def pairs(self) -> list[tuple[SeedResult, SeedResult]]:
        """Return the results of the seeds that both engines trained equally long, first engine first; empty without two."""
        if len(self.results) != 2:
            return []
        first, second = map(self.by_seed, self.results)
        common = sorted(first.keys() & second.keys())
        return [(first[seed], second[seed]) for seed in common if first[seed].steps == second[seed].steps]

    @property
    def names(self) -> tuple[str, ...]:
        """The names for people of the engines that have results."""
        return tuple(TITLES.get(engine, engine) for engine in self.results)

    @property
    def time_caveat(self) -> str:
        """The reason why the engines' times are not comparable; empty when they are."""
        return device_caveat(self.mode, self.devices, self.jobs)

    def summary_lines(self) -> list[str]:
        """Return lines for people: each engine's mean and standard deviation, and the verdict over the common seeds."""
        import statistics  # not before the first paint

        lines = []
        for engine, results in self.results.items():
            if len(results) > 1:
                accuracies = [100 * result.accuracy for result in results]
                seconds = [result.train_seconds for result in results]
                lines.append(
                    f"{TITLES.get(engine, engine)} over {len(results)} seeds: test accuracy {mean(accuracies):.3f} ±"
                    f" {standard_deviation(accuracies):.3f} % (median {statistics.median(accuracies):.2f}, {min(accuracies):.2f} to"
                    f" {max(accuracies):.2f}), training {mean(seconds):.1f} ± {standard_deviation(seconds):.1f} s"
                )
        verdict, ratio = self.verdict(), self.time_ratio()
        if verdict:
            lines.append(f"{verdict.text} ({verdict.why})")
            lines += [caveat for caveat in (few_seeds_caveat(len(self.pairs())),) if caveat]
        return [*lines, f"{ratio.text} ({ratio.basis})"] if ratio and lines else lines

    def verdict(self) -> Verdict | None:
        """Judge the seeds that both engines trained equally long; None for fewer than two."""
        return self._judge()[1]

    def time_ratio(self) -> TimeRatio | None:
        """Compare the training times of the seeds that both engines trained equally long; None for fewer than two.

        None also unless the runs are a time trial whose times are comparable. Equal steps are equal epochs, so that the ratio of
        the training times is that of the epochs.
        """
        return self._judge()[2]

    def _judge(self) -> tuple[int, Verdict | None, TimeRatio | None]:
        if self._judged[0] != self.ended:
            self._judged = self.ended, self._compare_accuracies(), self._compare_times()
        return self._judged

    def _compare_accuracies(self) -> Verdict | None:
        pairs = self.pairs()
        if len(pairs) < 2 or len({result.n for pair in pairs for result in pair}) != 1:
            return None
        first, second = self.names
        correct = [a.correct for a, _ in pairs], [b.correct for _, b in pairs]
        return judge_seeds((first, second), correct, pairs[0][0].n)

    def _compare_times(self) -> TimeRatio | None:
        pairs = self.pairs()
        if len(pairs) < 2 or self.mode != "time-trial" or self.time_caveat:
            return None
        first, second = self.names
        ratio = ratio_of_paired_times([a.train_seconds for a, _ in pairs], [b.train_seconds for _, b in pairs])
        return time_ratio((first, second), ratio, f"{len(pairs)} seeds")


def _display_order(engine: str) -> int:
    return list(TITLES).index(engine) if engine in TITLES else len(TITLES)
