"""Who is ahead: every formula against figures that somebody else published."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from engines.config import reaches
from engines.messages.events import DataReady, EvalCompleted, RunFinished, RunRequested
from engines.preset_configs import from_settings
from engines.runs.comparison import device_caveat, verdict
from engines.runs.history import RunHistory
from engines.runs.seeds import SeedResults
from engines.runs.statistics import (
    TIE,
    PairedAnswers,
    holm,
    judge_answers,
    judge_seeds,
    mcnemar,
    mean,
    sign_flip,
    standard_deviation,
    wilson,
)

NAMES = ("PyTorch", "Keras")


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_newcombe_1998_prints_it(right: int, n: int, low: float, high: float) -> None:
    """Statistics in Medicine 17, 857-872, table I, method 3."""
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_the_reference() -> None:
    """99.25 % of 10,000 digits is known to about 0.17 points."""
    low, high = wilson(9925, 10_000)
    assert 0.0030 < high - low < 0.0036
    assert wilson(10_000, 10_000)[1] == pytest.approx(1.0)
    for right, n in ((0, 0), (3, 2), (-1, 5)):
        with pytest.raises(ValueError, match="no proportion"):
            wilson(right, n)


@given(st.integers(1, 10_000), st.data())
def test_wilson_holds_what_was_seen(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    low, high = wilson(right, n)
    assert 0 <= low <= right / n <= high + 1e-12 <= 1 + 1e-12


@pytest.mark.parametrize(
    ("b", "c", "p"),
    [
        (1, 8, 0.0390625),  # the sign test of 9 with 1: 2 (1 + 9) / 512
        (121, 59, 4.434444e-06),  # statsmodels' documentation of mcnemar(exact=True)
        (0, 0, 1.0),
        (5, 5, 1.0),
    ],
)
def test_mcnemar(b: int, c: int, p: float) -> None:
    assert mcnemar(b, c) == pytest.approx(p, rel=1e-4)
    assert mcnemar(c, b) == mcnemar(b, c)


def test_mcnemar_of_thousands_does_not_overflow() -> None:
    assert 0 <= mcnemar(3000, 7000) < 1e-300
    assert mcnemar(5000, 5000) == 1.0


def test_sign_flips_of_darwins_maize() -> None:
    """Fisher, The Design of Experiments, section 21: of 32,768 patterns 863 reach +314, twice that in both directions: 5.267 %."""
    maize = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert sum(maize) == 314
    assert sign_flip(maize) == pytest.approx(2 * 863 / 32_768)


def test_sign_flips_of_little() -> None:
    assert sign_flip([]) == sign_flip([0, 0]) == 1.0
    assert sign_flip([3, 5, 1]) == 0.25
    assert sign_flip([7] * 200) == pytest.approx(2 / 2**200)


@given(st.lists(st.integers(-40, 40), max_size=12))
def test_sign_flips_by_brute_force(differences: list[int]) -> None:
    import itertools

    seen = abs(sum(differences))
    signs = itertools.product((-1, 1), repeat=len(differences))
    far = [abs(sum(s * d for s, d in zip(one, differences, strict=True))) >= seen for one in signs]
    assert sign_flip(differences) == pytest.approx(sum(far) / len(far))


def test_mean_and_deviation() -> None:
    assert mean([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == 5.0
    assert standard_deviation([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == pytest.approx(math.sqrt(32 / 7))
    assert math.isnan(standard_deviation([1.0]))


def test_holm_as_r_corrects() -> None:
    """R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm"); of these four, two stay below 0.05."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.7]) == [0.7]
    assert holm([0.9, 0.8]) == [1.0, 1.0], "a probability is never above 1"


def answers(only_first: int, only_second: int) -> PairedAnswers:
    """Two networks that differ in nothing but these digits."""
    return PairedAnswers(only_first=only_first, only_second=only_second, differ=only_first + only_second)


def test_the_verdicts() -> None:
    """One run of each speaks of two networks, never of two frameworks."""
    networks = ("this PyTorch network", "this Keras network")
    tie = judge_answers(networks, answers(4, 5))
    assert (tie.text, tie.p_value) == (TIE, 1.0)
    assert "9 answered differently" in tie.why
    assert judge_answers(networks, answers(60, 0)).text == "this PyTorch network is ahead (one seed)"
    assert judge_answers(networks, answers(0, 60)).text == "this Keras network is ahead (one seed)"


def test_a_corrected_p_value_decides_and_both_are_said() -> None:
    alone = judge_answers(NAMES, answers(1, 8), "one run each")
    assert (alone.text, alone.p_value) == ("Keras is ahead (one run each)", 0.0390625)
    one_of_two = judge_answers(NAMES, answers(1, 8), "one run each", corrected=2 * 0.0390625)
    assert (one_of_two.text, one_of_two.p_value) == (TIE, 2 * 0.0390625)
    assert "p = 0.039 (= 0.078 after Holm's correction)" in one_of_two.why


