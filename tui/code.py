"""The two engines' sections beside each other, for the Code screen and for `mnist-tui code`. Knows no Textual."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engines.api import RULE, Section, read_source, titled

HANGING = 4
"""How far the rest of a line that is too long is moved in, beyond the line itself."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What the engines have under one title; None where one has nothing."""

    title: str
    sections: tuple[Section | None, ...]


def pairs(sources: Sequence[Sequence[Section]]) -> list[Pair]:
    """The sections of the engines, aligned by their titles, in the first one's order."""
    titles = dict.fromkeys(section.title for source in sources for section in source)
    by_title = [{section.title: section for section in source} for source in sources]
    return [Pair(title, tuple(known.get(title) for known in by_title)) for title in titles]


def read_pairs(engines: Sequence[str], backend: str = "tensorflow") -> list[Pair]:
    """The shipped sources of those engines, Keras' on that backend. Raises OSError."""
    return pairs([read_source(engine, backend) for engine in engines])


def total(aligned: Sequence[Pair], engine: int) -> int:
    """Lines of code of that engine in all."""
    return sum(section.lines for pair in aligned if (section := pair.sections[engine]) is not None)


def breaks(line: str, width: int) -> list[tuple[int, int]]:
    """Where a line of code is cut so that each part fits: [start, end) of the parts, the later ones moved in by `indent_of`."""
    if len(line) <= width:
        return [(0, len(line))]
    parts, start, room = [], 0, width
    indent = indent_of(line, width)
    while len(line) - start > room:
        cut = line.rfind(" ", start + 1, start + room + 1)
        first_word = start + len(line[start:]) - len(line[start:].lstrip())
        end = cut if cut > first_word else start + room
        parts.append((start, end))
        start = end + (line[end : end + 1] == " ")
        room = max(width - indent, 1)
    return [*parts, (start, len(line))]


def indent_of(line: str, width: int) -> int:
    """How far the later parts of a line are moved in; never beyond half of the width."""
    return min(len(line) - len(line.lstrip()) + HANGING, width // 2)


def wrapped(code: str, width: int) -> list[str]:
    """Lines of at most so many characters."""
    out = []
    for line in code.splitlines():
        indent = " " * indent_of(line, width)
        out += [("" if i == 0 else indent) + line[start:end] for i, (start, end) in enumerate(breaks(line, width))]
    return out


def listing(engines: Sequence[str], aligned: Sequence[Pair], width: int, backend: str = "tensorflow") -> Iterator[str]:
    """The code in columns, as `mnist-tui code` prints it."""
    column = max((width - 3 * (len(engines) - 1)) // len(engines), 20)

    def row(cells: Sequence[str]) -> str:
        return " │ ".join(f"{cell:{column}}" for cell in cells).rstrip()

    yield row([f"{titled(engine, backend)}: {total(aligned, i)} lines" for i, engine in enumerate(engines)])
    for pair in aligned:
        yield ""
        yield row([f"── {pair.title}: {one.lines} lines" if one else f"── {pair.title}" for one in pair.sections])
        columns = [wrapped(one.code, column) if one else [] for one in pair.sections]
        for i in range(max(map(len, columns))):
            yield row([lines[i] if i < len(lines) else "" for lines in columns])
    yield ""
    yield f"Lines: {RULE}."


def plain(aligned: Sequence[Pair], engines: Sequence[str]) -> Mapping[str, object]:
    """The same for JSON."""
    return {
        "rule": RULE,
        "sections": [
            {
                "title": pair.title,
                **{
                    engine: {"lines": one.lines, "code": one.code} if one else None
                    for engine, one in zip(engines, pair.sections, strict=True)
                },
            }
            for pair in aligned
        ],
        "lines": {engine: total(aligned, i) for i, engine in enumerate(engines)},
    }
