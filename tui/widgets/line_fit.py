"""Shorten lines of figures to the width that there is, by one table of what gives way first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

GIVES_WAY = (
    "interval",  # of the test accuracy
    "threads",
    "start",  # as one sum
    "start",
    "test",  # without the word: its epoch says that it is one
    "label",  # what a legend's line and marker say, too
    "best",
    "test",  # without its epoch
    "label",
    "smoothing",  # in short
    "x axis",  # which the chart's corner names, too
    "engine",  # its name, which the line's style stands for
    "train",  # in short
    "scale",  # in short
    "percent",  # a legend's test figures in short
    "train",
    "allowed",  # the cores that may be used
    "eta",
    "scale",
    "smoothing",
    "cursor",
    "test",  # the bare figure
    "name",  # in short
    "name",
)
"""The kinds of parts in the order in which they give way, the least important first; each mention is the next shorter form."""


class Part(NamedTuple):
    """A part of a line, with the spaces before it."""

    kind: str
    """A kind that GIVES_WAY lists; parts of any other kind never give way."""
    forms: tuple[str, ...]
    """The longest first; the last one is empty where the whole part may go."""


def fit_parts(parts: Sequence[Part], width: int) -> list[str]:
    """Return a form of each part, all together at most `width` long; all empty where even the shortest are longer.

    A figure is never cut, because it would be a wrong one.
    """
    level: dict[str, int] = {}

    def chosen() -> list[str]:
        return [part.forms[min(level.get(part.kind, 0), len(part.forms) - 1)] for part in parts]

    for kind in GIVES_WAY:
        if sum(map(len, chosen())) <= width:
            break
        level[kind] = level.get(kind, 0) + 1
    texts = chosen()
    return texts if sum(map(len, texts)) <= width else [""] * len(parts)
