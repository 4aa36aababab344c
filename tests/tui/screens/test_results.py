"""The Results screen: the card as pure functions, and the screen by keys, with the recording and with scripted engines."""

from __future__ import annotations

import html
import json
import re
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import DataTable

from engines.api import MachineHistory, energy_joules, from_settings, read_events, read_filters, read_run
from engines.experiment.arrays import save_arrays
from engines.experiment.checkpoint import FIRST_FILTERS
from engines.experiment.recipe import initial_weights
from engines.messages.events import DataReady, GpuReading, MachineUsage, RunFinished, RunStarted
from engines.runs.history import RunHistory
from engines.session.replay import DEMO
from tests.support.digits import random_digits
from tests.support.ended_run import ended_run
from tests.support.pilot import SIZES, opened, phases, text_of, until
from tests.support.recording import shown
from tests.support.run_folders import make_seed_folders
from tui.reports import card as report_card
from tui.screens import stored_run
from tui.screens.results import ResultsScreen
from tui.widgets.card_view import figures_table
from tui.widgets.confusion_matrix import Cell, count
from tui.widgets.kernel_tiles import best_grid, tile_image
from tui.widgets.mistake_gallery import mistakes
from tui.widgets.pixel_image import PixelImage
from tui.widgets.seeds_view import SeedsView
from tui.widgets.text_line import TextLine


@pytest.fixture(scope="module")
def race() -> tuple[dict[str, RunHistory], MachineHistory]:
    """Return the recorded run at its end."""
    histories = {engine: RunHistory(engine) for engine in ("pytorch", "keras")}
    machine = MachineHistory()
    for event in read_events(DEMO):
        (histories.get(event.engine) or machine).apply(event)
    return histories, machine


# The report


def test_the_card_shows_the_recorded_run(race: tuple[dict[str, RunHistory], MachineHistory]) -> None:
    report = report_card.report(*race)
    assert report is not None
    assert (report.verdict, report.engines) == ("statistical tie", ("PyTorch", "Keras"))
    assert "42 digits right in this PyTorch network alone, 41 in this Keras network alone" in report.why
    assert report.badge == "shared CPU: times not comparable"
    figures = {row.label: row.values for _, rows in report.groups for row in rows}
    assert figures["test accuracy"] == ("98.29 %", "98.28 %")
    assert figures["its 95 % interval"] == ("98.02 to 98.53 %", "98.01 to 98.52 %")
    assert figures["to 97 %"][0].startswith("01:05")
    assert figures["to 99 %"] == ("not reached", "not reached")
    assert figures["import"] == ("1.69 s, before the run", "3.01 s, before the run")
    assert figures["loading digits"] == ("0.35 s", "0.40 s")
    assert figures["building"] == ("0.02 s, in a warm worker", "0.33 s, in a warm worker")
    assert (figures["optimizer"], figures["dropout"]) == (2 * ("adadelta, learning rate 1",), 2 * ("0.25",))
    assert figures["energy"][0] == "n/a: a CPU's energy is not measured"
    assert figures["peak GPU memory"][0] == "n/a: runs on the CPU"
    labels = list(figures)
    assert labels.index("lines of a plain script") < labels.index("lines of this app's engine")
    scripts, engines = (
        list(map(int, figures[f"lines of {whose}"])) for whose in ("a plain script", "this app's engine")
    )
    assert scripts[0] > scripts[1], "the Keras script is shorter"
    assert min(engines) > max(scripts)
    assert figures["digits SHA-256"][0] == figures["digits SHA-256"][1]
    assert all(value for values in figures.values() for value in values), "no figure is empty"


