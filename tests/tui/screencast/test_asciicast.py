"""Asciicasts, played by pyte as asciinema plays them in a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyte
from rich.style import Style

from tests.tui.screencast.conftest import SECONDS, SIZE, Filmed
from tui.screencast import asciicast
from tui.screencast.cells import cells
from tui.screencast.recorder import Screencast


def events_of(lines: list[str]) -> tuple[dict[str, Any], list[tuple[float, str, str]]]:
    header, *events = map(json.loads, lines)
    return header, [tuple(event) for event in events]


def played(screencast: Screencast) -> Iterator[tuple[float, pyte.Screen]]:
    """Yield the time and the screen after each event."""
    header, events = events_of(list(asciicast.lines(screencast)))
    screen = pyte.Screen(header["width"], header["height"])
    stream = pyte.Stream(screen)
    for t, kind, data in events:
        assert kind == "o"
        stream.feed(data)
        yield t, screen


def text_of(screen: pyte.Screen) -> str:
    return "\n".join(line.rstrip() for line in screen.display) + "\n"


def look_of(style: Style) -> tuple[str, str, bool, bool, bool, bool]:
    """Return a style as pyte names it."""
    colors = (
        "default" if color is None or color.is_default or color.triplet is None else color.triplet.hex[1:]
        for color in (style.color, style.bgcolor)
    )
    return (*colors, bool(style.bold), bool(style.italic), bool(style.underline), bool(style.reverse))  # type: ignore[return-value]


def test_the_header_and_the_times(filmed: Filmed) -> None:
    lines = list(asciicast.lines(filmed.screencast, title="a run", timestamp=1_700_000_000.9))
    header, events = events_of(lines)
    assert {**header, "env": None} == {
        "version": 2, "width": SIZE[0], "height": SIZE[1], "timestamp": 1_700_000_000, "title": "a run", "env": None,
    }  # fmt: skip
    assert header["env"] == {"TERM": "xterm-256color"}
    times = [t for t, _, _ in events]
    assert times == sorted(set(times))
    assert (times[0], times[-1]) == (0, SECONDS)


def test_a_terminal_shows_what_the_app_has_drawn(filmed: Filmed) -> None:
    """Every screen as text, the first and the last with the style of each cell."""
    frames = filmed.screencast.frames
    shown = list(played(filmed.screencast))
    assert len(shown) == len(frames) + 1
    texts = [text_of(screen) for _, screen in played(filmed.screencast)]
    assert (texts[0], texts[-1]) == (filmed.texts[0], filmed.texts[-1])
    for number, (_, screen) in enumerate(played(filmed.screencast)):
        frame = frames[min(number, len(frames) - 1)]
        assert text_of(screen) == "\n".join("".join(t for t, _ in row).rstrip() for row in frame.rows) + "\n"
        if 0 < number < len(frames) - 1:
            continue
        for y, row in enumerate(frame.rows):
            for x, (text, style) in enumerate(cells(row)):
                cell = screen.buffer[y][x]
                look = (cell.fg, cell.bg, cell.bold, cell.italics, cell.underscore, cell.reverse)
                assert (cell.data, look) == (text, look_of(style)), (y, x)


def test_only_changed_cells_are_written(screens: Callable[..., Screencast]) -> None:
    rows = ["one   ", [("a", "bold"), ("bcdef", "")]], ["one   ", [("a", "bold"), ("bXYef", "")]]
    _, events = events_of(list(asciicast.lines(screens((0.0, rows[0]), (0.5, rows[1])))))
    assert events[1] == (0.5, "o", "\x1b[2;3HXY")


def test_wide_characters_and_combining_marks(screens: Callable[..., Screencast]) -> None:
    """A wide character that comes, changes and goes; pyte leaves a wide character's second cell empty."""
    texts = ["ab cd", "a中cd", "a国cd", "ae\u0301 cd"]
    screencast = screens(*((float(i), [text]) for i, text in enumerate(texts)))
    shown = [screen.display[0] for _, screen in played(screencast._replace(size=(5, 1)))]
    assert shown[:3] == ["ab cd", "a中cd", "a国cd"]
    assert shown[3].replace("é", "e\u0301") == "ae\u0301 cd"
    assert [text for text, _ in cells(screencast.frames[1].rows[0])] == ["a", "中", "", "c", "d"]


def test_the_terminal_is_left_as_it_was(filmed: Filmed, tmp_path: Path) -> None:
    """The cursor is hidden, then shown; no mode is set that a shell would suffer from."""
    asciicast.write(filmed.screencast, tmp_path / "run.cast")
    _, events = events_of((tmp_path / "run.cast").read_text(encoding="utf-8").splitlines())
    written = "".join(data for _, _, data in events)
    assert written.startswith("\x1b[?25l")
    assert written.endswith("\x1b[0m\x1b[?25h")
    assert written.count("\x1b[?") == 2
