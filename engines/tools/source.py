"""The engines' own source text: in sections by their titles, and counted.

The rule of counting: logical lines, as Python's own tokenizer ends them, without blank lines, comments and docstrings. A statement
that is laid out over five lines is one, so the count does not depend on the formatter.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

from engines.config import BACKENDS, engine_id

RULE = "logical lines, without blank lines, comments and docstrings"
SETUP = "Setup"
"""What stands before the first title: the imports, and how an engine is made."""
ORDER = (SETUP, "Data", "Model", "Optimizer", "Train", "Evaluate", "Predict")
"""In which sections are told; any others follow."""
BESIDE = {"augment": "Data", "optimizer": "Optimizer"}
"""What each engine has in a file of its own beside the engine's, and to which section it belongs."""
SHARED = {"keras-jax": "keras/base.py", "keras-torch": "keras/base.py"}
"""What Keras' engines on other backends share is told with them, section by section."""
_TITLE = re.compile(r"(?: {4})?# ([A-Z][\w' ]{2,24})")
_ENGINES = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Section:
    """What one engine has under one title, its methods and its functions together."""

    title: str
    code: str
    lines: int
    """Of code, by the rule."""


def read_source(engine: str, backend: str = "tensorflow") -> list[Section]:
    """The sections of the file that the engine's worker runs, with what it alone imports from beside it. Raises OSError."""
    if backend not in BACKENDS:  # a recording may be anybody's, and this names a file
        raise FileNotFoundError(f"there is no backend {backend!r}")
    name = engine_id(engine, backend)
    sections = sections_of((_ENGINES / name.replace("-", "_") / "engine.py").read_text(encoding="utf-8"))
    if name in SHARED:
        shared = {one.title: one for one in sections_of((_ENGINES / SHARED[name]).read_text(encoding="utf-8"))}
        own = {one.title: one for one in sections}
        titles = sorted({**own, **shared}, key=lambda title: ORDER.index(title) if title in ORDER else len(ORDER))
        sections = [
            _joined(own[title], _told(SHARED[name], shared[title])) if title in own and title in shared
            else own.get(title) or shared[title]
            for title in titles
        ]  # fmt: skip
    for kind, title in BESIDE.items():
        path = _ENGINES / engine / f"{kind}.py"
        text = path.read_text(encoding="utf-8")
        more = _told(f"{engine}/{kind}.py", Section(title, text.strip(), logical_lines(text)))
        sections = [_joined(one, more) if one.title == title else one for one in sections]
    return sections


def script_lines(engine: str) -> int:
    """Lines of code, by the rule, of the plain script that the engine is measured against. Raises OSError."""
    return logical_lines((_ENGINES / engine / "baseline.py").read_text(encoding="utf-8"))


def sections_of(text: str) -> list[Section]:
    """A module's sections; their titles are comments of a few words that stand alone."""
    lines, starts = text.splitlines(), _starts(text)
    code: dict[str, list[str]] = {}
    counted: dict[str, int] = {}
    title = SETUP
    for i, line in enumerate(lines):
        alone = 0 < i < len(lines) - 1 and not lines[i - 1].strip() and not lines[i + 1].strip()
        if alone and (found := _TITLE.fullmatch(line)):
            title = found.group(1)
            code.setdefault(title, []).append("")
            continue
        code.setdefault(title, []).append(line)
        counted[title] = counted.get(title, 0) + (i + 1 in starts)
    ordered = [title for title in ORDER if title in code] + [title for title in code if title not in ORDER]
    return [Section(title, _tidy(code[title]), counted.get(title, 0)) for title in ordered]


def logical_lines(text: str) -> int:
    """Lines of code by the rule. Raises SyntaxError."""
    return len(_starts(text))


def _starts(text: str) -> set[int]:
    """The numbers of the lines on which logical lines begin."""
    bare = {
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    starts, first = set(), 0
    nothing = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            starts.add(first)
            first = 0
        elif token.type not in nothing and not first:
            first = token.start[0]
    return starts - bare


def _told(file: str, section: Section) -> Section:
    """The section with the name of the file that it is from."""
    return Section(section.title, f"# {file}\n\n{section.code}", section.lines)


def _joined(one: Section, more: Section) -> Section:
    return Section(one.title, f"{one.code}\n\n{more.code}", one.lines + more.lines)


def _tidy(lines: list[str]) -> str:
    """Without blank lines at the ends, and never more than one in a row."""
    kept = [line for i, line in enumerate(lines) if line.strip() or (i and lines[i - 1].strip())]
    return "\n".join(kept).strip("\n")
