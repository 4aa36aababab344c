"""Statistics: every formula against published figures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, strategies as st

from engines.config import reaches
from engines.runs.statistics import (
    FEWEST_SEEDS,
    TIE,
    PairedAnswers,
    Ratio,
    few_seeds_caveat,
    format_p_value,
    holm,
    judge_answers,
    judge_seeds,
    mcnemar,
    mean,
    ratio_of_paired_times,
    ratio_of_times,
    sign_flip,
    smallest_sign_flip,
    standard_deviation,
    student_t_95,
    wilson,
)

NAMES = ("PyTorch", "Keras")


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_against_newcombe_1998(successes: int, n: int, low: float, high: float) -> None:
    """Statistics in Medicine 17, 857-872, table I, method 3."""
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_the_reference_accuracy() -> None:
    """An accuracy of 99.25 % on 10,000 digits has an interval of about ±0.17 points."""
    low, high = wilson(9925, 10_000)
    assert 0.0030 < high - low < 0.0036
    assert wilson(10_000, 10_000)[1] == pytest.approx(1.0)
    for successes, n in ((0, 0), (3, 2), (-1, 5)):
        with pytest.raises(ValueError, match="no proportion"):
            wilson(successes, n)


@given(st.integers(1, 10_000), st.data())
def test_wilsons_interval_contains_the_proportion(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high + 1e-12 <= 1 + 1e-12


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


def test_sign_flips_of_few_differences() -> None:
    assert sign_flip([]) == sign_flip([0, 0]) == 1.0
    assert sign_flip([3, 5, 1]) == 0.25
    assert sign_flip([7] * 200) == pytest.approx(2 / 2**200)


@given(st.lists(st.integers(-40, 40), max_size=12))
def test_sign_flips_by_brute_force(differences: list[int]) -> None:
    observed = abs(sum(differences))
    signs = itertools.product((-1, 1), repeat=len(differences))
    far = [abs(sum(s * d for s, d in zip(pattern, differences, strict=True))) >= observed for pattern in signs]
    assert sign_flip(differences) == pytest.approx(sum(far) / len(far))


def test_mean_and_standard_deviation() -> None:
    assert mean([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == 5.0
    assert standard_deviation([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == pytest.approx(math.sqrt(32 / 7))
    assert math.isnan(standard_deviation([1.0]))


def test_holm_against_r() -> None:
    """R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm"); of these four, two stay below 0.05."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.7]) == [0.7]
    assert holm([0.9, 0.8]) == [1.0, 1.0], "a probability is never above 1"


def answers(only_first: int, only_second: int) -> PairedAnswers:
    """Return the answers of two networks that differ in these digits alone."""
    return PairedAnswers(only_first=only_first, only_second=only_second, differ=only_first + only_second)


def test_verdicts_on_one_run_each() -> None:
    """The verdict names two networks, never two frameworks."""
    networks = ("this PyTorch network", "this Keras network")
    tie = judge_answers(networks, answers(4, 5))
    assert (tie.text, tie.p_value) == (TIE, 1.0)
    assert "9 answered differently" in tie.why
    assert judge_answers(networks, answers(60, 0)).text == "this PyTorch network is ahead (one seed)"
    assert judge_answers(networks, answers(0, 60)).text == "this Keras network is ahead (one seed)"


def test_a_corrected_p_value_decides_and_both_are_stated() -> None:
    alone = judge_answers(NAMES, answers(1, 8), "one run each")
    assert (alone.text, alone.p_value) == ("Keras is ahead (one run each)", 0.0390625)
    one_of_two = judge_answers(NAMES, answers(1, 8), "one run each", corrected=2 * 0.0390625)
    assert (one_of_two.text, one_of_two.p_value) == (TIE, 2 * 0.0390625)
    assert "p = 0.039 (= 0.078 after Holm's correction)" in one_of_two.why


@pytest.mark.parametrize(
    ("p", "text"),
    [(1.0, "= 1.000"), (0.0390625, "= 0.039"), (0.0501, "= 0.050"), (0.001, "= 0.001"), (0.00099, "< 0.001"), (0.0, "< 0.001")],
)  # fmt: skip
def test_p_values_have_three_digits_and_are_never_0(p: float, text: str) -> None:
    assert format_p_value(p) == text