def test_the_better_value_is_marked_only_where_values_are_comparable(
    race: tuple[dict[str, RunHistory], MachineHistory],
) -> None:
    """The recorded race shares a CPU and ends in a tie: neither its times nor its accuracies are better."""
    report = report_card.report(*race)
    assert report is not None
    rows = {row.label: row for _, its in report.groups for row in its}
    marked = {label: report.engines[row.better] for label, row in rows.items() if row.better is not None}
    assert marked == {
        "peak memory": "Keras",
        "lines of a plain script": "Keras",
        "lines of this app's engine": "PyTorch",
    }
    assert rows["img/s"].shares == pytest.approx((1001 / 1045, 1.0), abs=1e-3)
    assert rows["test accuracy"].shares == (), "two bars of 98 % would look the same"
    drawn = Console(width=120, color_system=None)
    with drawn.capture() as lines:
        drawn.print(figures_table(report, defaultdict(lambda: "red"), 120))
    (script,) = (line for line in lines.get().splitlines() if "plain script" in line)
    assert script.split() == ["lines", "of", "a", "plain", "script", "41", "━━━━━━━━", "18", "━━━╸", "◄"]


def test_a_time_trial_has_marked_times_and_their_ratio() -> None:
    trial: dict[str, Any] = {"mode": "time-trial", "device": "cpu"}
    runs = {
        "pytorch": ended_run("pytorch", 0, 9850, epoch_times=(6.0, 6.1), **trial),
        "keras": ended_run("keras", 0, 9950, epoch_times=(3.0, 3.1), **trial),
    }
    for history in runs.values():  # the verdict needs the same digits
        history.apply(
            DataReady(
                engine=history.engine,
                dataset="mnist",
                source="",
                sha256="0",
                train_size=1,
                test_size=10_000,
                seconds=1.0,
            )
        )
    report = report_card.report(runs, MachineHistory())
    assert report is not None
    assert report.times.startswith("Keras 1.98x faster per epoch, 95 % interval ")
    assert report.times in report_card.markdown(report)
    assert report.times in report_card.html(report)
    better = {row.label: row.better for _, rows in report.groups for row in rows}
    assert (better["training"], better["an epoch"], better["test accuracy"]) == (1, 1, 1)
    assert better["loading digits"] is None, "both took equally long"


