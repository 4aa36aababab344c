"""Round ticks for axes, and exact labels for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple


def nice_ticks(low: float, high: float, max_count: int) -> list[float]:
    """Return at most `max_count` multiples of 1, 2 or 5 times a power of ten in [low, high] (Heckbert, Graphics Gems, 1990)."""
    span = high - low
    if max_count < 1 or not math.isfinite(span) or span <= 0:
        return []
    magnitude = 10.0 ** math.floor(math.log10(span / max_count)) if span / max_count > 0 else 0.0
    if magnitude <= 0 or not math.isfinite(magnitude):
        return []
    for factor in (1, 2, 5, 10, 20, 50):
        step = factor * magnitude
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= max_count:
            return [i * step for i in range(int(first), int(last) + 1)]
    return []


def labelled_ticks(
    ticks: Callable[[int], Sequence[float]], max_count: int, width: int, *, percent: bool = False
) -> list[tuple[float, str]]:
    """Return (tick, label) of as many ticks as have exact labels in `width` characters; empty where there are none.

    `ticks(n)` returns at most n ticks: fewer ticks are rounder numbers, with shorter labels.
    """
    for count in range(max_count, 0, -1):
        chosen = ticks(count)
        if labels := tick_labels(chosen, width, percent=percent):
            return list(zip(chosen, labels, strict=True))
    return []


def tick_labels(ticks: Sequence[float], width: int, *, percent: bool = False) -> list[str]:
    """Return exact labels in one form for all ticks, each of at most `width` characters; empty where no form fits.

    Percentages lose the percent sign before they lose a digit.
    """
    values = [100 * tick for tick in ticks] if percent else ticks
    numbers = [_Number.from_float(value) for value in values]
    forms: list[Callable[[_Number], str]] = [
        _Number.plain,
        _Number.bare,
        _Number.scientific,
        _Number.scientific_integer,
    ]
    if 1_000 <= max(map(abs, values), default=0.0) < 1_000_000:
        forms.insert(0, _Number.thousands)
    if percent:
        forms = [lambda number: f"{number.plain()}%", _Number.plain]
    for form in forms:
        labels = [form(number) for number in numbers]
        if max(map(len, labels), default=0) <= width and len(set(labels)) == len(labels):
            return labels
    return []


class _Number(NamedTuple):
    """A decimal number: `digits` times ten to the power of `exponent`.

    `decimal.Decimal` would delay the first paint by its import.
    """

    sign: str
    digits: str
    """Significant digits without trailing zeros; "0" for zero."""
    exponent: int

    @classmethod
    def from_float(cls, value: float) -> _Number:
        """Convert a float without its binary rounding error: 3 * 0.1 is 0.3."""
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

    def scientific_integer(self) -> str:
        """Write the number without a point: 25e-4."""
        return f"{self.sign}{self.digits}e{self.exponent}" if self.digits != "0" else "0"
