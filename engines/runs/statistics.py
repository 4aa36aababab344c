"""Statistical tests of who is ahead. Pure functions of counts; every formula names its source."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engines.plural import plural
from engines.record import Record

ALPHA = 0.05
"""Significance level: a difference counts below this p-value."""
Z_95 = 1.959963984540054
"""The standard normal distribution's 97.5 % quantile."""

TIE = "statistical tie"

ONE_RUN_CAVEAT = (
    "One run of each says nothing about the frameworks: PyTorch against itself, first weights changed by 1e-7, is called ahead"
    " in 8 of 45 pairs of runs. --seeds 6 compares the frameworks."
)
"""Measured with ten runs of one epoch on 12,800 MNIST digits, dropout 0, seed 5: each step makes a rounding difference larger."""


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


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean."""
    return sum(values) / len(values)  # math.fsum raises on infinities, which recordings may hold


def standard_deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample (n - 1); NaN for a single value."""
    if len(values) < 2:
        return math.nan
    middle = mean(values)
    return math.sqrt(sum((value - middle) * (value - middle) for value in values) / (len(values) - 1))


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
    if 2 / 2**seeds >= ALPHA:
        why += f"; with {seeds} seeds p is never below {2 / 2**seeds:.3g}, so use 6 or more"
    ahead = names[0] if sum(differences) > 0 else names[1]
    return Verdict(f"{ahead} ahead" if p < ALPHA else TIE, p, why)


def format_p_value(p: float) -> str:
    """Format a p-value for people: "= 0.039" or "< 0.001"."""
    return f"= {p:.3f}" if p >= 0.001 else "< 0.001"
