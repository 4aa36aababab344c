"""Counts with their nouns."""

from __future__ import annotations

import pytest

from engines.plural import plural


@pytest.mark.parametrize(("count", "text"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (1234, "1,234 runs")])
def test_a_count_agrees_with_its_noun(count: int, text: str) -> None:
    assert plural(count, "run") == text
