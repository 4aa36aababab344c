"""Read the engines' own source text in sections, and count its lines.

Logical lines are counted, as Python's own tokenizer ends them, without blank lines, comments and docstrings. A statement that is
laid out over five lines is one, so the count does not depend on the formatter.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from engines.config import BACKENDS, engine_id

RULE = "logical lines, without blank lines, comments and docstrings"
SETUP = "Setup"
"""The section before a file's first title: the imports, and how an engine is built."""
ORDER = (SETUP, "Data", "Model", "Optimizer", "Train", "Evaluate", "Predict", "Checkpoint", "Device")
"""The order of the sections."""
FILES = {
    "engine.py": "",
    "captured_step.py": "Train",
    "loop.py": "Train",
    "base.py": "",
    "augment.py": "Data",
    "model.py": "Model",
    "optimizer.py": "Optimizer",
    "hyperparameters.py": "Optimizer",
    "state.py": "Checkpoint",
    "device.py": "Device",
}
"""An engine's files and the section that each belongs to; empty where titles inside the file divide it."""
OPTIONAL_FILES = frozenset({"captured_step.py", "loop.py"})
"""Files that not every engine has."""
FILE_NAME = re.compile(r"# [\w/]+/(\w+\.py)")
"""The comment that `read_source` puts above the code of a file."""
_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
_TITLE = re.compile(r"(?: {4})?# ([A-Z][\w' ]{2,24})")
_ENGINES = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Section:
    """The code of one engine under one title."""

    title: str
    code: str
    lines: int
    """Lines of code, by the rule."""


def read_source(engine: str, backend: str = "tensorflow") -> list[Section]:
    """Read the sections of the files that the engine's worker runs. Raises OSError."""
    sections: dict[str, Section] = {}
    for path in source_files(engine, backend):
        text, title = path.read_text(encoding="utf-8"), FILES[path.name]
        parts = [Section(title, text.strip(), logical_lines(text))] if title else sections_of(text)
        for part in parts:
            if path.name != "engine.py":
                part = Section(part.title, f"# {path.parent.name}/{path.name}\n\n{part.code}", part.lines)
            before = sections.get(part.title)
            sections[part.title] = part if before is None else _joined(before, part)
    return _ordered(sections)


def source_files(engine: str, backend: str = "tensorflow") -> list[Path]:
    """Return the paths of those files; Keras on another backend has few of its own. Raises FileNotFoundError."""
    if backend not in BACKENDS:  # a recording from elsewhere may hold any text, and this becomes part of a path
        raise FileNotFoundError(f"there is no backend {backend!r}")
    own = _ENGINES / engine_id(engine, backend).replace("-", "_")
    shared = _ENGINES / engine
    paths = [own / name if (own / name).exists() else shared / name for name in FILES]
    paths = [path for path in paths if path.name != "base.py" or own != shared]
    return [path for path in paths if path.name not in OPTIONAL_FILES or path.exists()]


def script_file(engine: str) -> Path:
    """Return the path of the framework's stand-alone script."""
    return _ENGINES / engine / "script.py"


def read_script(engine: str) -> list[Section]:
    """Read the sections of the framework's stand-alone script, in their order. Raises OSError."""
    return sections_of(script_file(engine).read_text(encoding="utf-8"))


def script_lines(engine: str) -> int:
    """Count the lines of the framework's stand-alone script. Raises OSError."""
    return sum(section.lines for section in read_script(engine))


def sections_of(text: str) -> list[Section]:
    """Divide a module into sections; a title is a comment of a few words between blank lines."""
    lines, starts = text.splitlines(), _starts(text)
    code: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    title = SETUP
    for i, line in enumerate(lines):
        alone = 0 < i < len(lines) - 1 and not lines[i - 1].strip() and not lines[i + 1].strip()
        if alone and (match := _TITLE.fullmatch(line)):
            title = match.group(1)
            code.setdefault(title, []).append("")
            continue
        code.setdefault(title, []).append(line)
        counts[title] = counts.get(title, 0) + (i + 1 in starts)
    return [Section(title, _tidy(code[title]), counts.get(title, 0)) for title in code]


def fold(section: Section) -> Section:
    """Return the section without docstrings and comments; the name of a file above its code stays."""
    lines = section.code.splitlines()
    hidden: set[int] = set()
    for token in _tokens_to_fold(section.code):
        first, last = token.start[0] - 1, token.end[0] - 1
        lines[first] = lines[first][: token.start[1]].rstrip()
        hidden |= {i for i in range(first, last + 1) if i > first or not lines[first]}
    return replace(section, code=_tidy([line for i, line in enumerate(lines) if i not in hidden]))


def _tokens_to_fold(code: str) -> Iterator[tokenize.TokenInfo]:
    """Yield the tokens of comments and docstrings; a docstring is a statement of a string alone."""
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT and not FILE_NAME.fullmatch(token.string):
            yield token
        elif token.type == tokenize.NEWLINE:
            if [part.type for part in statement] == [tokenize.STRING]:
                yield statement[0]
            statement = []
        elif token.type not in _NO_CODE:
            statement.append(token)


def logical_lines(text: str) -> int:
    """Count lines of code by the rule. Raises SyntaxError."""
    return len(_starts(text))


def _starts(text: str) -> set[int]:
    """Return the numbers of the lines on which logical lines start."""
    bare_strings = {
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    starts, first = set(), 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            starts.add(first)
            first = 0
        elif token.type not in _NO_CODE and not first:
            first = token.start[0]
    return starts - bare_strings


def _ordered(sections: dict[str, Section]) -> list[Section]:
    """Sort the sections by `ORDER`; any others follow."""
    return sorted(sections.values(), key=lambda part: ORDER.index(part.title) if part.title in ORDER else len(ORDER))


def _joined(first: Section, second: Section) -> Section:
    return Section(first.title, f"{first.code}\n\n{second.code}", first.lines + second.lines)


def _tidy(lines: list[str]) -> str:
    """Remove blank lines at the ends, and all but one in a row."""
    tidy = [line for i, line in enumerate(lines) if line.strip() or (i and lines[i - 1].strip())]
    return "\n".join(tidy).strip("\n")
