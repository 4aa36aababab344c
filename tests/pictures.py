"""`make pictures`: the README's pictures, by the app itself from the recorded run."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.recording import shown

DOCS = Path(__file__).parents[1] / "docs"

PICTURES: dict[str, tuple[float, tuple[int, int], str, tuple[str, ...]]] = {
    "train": (100.0, (120, 36), "mnist-dark", ()),
    "train-light": (400.0, (120, 36), "mnist-light", ()),
    "train-80x24": (40.0, (80, 24), "mnist-dark", ()),
    "code": (40.0, (160, 36), "mnist-dark", ("2", "n", "n", "n", "n")),
    "results": (400.0, (120, 36), "mnist-dark", ("4",)),
}


async def draw() -> None:
    """Write every picture."""
    for name, (at, size, theme, keys) in PICTURES.items():
        async with shown(at, size, theme, *keys) as app:
            (DOCS / f"{name}.svg").write_text(app.export_screenshot(title="mnist-tui"), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(draw())
