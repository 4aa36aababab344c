"""The results of several seeds."""

from __future__ import annotations

from engines.runs.seeds import SeedResults
from tests.support.ended_run import ended_run


def test_only_seeds_that_trained_equally_long_are_compared() -> None:
    seeds = SeedResults()
    for seed in range(6):
        seeds.add(ended_run("pytorch", seed, 9910))
        seeds.add(ended_run("keras", seed, 9900, steps=100 if seed else 50))
    seeds.add(ended_run("keras", 6, 1000, outcome="diverged"))
    seeds.add(ended_run("pytorch", 6, 1000, outcome="stopped"))
    assert (seeds.ended, seeds.unsuccessful) == (14, 2)
    assert [len(results) for results in seeds.results.values()] == [6, 6], "a run that was cut short is no result"
    verdict = seeds.verdict()
    assert verdict is not None
    assert "over 5 seeds" in verdict.why
    assert "over 6 seeds: test accuracy 99.000 ± 0.000 %" in seeds.summary_lines()[1]
