"""Round numbers for axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` multiples of 1, 2 or 5 times a power of ten within [low, high] (Heckbert, Graphics Gems, 1990)."""
    span = high - low
    if most < 1 or not math.isfinite(span) or span <= 0:
        return []
    magnitude = 10.0 ** math.floor(math.log10(span / most)) if span / most > 0 else 0.0
    if magnitude <= 0 or not math.isfinite(magnitude):
        return []
    for factor in (1, 2, 5, 10, 20, 50):
        step = factor * magnitude
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [i * step for i in range(int(first), int(last) + 1)]
    return []


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` values at which to label a logarithmic axis from 10**low to 10**high: powers of ten, if two are there."""
    powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    if len(powers) >= 2:
        return [float(f"1e{power}") for power in powers[:: max(1, -(-len(powers) // max(most, 1)))]]
    return [tick for tick in nice_ticks(10.0**low, 10.0**high, most) if tick > 0] if high < _LARGEST_POWER else []


def labelled_ticks(
    ticks: Callable[[int], Sequence[float]], most: int, width: int, *, percent: bool = False
) -> list[tuple[float, str]]:
    """(tick, label) of as many of the axis's ticks as can be labelled exactly in `width` characters.

    `ticks(n)` are at most n ticks: with fewer of them the numbers are rounder, so that what has no room for its digits at first
    has room at last. No label is better than a false one.
    """
    for fewer in range(most, 0, -1):
        chosen = ticks(fewer)
        if labels := tick_labels(chosen, width, percent=percent):
            return list(zip(chosen, labels, strict=True))
    return []


def tick_labels(ticks: Sequence[float], width: int, *, percent: bool = False) -> list[str]:
    """Exact labels for all ticks of an axis, written alike, each in at most `width` characters; empty where none would be exact.

    Percentages lose the percent sign before they lose a digit.
    """
    values = [100 * tick for tick in ticks] if percent else ticks
    numbers = [_Number.of(value) for value in values]
    forms: list[Callable[[_Number], str]] = [_Number.plain, _Number.bare, _Number.scientific, _Number.whole]
    if 1_000 <= max(map(abs, values), default=0.0) < 1_000_000:
        forms.insert(0, _Number.thousands)
    if percent:
        forms = [lambda number: f"{number.plain()}%", _Number.plain]
    for form in forms:
        labels = [form(number) for number in numbers]
        if max(map(len, labels), default=0) <= width and len(set(labels)) == len(labels):
            return labels
    return []


_LARGEST_POWER = 308
"""A float ends there."""


class _Number(NamedTuple):
    """A decimal number: `digits` times ten to the power of `exponent`.

    Not `decimal.Decimal`, because the first paint would wait for its import.
    """

    sign: str
    digits: str
    """Without zeros at the end, unless it is zero."""
    exponent: int

    @classmethod
    def of(cls, value: float) -> _Number:
        """Convert a float, without its error as a binary fraction: 3 * 0.1 is 0.3."""
        mantissa, _, power = f"{abs(value):.14e}".partition("e")
        digits = mantissa.replace(".", "").rstrip("0")
        return cls("-" * (value < 0), digits, int(power) - len(digits) + 1) if digits else cls("", "0", 0)

    def plain(self) -> str:
        """Write the number in full: 0.0025 or 1200."""
        if self.exponent >= 0:
            return f"{self.sign}{self.digits}{'0' * self.exponent}"
        digits = self.digits.zfill(1 - self.exponent)
        return f"{self.sign}{digits[: self.exponent]}.{digits[self.exponent :]}"

    def bare(self) -> str:
        """Write the number without a zero before the point: .0025."""
        plain = self.plain()
        return plain.replace("0.", ".", 1) if plain.lstrip("-").startswith("0.") else plain

    def thousands(self) -> str:
        """Write the number in thousands: 1.2k, but 200 for less than one."""
        if len(self.digits) + self.exponent <= 3:
            return self.plain()
        return f"{self._replace(exponent=self.exponent - 3).plain()}k"

    def scientific(self) -> str:
        """Write the number with one digit before the point: 2.5e-3."""
        rest = f".{self.digits[1:]}" if len(self.digits) > 1 else ""
        return (
            f"{self.sign}{self.digits[0]}{rest}e{self.exponent + len(self.digits) - 1}" if self.digits != "0" else "0"
        )

    def whole(self) -> str:
        """Write the number without a point: 25e-4."""
        return f"{self.sign}{self.digits}e{self.exponent}" if self.digits != "0" else "0"
