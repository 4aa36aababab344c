"""Round numbers for axes."""

from __future__ import annotations

import math


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
    """Exponents at which to label a logarithmic axis from 10**low to 10**high."""
    whole = [float(i) for i in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
    if len(whole) >= 2:
        return whole[:: max(1, -(-len(whole) // most))]
    return nice_ticks(low, high, most)


def short_number(value: float) -> str:
    """The number in at most five characters: 0.05, 2.3, 469, 5.6k, 1e-07."""
    size = abs(value)
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if size >= 1e6 or 0 < size < 0.001:
        text = f"{value:.0e}"
        return text.replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
    if size >= 10_000:
        return f"{value / 1000:.0f}k"
    if size >= 1_000:
        return f"{value / 1000:.3g}k"
    return f"{value:.3g}"
