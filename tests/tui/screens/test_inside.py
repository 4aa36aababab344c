"""The Inside screen: maps, differences and arithmetic by keys, in a recording and with both frameworks."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from rich.console import COLOR_SYSTEMS
from textual.pilot import Pilot

from engines.api import DEMO, LayerChange, RunRequest, StepMeasured, engine_spec
from engines.preset_configs import from_settings
from engines.session.replay import Replay
from tests.support.pilot import SIZES, key_bar_of, opened, phases, screen_text, text_of, until
from tests.support.recording import demo_events
from tui.app import MnistApp
from tui.charts.feature_maps import halve, highest, largest_size, maps_image
from tui.screens.inside import InsideScreen
from tui.tour.strokes import draw_digit
from tui.widgets.enlarged_map import convolution_lines
from tui.widgets.kernel_tiles import tile_image
from tui.widgets.layer_strips import DIFFERENCE
from tui.widgets.logit_bars import LogitBars
from tui.widgets.pixel_image import PixelImage


@asynccontextmanager
async def inside_of_demo(
    size: tuple[int, int] = (120, 40), *, ascii_only: bool = False
) -> AsyncIterator[tuple[InsideScreen, Pilot[None]]]:
    """Open the demo's Inside screen on a drawn seven, and wait until both networks have answered."""
    replay = Replay(demo_events(), folder=DEMO.parent)
    replay.seek(1e9)
    app = MnistApp(session=replay, ascii_only=ascii_only)
    async with app.run_test(size=size) as pilot:
        app.drawing.image = draw_digit(7).normalised()
        await pilot.press("6")
        await until(pilot, lambda: isinstance(app.screen, InsideScreen) and not app.screen.predictions.waiting)
        screen = app.screen
        assert isinstance(screen, InsideScreen)
        await until(pilot, lambda: "reads 7" in text_of(app, "#label-keras"))
        yield screen, pilot


def largest_difference_shown(app: MnistApp) -> float:
    """Return the figure beside the strip of differences."""
    found = re.search(r"at most\s+(\S+)", text_of(app, f"#label-{DIFFERENCE}"))
    assert found
    return float(found[1])


# Pictures


def test_a_halved_map_keeps_the_largest_of_each_four() -> None:
    maps = np.arange(16, dtype=np.float32).reshape(4, 4, 1)
    assert halve(maps)[:, :, 0].tolist() == [[5, 7], [13, 15]]


@pytest.mark.parametrize(
    ("rows", "columns", "size"), [(13, 26, 1), (12, 26, 0.5), (13, 25, 0.5), (26, 52, 2), (26, 200, 2), (1, 1, 0.5)]
)
def test_a_map_is_as_large_as_the_room_allows(rows: int, columns: int, size: float) -> None:
    assert largest_size(26, 26, rows, columns) == size


def test_maps_stand_beside_each_other_on_one_scale_and_nan_is_seen() -> None:
    maps = np.zeros((2, 2, 3), np.float32)
    maps[0, 0] = 1, 2, np.nan
    image = maps_image(maps, 2.0)
    assert image.shape == (2, 8)
    assert [int(grey) for grey in image[0, ::3]] == [128, 255, 255]
    assert not image[:, (2, 5)].any(), "a blank column between two maps"


# By keys


@pytest.mark.parametrize("size", [*SIZES, (60, 15)], ids=str)
async def test_a_digit_is_shown_on_its_way_through_both_networks(size: tuple[int, int]) -> None:
    async with inside_of_demo(size) as (screen, pilot):
        app = screen.app
        assert isinstance(app, MnistApp)
        expected = screen._inside()
        apart = float(np.abs(expected["pytorch"].conv1 - expected["keras"].conv1).max())
        assert largest_difference_shown(app) == pytest.approx(apart, rel=0.05)
        for name in ("pytorch", DIFFERENCE, "keras"):
            assert np.any(screen.query_one(f"#maps-{name}", PixelImage).image), name
        for layer in ("conv2", "dense1"):
            await pilot.press("tab")
            values = [getattr(one, layer) for one in expected.values()]
            difference = float(np.abs(np.subtract(*values)).max())
            await until(pilot, lambda d=difference: largest_difference_shown(app) == pytest.approx(d, rel=0.05))  # type: ignore[misc]
        await pilot.press("tab")
        logits = expected["pytorch"].logits
        await until(pilot, lambda: f"{logits[7]:.2f}" in screen_text(app))


