"""The code of both scripts and of both engines in columns, for the Code screen and for `mnist-tui code`. Knows no Textual."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from engines.api import FILE_NAME, RULE, TITLES, Section, fold, plural, read_script, read_source

HANGING_INDENT = 6
"""Columns by which the rest of a broken line is indented: more than the body that may follow it."""
METHOD_INDENT = 4
"""Columns by which methods are moved to the left, as a section shows them without their class."""
_DEFINITION = re.compile(r"(?: {4})?(?:@|(?:async )?(?:def|class) (\w+))")


@dataclass(frozen=True, slots=True)
class Pair:
    """The sections of the engines under one title; None where an engine has none."""

    title: str
    sections: tuple[Section | None, ...]


def pairs(sources: Sequence[Sequence[Section]]) -> list[Pair]:
    """Align the sections of the engines by their titles, in the first engine's order."""
    titles = dict.fromkeys(section.title for source in sources for section in source)
    by_title = [{section.title: section for section in source} for source in sources]
    return [Pair(title, tuple(sections.get(title) for sections in by_title)) for title in titles]


def read_pairs(engines: Sequence[str], backend: str = "tensorflow") -> list[Pair]:
    """Read and align the shipped sources of those engines, Keras' on that backend. Raises OSError."""
    return pairs([read_source(engine, backend) for engine in engines])


def read_script_pairs(engines: Sequence[str]) -> list[Pair]:
    """Read and align the stand-alone scripts of those frameworks. Raises OSError."""
    return pairs([read_script(engine) for engine in engines])


def folded(pair: Pair) -> Pair:
    """Return the pair without docstrings and comments."""
    return Pair(pair.title, tuple(section and fold(section) for section in pair.sections))


def total_lines(aligned: Sequence[Pair], engine: int) -> int:
    """Count the lines of code of that engine in all sections."""
    return sum(section.lines for pair in aligned if (section := pair.sections[engine]) is not None)


@dataclass(frozen=True, slots=True)
class Block:
    """A function, a method, a class up to its first method, or the lines between two of these."""

    name: str
    first: int
    last: int
    """Its lines are [first, last) of the section's code."""
    dedent: int
    """Columns by which it is moved to the left."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line of code: [start, end) of it, as it is shown."""

    line: int
    start: int
    end: int
    indent: int
    """Blanks that are shown before it."""

    def text(self, lines: Sequence[str]) -> str:
        """Return the text that is shown."""
        return " " * self.indent + lines[self.line][self.start : self.end]


def blocks(code: str) -> list[Block]:
    """Cut a section's code where a function, a method or a class begins."""
    starts: list[tuple[int, str, int]] = []
    has_outermost, class_name, decorated = False, "", False
    for i, line in enumerate(code.splitlines()):
        if not line.strip():
            continue
        outermost = line[0] not in " )]}"
        has_outermost = has_outermost or outermost
        definition, file = _DEFINITION.match(line), FILE_NAME.fullmatch(line)
        name = (definition and definition.group(1)) or ""
        if definition and outermost and name:
            class_name = name if "class " in line else ""
        elif definition and name and has_outermost:
            name = f"{class_name}.{name}"
        if decorated:
            starts[-1] = (starts[-1][0], name, starts[-1][2])
        elif definition or file or not starts or (outermost and starts[-1][1] and not starts[-1][1].endswith(".py")):
            starts.append((i, file.group(1) if file else name, 0 if has_outermost else METHOD_INDENT))
        decorated = definition is not None and not name
    ends = [*(start for start, _, _ in starts), len(code.splitlines())][1:]
    return [Block(name, first, last, dedent) for (first, name, dedent), last in zip(starts, ends, strict=True)]


def aligned_blocks(codes: Sequence[str]) -> list[tuple[list[Block], ...]]:
    """Arrange the blocks in rows: a name that all engines have begins a row, and blocks that only one has follow below."""
    blocks_by_engine = [blocks(code) for code in codes]
    rows: list[tuple[list[Block], ...]] = []
    row_start = [0] * len(blocks_by_engine)
    for block in blocks_by_engine[0]:
        matches = [
            [i for i in range(start, len(own)) if block.name and own[i].name == block.name]
            for own, start in zip(blocks_by_engine, row_start, strict=True)
        ]
        if all(matches):
            next_start = [indices[0] for indices in matches]
            if next_start != row_start:
                rows.append(_slices(blocks_by_engine, row_start, next_start))
            row_start = next_start
    rows.append(_slices(blocks_by_engine, row_start, [len(own) for own in blocks_by_engine]))
    return rows


def _slices(lists: Sequence[list[Block]], starts: Sequence[int], ends: Sequence[int]) -> tuple[list[Block], ...]:
    return tuple(own[start:end] for own, start, end in zip(lists, starts, ends, strict=True))