def test_one_race_is_a_verdict_on_two_networks() -> None:
    """Whatever McNemar's test says of one seed, "PyTorch ahead" needs several."""
    histories = {engine: ended(engine, 0, right) for engine, right in (("pytorch", 9900), ("keras", 9800))}
    for engine, history in histories.items():
        history.apply(
            DataReady(
                engine=engine,
                t=0.5,
                dataset="mnist",
                source="",
                sha256="0",
                train_size=60_000,
                test_size=10_000,
                seconds=1.0,
            )
        )
    said = verdict(histories)
    assert said is not None
    assert said.text == "this PyTorch network is ahead (one seed)"
    assert said.p_value < 0.001


def test_few_seeds_can_prove_nothing_and_say_so() -> None:
    three = judge_seeds(NAMES, ([9910, 9915, 9920], [9900, 9901, 9902]), 10_000)
    assert (three.text, three.p_value) == (TIE, 0.25)
    assert "6 or more" in three.why
    six = judge_seeds(NAMES, ([9910] * 6, [9901, 9902, 9900, 9901, 9899, 9900]), 10_000)
    assert (six.text, six.p_value) == ("PyTorch ahead", 2 / 64)


@pytest.mark.parametrize(
    ("mode", "devices", "badge"),
    [
        ("race", ("cpu", "cpu"), "shared CPU: times not comparable"),
        ("race", ("cuda:0", "cuda:0"), "shared GPU: times not comparable"),
        ("race", ("cuda:0", "cuda:1"), "two GPUs, shared CPU: times barely comparable"),
        ("race", ("cuda:0", "cpu"), "CPU and GPU: times not comparable"),
        ("time-trial", ("cpu", "cpu"), ""),
        ("time-trial", ("cuda:0", "cuda:0"), ""),
        ("time-trial", ("cuda:0", "cpu"), "CPU and GPU: times not comparable"),
        ("time-trial", ("cuda:0", "cuda:1"), "two GPUs: times barely comparable"),
        ("race", ("mps", "cpu"), "CPU and GPU: times not comparable"),
        ("race", ("cpu",), ""),
        ("race", ("cpu,cpu", "cpu,cpu"), "shared CPU: times not comparable"),
        ("race", ("cuda:0,cuda:1", "cuda:2,cuda:3"), "separate GPUs, shared CPU: times barely comparable"),
        ("race", ("cuda:0,cuda:1", "cuda:1,cuda:2"), "shared GPU: times not comparable"),
        ("time-trial", ("cuda:0,cuda:1", "cuda:0,cuda:1"), ""),
        ("time-trial", ("cuda:0,cuda:1", "cuda:0"), "1 and 2 devices: times not comparable"),
    ],
)
def test_when_times_can_be_compared(mode: str, devices: tuple[str, ...], badge: str) -> None:
    assert device_caveat(mode, {f"engine {i}": device for i, device in enumerate(devices)}) == badge


def ended(engine: str, seed: int, right: int, *, steps: int = 100, outcome: str = "completed") -> RunHistory:
    """A history that ends with so many of 10,000 right."""
    history = RunHistory(engine)
    wrong = tuple((i, 0, 1) for i in range(10_000 - right))
    accuracy = right / 10_000
    history.apply(RunRequested(engine=engine, t=0.0, config=from_settings({"seed": seed})))
    history.apply(
        EvalCompleted(
            engine=engine,
            t=1.0,
            epoch=1,
            global_step=steps,
            split="test",
            loss=0.1,
            accuracy=accuracy,
            seconds=0.1,
            train_seconds=1.0,
            confusion=(10_000,),
            mistakes=wrong,
        )
    )
    history.apply(
        RunFinished(
            engine=engine,
            t=2.0,
            outcome=outcome,
            test_accuracy=accuracy,
            test_loss=0.1,
            best_epoch=1,
            train_seconds=1.0,
            wall_seconds=2.0,
        )
    )
    return history


def test_only_seeds_that_trained_equally_long_are_compared() -> None:
    series = SeedResults()
    for seed in range(6):
        series.add(ended("pytorch", seed, 9910))
        series.add(ended("keras", seed, 9900, steps=100 if seed else 50))
    series.add(ended("keras", 6, 1000, outcome="diverged"))
    series.add(ended("pytorch", 6, 1000, outcome="stopped"))
    assert (series.ended, series.unsuccessful) == (14, 2)
    assert [len(results) for results in series.results.values()] == [6, 6], "what was cut short is no result"
    said = series.verdict()
    assert said is not None
    assert "over 5 seeds" in said.why
    assert "over 6 seeds: test accuracy 99.000 ± 0.000 %" in series.summary_lines()[1]


@pytest.mark.parametrize("percent", [99.4, 98.9, 98.4, 99.93, 99.54, 99.12])
def test_an_accuracy_of_so_many_percent_is_so_many_percent(percent: float) -> None:
    """Of 10,000 digits; with floats alone, neither product nor quotient finds all of these."""
    right = round(percent * 100)
    assert reaches(right / 10_000, percent)
    assert not reaches((right - 1) / 10_000, percent)
