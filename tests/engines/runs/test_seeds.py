"""The results of several seeds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engines.messages.events import RunFailed, RunRequested
from engines.preset_configs import from_settings
from engines.runs.history import RunHistory
from engines.runs.seeds import SeedResults, reached_target
from engines.runs.statistics import TIE
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


def test_seeds_stand_in_their_order_whichever_ended_first() -> None:
    seeds = SeedResults(first_seed=2**32 - 1, seeds=3)
    for seed in (1, 2**32 - 1, 0):
        seeds.add(ended_run("keras", seed, 9900))
    assert [result.seed for result in seeds.results["keras"]] == [*seeds.runs] == [2**32 - 1, 0, 1]


def test_times_of_seeds_that_trained_at_once_are_not_compared() -> None:
    alone, beside = (SeedResults(seeds=6, mode="time-trial") for _ in range(2))
    for results, jobs in ((alone, 1), (beside, 3)):
        for seed in range(6):
            for engine in ("pytorch", "keras"):
                run = ended_run(engine, seed, 9900)
                run.jobs = jobs
                results.add(run)
    assert alone.time_ratio() is not None
    assert (alone.time_caveat, beside.time_ratio()) == ("", None)
    assert beside.time_caveat == "3 runs at once, shared CPU: times not comparable"


def test_too_few_seeds_are_named_with_the_number_that_would_do() -> None:
    seeds = SeedResults()
    for seed in range(2):
        seeds.add(ended_run("pytorch", seed, 9910))
        seeds.add(ended_run("keras", seed, 9900))
    assert seeds.summary_lines()[-1].startswith("2 seeds can never show a difference: p is at least 0.5")


def test_two_seeds_have_a_verdict_and_one_has_none() -> None:
    seeds = SeedResults()
    for seed, verdicts in ((0, 0), (1, 1)):
        seeds.add(ended_run("pytorch", seed, 9910))
        seeds.add(ended_run("keras", seed, 9900))
        assert (seeds.verdict() is not None) == verdicts
    verdict = seeds.verdict()
    assert verdict is not None
    assert (verdict.text, verdict.p_value) == (TIE, 0.5)
    assert verdict.why == "paired sign-flip test over 2 seeds, p = 0.500: PyTorch +0.100 points"


def test_engines_stand_in_display_order_whichever_ended_first() -> None:
    """The order alternates in a time trial."""
    seeds = SeedResults()
    for engine in ("keras", "pytorch"):
        seeds.add(ended_run(engine, 0, 9900))
    assert seeds.names == ("PyTorch", "Keras")


def test_a_run_without_an_evaluation_reached_no_target() -> None:
    """It was stopped by a rule before its first one, or its record lacks it."""
    for target, reached in ((0.0, True), (98.0, False)):
        history = ended_run("keras", 0, 9900, target_accuracy=target)
        history.evaluations.clear()
        assert reached_target(history) == reached


def test_seeds_that_only_one_engine_trained_are_not_compared() -> None:
    seeds = SeedResults()
    for seed in range(3):
        seeds.add(ended_run("pytorch", seed, 9910))
        seeds.add(ended_run("keras", seed + 2, 9900))
    assert [(a.seed, b.seed) for a, b in seeds.pairs()] == [(2, 2)]
    assert seeds.verdict() is None


def test_a_seed_has_its_place_in_the_series() -> None:
    seeds = SeedResults.of(from_settings({"seed": 2**32 - 1, "seeds": 3}))
    assert [seeds.number(seed) for seed in (2**32 - 1, 0, 1, 2, 7)] == [1, 2, 3, 0, 0], (
        "seeds start over after the largest"
    )
    assert SeedResults.of(from_settings({"seed": 4})).number(4) == 0, "one seed is no series"


def test_a_run_that_failed_is_listed_without_a_result() -> None:
    seeds, failed = SeedResults(seeds=2), RunHistory("keras")
    failed.apply(RunRequested(engine="keras", run_id="run-0", config=from_settings({"seed": 0, "seeds": 2})))
    failed.apply(RunFailed(engine="keras", run_id="run-0", t=1.0, kind="crashed", message="It crashed."))
    seeds.add(ended_run("pytorch", 0, 9900, run_id="run-0", seeds=2))
    seeds.add(failed)
    assert seeds.runs[0].run_id == "run-0"
    assert seeds.runs[0].outcomes == {"pytorch": "completed", "keras": "failed"}
    assert list(seeds.results) == ["pytorch"]


def test_a_time_trial_over_seeds_has_the_ratio_of_paired_times() -> None:
    """The ratios 2, 4 and 8 have the geometric mean 4; ln 2 / sqrt(3) is the standard error, 4.302653 the quantile for n = 3."""
    seeds = SeedResults(seeds=3, mode="time-trial")
    trial: dict[str, Any] = {"mode": "time-trial", "seeds": 3, "device": "cpu"}
    for seed, ratio in enumerate((2.0, 4.0, 8.0)):
        seeds.add(ended_run("pytorch", seed, 9900, epoch_times=(3 * ratio,), **trial))
        seeds.add(ended_run("keras", seed, 9900, epoch_times=(3.0,), **trial))
    found = seeds.time_ratio()
    assert found is not None
    assert (found.faster, found.basis, found.short_text) == ("Keras", "3 seeds", "Keras 4.00x faster per epoch")
    half_width = 2 ** (4.302653 / 3**0.5)
    assert (found.ratio.low, found.ratio.high) == pytest.approx((4 / half_width, 4 * half_width), rel=1e-6)
    assert seeds.summary_lines()[-1] == f"{found.text} (3 seeds)"
    racing = replace(seeds, mode="race", ended=seeds.ended + 1)
    assert racing.time_ratio() is None, "times of engines that share the CPU are not comparable"