def test_markdown_and_html_contain_every_figure(race: tuple[dict[str, RunHistory], MachineHistory]) -> None:
    report = report_card.report(*race)
    assert report is not None
    as_markdown, as_html = report_card.markdown(report), report_card.html(report)
    table = [line for line in as_markdown.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {4}
    for _, rows in report.groups:
        for row in rows:
            assert f"| {row.label} | {' | '.join(row.values)} |" in as_markdown
            assert f"<td>{html.escape(row.label)}</td>" in as_html
    assert not re.search(r"<(?!/?(!doctype|html|meta|title|style|h1|p|strong|b|table|tr|th|td)\b)", as_html)
    assert "'" not in as_html.partition("<h1>")[2], "apostrophes are escaped"


def test_lines_of_code_are_counted_once(
    race: tuple[dict[str, RunHistory], MachineHistory], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_card.report(*race)
    for name in ("read_source", "script_lines"):
        monkeypatch.setattr(report_card, name, lambda engine: pytest.fail(f"{engine} is counted twice"))
    assert report_card.report(*race) == report


def test_there_is_no_card_before_a_run() -> None:
    assert report_card.report({"pytorch": RunHistory("pytorch")}, MachineHistory()) is None


def _gpu(watts: float | None) -> GpuReading:
    return GpuReading(
        index=0,
        name="Fake GPU",
        uuid="fake",
        utilization_percent=90.0,
        memory_used_bytes=1,
        memory_total_bytes=2,
        temperature_celsius=50.0,
        power_watts=watts,
        power_limit_watts=300.0,
    )


def _trained(engine: str, device: str, began: float, ended: float) -> RunHistory:
    history = RunHistory(engine)
    config = from_settings({"device": device})
    history.apply(
        RunStarted(
            engine=engine,
            t=began,
            config=config,
            device=device,
            precision="fp32",
            num_threads=1,
            steps_per_epoch=1,
            total_steps=1,
        )
    )
    history.apply(
        RunFinished(
            engine=engine,
            t=ended,
            outcome="completed",
            test_accuracy=None,
            test_loss=None,
            best_epoch=None,
            train_seconds=1.0,
            wall_seconds=1.0,
        )
    )
    return history


def test_energy_is_the_power_of_an_unshared_gpu_over_time() -> None:
    """100 W for ten seconds, then 300 W: from second 5 to 15 that is 500 J, 200 J on the way up, and 1,200 J."""
    machine = MachineHistory()
    for second in range(31):
        gpu = _gpu(100.0 if second <= 10 else 300.0)
        machine.apply(
            MachineUsage(
                engine="machine",
                t=float(second),
                cpu_percent=1.0,
                per_core=(1.0,),
                memory_used_bytes=1,
                memory_total_bytes=2,
                gpus=(gpu,),
                gpu_reason="",
            )
        )
    first, second_run = _trained("pytorch", "cuda:0", 5.0, 15.0), _trained("keras", "cuda:0", 20.0, 25.0)
    joules, reason = energy_joules(first, machine, [first, second_run])
    assert joules == pytest.approx(1900.0)
    assert reason == ""
    beside = _trained("keras", "cuda:0", 14.0, 25.0)
    assert energy_joules(first, machine, [first, beside]) == (None, "the GPU was shared")
    assert energy_joules(first, MachineHistory(), [first]) == (None, "the GPU's power is not known")
    on_cpu = _trained("pytorch", "cpu", 5.0, 15.0)
    assert energy_joules(on_cpu, machine, [on_cpu])[0] is None


def test_mistakes_are_counted_once(race: tuple[dict[str, RunHistory], MachineHistory]) -> None:
    histories, _ = race
    lists = mistakes(histories)
    wrong = {engine: {index for index, _, _ in h.evaluations[-1].mistakes} for engine, h in histories.items()}
    assert {one.index for one in lists["both"]} == wrong["pytorch"] & wrong["keras"]
    assert {one.index for one in lists["pytorch"]} == wrong["pytorch"] - wrong["keras"]
    assert len(lists["keras"]) == 42
    assert all(read != one.label for its in lists.values() for one in its for read in one.read.values())


def test_a_cells_mistakes_are_a_list_of_their_own(race: tuple[dict[str, RunHistory], MachineHistory]) -> None:
    histories, _ = race
    cell = Cell("keras", 7, 2)
    lists = mistakes(histories, cell)
    assert list(lists)[-1] == cell.name == "7 read as 2 by Keras"
    assert {(one.label, one.read["keras"]) for one in lists[cell.name]} == {(7, 2)}
    assert len(lists[cell.name]) == count(histories, cell) == 15
    assert cell.name not in mistakes(histories, Cell("keras", 7, 7))


async def test_enter_opens_the_mistakes_of_the_chosen_cell() -> None:
    async with shown(400.0, (120, 40)) as app:
        pilot = Pilot(app)
        await pilot.press("4", "tab")
        await until(pilot, lambda: "Keras read a 7 as a 2: 15 times" in text_of(app, "#matrices"))
        await pilot.press("down", "down", "left", "left")
        await until(pilot, lambda: "Keras read a 9 as a 0: 5 times" in text_of(app, "#matrices"))
        await pilot.press("enter")
        await until(pilot, lambda: "[Mistakes]" in text_of(app, "#views"))
        assert "[9 read as 0 by Keras 5]" in text_of(app, "#lists")
        await pilot.press("shift+tab", "left")
        await until(pilot, lambda: "PyTorch read a 9 as a 9: 965 times" in text_of(app, "#matrices"))
        assert app.screen.check_action("open", ()) is None, "right answers are no mistakes"


# The series of seeds


async def test_results_open_on_the_series_and_enter_opens_a_seed(tmp_path: Path, small_mnist: Path) -> None:
    """Any run of a saved series opens the series; the last seed's own verdict is no headline."""
    folders = make_seed_folders(tmp_path / "runs", {0: (9910, 9900), 1: (9800, 9930)})
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        await pilot.press("4")
        await until(pilot, lambda: bool(app.screen.query(DataTable)) and app.screen.query_one(DataTable).row_count == 2)
        assert "[Seeds]" in text_of(app, "#views")
        verdict = text_of(app, "#seeds-verdict")
        assert verdict.startswith("Statistical tie over 2 seeds\n")
        assert "2 seeds can never show a difference: p is at least 0.5" in verdict
        assert text_of(app, "#seeds-median").split() == [
            "median",
            "98.55",
            "%",
            "99.15",
            "%",
            "-0.60",
            "180",
            "s",
            "90.5",
            "s",
            "1.99x",
        ]
        screen = app.screen
        assert isinstance(screen, ResultsScreen)
        assert screen.query_one(SeedsView).selected == folders[1].name, "the run that was opened is chosen"
        await pilot.press("ctrl+y")
        assert app.clipboard.startswith("## Statistical tie over 2 seeds")
        assert "| 1 | 98.00 % | 99.30 % | -1.30 | 180 s | 90.5 s | 1.99x |" in app.clipboard
        await pilot.press("up", "enter")
        await until(pilot, lambda: "[Card]" in text_of(app, "#views") and folders[0].name in text_of(app, "#views"))
        await pilot.press("shift+tab")
        await until(pilot, lambda: "[Seeds]" in text_of(app, "#views"))
        assert screen.query_one(SeedsView).selected == folders[0].name


async def test_a_single_run_has_no_series(tmp_path: Path, small_mnist: Path) -> None:
    make_seed_folders(tmp_path / "runs", {0: (9910, 9900), 1: (9800, 9930)})
    single = make_seed_folders(tmp_path / "runs", {5: (9910, 9900)}, start="20260301")[0]
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("4")
        await until(pilot, lambda: bool(app.screen.query("#views")) and single.name in text_of(app, "#views"))
        assert "Seeds" not in text_of(app, "#views")
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "[Seeds]" in text_of(app, "#views"))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "[Card]" in text_of(app, "#views") and "Seeds" not in text_of(app, "#views"))


