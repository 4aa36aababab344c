"""The Draw screen: the canvas alone, the screen by keys and mouse with scripted engines, and ten digits read by both frameworks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual._xterm_parser import XTermParser
from textual.pilot import Pilot

from engines.api import MAX_SPEED, TrainConfig, from_settings
from engines.data.canvas import BOX, SIZE, Canvas, normalise
from engines.messages.commands import Predict
from engines.messages.events import Prediction, RunFinished
from engines.session.predictions import FINAL_WEIGHTS
from engines.session.replay import Replay
from engines.session.run_source import NO_WEIGHTS
from tests.support.digits import REAL_MNIST
from tests.support.engines import Worked
from tests.support.pilot import SIZES, opened, phases, screen_text, text_of, until
from tests.support.recording import demo_events, shown
from tui.app import MnistApp
from tui.screens.draw import GLYPHS, DrawScreen
from tui.screens.prediction_base import PredictionScreen
from tui.screens.results import ResultsScreen
from tui.screens.train import TrainScreen
from tui.tour.strokes import draw_digit, keys_for
from tui.widgets.drawing_pad import DrawingPad
from tui.widgets.pixel_image import PixelImage
from tui.widgets.prediction_bars import best_digit
from tui.widgets.text_line import TextLine

# The canvas


def _centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    mass = image / image.sum()
    along = np.arange(SIZE) + 0.5
    return float((mass.sum(axis=0) * along).sum()), float((mass.sum(axis=1) * along).sum())


@pytest.mark.parametrize("digit", range(10))
def test_drawings_are_normalised_like_mnist(digit: int) -> None:
    """The longer side has 20 pixels, the aspect ratio stays, and the centre of mass is the centre to half a pixel."""
    canvas = draw_digit(digit)
    ink, seen = canvas.pixels(), canvas.normalised()

    def sides(image: np.ndarray) -> tuple[int, int]:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1

    height, width = sides(seen)
    assert max(height, width) == BOX
    before = sides(ink)
    assert height / width == pytest.approx(before[0] / before[1], rel=0.12)
    assert _centre_of_mass(seen) == pytest.approx((SIZE / 2, SIZE / 2), abs=0.55)
    assert seen.max() > 200
    assert len(np.unique(seen)) > 8, "its edges are grey"


def test_the_position_of_a_drawing_does_not_matter() -> None:
    seen = []
    for dx, dy in ((0, 0), (5, 0), (-4, 3)):
        canvas = Canvas()
        canvas.begin_stroke()
        canvas.line(12 + dx, 8 + dy, 12 + dx, 20 + dy)
        canvas.line(12 + dx, 8 + dy, 16 + dx, 9 + dy)
        seen.append(canvas.normalised())
    assert np.array_equal(seen[0], seen[1])
    assert np.array_equal(seen[0], seen[2])


def test_strokes_are_clipped_and_a_blank_canvas_is_zero() -> None:
    canvas = Canvas()
    assert canvas.blank
    assert not canvas.normalised().any()
    canvas.begin_stroke()
    canvas.line(-50, -50, 90, 90)
    canvas.line(-50, 5, -40, 5)
    assert not canvas.blank
    assert canvas.normalised().shape == (SIZE, SIZE)
    assert not normalise(np.zeros((4, 4), np.float32)).any()


def test_undo_reverts_strokes_clearing_and_images() -> None:
    canvas, states = Canvas(), []
    for x in (5.0, 12.0):
        states.append(canvas.pixels())
        canvas.begin_stroke()
        canvas.line(x, 5, x + 4, 9)
    states.append(canvas.pixels())
    canvas.clear()
    states.append(canvas.pixels())
    canvas.set_image(np.full((28, 28), 7, np.uint8))
    assert np.array_equal(canvas.normalised(), np.full((28, 28), 7)), "an image is not normalised"
    for before in reversed(states):
        canvas.undo()
        assert np.array_equal(canvas.pixels(), before)
    canvas.undo()
    assert canvas.blank


def test_a_line_on_a_shown_image_replaces_it() -> None:
    canvas, alone = Canvas(), Canvas()
    image = np.full((28, 28), 200, np.uint8)
    canvas.set_image(image)
    for each in (canvas, alone):
        each.begin_stroke()
        each.line(5, 5, 9, 9)
        each.line(9, 9, 5, 20)
    assert np.array_equal(canvas.pixels(), alone.pixels())
    canvas.undo()
    assert np.array_equal(canvas.normalised(), image), "undo shows the image again"
    canvas.begin_stroke()
    canvas.line(5, 5, 9, 9, erase=True)
    assert canvas.pixels()[20, 20] == 200, "the eraser keeps the rest of it"


def test_the_eraser_erases() -> None:
    canvas = draw_digit(1)
    canvas.begin_stroke()
    canvas.line(0, 14, 28, 14, erase=True)
    assert not canvas.pixels()[13:15].any()
    canvas.undo()
    assert np.array_equal(canvas.pixels(), draw_digit(1).pixels())


# By keys and mouse


async def _opened_screen(app: MnistApp, pilot: Pilot[None]) -> DrawScreen:
    await until(pilot, lambda: phases(app) == ["ready", "ready"])
    await pilot.press("3")
    await until(pilot, lambda: isinstance(app.screen, DrawScreen))
    assert isinstance(app.screen, DrawScreen)
    return app.screen


async def test_a_seven_drawn_by_keys_is_read_by_both_during_training(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        screen = await _opened_screen(app, pilot)
        await until(pilot, lambda: "no model yet" in text_of(app, "#answer-keras #source"))
        await pilot.press(*keys_for(7))
        assert np.array_equal(screen.query_one(DrawingPad).canvas.pixels(), draw_digit(7).pixels())
        assert screen.query_one("#seen", PixelImage).image == draw_digit(7).normalised().tolist()
        await pilot.press("s")
        await until(pilot, lambda: "reads" in text_of(app, "#answer-pytorch #reads"))
        await until(pilot, lambda: "reads" in text_of(app, "#answer-keras #reads"))
        await until(pilot, lambda: "AGREE" in text_of(app, "#verdict"))
        before = [history.prediction for history in app.session.histories.values()]
        assert all(before)
        await until(
            pilot,
            lambda: all(
                now.prediction and was and now.prediction.global_step > was.global_step
                for now, was in zip(app.session.histories.values(), before, strict=True)
            ),
        )
        assert "step" in text_of(app, "#answer-pytorch #source"), "the source names the weights"


@pytest.mark.parametrize("size", SIZES)
async def test_the_answer_is_beside_the_sheet_and_large_below_it(
    size: tuple[int, int], tmp_path: Path, small_mnist: Path
) -> None:
    async with opened(tmp_path, small_mnist, size) as (app, pilot):
        screen = await _opened_screen(app, pilot)
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await pilot.press("enter", "down", "down", "down")
        await until(pilot, lambda: "sure" in text_of(app, "#sure-keras"))
        await until(pilot, lambda: "epoch 2, step 20" in screen_text(app), timeout=10)
        sheet, answer, large = (
            screen.query_one(selector) for selector in ("#sheet-box", "#answer-pytorch #reads", "#large-pytorch")
        )
        assert answer.region.x - sheet.region.right <= 2
        assert answer.region.y - sheet.region.y <= 1
        assert large.region.y > sheet.region.bottom
        assert large.region.bottom <= size[1] - 1
        assert large.region.height >= 5
        digit = best_digit(screen.predictions.probabilities(app.session.histories["pytorch"]))
        assert digit is not None
        pixels = "".join(
            "1" if grey else "0" for row in screen.query_one("#large-pytorch", PixelImage).image for grey in row
        )
        assert pixels == GLYPHS[digit]


async def test_the_mouse_draws_and_erases_and_undo_reverts(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (200, 60)) as (app, pilot):
        screen = await _opened_screen(app, pilot)
        sheet = screen.query_one(DrawingPad)
        await pilot.mouse_down(sheet, offset=(10, 5))
        await pilot.hover(sheet, offset=(40, 5))
        await pilot.mouse_up(sheet, offset=(40, 5))
        await pilot.hover(sheet, offset=(40, 20))
        drawn_by_mouse = sheet.canvas.pixels()
        row = round(2 * 5.5 / sheet.scale)
        assert (drawn_by_mouse[row - 1 : row + 1, 10 // sheet.scale + 1 : 40 // sheet.scale].max(axis=0) > 200).all()
        assert not drawn_by_mouse[row + 4 :].any(), "the button is released"
        await pilot.press("r")
        await pilot.mouse_down(sheet, offset=(10, 5))
        await pilot.hover(sheet, offset=(44, 5))
        await pilot.mouse_up(sheet, offset=(44, 5))
        assert sheet.canvas.blank
        await pilot.press("u")
        assert np.array_equal(sheet.canvas.pixels(), drawn_by_mouse)
        await pilot.press("backspace")
        assert sheet.canvas.blank


async def test_a_mouse_in_pixels_draws_finer_than_cells(tmp_path: Path, small_mnist: Path) -> None:
    """As kitty, foot and Ghostty write: the size in pixels in-band (mode 2048), then the mouse in pixels (mode 1016)."""
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        screen = await _opened_screen(app, pilot)
        sheet, parser, driver = screen.query_one(DrawingPad), XTermParser(), app._driver
        assert driver is not None

        async def receive(sequence: str) -> None:
            for message in parser.feed(sequence):
                driver.process_message(message)
            await pilot.pause()

        def at(x: int, y: int) -> str:
            """Return a position in terminal pixels, relative to the pad's cell (14, 7); a cell has 10 by 20 pixels."""
            return f"{10 * (sheet.region.x + 14) + x + 1};{20 * (sheet.region.y + 7) + y + 1}"

        await receive("\x1b[48;24;80;480;800t")
        drags = {(2, 3): (2, 3), (1, 2): (7, 2), (5, 10): (5, 18)}
        for start, end in drags.items():
            await pilot.press("backspace")
            expected = Canvas()
            points = [(14 + x / 10, 14 + 2 * y / 20) for x, y in (start, end)]
            expected.line(*points[0], *points[0])
            await receive(f"\x1b[<0;{at(*start)}M")
            assert np.array_equal(sheet.canvas.pixels(), expected.pixels())
            expected.line(*points[0], *points[1])
            await receive(f"\x1b[<32;{at(*end)}M\x1b[<0;{at(*end)}m")
            assert np.array_equal(sheet.canvas.pixels(), expected.pixels()), "a drag within one cell"
        await pilot.press("backspace")
        await receive(f"\x1b[<0;{at(0, 0)}M\x1b[<0;{at(0, 0)}m")
        expected = Canvas()
        expected.line(14, 14, 14, 14)
        assert np.array_equal(sheet.canvas.pixels(), expected.pixels()), "the corner of a cell is not its centre"


