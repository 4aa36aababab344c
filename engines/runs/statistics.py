"""Statistical tests of who is ahead. Pure functions of counts; every formula names its source."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache

from engines.plural import plural
from engines.record import Record

ALPHA = 0.05
"""Significance level: a difference counts below this p-value."""
Z_95 = 1.959963984540054
"""The standard normal distribution's 97.5 % quantile."""

TIE = "statistical tie"

ONE_RUN_CAVEAT = (
    "One run of each says nothing about the frameworks: PyTorch against itself, apart by rounding alone, is called ahead in 26 % of"
    " pairs (49 of 190, measured with first weights changed by 1e-7). --seeds 6 compares the frameworks."
)
"""Measured by `python -m tests.programs.same_framework 20`: each step makes a difference by rounding larger."""


def wilson(successes: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Return the score interval of a proportion, 95 % by default (Wilson 1927; Newcombe 1998, method 3).

    Raises ValueError when `successes` of `n` is no proportion, or n is 0.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no proportion")
    p, z2 = successes / n, z * z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return 0.0 if successes == 0 else middle - half, 1.0 if successes == n else middle + half


def mcnemar(only_a: int, only_b: int) -> float:
    """Return McNemar's exact two-sided p-value (1947): that a case is as likely to be right in A alone as in B alone."""
    n, fewer = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    tail = ways = 1
    for k in range(fewer):
        ways = ways * (n - k) // (k + 1)  # n over k + 1 from n over k: ten thousand terms in milliseconds
        tail += ways
    return float(min(1.0, 2 * tail / 2**n))  # integers until here, hence exact for any n


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for several tests, so that the family-wise error rate stays below the level (Holm 1979)."""
    corrected = [1.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = highest
    return corrected


def sign_flip(differences: Sequence[int]) -> float:
    """Return the two-sided p-value that paired differences have no direction: the share of sign patterns as far from 0.

    Fisher's randomisation test (The Design of Experiments, 1935, section 21). Exact, and assumes no distribution. The differences
    are integers, so that the patterns can be counted by their sums instead of one by one.
    """
    patterns = {0: 1}
    for difference in differences:
        extended: dict[int, int] = {}
        for total, count in patterns.items():
            for signed in (total + difference, total - difference):
                extended[signed] = extended.get(signed, 0) + count
        patterns = extended
    observed = abs(sum(differences))
    as_far = sum(count for total, count in patterns.items() if abs(total) >= observed)
    return float(as_far / (1 << len(differences)))


def smallest_sign_flip(pairs: int) -> float:
    """Return the smallest p-value that `sign_flip` can give for that many pairs: all differences have the same sign."""
    return min(1.0, float(2 / 2**pairs))


FEWEST_SEEDS = next(pairs for pairs in itertools.count(1) if smallest_sign_flip(pairs) < ALPHA)
"""The fewest paired seeds that can show a difference: six."""


def few_seeds_caveat(seeds: int) -> str:
    """Return the sentence that so few paired seeds can't show a difference; empty when they can."""
    if seeds >= FEWEST_SEEDS:
        return ""
    least = "1" if seeds < 2 else f"{smallest_sign_flip(seeds):.3g}"
    return (
        f"{plural(seeds, 'seed')} can never show a difference: p is at least {least}, and counts below {ALPHA:g}. Use"
        f" --seeds {FEWEST_SEEDS} or more."
    )


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean."""
    return sum(values) / len(values)  # math.fsum raises on infinities, which recordings may hold


def standard_deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample (n - 1); NaN for a single value."""
    if len(values) < 2:
        return math.nan
    middle = mean(values)
    return math.sqrt(sum((value - middle) * (value - middle) for value in values) / (len(values) - 1))


@cache
def student_t_95(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's t distribution with at least one degree of freedom, which need not be whole.

    With t = sqrt(freedom) tan(angle), the density is proportional to cos(angle) ** (freedom - 1). Integrated by Simpson's rule,
    inverted by bisection.
    """
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)

    def share_within(t: float) -> float:
        width = math.atan(t / math.sqrt(freedom)) / SIMPSON_INTERVALS
        heights = [math.cos(i * width) ** (freedom - 1) for i in range(SIMPSON_INTERVALS + 1)]
        total = heights[0] + heights[-1] + 4 * sum(heights[1::2]) + 2 * sum(heights[2:-1:2])
        return float(2 * scale * total * width / 3)

    low, high = Z_95, 13.0  # the quantiles of infinitely many degrees of freedom and, rounded up, of one
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if share_within(middle) > 0.95 else (middle, high)
    return low


SIMPSON_INTERVALS = 200
"""An even number; the quantile is then right to eight digits."""


class Ratio(Record):
    """A ratio of times with its 95 % interval."""

    value: float
    low: float | None = None
    """The interval's lower end; None when there are too few times for an interval."""
    high: float | None = None

    @property
    def is_clear(self) -> bool:
        """True when the interval excludes 1: the times differ."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high

    @property
    def inverse(self) -> Ratio:
        """The ratio the other way round."""
        low = None if self.high is None else 1 / self.high
        return Ratio(value=1 / self.value, low=low, high=None if self.low is None else 1 / self.low)


def ratio_of_times(first: Sequence[float], second: Sequence[float]) -> Ratio | None:
    """Return the ratio of two independent samples' geometric means; None where a time is not positive and finite.

    Its interval is that of Welch (1947) for the difference of the means of the logarithms, with Satterthwaite's (1946) degrees of
    freedom. Geometric means, because times are skewed and a ratio must not depend on which of the two is its base (Fleming and
    Wallace 1986).
    """
    logs = _logarithms(first), _logarithms(second)
    if not all(logs):
        return None
    difference = mean(logs[0]) - mean(logs[1])
    if min(map(len, logs)) < 2:
        return Ratio(value=_exp(difference))
    errors = [standard_deviation(values) ** 2 / len(values) for values in logs]  # squared standard errors of the means
    terms = sum(error**2 / (len(values) - 1) for error, values in zip(errors, logs, strict=True))
    freedom = sum(errors) ** 2 / terms if terms else math.inf
    return _ratio_of_logarithms(difference, math.sqrt(sum(errors)), freedom)


def ratio_of_paired_times(first: Sequence[float], second: Sequence[float]) -> Ratio | None:
    """Return the geometric mean of the pairs' ratios, with Student's t interval of the ratios' logarithms.

    None where a time is not positive and finite, or there is none.
    """
    logs = [_logarithms(times) for times in (first, second)]
    if not all(logs):
        return None
    differences = [a - b for a, b in zip(*logs, strict=True)]
    if len(differences) < 2:
        return Ratio(value=_exp(differences[0]))
    error = standard_deviation(differences) / math.sqrt(len(differences))
    return _ratio_of_logarithms(mean(differences), error, len(differences) - 1)


def _logarithms(times: Sequence[float]) -> list[float]:
    """Return the logarithms of the times; none unless all are positive and finite."""
    return [math.log(time) for time in times] if all(0 < time < math.inf for time in times) else []


def _ratio_of_logarithms(difference: float, error: float, freedom: float) -> Ratio:
    half = student_t_95(freedom) * error if error else 0.0
    return Ratio(value=_exp(difference), low=_exp(difference - half), high=_exp(difference + half))


def _exp(logarithm: float) -> float:
    return math.exp(max(-700.0, min(logarithm, 700.0)))  # beyond, floats overflow: a recording may hold any times


class Verdict(Record, kw_only=False):
    """The conclusion of a comparison."""

    text: str
    """"this PyTorch network is ahead (one seed)", "PyTorch ahead" (over several seeds), or "statistical tie"."""
    p_value: float
    """The p-value that decided: corrected where several tests were made."""
    why: str
    """The figures behind the conclusion, for people."""


class PairedAnswers(Record):
    """The answers of two networks to the same test digits."""

    only_first: int
    """Digits that only the first network read correctly."""
    only_second: int
    """Digits that only the second network read correctly."""
    differ: int
    """Digits that the two networks answered differently."""

    @property
    def p_value(self) -> float:
        """McNemar's p-value, not corrected for other tests."""
        return mcnemar(self.only_first, self.only_second)


def judge_answers(
    names: tuple[str, str], answers: PairedAnswers, scope: str = "one seed", *, corrected: float | None = None
) -> Verdict:
    """Judge which of two trained networks is ahead. One run of each says nothing about their frameworks.

    `names` are noun phrases such as "this PyTorch network"; `corrected` is the p-value after a correction for several tests.
    """
    p = answers.p_value if corrected is None else corrected
    after = "" if corrected is None else f" ({format_p_value(corrected)} after Holm's correction)"
    why = (
        f"McNemar's exact test, p {format_p_value(answers.p_value)}{after}: {plural(answers.only_first, 'digit')} right in"
        f" {names[0]} alone, {answers.only_second} in {names[1]} alone, {answers.differ} answered differently"
    )
    ahead = names[0] if answers.only_first > answers.only_second else names[1]
    return Verdict(f"{ahead} is ahead ({scope})" if p < ALPHA else TIE, p, why)


def judge_seeds(names: tuple[str, str], correct: tuple[Sequence[int], Sequence[int]], n: int) -> Verdict:
    """Judge which framework is ahead, by the correctly read digits, of n, in runs of both with the same seeds."""
    differences = [a - b for a, b in zip(*correct, strict=True)]
    p, seeds = sign_flip(differences), len(differences)
    why = f"paired sign-flip test over {seeds} seeds, p {format_p_value(p)}: {names[0]} {100 * mean(differences) / n:+.3f} points"
    ahead = names[0] if sum(differences) > 0 else names[1]
    return Verdict(f"{ahead} ahead" if p < ALPHA else TIE, p, why)


def format_p_value(p: float) -> str:
    """Format a p-value for people: "= 0.039" or "< 0.001"."""
    return f"= {p:.3f}" if p >= 0.001 else "< 0.001"