async def test_every_view_has_its_name_at_80_columns(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        await pilot.press("6")
        await until(pilot, lambda: bool(app.screen.query("#views")) and "conv1" in text_of(app, "#views"))
        assert len(text_of(app, "#views")) <= app.screen.query_one("#views").size.width


@pytest.mark.parametrize(("colors", "tinted"), [("truecolor", True), ("256", False)])
async def test_maps_are_grey_where_shades_of_a_colour_would_be_other_colours(colors: str, tinted: bool) -> None:
    """The nearest of 256 colours to a dark orange are olive and red; there are many greys."""
    async with inside_of_demo((80, 24)) as (screen, pilot):
        screen.app.console._color_system = COLOR_SYSTEMS[colors]
        await pilot.press("tab", "shift+tab")
        await pilot.pause()
        image = screen.query_one("#maps-pytorch", PixelImage)
        assert (image.colors[3] == screen.query_one("#maps-difference", PixelImage).colors[3]) is not tinted


async def test_a_recording_has_no_step_to_measure() -> None:
    async with inside_of_demo((80, 24)) as (screen, _):
        assert "change" not in text_of(screen.app, "#views")  # type: ignore[arg-type]


async def test_the_arrows_choose_a_map_and_enter_shows_its_arithmetic() -> None:
    """The marked position is that of the largest value; the nine products, the bias and relu lead to what the map has there."""
    async with inside_of_demo((80, 24)) as (screen, pilot):
        app = screen.app
        assert isinstance(app, MnistApp)
        await pilot.press("right", "right", "right", "right")
        await until(pilot, lambda: "[5]" in text_of(app, "#numbers"))
        await pilot.press("enter")
        await until(pilot, lambda: "map 5" in text_of(app, "#enlarged-title-keras"))
        inside = screen._inside()["keras"]
        y, x = screen.position
        assert inside.conv1.shape == (26, 26, 32)
        text = text_of(app, "#arithmetic-keras")
        assert f"row {y + 1}, column {x + 1}: {inside.conv1[y, x, 4]:.4g}" in text
        assert f"relu {inside.conv1[y, x, 4]:.4f}" in text
        await pilot.press("down", "left")
        assert screen.position == (min(y + 1, 25), max(x - 1, 0))
        await pilot.press("escape")
        await until(pilot, lambda: screen.query_one("#numbers").display and "[5]" in text_of(app, "#numbers"))
        await pilot.press("shift+tab")
        assert screen.view == "twins"


@pytest.mark.parametrize("size", [(60, 15), (80, 24)], ids=str)
async def test_the_marked_position_and_its_value_are_on_the_screen(size: tuple[int, int]) -> None:
    async with inside_of_demo(size) as (screen, pilot):
        app = screen.app
        assert isinstance(app, MnistApp)
        await pilot.press("enter")
        screen.action_choose(26, 26)
        assert screen.position == (25, 25)
        await until(pilot, lambda: "row 26, column 26: " in screen_text(app))
        image = screen.query_one("#enlarged-keras", PixelImage)
        assert image.cursor == (25, len(image.image) - 1)
        assert screen.query_one("#inside").region.contains_region(image.region)
        screen.action_choose(0, -26)
        assert image.cursor == (25, 0)


async def test_ascii_has_no_blocks_anywhere() -> None:
    async with inside_of_demo((80, 24), ascii_only=True) as (screen, pilot):
        app = screen.app
        assert isinstance(app, MnistApp)
        await pilot.press("enter")
        await until(pilot, lambda: "map 1" in text_of(app, "#enlarged-title-keras"))
        assert screen_text(app).isascii()


def test_a_network_of_nan_leaves_the_scale_to_the_other() -> None:
    nan, some = np.full((3, 3), np.nan), np.array([0.5, np.nan, -1.0])
    assert highest([nan, some]) == highest([some, nan]) == 0.5
    assert highest([nan]) == highest([]) == 0.0


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_logits_have_the_room_beside_them(size: tuple[int, int]) -> None:
    async with inside_of_demo(size) as (screen, pilot):
        app = screen.app
        assert isinstance(app, MnistApp)
        await pilot.press("tab", "tab", "tab")
        await until(pilot, lambda: "━" in text_of(app, "LogitBars"))
        bars = screen.query_one(LogitBars)
        await until(pilot, lambda: all(len(line) <= bars.size.width for line in text_of(app, "LogitBars").splitlines()))
        if size[1] < 36:
            assert bars.region.right == screen.query_one("#right").region.right


@pytest.mark.filterwarnings("error")
def test_a_kernel_of_nan_is_ink_as_a_map_is() -> None:
    assert tile_image(np.full((3, 3, 1, 1), np.nan), 1, 0.5).min() == 255
    assert maps_image(np.full((3, 3, 1), np.nan), 0.5).min() == 255


async def test_logits_of_nan_leave_the_bars_to_the_other() -> None:
    async with inside_of_demo((80, 24)) as (screen, pilot):
        app = screen.app
        assert isinstance(app, MnistApp)
        await pilot.press("tab", "tab", "tab")
        bars = screen.query_one(LogitBars)
        logits = {"pytorch": np.full(10, np.nan, np.float32), "keras": np.arange(10, dtype=np.float32)}
        bars.show(logits, screen.palette, ascii_only=False)
        await until(pilot, lambda: "nan" in text_of(app, "LogitBars"))
        lines = text_of(app, "LogitBars").splitlines()
    assert [any(mark in line for mark in "━╸") for line in lines[1:]] == [False, *[True] * 9]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "dropout and rounding have"),
        ({"dropout": 0.0}, "rounding has"),
        ({"augment": "affine"}, "dropout, augmentation and rounding have"),
        ({"preset": "library-defaults"}, "their settings have"),
    ],
)
async def test_what_led_the_twins_apart_is_what_did(settings: dict[str, object], text: str) -> None:
    async with inside_of_demo() as (screen, pilot):
        app = screen.app
        assert isinstance(app, MnistApp)
        for history in screen.session.histories.values():
            history.config = from_settings(settings)
        screen.show_predictions()
        await until(pilot, lambda: f"After the same steps: {text} led them apart." in text_of(app, "#caption"))