async def test_a_live_series_is_shown_and_its_first_seed_opened(tmp_path: Path, small_mnist: Path) -> None:
    """A new seed of the same series does not replace the seed that is looked at."""
    async with opened(tmp_path, small_mnist, (120, 40), seeds=2) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("s")
        await until(pilot, lambda: app.session.seed_results.ended == 2)
        await pilot.press("4")
        await until(pilot, lambda: bool(app.screen.query(DataTable)) and app.screen.query_one(DataTable).row_count == 1)
        assert "No verdict yet: 1 of 2 seeds ended" in text_of(app, "#seeds-verdict")
        await pilot.press("enter")
        first = app.session.seed_results.runs[0].run_id
        await until(pilot, lambda: "[Card]" in text_of(app, "#views"))
        await until(pilot, lambda: app.session.seed_results.ended == 4)
        await pilot.press("shift+tab", "up", "enter")
        await until(pilot, lambda: first in text_of(app, "#views"))
        assert len(app.session.seed_results.runs) == 2


# KernelTiles


def test_filters_are_read_and_tiled(tmp_path: Path) -> None:
    kernel = np.linspace(-1, 1, 3 * 3 * 32, dtype=np.float32).reshape(3, 3, 1, 32)
    facts = np.array(json.dumps({"position": {"global_step": 938}}))
    save_arrays({"facts": facts, "weights.conv1.kernel": kernel}, tmp_path / "pytorch.npz")
    read = read_filters(tmp_path / "pytorch.npz")
    assert (read.global_step, read.earlier) == (938, None)
    position = {"global_step": 1407, "epoch": 4}
    facts = np.array(json.dumps({"position": position, "seed": 7}))
    arrays = {"facts": facts, "weights.conv1.kernel": kernel}
    save_arrays(arrays, tmp_path / "old.npz")
    old = read_filters(tmp_path / "old.npz")
    assert not old.after_first_epoch
    assert (old.earlier == initial_weights(7)["conv1.kernel"]).all(), "an older checkpoint has none of the first epoch"
    save_arrays({**arrays, FIRST_FILTERS: kernel / 2}, tmp_path / "new.npz")
    new = read_filters(tmp_path / "new.npz")
    assert new.after_first_epoch
    assert (new.earlier == kernel / 2).all()
    image = tile_image(read.kernel, 8)
    assert image.shape == (15, 31)
    assert not image[3::4].any()
    assert not image[:, 3::4].any()
    assert image[14, 30] == 255


