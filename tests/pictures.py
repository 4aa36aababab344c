"""Take the README's pictures (`make pictures`): Draw and Runs from new runs, the others and the film from the recorded run."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from engines.api import DEMO, FINISHED, Replay, RunRequest, engine_spec
from engines.atomic_file import write_atomically
from tests.support.recording import demo_events, shown
from tui.app import MnistApp
from tui.screencast import gif
from tui.screencast.recorder import Screencast, record
from tui.screencast.virtual_time import VirtualTimeLoop
from tui.tour.strokes import keys_for

DOCS = Path(__file__).parents[1] / "docs"

PICTURES: dict[str, tuple[float, tuple[int, int], str, tuple[str, ...]]] = {
    "train": (100.0, (120, 36), "mnist-dark", ()),
    "train-light": (400.0, (120, 36), "mnist-light", ()),
    "train-80x24": (40.0, (80, 24), "mnist-dark", ()),
    "code": (40.0, (160, 36), "mnist-dark", ("2",)),
    "results": (400.0, (120, 36), "mnist-dark", ("4",)),
}
"""Pictures by name: seconds into the recording, size, theme, keys."""


FILM = "demo.gif"
FILM_SIZE, FILM_SECONDS, FILM_SPEED, FILM_FPS = (120, 34), 25.0, 9.0, 20
FILM_KEYS: tuple[tuple[float, str], ...] = (
    (5.0, "o"),
    (9.0, "2"),
    (11.0, "v"),
    (13.5, "3"),
    *((14.5 + 0.05 * number, key) for number, key in enumerate(keys_for(7))),
    (20.0, "4"),
)
"""The film: both train, their curves together, the code that runs, a digit that is drawn and read, the verdict."""


def film() -> Screencast:
    """Record the README's film."""
    loop = VirtualTimeLoop()
    replay = Replay(demo_events(), FILM_SPEED, loop.time, folder=DEMO.parent)
    app = MnistApp(session=replay, fps=FILM_FPS)
    return record(app, loop, FILM_SIZE, FILM_SECONDS, fps=FILM_FPS, keys=FILM_KEYS)


async def take_pictures() -> None:
    """Write every picture."""
    for name, (seconds, size, theme, keys) in PICTURES.items():
        async with shown(seconds, size, theme, *keys) as app:
            save(app, name)
    with tempfile.TemporaryDirectory() as folder:
        await take_live_pictures(Path(folder))


async def take_live_pictures(folder: Path) -> None:
    """Show the first screen, train three short runs, then draw a seven and list the runs.

    Needs both frameworks, a minute, and real MNIST in MNIST_TUI_DATA or a cache.
    """
    app = MnistApp([engine_spec("pytorch"), engine_spec("keras")], runs_dir=folder)
    histories = app.session.histories.values()
    async with app.run_test(size=(120, 36)) as pilot:
        while not all(history.warm_samples_per_sec for history in histories):
            await pilot.pause(0.5)
        await pilot.pause(1)
        save(app, "first-screen")
        for seed in range(3):
            app.controller.request = RunRequest(settings={"epochs": 1, "limit_train": 30_000, "seed": seed})
            await pilot.press("s")
            await pilot.pause(1)
            while not all(history.phase == FINISHED for history in histories):
                await pilot.pause(0.5)
        await pilot.press("3", *keys_for(7), "down")
        await pilot.pause(2)
        save(app, "draw")
        await pilot.press("6")
        await pilot.pause(3)
        save(app, "inside")
        await pilot.press("5")
        await pilot.pause(2)
        for _ in range(3):
            await pilot.press("m", "down")
        await pilot.pause(2)
        save(app, "runs")


def save(app: MnistApp, name: str) -> None:
    """Save the screen as docs/NAME.svg."""
    (DOCS / f"{name}.svg").write_text(app.export_screenshot(title="mnist-tui"), encoding="utf-8")


if __name__ == "__main__":
    write_atomically(DOCS / FILM, lambda path: gif.write(film(), path, gif.load_font()))
    asyncio.run(take_pictures())
