"""The two engines' sections beside each other, for the Code screen and for `mnist-tui code`. Knows no Textual."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from engines.api import RULE, Section, display_name, plural, read_source

HANGING = 6
"""How far the rest of a line that is too long is moved in, beyond the line itself: further than the body that may follow it."""
DEEPER = 6
"""Columns that one would rather leave empty than break a line inside of one more bracket."""
CLAUSES = (" for ", " if ", " else ", " and ", " or ", " -> ")
"""What begins well on a line of its own."""
NEVER = 1000
METHOD = 4
"""What an engine's methods are moved in by; a section has them without their class."""
_BEGINS = re.compile(r"(?: {4})?(?:@|(?:async )?(?:def|class) (\w+))")
_FILE = re.compile(r"# [a-z]+_(\w+\.py)")


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


@dataclass(frozen=True, slots=True)
class Block:
    """A function, a method, a class up to its first method, or what stands between them."""

    name: str
    first: int
    last: int
    """Its lines: [first, last) of the section's code."""
    dedent: int
    """How far it is moved out."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a line, as it is shown."""

    line: int
    start: int
    end: int
    indent: int
    """Before it stand so many blanks more."""

    def of(self, lines: Sequence[str]) -> str:
        """The text."""
        return " " * self.indent + lines[self.line][self.start : self.end]


def blocks(code: str) -> list[Block]:
    """A section's code, cut where a function or a class begins."""
    starts: list[tuple[int, str, int]] = []
    bare, inside, decorated = False, "", False
    for i, line in enumerate(code.splitlines()):
        if not line.strip():
            continue
        outermost = line[0] not in " )]}"
        bare = bare or outermost
        begins, file = _BEGINS.match(line), _FILE.fullmatch(line)
        name = (begins and begins.group(1)) or ""
        if begins and outermost and name:
            inside = name if "class " in line else ""
        elif begins and name and bare:
            name = f"{inside}.{name}"
        if decorated:
            starts[-1] = (starts[-1][0], name, starts[-1][2])
        elif begins or file or not starts or (outermost and starts[-1][1] and not starts[-1][1].endswith(".py")):
            starts.append((i, file.group(1) if file else name, 0 if bare else METHOD))
        decorated = begins is not None and not name
    ends = [*(start for start, _, _ in starts), len(code.splitlines())][1:]
    return [Block(name, first, last, dedent) for (first, name, dedent), last in zip(starts, ends, strict=True)]


def aligned_blocks(codes: Sequence[str]) -> list[tuple[list[Block], ...]]:
    """Rows of blocks: what has the same name in all engines begins a row, and what only one has follows below."""
    cut = [blocks(code) for code in codes]
    rows: list[tuple[list[Block], ...]] = []
    at = [0] * len(cut)
    for block in cut[0]:
        named = [
            [i for i in range(at[e], len(its)) if block.name and its[i].name == block.name] for e, its in enumerate(cut)
        ]
        if all(named):
            here = [found[0] for found in named]
            if any(a < b for a, b in zip(at, here, strict=True)):
                rows.append(tuple(its[a:b] for its, a, b in zip(cut, at, here, strict=True)))
            at = here
    rows.append(tuple(its[a:] for its, a in zip(cut, at, strict=True)))
    return rows


def pieces(code: str, block: Block, width: int) -> list[Piece]:
    """The block's lines, in parts that fit; without the blank ones at its end."""
    lines = code.splitlines()
    last = max((i + 1 for i in range(block.first, block.last) if lines[i].strip()), default=block.first)
    found: list[Piece] = []
    for i in range(block.first, last):
        out = min(block.dedent, len(lines[i]) - len(lines[i].lstrip()))
        shown = lines[i][out:]
        indent = indent_of(shown, width)
        found += [Piece(i, a + out, b + out, indent if n else 0) for n, (a, b) in enumerate(breaks(shown, width))]
    return found


def columns(codes: Sequence[str], width: int) -> list[tuple[list[Piece | None], ...]]:
    """The engines' code in rows that begin beside each other, each column so wide; None is a blank line between blocks."""
    rows = []
    for row in aligned_blocks(codes):
        column: list[list[Piece | None]] = [[] for _ in codes]
        for its, code, part in zip(column, codes, row, strict=True):
            for block in part:
                its += [*([None] if its else []), *pieces(code, block, width)]
        rows.append(tuple(column))
    return rows


def breaks(line: str, width: int) -> list[tuple[int, int]]:
    """Where a line of code is cut so that each part fits: [start, end) of the parts, the later ones moved in by `indent_of`."""
    if len(line) <= width:
        return [(0, len(line))]
    parts, start, room = [], 0, width
    indent = indent_of(line, width)
    while len(line) - start > room:
        end = _cut(line, start, room)
        parts.append((start, end))
        start = end + (line[end : end + 1] == " ")
        room = max(width - indent, 1)
    return [*parts, (start, len(line))]


def _cut(line: str, start: int, room: int) -> int:
    """The best end of a part that begins at `start`: far to the right, but rather between arguments than inside of one."""
    best, end = -NEVER, start + room
    depth, quote = 0, ""
    first_word = start + len(line[start:]) - len(line[start:].lstrip())
    for i, char in enumerate(line[: start + room]):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "#":
            depth, quote = 0, "\n"  # words from here on
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        loss = _loss(char, line[i + 1 :], bool(quote))
        score = i + 1 - start - loss - DEEPER * max(depth, 0)
        if i >= first_word and loss < NEVER and score > best:
            best, end = score, i + 1
    return end


def _loss(before: str, after: str, quoted: bool) -> int:
    """How bad a break is there, in columns that one would rather leave empty."""
    if after.startswith(" "):
        return 0 if quoted or before in ",#" or after.startswith(CLAUSES) else 5
    if quoted or not after:
        return NEVER
    if before in "([{" and after[0] not in ")]}":
        return 14
    if after[0] == "." and (before in ")]" or before.isidentifier()):
        return 8 if before in ")]" else 30
    return NEVER


def indent_of(line: str, width: int) -> int:
    """How far the later parts of a line are moved in; never beyond half of the width."""
    return min(len(line) - len(line.lstrip()) + HANGING, width // 2)


def listing(engines: Sequence[str], aligned: Sequence[Pair], width: int, backend: str = "tensorflow") -> Iterator[str]:
    """The code in columns, as `mnist-tui code` prints it."""
    column = max((width - 3 * (len(engines) - 1)) // len(engines), 20)

    def row(cells: Sequence[str]) -> str:
        return " │ ".join(f"{cell:{column}}" for cell in cells).rstrip()

    yield row(
        [f"{display_name(engine, backend)}: {plural(total(aligned, i), 'line')}" for i, engine in enumerate(engines)]
    )
    for pair in aligned:
        yield ""
        yield row(
            [f"── {pair.title}: {plural(one.lines, 'line')}" if one else f"── {pair.title}" for one in pair.sections]
        )
        codes = [one.code if one else "" for one in pair.sections]
        lines = [code.splitlines() for code in codes]
        for n, parts in enumerate(columns(codes, column)):
            if n:
                yield ""
            for cells in zip_longest(*parts):
                yield row([cell.of(text) if cell else "" for cell, text in zip(cells, lines, strict=True)])
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
