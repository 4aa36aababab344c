"""A few screens, cell by cell, from the recorded run; MNIST_TUI_UPDATE=1 takes the present looks for the right ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engines.api import read_events
from engines.messages.grammar import violations
from engines.session.replay import DEMO
from tests.support.recording import shown
from tui.app import MnistApp

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"

MOMENTS = {
    "starting": 0.5,
    "training": 60.0,
    "finished": 400.0,
}


def text_of(app: MnistApp) -> str:
    """Every cell of the screen."""
    strips = app.screen._compositor.render_strips()  # what export_screenshot draws, without the drawing
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (50, 12)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("moment", MOMENTS)
async def test_screen(moment: str, size: tuple[int, int]) -> None:
    """Reviewers: two panes side by side (stacked below 60 columns), nothing cut off, charts on shared axes."""
    async with shown(MOMENTS[moment], size) as app:
        text = text_of(app)
    path = SNAPSHOTS / f"{moment}-{size[0]}x{size[1]}.txt"
    if os.environ.get("MNIST_TUI_UPDATE") and not os.environ.get("CI"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


async def test_the_same_moment_gives_the_same_screen() -> None:
    async with shown(77.0, (120, 40)) as app:
        first = text_of(app)
    async with shown(77.0, (120, 40)) as app:
        assert text_of(app) == first
        assert "RECORDED" in first


@pytest.mark.parametrize("engine", ["pytorch", "keras"])
def test_the_recording_keeps_the_grammar(engine: str) -> None:
    assert violations(event for event in read_events(DEMO) if event.engine == engine) == []
