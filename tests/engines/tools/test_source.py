"""The code of the engines: its sections, its count of lines, and the code without comments."""

from __future__ import annotations

from engines.api import Section
from engines.tools.source import SETUP, fold, logical_lines, sections_of

MODULE = '''"""A docstring
over two lines."""

import os  # one

# not a title: it stands right above code
NAME = """a string
that is no docstring"""
"""but this is one."""


class Engine:
    """Another."""

    # Train

    @staticmethod
    def train(
        first: int,
        last: int,
    ) -> int:
        """One more."""
        return os.cpu_count() or (
            first
            + last
        )

    # Predict

    def predict(self) -> None: ...


# Train


def twice() -> None:
    a = 1; b = 2
    print(a, b)
'''


def test_logical_lines_are_counted() -> None:
    """import, NAME, class, decorator, def, return, def, def, two statements in one line, print."""
    assert logical_lines(MODULE) == 10
    assert logical_lines("") == 0


def test_a_section_collects_the_code_under_its_title() -> None:
    sections = {section.title: section for section in sections_of(MODULE)}
    assert list(sections) == [SETUP, "Train", "Predict"]
    assert [section.lines for section in sections.values()] == [3, 6, 1]
    assert "def train(" in sections["Train"].code
    assert "def twice()" in sections["Train"].code
    assert "# not a title" in sections[SETUP].code
    assert sum(section.lines for section in sections.values()) == logical_lines(MODULE)


def test_the_count_is_independent_of_formatting() -> None:
    assert logical_lines("f(a, b)\n") == logical_lines("f(\n    a,\n\n    # why\n    b,\n)\n") == 1


def test_folded_code_keeps_strings_and_code_before_a_comment() -> None:
    code = 'def f():\n    """Say\n    so."""\n    x = """\n    a"""  # why\n    # because\n\n    return x\n\nX = 1\n"""X."""'
    assert fold(Section("", code, 0)).code == 'def f():\n    x = """\n    a"""\n\n    return x\n\nX = 1'
