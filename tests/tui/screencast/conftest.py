"""A short recording of the real app, and hand-made screens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from rich.style import Style
from textual._ansi_theme import MONOKAI

from engines.api import DEMO, ExportError, Replay
from tests.support.pilot import screen_text
from tests.support.recording import demo_events
from tui.app import MnistApp
from tui.screencast.recorder import Frame, Row, Screencast, record
from tui.screencast.virtual_time import VirtualTimeLoop

SIZE = (80, 24)
SECONDS = 2.0
FPS = 5
KEYS = ((0.5, "o"), (1.0, "3"))


class Filmed(NamedTuple):
    screencast: Screencast
    texts: list[str]
    """The text of the app's screen at each frame."""


def film() -> Filmed:
    """Record the demo at high speed: the curves together, then Draw."""
    loop = VirtualTimeLoop()
    app = MnistApp(session=Replay(demo_events(), 50, loop.time, folder=DEMO.parent))
    texts: list[str] = []
    screencast = record(
        app, loop, SIZE, SECONDS, fps=FPS, keys=KEYS, on_frame=lambda done, total: texts.append(screen_text(app))
    )
    return Filmed(screencast, texts)


@pytest.fixture(scope="session")
def filmed() -> Filmed:
    return film()


@pytest.fixture(scope="session")
def font() -> Any:
    """Return a font of this system."""
    gif = pytest.importorskip("tui.screencast.gif")
    try:
        return gif.load_font()
    except ExportError as error:
        pytest.skip(str(error))


@pytest.fixture
def screens() -> Callable[..., Screencast]:
    """Return a function that makes a screencast of (time, rows) in which each row is a text, or runs of (text, style)."""

    def make(*screens: tuple[float, list[Any]], seconds: float = 1.0) -> Screencast:
        frames = [Frame(t, tuple(map(_row, rows))) for t, rows in screens]
        width = sum(len(text) for text, _ in frames[0].rows[0])
        return Screencast((width, len(frames[0].rows)), frames, seconds, MONOKAI)

    return make


def _row(row: str | list[tuple[str, str]]) -> Row:
    runs = [(row, "")] if isinstance(row, str) else row
    return tuple((text, Style.parse(style)) for text, style in runs)
