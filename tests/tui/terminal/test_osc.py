"""The sequences for the window's title and for notices: what is written, to which terminals, and with which text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from tui.terminal import osc

TEXT = st.text(st.sampled_from("\x1b\x07\x9c\x9d;]\\2\n\r\u202e") | st.characters(), max_size=300)


def test_the_title_is_saved_set_and_restored() -> None:
    assert osc.SAVE_TITLE == "\x1b[22;0t"
    assert osc.title("mnist-tui 42 %") == "\x1b]2;mnist-tui 42 %\x07"
    assert osc.RESTORE_TITLE == "\x1b]2;\x07\x1b[23;0t", "empty first, for terminals that can't restore it"


def test_each_kind_of_notice_has_its_sequence() -> None:
    assert {kind: osc.notice(kind, "completed; at last") for kind in osc.NOTICES} == {
        "off": "",
        "bell": "\x07",
        "osc9": "\x1b]9;mnist-tui completed, at last\x07",
        "osc777": "\x1b]777;notify;mnist-tui;completed, at last\x07",
    }


@pytest.mark.fault("screen", "any text as the window's title or as a notice (property)")
@given(TEXT)
def test_no_text_ends_its_sequence_or_begins_another(text: str) -> None:
    for sequence, start in (
        (osc.title(text), "2;"),
        (osc.notice("osc9", text), "9;mnist-tui "),
        (osc.notice("osc777", text), "777;notify;mnist-tui;"),
    ):
        match = re.fullmatch(rf"\x1b\]{start}([^\x00-\x1f\x7f-\x9f\u202e]*)\x07", sequence)
        assert match is not None
        assert len(match[1]) <= osc.MOST_CHARACTERS
        assert ";" not in match[1] or start == "2;"


@pytest.mark.parametrize(
    ("term", "has_title"),
    [
        ("xterm-256color", True), ("tmux-256color", True), ("screen", True), ("rxvt-unicode", True), ("xterm-kitty", True),
        ("foot", True), ("linux", False), ("dumb", False), ("vt220", False), ("ansi", False), ("", False),
    ],
)  # fmt: skip
def test_a_terminal_that_would_print_it_gets_no_sequence(
    term: str, has_title: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    assert osc.is_known() == has_title