@pytest.mark.parametrize(("width", "half_rows"), [(36, 36), (58, 66), (98, 110), (20, 10)])
def test_tiles_fit(width: int, half_rows: int) -> None:
    per_row, scale = best_grid(32, width, half_rows)
    assert scale == 1 or ((4 * per_row - 1) * scale <= width and (4 * -(-32 // per_row) - 1) * scale <= half_rows)


def _contains_all(region: Region, widgets: Sequence[Widget]) -> bool:
    """Return whether all widgets have a size and are inside of the region."""
    return all(widget.region and region.contains_region(widget.region) for widget in widgets)


@pytest.mark.parametrize("size", SIZES)
async def test_filters_say_what_they_are_and_stand_beside_those_of_the_first_epoch(
    size: tuple[int, int], tmp_path: Path, small_mnist: Path
) -> None:
    (folder,) = make_seed_folders(tmp_path / "runs", {0: (9910, 9900)})
    facts = np.array(json.dumps({"position": {"global_step": 5628, "epoch": 13}, "seed": 0}))
    kernels = [initial_weights(seed)["conv1.kernel"] for seed in (1, 2)]
    for engine in ("pytorch", "keras"):
        arrays = {"facts": facts, "weights.conv1.kernel": kernels[0], FIRST_FILTERS: kernels[1]}
        save_arrays(arrays, folder / f"{engine}.npz")
    async with opened(tmp_path, small_mnist, size) as (app, pilot):
        await pilot.press("4")
        await until(pilot, lambda: bool(app.screen.query("#views")) and folder.name[:15] in text_of(app, "#views"))
        await pilot.press("shift+tab")
        await until(pilot, lambda: "5,628" in text_of(app, "#filters-keras #now-heading"))
        assert "3 x 3 weights that slide over the digit" in text_of(app, "#meaning")
        for engine in ("pytorch", "keras"):
            tiles = [
                app.screen.query_one(f"#filters-{engine} #{name}-tiles", PixelImage) for name in ("earlier", "now")
            ]
            assert "epoch 1" in text_of(app, f"#filters-{engine} #earlier-heading")
            await until(pilot, partial(_contains_all, app.screen.region, tiles))
            assert not tiles[0].region.intersection(tiles[1].region)
            assert tiles[0].image != tiles[1].image


# The screen


@pytest.mark.parametrize("size", [*SIZES, (50, 12)])
async def test_a_recording_shows_its_results(size: tuple[int, int]) -> None:
    async with shown(400.0, size) as app:
        pilot = Pilot(app)
        await pilot.press("4")
        await until(pilot, lambda: bool(app.screen.query("#verdict")) and "tie" in text_of(app, "#verdict"))
        for view in ("card", "confusion", "mistakes", "filters"):
            assert f"[{view.capitalize()}]" in text_of(app, "#views")
            await until(pilot, lambda: all(line.region.right <= size[0] for line in app.screen.query(TextLine)))
            await pilot.press("tab")
            await pilot.pause()
        await pilot.press("shift+tab")
        headings = [f"#filters-{engine} #now-heading" for engine in ("pytorch", "keras")]
        await until(pilot, lambda: all("step 938" in text_of(app, heading) for heading in headings))
        tiles = list(app.screen.query("#now-tiles").results(PixelImage))
        assert len(tiles) == 2
        assert all(np.ptp(each.image) > 100 for each in tiles)
        await pilot.press("ctrl+y")
        assert app.clipboard.startswith("## statistical tie")
        assert "98.29 %" in app.clipboard


async def test_the_gallery_of_a_recording_shows_what_its_models_read(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = random_digits(10_000)
    async with shown(400.0, (120, 40)) as app:
        data = app.session.histories["keras"].data
        assert data is not None
        monkeypatch.setattr(app.digit_cache, "load", lambda *_: (images, labels, data.sha256))
        pilot = Pilot(app)
        await pilot.press("4", "tab", "tab")
        await until(pilot, lambda: "now reads" in text_of(app, "#answer-keras #reads"))
        await until(pilot, lambda: "now reads" in text_of(app, "#answer-pytorch #reads"))
        assert text_of(app, "#answer-keras #source") == "the same model"


async def test_the_gallery_shows_predictions_of_the_live_models(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await pilot.press("4", "tab", "tab")
        lists = mistakes(app.session.histories)
        whose = next(name for name, its in lists.items() if its)
        while f"[{'both' if whose == 'both' else 'only'}" not in text_of(app, "#lists"):
            await pilot.press("m")
        await until(pilot, lambda: "test digit" in text_of(app, "#caption"))
        first = lists[whose][0]
        assert text_of(app, "#caption") == f"test digit {first.index:,}: a {first.label}"

        def has_text(selector: str, text: str) -> bool:
            return text_of(app, selector) == text

        for engine, title in (("pytorch", "PyTorch"), ("keras", "Keras")):
            read = first.read.get(engine, first.label)
            right = "✗" if engine in first.read else "✓"
            assert text_of(app, f"#tested-{engine}") == f"{title} read {read} {right}"
            assert text_of(app, f"#when-{engine}") == "when tested, epoch 2"
            await until(pilot, partial(has_text, f"#answer-{engine} #reads", f"now reads {read} {right}"))
            assert text_of(app, f"#answer-{engine} #source") == "the same model"
        image = app.screen.query_one("#picture", PixelImage).image
        await pilot.press("right")
        await until(pilot, lambda: app.screen.query_one("#picture", PixelImage).image != image)


async def test_the_digit_stays_selected_and_predictions_name_their_epoch(tmp_path: Path, small_mnist: Path) -> None:
    """While both train, each evaluation has other mistakes; the selected digit must not change."""
    async with opened(tmp_path, small_mnist, (80, 24), epochs=10_000) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("s")
        histories = app.session.histories
        await until(pilot, lambda: all(mistakes(histories).values()))
        await pilot.press("4", "tab", "tab")
        await until(pilot, lambda: text_of(app, "#answer-keras #reads").startswith("now reads"))
        assert text_of(app, "#when-keras").startswith("when tested, epoch ")
        await until(pilot, lambda: text_of(app, "#answer-keras #source").startswith("epoch "))
        await pilot.press("space")
        await until(pilot, lambda: phases(app) == ["paused", "paused"])
        await pilot.press("right", "right")
        caption, lists = text_of(app, "#caption"), mistakes(histories)
        place = int(
            text_of(app, "#place").split()[0]
        )  # the digit stayed selected during evaluations before the pause, too
        assert place >= 3
        assert f"{lists['both'][place - 1].index:,}:" in caption
        removed = lists["both"][0].index
        evaluations, tested = histories["keras"].evaluations, histories["keras"].tested
        assert tested is not None
        left = tuple(one for one in tested.mistakes if one[0] != removed)
        histories["keras"].tested = replace(tested, mistakes=left)
        evaluations.append(histories["keras"].tested)
        await until(pilot, lambda: text_of(app, "#place").startswith(f"{place - 1} of "))
        assert text_of(app, "#caption") == caption


async def test_the_next_digits_are_shown_where_there_is_room(tmp_path: Path, small_mnist: Path) -> None:
    """They appear when the terminal grows."""
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await pilot.press("4", "tab", "tab")
        await until(pilot, lambda: text_of(app, "#place").startswith("1 of "))
        assert not app.screen.query_one("#next").display
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: app.screen.query_one("#next").display)


def _kept(folder: Path, runs: int) -> bool:
    return len(list(folder.glob("*/summary.json"))) == runs


async def test_files_are_written_and_older_runs_are_opened(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        for runs in (1, 2):
            await pilot.press("s")
            await until(pilot, partial(_kept, tmp_path / "runs", runs))
            await until(pilot, lambda: phases(app) == ["finished", "finished"])
        older, newer = sorted((tmp_path / "runs").iterdir())
        await pilot.press("4")
        await until(pilot, lambda: bool(app.screen.query("#verdict")) and text_of(app, "#verdict") != "")
        await pilot.press("w")
        assert {"results.md", "results.html", "results.svg"} <= {path.name for path in (newer / "export").iterdir()}
        assert newer.name in (newer / "export" / "results.md").read_text(encoding="utf-8")
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: older.name in text_of(app, "#views"))
        await pilot.press("w")
        await until(pilot, lambda: (older / "export" / "results.md").exists())
        assert older.name in (older / "export" / "results.md").read_text(encoding="utf-8")
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: older.name not in text_of(app, "#views"))
        histories, _ = read_run(older)
        assert [history.phase for history in histories.values()] == ["finished", "finished"]


async def test_a_new_app_opens_the_newest_stored_run(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
    (run,) = (tmp_path / "runs").iterdir()
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("4")
        await until(pilot, lambda: bool(app.screen.query("#views")) and run.name in text_of(app, "#views"))
        await pilot.press("tab", "tab")
        await until(pilot, lambda: any("reads" in text_of(app, f"#answer-{e} #reads") for e in ("pytorch", "keras")))
        assert "the same model" in [text_of(app, f"#answer-{engine} #source") for engine in ("pytorch", "keras")]


async def test_a_new_run_replaces_the_kept_one(tmp_path: Path, small_mnist: Path) -> None:
    old = tmp_path / "runs" / "20260101-000000-old1"
    old.mkdir(parents=True)
    shutil.copy(DEMO, old / "events.jsonl")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("4")
        await until(pilot, lambda: bool(app.screen.query("#views")) and old.name in text_of(app, "#views"))
        await pilot.press("1", "s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await pilot.press("4")
        await until(pilot, lambda: "kept run" not in text_of(app, "#views") and text_of(app, "#verdict") != "")
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: old.name in text_of(app, "#views"))


async def test_the_run_that_was_opened_last_is_shown(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first takes longer to read, and must not replace the second."""
    slow, quick = (tmp_path / "runs" / name for name in ("20260101-000000-slow", "20260102-000000-quick"))
    for folder in (slow, quick):
        folder.mkdir(parents=True)
        shutil.copy(DEMO, folder / "events.jsonl")
    reading, release = threading.Event(), threading.Event()

    def read(folder: Path) -> tuple[dict[str, RunHistory], MachineHistory]:
        if folder == slow:
            reading.set()
            assert release.wait(30)
        return read_run(folder)

    monkeypatch.setattr(stored_run, "read_run", read)
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("4")
        await until(pilot, lambda: bool(app.screen.query("#views")) and quick.name in text_of(app, "#views"))
        screen = app.screen
        assert isinstance(screen, ResultsScreen)
        delivered, deliver = [], screen.deliver

        def record(call: Callable[..., object], *args: Any) -> None:
            deliver(call, *args)
            delivered.append(args[0][0])

        monkeypatch.setattr(screen, "deliver", record)
        screen.open_run(slow)
        await until(pilot, reading.is_set)
        screen.open_run(quick)
        await until(pilot, lambda: delivered == [quick])
        release.set()
        await until(pilot, lambda: delivered == [quick, slow])
        assert screen._stored_run is not None
        assert screen._stored_run.folder == quick


async def test_an_engine_that_did_not_take_part_has_no_column(tmp_path: Path, small_mnist: Path) -> None:
    """PyTorch's run before is not that of Keras alone."""
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        app.controller.request = app.controller.request.choose("framework", "keras")
        await pilot.press("s")
        await until(pilot, lambda: app.session.engines == ("keras",) and not app.session.running)
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        assert isinstance(app.screen, ResultsScreen)
        report = app.screen.report
        assert report is not None
        assert report.engines == ("Keras",)
        await pilot.press("tab", "tab", "tab")
        await pilot.pause()