async def test_one_framework_has_no_twin(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        app.session.engines = ("keras",)
        await pilot.press("6", "shift+tab")
        await until(pilot, lambda: "n/a: one framework trains" in text_of(app, "TwinDistance"))


@pytest.mark.parametrize(("keys", "end"), [(("tab",), "becomes 0 (relu)."), (("shift+tab",) * 2, "that holds now.")])
async def test_what_an_enlarged_value_means_is_not_cut_off(keys: tuple[str, ...], end: str) -> None:
    async with inside_of_demo((80, 24)) as (screen, pilot):
        app = screen.app
        assert isinstance(app, MnistApp)
        await pilot.press(*keys, "enter")
        await until(pilot, lambda: text_of(app, "#arithmetic-keras").replace("\n", " ").endswith(end))
        line = screen.query_one("#arithmetic-keras")
        assert all(len(text) <= line.size.width for text in text_of(app, "#arithmetic-keras").split("\n"))
        assert len(text_of(app, "#arithmetic-keras").split("\n")) <= line.size.height


def test_the_arithmetic_of_a_position_adds_up() -> None:
    from engines.experiment.forward import inspect
    from engines.experiment.recipe import initial_weights

    image = draw_digit(3).normalised()
    inside = inspect(initial_weights(0), image)
    for chosen, position in ((0, (12, 12)), (31, (0, 25)), (7, (25, 0))):
        lines = convolution_lines(inside, image / np.float32(255), chosen, position)
        y, x = position
        assert lines[-1].endswith(f"relu {inside.conv1[y, x, chosen]:.4f}")
        assert sum(line.count("x") for line in lines[:3]) == 9


async def test_engines_without_an_inside_give_the_reason(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await pilot.press("6")
        await until(pilot, lambda: "can't show the inside" in text_of(app, "#caption"))
        await pilot.press("tab", "enter", "right", "n", "m", "shift+tab")
        assert "Layer" in key_bar_of(app)


async def test_after_each_epoch_the_distance_of_the_twins_is_shown(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        await pilot.press("6", "shift+tab")
        await until(pilot, lambda: "after each epoch" in text_of(app, "TwinDistance"))
        await pilot.press("s")
        await until(pilot, lambda: "after epoch 2" in text_of(app, "TwinDistance"))
        assert "0 of 200" in text_of(app, "TwinDistance"), "the scripted engines are equal"


async def test_an_engine_whose_steps_can_not_be_measured_gives_the_reason(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24), epochs=10_000) as (app, pilot):
        await pilot.press("6", "shift+tab", "shift+tab", "s")
        await until(pilot, lambda: "Keras: n/a: this engine can't show" in text_of(app, "StepChanges"))


async def test_a_measured_step_is_shown_by_layer(tmp_path: Path, small_mnist: Path) -> None:
    """An engine that can't be looked into is left out; a layer that did not move has no bar."""
    changes = (
        LayerChange(layer="conv1", gradient=0.5, weights=10.0, update=0.01),
        LayerChange(layer="conv2", gradient=0.25, weights=10.0, update=0.0),
    )
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        await pilot.press("6", "shift+tab", "shift+tab")
        await until(pilot, lambda: "a step a second is measured" in text_of(app, "StepChanges"))
        pytorch, keras = app.session.histories.values()
        pytorch.apply(StepMeasured(engine="pytorch", global_step=1_234, layers=changes))
        keras.apply(StepMeasured(engine="keras", global_step=1_200, layers=(), problem="no"))
        app.draw_frame()
        await until(pilot, lambda: "Step 1,234:" in text_of(app, "StepChanges"))
        conv1, conv2 = text_of(app, "StepChanges").splitlines()[2:4]
        assert re.fullmatch(r"conv1 +PyTorch +5.0e-01 +━+╸? +-3.0", conv1)
        assert re.fullmatch(r"conv2 +PyTorch +2.5e-01 +-inf", conv2)
        assert "Keras" not in text_of(app, "StepChanges")
        keras.apply(StepMeasured(engine="keras", global_step=1_201, layers=changes))
        app.draw_frame()
        await until(pilot, lambda: "Steps 1,234 and 1,201:" in text_of(app, "StepChanges"))


@pytest.mark.framework
@pytest.mark.timeout(600)
async def test_untrained_twins_are_the_same_and_trained_ones_are_not(tmp_path: Path, small_mnist: Path) -> None:
    """Both frameworks: before the first step no value differs by 1e-5, and after a run with dropout many do."""
    settings = {"epochs": 1, "batch_size": 64, "data_dir": str(small_mnist), "device": "cpu"}
    app = MnistApp(
        [engine_spec("pytorch"), engine_spec("keras")],
        RunRequest.from_values(settings),
        cache_dir=tmp_path / "cache",
        runs_dir=tmp_path / "runs",
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "The same network twice" in text_of(app, "#caption"), 180)
        assert largest_difference_shown(app) < 1e-5
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"], 180)
        await until(pilot, lambda: "step\n10" in text_of(app, "#label-keras"), 60)
        await until(pilot, lambda: "step\n10" in text_of(app, "#label-pytorch"), 60)
        assert largest_difference_shown(app) > 1e-3
        assert "After the same steps" in text_of(app, "#caption")