async def test_keys_show_test_digits_and_mistakes(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        screen = await _opened_screen(app, pilot)
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await pilot.press("m")
        await until(pilot, lambda: "read" in text_of(app, "#label"))
        history = app.session.histories["pytorch"]
        index, label, predicted = history.evaluations[-1].mistakes[0]
        assert text_of(app, "#label").startswith(
            f"Test digit {index:,}: a {label}; at the last evaluation PyTorch read"
        )
        await until(pilot, lambda: f"PyTorch reads {predicted}" in text_of(app, "#answer-pytorch #reads"))
        first = screen.query_one(DrawingPad).canvas.normalised()
        await pilot.press("m")
        await until(pilot, lambda: not np.array_equal(screen.query_one(DrawingPad).canvas.normalised(), first))
        await pilot.press("n")
        await until(pilot, lambda: "evaluation" not in text_of(app, "#label"))
        await pilot.press("enter")
        assert text_of(app, "#label") == "", "a changed test digit loses its caption"


async def test_agreement_on_a_wrong_digit_is_marked_as_wrong(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        screen = await _opened_screen(app, pilot)
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        both = [dict((i, p) for i, _, p in h.evaluations[-1].mistakes) for h in app.session.histories.values()]
        index = next(i for i, read in both[0].items() if both[1].get(i) == read)
        screen._load(index)
        await until(pilot, lambda: screen._label is not None)
        said = f"✗ BOTH WRONG: {both[0][index]}, not {screen._label}"
        await until(pilot, lambda: text_of(app, "#verdict") == said)
        await pilot.press("enter")
        await until(pilot, lambda: text_of(app, "#verdict") != said)


async def test_only_one_test_digit_loads_at_a_time(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pressing n while the digits are being read neither loads nor notifies again."""
    async with opened(tmp_path, small_mnist) as (app, pilot):
        screen = await _opened_screen(app, pilot)
        loads: list[TrainConfig] = []
        release, load = threading.Event(), app.digit_cache.load

        def slowly(config: TrainConfig) -> tuple[Any, Any, str]:
            loads.append(config)
            assert release.wait(30)
            return load(config)

        monkeypatch.setattr(app.digit_cache, "load", slowly)
        await pilot.press("n", "n", "n")
        await until(pilot, lambda: bool(loads))
        release.set()
        await until(pilot, lambda: "Test digit" in text_of(app, "#label"))
        assert len(loads) == 1
        assert [note.message for note in app._notifications if "Reading" in note.message] == [
            "Reading the test digits…"
        ]
        await pilot.press("n")
        await until(pilot, lambda: len(loads) == 2 and not screen._loading)
        assert len([note for note in app._notifications if "Reading" in note.message]) == 1, "they are cached"


async def test_a_new_app_predicts_with_the_kept_model(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await _opened_screen(app, pilot)
        await pilot.press("enter", "right")
        await until(pilot, lambda: "kept model" in text_of(app, "#answer-pytorch #source"))
        assert "PyTorch reads" in text_of(app, "#answer-pytorch #reads")


async def test_each_screen_shows_predictions_of_its_own_digit(tmp_path: Path, small_mnist: Path) -> None:
    """The gallery requests other digits from the same models; without training, no request repeats by itself."""
    async with opened(tmp_path, small_mnist) as (app, pilot):
        screen = await _opened_screen(app, pilot)
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await pilot.press("enter", "down", "down", "down")
        await until(pilot, lambda: not screen.predictions.waiting)
        drawn_bars = [screen.predictions.probabilities(history) for history in app.session.histories.values()]
        assert text_of(app, "#sure-keras").endswith("sure")
        await pilot.press("4", "tab", "tab")
        results = app.screen
        assert isinstance(results, ResultsScreen)
        gallery = results
        await until(pilot, lambda: "the same model" in text_of(app, "#answer-keras #source"))
        await until(pilot, lambda: not gallery.predictions.waiting)
        gallery_bars = [
            gallery.predictions.probabilities(history, exact=True) for history in app.session.histories.values()
        ]
        assert all(gallery_bars)
        assert gallery_bars != drawn_bars
        await pilot.press("3")
        await until(pilot, lambda: app.screen is screen and not _is_polling(screen))
        assert [screen.predictions.probabilities(history) for history in app.session.histories.values()] == drawn_bars
        await pilot.press("enter", "up")
        await until(pilot, lambda: not screen.predictions.waiting)
        await pilot.press("4")
        await until(pilot, lambda: app.screen is gallery and not _is_polling(gallery))
        assert [
            gallery.predictions.probabilities(history, exact=True) for history in app.session.histories.values()
        ] == gallery_bars


async def test_the_demo_reads_a_drawn_seven_without_any_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "torchvision", "tensorflow", "keras"):
        monkeypatch.setitem(sys.modules, name, None)  # so that importing it fails
    async with shown(400.0, (120, 40)) as app:
        pilot = Pilot(app)
        await pilot.press("3", *keys_for(7))
        await until(pilot, lambda: text_of(app, "#verdict") == "✓ AGREE: both read 7")
        for engine, title in (("pytorch", "PyTorch"), ("keras", "Keras")):
            assert text_of(app, f"#answer-{engine} #reads") == f"{title} reads 7"
            assert text_of(app, f"#answer-{engine} #source") == FINAL_WEIGHTS
            assert all("%" in text_of(app, f"#answer-{engine} #bar-{digit}") for digit in range(10))


async def test_a_recording_without_weights_says_so() -> None:
    app = MnistApp(session=Replay(demo_events(), MAX_SPEED))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3", "enter", "down")
        await until(pilot, lambda: bool(app.screen.query("#answer-keras #source")))
        await until(pilot, lambda: text_of(app, "#answer-keras #source") == NO_WEIGHTS)
        assert text_of(app, "#verdict") == ""
        await pilot.press("4", "shift+tab")
        await until(pilot, lambda: bool(app.screen.query("#filters-keras #heading")))
        await until(pilot, lambda: text_of(app, "#filters-keras #heading") == f"Keras: {NO_WEIGHTS}")


def _is_polling(screen: PredictionScreen) -> bool:
    assert screen._poll_timer is not None
    return screen._poll_timer._active.is_set()


async def test_polling_stops_when_no_engine_can_answer(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "missing")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["failed", "failed"])
        await pilot.press("3")
        await until(pilot, lambda: isinstance(app.screen, DrawScreen) and app.screen._ready)
        screen = app.screen
        assert isinstance(screen, DrawScreen)
        await until(pilot, lambda: not _is_polling(screen))
        assert not screen.predictions.waiting


async def test_polling_pauses_while_the_screen_is_hidden(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        screen = await _opened_screen(app, pilot)
        await until(pilot, lambda: not _is_polling(screen))
        monkeypatch.setattr(app.session, "predict", lambda *_, **__: 10_000)  # no prediction arrives
        await pilot.press("enter")
        assert _is_polling(screen)
        await pilot.press("1")
        await until(pilot, lambda: not _is_polling(screen))
        await pilot.press("3")
        await until(pilot, lambda: _is_polling(screen))


async def test_a_short_screen_shows_sources_and_drawing_hints(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        screen = await _opened_screen(app, pilot)
        await until(pilot, lambda: "Keras: no model yet: s trains one" in text_of(app, "#label"))
        assert text_of(app, "#verdict").startswith("Drag")
        assert "draws" in str(screen.query_one("#sheet-box").border_subtitle)
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await pilot.press("enter", "m")
        await until(pilot, lambda: "at the last evaluation" in text_of(app, "#label"))
        await until(pilot, lambda: "Keras: epoch 2, step 20" in text_of(app, "#label"))
        await until(pilot, lambda: text_of(app, "#verdict") != "")
        for name in ("#verdict", "#label"):
            assert screen.region.contains_region(screen.query_one(name).region)
        assert "…" not in text_of(app, "#verdict")


@pytest.mark.parametrize("size", [*SIZES, (60, 15), (30, 8), (300, 90)])
async def test_the_screen_fits_at_every_size(size: tuple[int, int], tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, size) as (app, pilot):
        screen = await _opened_screen(app, pilot)
        await pilot.press("enter", "down", "?", "escape")
        await pilot.pause()
        assert all(line.region.right <= size[0] for line in screen.query(TextLine))
        if size in SIZES:
            for widget in (
                screen.query_one(DrawingPad),
                screen.query_one("#seen"),
                screen.query_one("#answer-keras #bar-9"),
                screen.query_one("#large-keras"),
                screen.query_one("#sure-keras"),
            ):
                assert screen.region.contains_region(widget.region)
                assert widget.region.height
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, TrainScreen))


# With real engines


@pytest.mark.slow
@pytest.mark.framework
@pytest.mark.skipif(not REAL_MNIST, reason="MNIST_TUI_DATA names no copy of MNIST")
@pytest.mark.parametrize("engine", ["pytorch", "keras"])
def test_ten_drawn_digits_are_read(engine: str, work: Callable[[str], Worked]) -> None:
    """After one epoch of real MNIST, each framework reads at least nine of the ten digits drawn by key strokes."""
    worker = work(engine)
    worker.start(from_settings({"epochs": 1, "data_dir": REAL_MNIST}))
    worker.wait_for(RunFinished, timeout=280)
    read = []
    for digit in range(10):
        image = tuple(int(grey) for grey in draw_digit(digit).normalised().ravel())
        worker.supervisor.send(Predict(request_id=digit + 1, image=image))
        read.append(int(np.argmax(worker.wait_for(Prediction).probabilities)))
    assert sum(a == b for a, b in zip(range(10), read, strict=True)) >= 9, read


async def test_a_mistake_is_never_shown_on_other_digits() -> None:
    """Another set must not stand for the run's digits, under their numbers, on a machine that lacks them."""
    others = np.zeros((10_000, 28, 28), np.uint8), np.zeros(10_000, np.uint8), "another set"
    async with shown(400.0, (120, 40)) as app:
        app.digit_cache.load = lambda *_: others  # type: ignore[method-assign]
        pilot = Pilot(app)
        await pilot.press("3")
        await until(pilot, lambda: isinstance(app.screen, DrawScreen))
        await pilot.press("m")
        message = "not those that the run was tested on"
        await until(pilot, lambda: any(message in note.message for note in app._notifications))
        assert "Test digit" not in screen_text(app)