def pieces(code: str, block: Block, width: int) -> list[Piece]:
    """Break the block's lines into pieces that fit; drop the blank lines at its end."""
    lines = code.splitlines()
    last = max((i + 1 for i in range(block.first, block.last) if lines[i].strip()), default=block.first)
    result: list[Piece] = []
    for i in range(block.first, last):
        dedent = min(block.dedent, len(lines[i]) - len(lines[i].lstrip()))
        line = lines[i][dedent:]
        indent = hanging_indent(line, width)
        for n, (start, end) in enumerate(break_line(line, width)):
            result.append(Piece(i, start + dedent, end + dedent, indent if n else 0))
    return result


def columns(codes: Sequence[str], width: int) -> list[tuple[list[Piece | None], ...]]:
    """Arrange the engines' code in columns of that width, in rows that begin side by side; None is a blank line."""
    rows = []
    for row in aligned_blocks(codes):
        row_columns: list[list[Piece | None]] = [[] for _ in codes]
        for column, code, own_blocks in zip(row_columns, codes, row, strict=True):
            for block in own_blocks:
                column += [*([None] if column else []), *pieces(code, block, width)]
        rows.append(tuple(row_columns))
    return rows


def break_line(line: str, width: int) -> list[tuple[int, int]]:
    """Return the parts [start, end) in which a line fits, when those after the first have the `hanging_indent`."""
    parts, start, room = [], 0, width
    while len(line) - start > room:
        end = _end_of_part(line, start, room)
        parts.append((start, end))
        start = len(line) - len(line[end:].lstrip(" "))
        room = max(width - hanging_indent(line, width), 1)
    return [*parts, (start, len(line))]


def _end_of_part(line: str, start: int, room: int) -> int:
    """Return where a part that begins at `start` ends: before the last blank, else after the last bracket, else anywhere."""
    first, limit = start + len(line[start:]) - len(line[start:].lstrip()), start + room
    blank = line.rfind(" ", first, limit + 1)
    bracket = max(line.rfind(bracket, first, limit) for bracket in "([{") + 1
    return blank if blank > first else bracket if bracket > first else limit


def hanging_indent(line: str, width: int) -> int:
    """Return by how much the later parts of a line are indented: never more than half of the width."""
    return min(len(line) - len(line.lstrip()) + HANGING_INDENT, width // 2)


def listing(titles: Sequence[str], aligned: Sequence[Pair], width: int) -> Iterator[str]:
    """Yield the code in columns, with its counts; `titles` name the columns."""
    column = max((width - 3 * (len(titles) - 1)) // len(titles), 20)

    def row(cells: Sequence[str]) -> str:
        return " │ ".join(f"{cell:{column}}" for cell in cells).rstrip()

    yield row([f"{title}: {plural(total_lines(aligned, i), 'line')}" for i, title in enumerate(titles)])
    for pair in aligned:
        yield ""
        yield row(
            [f"── {pair.title}: {plural(own.lines, 'line')}" if own else f"── {pair.title}" for own in pair.sections]
        )
        codes = [own.code if own else "" for own in pair.sections]
        lines = [code.splitlines() for code in codes]
        for n, parts in enumerate(columns(codes, column)):
            if n:
                yield ""
            for cells in zip_longest(*parts):
                yield row(
                    [cell.text(code_lines) if cell else "" for cell, code_lines in zip(cells, lines, strict=True)]
                )


def counts_table(engines: Sequence[str], aligned: Sequence[Pair]) -> Iterator[str]:
    """Yield the lines of each section as a table in Markdown, for the README."""
    yield f"| lines of code | {' | '.join(TITLES[engine] for engine in engines)} |"
    yield f"|---|{'---|' * len(engines)}"
    for pair in aligned:
        yield f"| {pair.title.lower()} | {' | '.join(str(own.lines if own else 0) for own in pair.sections)} |"
    yield f"| **all** | {' | '.join(f'**{total_lines(aligned, i)}**' for i in range(len(engines)))} |"


def plain(engines: Sequence[str], scripts: Sequence[Pair], aligned: Sequence[Pair]) -> dict[str, object]:
    """Return sections, code and counts of the scripts and of the engines as values for JSON."""
    return {"rule": RULE, "scripts": _plain(engines, scripts), **_plain(engines, aligned)}


def _plain(engines: Sequence[str], aligned: Sequence[Pair]) -> dict[str, object]:
    return {
        "sections": [
            {
                "title": pair.title,
                **{
                    engine: {"lines": section.lines, "code": section.code} if section else None
                    for engine, section in zip(engines, pair.sections, strict=True)
                },
            }
            for pair in aligned
        ],
        "lines": {engine: total_lines(aligned, i) for i, engine in enumerate(engines)},
    }
