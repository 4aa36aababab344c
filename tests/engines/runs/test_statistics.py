"""Statistics: every formula against published figures."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, strategies as st

from engines.config import reaches
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


def test_a_verdict_on_few_seeds_is_a_tie_and_says_why() -> None:
    three = judge_seeds(NAMES, ([9910, 9915, 9920], [9900, 9901, 9902]), 10_000)
    assert (three.text, three.p_value) == (TIE, 0.25)
    assert "6 or more" in three.why
    six = judge_seeds(NAMES, ([9910] * 6, [9901, 9902, 9900, 9901, 9899, 9900]), 10_000)
    assert (six.text, six.p_value) == ("PyTorch ahead", 2 / 64)


@pytest.mark.parametrize("percent", [99.4, 98.9, 98.4, 99.93, 99.54, 99.12])
def test_an_accuracy_reaches_exactly_its_own_percentage(percent: float) -> None:
    """On 10,000 digits; plain float arithmetic, by product or by quotient, fails for some of these."""
    correct = round(percent * 100)
    assert reaches(correct / 10_000, percent)
    assert not reaches((correct - 1) / 10_000, percent)
