"""Snapshots of the recorded run, cell by cell; MNIST_TUI_UPDATE=1 rewrites them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engines.api import read_events
from engines.messages.grammar import violations
from engines.session.replay import DEMO
from tests.support.pilot import screen_text
from tests.support.recording import shown

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"

MOMENTS = {
    "starting": 0.5,
    "training": 60.0,
    "finished": 400.0,
}
"""Seconds into the recording by name."""


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (50, 12)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("moment", MOMENTS)
async def test_screen(moment: str, size: tuple[int, int]) -> None:
    """Compare with the accepted screen. Expect two panels side by side (stacked below 60 columns), nothing cut off, shared axes."""
    async with shown(MOMENTS[moment], size) as app:
        text = screen_text(app)
    path = SNAPSHOTS / f"{moment}-{size[0]}x{size[1]}.txt"
    if os.environ.get("MNIST_TUI_UPDATE") and not os.environ.get("CI"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


async def test_the_same_moment_has_the_same_screen() -> None:
    async with shown(77.0, (120, 40)) as app:
        first = screen_text(app)
    async with shown(77.0, (120, 40)) as app:
        assert screen_text(app) == first
        assert "RECORDED" in first


@pytest.mark.parametrize("engine", ["pytorch", "keras"])
def test_the_recording_follows_the_grammar(engine: str) -> None:
    assert violations(event for event in read_events(DEMO) if event.engine == engine) == []
