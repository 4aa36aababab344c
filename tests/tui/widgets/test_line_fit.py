"""Tests of the table of what gives way where a line has little room."""

from __future__ import annotations

from tui.widgets.line_fit import GIVES_WAY, Part, fit_parts

PARTS = [Part("name", ("accuracy", "acc.", "")), Part("best", (" (best 99.99)", "")), Part("test", (" 99.99 %",))]


def test_what_gives_way_is_decided_by_the_table() -> None:
    assert "".join(fit_parts(PARTS, 29)) == "accuracy (best 99.99) 99.99 %"
    assert "".join(fit_parts(PARTS, 28)) == "accuracy 99.99 %"
    assert "".join(fit_parts(PARTS, 15)) == "acc. 99.99 %"
    assert "".join(fit_parts(PARTS, 8)) == " 99.99 %"
    assert GIVES_WAY.index("best") < GIVES_WAY.index("name")


def test_a_line_that_can_not_fit_is_empty() -> None:
    assert "".join(fit_parts(PARTS, 7)) == ""