def test_a_p_value_between_5_and_10_percent_is_a_tie_for_networks_and_for_frameworks() -> None:
    """With one of eight against it, McNemar's p is 2 (1 + 8) / 256; five seeds of one sign have 2 / 32."""
    networks = judge_answers(NAMES, answers(7, 1))
    assert (networks.text, networks.p_value) == (TIE, 0.0703125)
    assert networks.why == (
        "McNemar's exact test, p = 0.070: 7 digits right in PyTorch alone, 1 in Keras alone, 8 answered differently"
    )
    frameworks = judge_seeds(NAMES, ([9910] * 5, [9900] * 5), 10_000)
    assert (frameworks.text, frameworks.p_value) == (TIE, 0.0625)
    assert frameworks.why == "paired sign-flip test over 5 seeds, p = 0.062: PyTorch +0.100 points"


def test_the_framework_with_more_correct_digits_is_ahead() -> None:
    keras = judge_seeds(NAMES, ([9900] * 6, [9910] * 6), 10_000)
    assert (keras.text, keras.why) == (
        "Keras ahead", "paired sign-flip test over 6 seeds, p = 0.031: PyTorch -0.100 points",
    )  # fmt: skip


@pytest.mark.parametrize("seeds", range(1, 9))
def test_the_smallest_p_value_is_that_of_differences_of_one_sign(seeds: int) -> None:
    assert smallest_sign_flip(seeds) == sign_flip([3] * seeds)
    caveat = few_seeds_caveat(seeds)
    assert bool(caveat) == (sign_flip([3] * seeds) >= 0.05)
    assert FEWEST_SEEDS == 6
    assert not caveat or f"--seeds {FEWEST_SEEDS} or more" in caveat


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [
        (1, 12.7062),
        (2, 4.30265),
        (3, 3.18245),
        (5, 2.57058),
        (10, 2.22814),
        (30, 2.04227),
        (120, 1.97993),
        (1e6, 1.95997),
    ],
)
def test_students_t(freedom: float, quantile: float) -> None:
    """Table of the t distribution, 97.5 % (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2)."""
    assert student_t_95(freedom) == pytest.approx(quantile, abs=6e-6 * quantile)


SLEEP = (
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
)
"""Student's sleep data (1908), as R has it."""


def test_ratios_of_times_against_r() -> None:
    """R's t.test(extra ~ group, sleep): -3.3654832 to 0.2054832 by Welch, and -2.4598858 to -0.7001142 paired."""
    first, second = ([math.exp(hours) for hours in group] for group in SLEEP)
    for compare, low, high in (
        (ratio_of_times, -3.3654832, 0.2054832),
        (ratio_of_paired_times, -2.4598858, -0.7001142),
    ):
        ratio = compare(first, second)
        assert ratio is not None
        assert ratio.low is not None
        assert ratio.high is not None
        assert [math.log(end) for end in (ratio.low, ratio.value, ratio.high)] == pytest.approx(
            [low, -1.58, high], abs=1e-7
        )
        assert ratio.is_clear == (high < 0)
        other = compare(second, first)
        assert other is not None
        assert (other.value, other.low) == pytest.approx((1 / ratio.value, 1 / ratio.high)), "either may be the base"
        assert (ratio.inverse.low, ratio.inverse.high) == pytest.approx((other.low, other.high))


@pytest.mark.parametrize("compare", [ratio_of_times, ratio_of_paired_times])
def test_ratios_of_few_or_impossible_times(compare: Callable[[Sequence[float], Sequence[float]], Ratio | None]) -> None:
    alone = compare([3.0], [2.0])
    assert alone is not None
    assert alone.value == pytest.approx(1.5)
    assert (alone.low, alone.is_clear) == (None, False)
    same = compare([2.0, 2.0], [1.0, 1.0])
    assert same is not None
    assert (same.low, same.high) == pytest.approx((2.0, 2.0))
    for times in ([], [0.0, 1.0], [-1.0, 1.0], [math.inf, 1.0], [math.nan, 1.0]):
        assert compare(times, [1.0, 1.0][: len(times)]) is None
    assert compare([1e-300, 1e300], [1e300, 1e-300]) is not None, "no overflow"


def test_a_verdict_on_few_seeds_is_a_tie() -> None:
    three = judge_seeds(NAMES, ([9910, 9915, 9920], [9900, 9901, 9902]), 10_000)
    assert (three.text, three.p_value) == (TIE, 0.25)
    six = judge_seeds(NAMES, ([9910] * 6, [9901, 9902, 9900, 9901, 9899, 9900]), 10_000)
    assert (six.text, six.p_value) == ("PyTorch ahead", 2 / 64)


@pytest.mark.parametrize("percent", [99.4, 98.9, 98.4, 99.93, 99.54, 99.12])
def test_an_accuracy_reaches_exactly_its_own_percentage(percent: float) -> None:
    """On 10,000 digits; plain float arithmetic, by product or by quotient, fails for some of these."""
    correct = round(percent * 100)
    assert reaches(correct / 10_000, percent)
    assert not reaches((correct - 1) / 10_000, percent)
