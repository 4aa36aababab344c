"""The Runs screen by keys: the list, its curves, and the commands for a run."""

from __future__ import annotations

import fcntl
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Input

from engines.api import MachineHistory, RunHistory, RunSummary, list_runs, read_run, summarize
from engines.session.replay import DEMO, Replay
from tests.support.pilot import SIZES, on_runs, opened, phases, screen_text, text_of, until
from tests.support.recording import demo_events
from tests.support.run_folders import checkpoints, make_run_folder
from tui.app import MnistApp
from tui.reports import export
from tui.screens import runs as runs_module
from tui.screens.comparison import ComparisonDialog
from tui.screens.results import ResultsScreen
from tui.screens.runs import RunsScreen


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for number in range(8):
        folder = make_run_folder(
            tmp_path / "runs", f"2026010{number + 1}-000000-run{number}", accuracy=0.98 + number / 1000
        )
        shutil.copy(DEMO, folder / "events.jsonl")
    return tmp_path / "runs"


def selected(screen: RunsScreen) -> str:
    run = screen._table.selected
    return "" if run is None else run.id[-4:]


@pytest.mark.parametrize("size", [*SIZES, (40, 10)])
async def test_the_list_at_every_size(size: tuple[int, int], runs: Path) -> None:
    async with on_runs(runs, size) as (screen, pilot):
        await pilot.press("down")
        await pilot.pause()
        text = screen_text(screen.app)  # type: ignore[arg-type]  # MnistApp, as made above
        assert "01-01 12:00" in text
        if size[0] >= 80:
            assert "98.70 %" in text
            assert "8 runs" in text


async def test_one_run_is_singular(tmp_path: Path) -> None:
    make_run_folder(tmp_path / "runs", "20260109-000000-run8")
    async with on_runs(tmp_path / "runs") as (screen, _):
        text = screen_text(screen.app)  # type: ignore[arg-type]
        assert "1 run " in text
        assert "1 runs" not in text


async def test_an_empty_list_explains_how_to_start(tmp_path: Path) -> None:
    async with on_runs(tmp_path / "none") as (screen, _):
        assert "Press 1, then s" in screen_text(screen.app)  # type: ignore[arg-type]


async def test_the_newest_run_is_first_and_sorting_keeps_the_cursor(runs: Path) -> None:
    async with on_runs(runs) as (screen, pilot):
        assert selected(screen) == "run7"
        await pilot.press("down", "down")
        assert selected(screen) == "run5"
        await pilot.press("tab")
        assert (screen.run_query.sort, selected(screen)) == ("accuracy", "run5")


async def test_a_new_theme_recolours_the_table(runs: Path) -> None:
    make_run_folder(runs, "20260109-000000-run8", outcome="interrupted")
    async with on_runs(runs) as (screen, pilot):

        def drawn_in_warning() -> bool:
            state = screen.query_one(DataTable).get_cell_at(Coordinate(0, 2))
            return state.plain == "interrupted" and str(state.spans[0].style) == screen.palette["$warning"]

        await until(pilot, drawn_in_warning)
        before = screen.palette["$warning"]
        await pilot.press("t")
        await until(pilot, drawn_in_warning)
        assert screen.palette["$warning"] != before


async def test_words_filter_and_escape_shows_all(runs: Path) -> None:
    async with on_runs(runs) as (screen, pilot):
        await pilot.press("slash", *"acc<98.15")
        await until(pilot, lambda: screen.query_one(DataTable).row_count == 2)
        await pilot.press(*" colour:red")
        await until(pilot, lambda: "is not a filter" in screen_text(screen.app))  # type: ignore[arg-type]
        await pilot.press("enter", "escape")
        await until(pilot, lambda: screen.query_one(DataTable).row_count == 8)


async def test_the_filter_applies_when_typing_stops(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enter applies it at once; filling the table with hundreds of runs takes a tenth of a second."""
    monkeypatch.setattr(runs_module, "FILTER_SECONDS", 1e6)
    async with on_runs(runs) as (screen, pilot):
        await pilot.press("slash", *"acc<98.15")
        await until(pilot, lambda: screen.run_query.text == "acc<98.15")
        assert screen.query_one(DataTable).row_count == 8
        await pilot.press("enter")
        await until(pilot, lambda: screen.query_one(DataTable).row_count == 2)


async def test_a_mark_does_not_refill_the_table(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_runs(runs) as (screen, pilot):
        table = screen.query_one(DataTable)

        def marks() -> list[str]:
            return [table.get_cell_at(Coordinate(row, 0)).plain for row in range(3)]

        monkeypatch.setattr(table, "clear", lambda **_: pytest.fail("the table is refilled"))
        await pilot.press("m", "down", "m", "down", "m")
        assert marks() == ["1", "2", "3"]
        await pilot.press("up", "m")
        assert marks() == ["1", "", "2"], "later marks move up"


async def test_curves_of_marked_runs(runs: Path) -> None:
    async with on_runs(runs) as (screen, pilot):
        await until(pilot, lambda: len(screen._curves.runs) == 1)
        for _ in range(7):
            await pilot.press("m", "down")
        assert len(screen.marked) == 6, "the seventh was refused"
        await until(pilot, lambda: set(screen.marked) <= set(screen._curves.runs))
        await pilot.pause()
        assert "⠉" in screen_text(screen.app) or "⡇" in screen_text(screen.app)  # type: ignore[arg-type]
        await pilot.press("o")
        assert not screen.query_one("#curves").display


async def test_a_name_a_note_and_a_baseline(runs: Path) -> None:
    async with on_runs(runs) as (screen, pilot):
        await pilot.press("f2", *"first", "tab", *"light", "enter")
        await until(pilot, lambda: any(run.name == "first" and run.note == "light" for run in screen.runs))
        await pilot.press("equals_sign")
        await until(pilot, lambda: screen.runs[0].baseline)
        await pilot.press("down", "equals_sign")
        await until(pilot, lambda: screen.runs[1].baseline and not screen.runs[0].baseline)
        await until(pilot, lambda: "+0.10" in screen_text(screen.app))  # type: ignore[arg-type]
        await pilot.press("f2", *"xyz", "escape")
        assert screen.runs[1].name == ""


async def test_a_deleted_run_is_in_the_trash_until_u_brings_it_back(runs: Path) -> None:
    async with on_runs(runs) as (screen, pilot):
        assert screen.check_action("undo", ()) is None
        await pilot.press("d")
        await pilot.press("delete")
        await until(pilot, lambda: len(screen.runs) == 7)
        await pilot.press("delete")
        await until(pilot, lambda: len(screen.runs) == 6)
        assert {path.name[-4:] for path in (runs / ".trash").iterdir()} == {"run6", "run7"}
        await pilot.press("u")
        await until(pilot, lambda: len(screen.runs) == 7)
        assert screen.runs[0].id.endswith("run6"), "the last one first"
        (runs / "20260108-000000-run7").mkdir()
        await pilot.press("u")
        await until(pilot, lambda: any(note.title == "Not brought back" for note in screen.app._notifications))
        assert [path.name[-4:] for path in (runs / ".trash").iterdir()] == ["run7"], "it replaces no other run"


async def test_enter_on_marks_compares_the_marked_runs(runs: Path) -> None:
    shutil.copy(runs / "20260107-000000-run6" / "config.json", runs / "20260108-000000-run7" / "config.json")
    (runs / "20260106-000000-run5" / "events.jsonl").write_bytes(b"\x00\xff")
    async with on_runs(runs) as (screen, pilot):
        await pilot.press("m", "down", "m", "down", "m")
        assert "3 marked, enter compares them" in text_of(screen.app, "#status")  # type: ignore[arg-type]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(screen.app.screen, ComparisonDialog))
        await until(pilot, lambda: "All settings are the same" in screen_text(screen.app))  # type: ignore[arg-type]
        text = screen_text(screen.app)  # type: ignore[arg-type]
        assert "3 runs compared" in text
        assert "There are no events of a run in" in text
        assert "1 PyTorch, 2 Keras: statistical tie" in text
        await pilot.press("escape")
        await until(pilot, lambda: screen.app.screen is screen)
        assert len(screen.marked) == 3


async def test_escape_clears_the_filter_first_and_the_marks_second(runs: Path) -> None:
    async with on_runs(runs) as (screen, pilot):
        await pilot.press("m", "slash", *"acc<98.15", "enter")
        await until(pilot, lambda: screen.query_one(DataTable).row_count == 2)
        await pilot.press("escape")
        await until(pilot, lambda: screen.query_one(DataTable).row_count == 8)
        assert len(screen.marked) == 1
        await pilot.press("escape")
        assert screen.marked == []


@pytest.mark.parametrize("size", SIZES)
async def test_an_unknown_field_in_a_filter_names_all_fields(size: tuple[int, int], runs: Path) -> None:
    async with on_runs(runs, size) as (screen, pilot):
        await pilot.press("slash", *"colour:red", "enter")
        await until(pilot, lambda: "is not a filter" in screen_text(screen.app))  # type: ignore[arg-type]
        for field in ("state:", "note:", "acc>", "epochs>"):
            assert field in screen_text(screen.app)  # type: ignore[arg-type]


async def test_the_sorted_column_is_marked_and_a_click_on_a_title_sorts(runs: Path) -> None:
    async with on_runs(runs) as (screen, pilot):

        def titles() -> list[str]:
            return [column.label.plain for column in screen._table.ordered_columns]

        assert titles() == ["", "when ↓", "PyTorch", "Keras", "time"]
        await pilot.press("tab")
        assert titles() == ["", "when", "PyTorch ↓", "Keras ↓", "time"]
        await pilot.press("tab")
        assert titles()[-1] == "time ↑"
        await pilot.click(DataTable, offset=(8, 0))
        await until(pilot, lambda: titles()[1] == "when ↓")


async def test_columns_say_something_and_the_name_comes_early(runs: Path) -> None:
    """The status line has the values that all rows have in common."""
    async with on_runs(runs, (80, 24)) as (screen, pilot):
        assert "8 runs · by time · all completed, reference, cpu, seed 0, MNIST" in text_of(screen.app, "#status")  # type: ignore[arg-type]
        await pilot.press("f2", *"first light", "enter")
        await until(pilot, lambda: screen.runs[0].name == "first light")
        await until(pilot, lambda: [str(key.value) for key in screen._table.columns][2] == "name")
        make_run_folder(runs, "20260109-000000-run8", outcome="interrupted")
        screen._load()
        await until(pilot, lambda: "interrupted" in screen_text(screen.app))  # type: ignore[arg-type]
        assert "first light" in screen_text(screen.app)  # type: ignore[arg-type]
        assert "all reference, cpu" in text_of(screen.app, "#status")  # type: ignore[arg-type]


async def test_an_older_reading_does_not_replace_the_list(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is deleted while the first reading still counts bytes."""
    counting, release = threading.Event(), threading.Event()

    def count(folder: Path) -> int:
        if not counting.is_set():
            counting.set()
            assert release.wait(30)
            return 1
        return 2

    async with on_runs(runs) as (screen, pilot):
        monkeypatch.setattr(runs_module, "size_bytes", count)
        delivered, deliver = [], screen.deliver

        def record(call: Callable[..., object], *args: Any) -> None:
            deliver(call, *args)
            delivered.append(args[0])

        monkeypatch.setattr(screen, "deliver", record)
        screen._load()
        await until(pilot, counting.is_set)
        await pilot.press("delete")
        await until(pilot, lambda: screen._disk_bytes == 2)
        release.set()
        await until(pilot, lambda: 1 in delivered)
        assert (len(screen.runs), screen._disk_bytes) == (7, 2)


async def test_curves_are_read_once(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marking more runs meanwhile does not read a run twice."""
    read: list[str] = []
    release = threading.Event()

    def slowly(folder: Path) -> tuple[dict[str, RunHistory], MachineHistory]:
        read.append(folder.name[-4:])
        assert release.wait(30)
        return read_run(folder)

    monkeypatch.setattr(runs_module, "read_run", slowly)
    async with on_runs(runs) as (screen, pilot):
        await until(pilot, lambda: bool(read))
        await pilot.press("m", "down", "m", "down", "m")
        release.set()
        await until(pilot, lambda: len(screen._curves.runs) == 3)
        assert read == ["run7", "run6", "run5"]


async def test_curves_of_a_running_run_are_read_again(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read with each list, and a last time when the run has ended."""
    states = iter(("running", "completed", "completed"))
    read: list[str] = []

    def listing(run: Any) -> RunSummary:
        return replace(summarize(run), state=next(states) if run["id"].endswith("run7") else "completed")

    def reading(folder: Path) -> tuple[dict[str, RunHistory], MachineHistory]:
        read.append(folder.name[-4:])
        return read_run(folder)

    monkeypatch.setattr(runs_module, "summarize", listing)
    monkeypatch.setattr(runs_module, "read_run", reading)
    async with on_runs(runs) as (screen, pilot):
        await until(pilot, lambda: bool(screen._curves.runs))
        assert screen.runs[0].state == "running"
        for _ in range(2):
            screen._disk_bytes = None
            screen._load()
            await until(pilot, lambda: screen._disk_bytes is not None and bool(screen._curves.runs))
        assert read == ["run7", "run7"]


@pytest.fixture
def live_run(runs: Path) -> Iterator[Path]:
    """Let the newest run have no end yet, and the lock of its writer."""
    (folder,) = runs.glob("*run7")
    (folder / "summary.json").unlink(missing_ok=True)
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    with open(folder / "events.jsonl", "w", encoding="utf-8") as record:
        record.write("".join(line for line in lines if "RunFinished" not in line))
        record.flush()
        fcntl.flock(record, fcntl.LOCK_EX)
        yield folder


async def test_enter_watches_a_run_of_another_process(runs: Path, live_run: Path) -> None:
    async with on_runs(runs) as (screen, pilot):
        assert screen.runs[0].state == "running"
        await pilot.press("enter")
        expected = f"mnist-tui watch {live_run}"  # a test has no terminal to give to it
        await until(pilot, lambda: any(expected in note.message for note in screen.app._notifications))
        assert screen.app.screen is screen


async def test_enter_opens_the_results(runs: Path) -> None:
    async with on_runs(runs) as (screen, pilot):
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(screen.app.screen, ResultsScreen))
        results = screen.app.screen
        assert isinstance(results, ResultsScreen)
        await until(pilot, lambda: results._stored_run is not None)
        assert results._stored_run is not None
        assert results._stored_run.folder.name.endswith("run6")
        await until(pilot, lambda: "98.29 %" in screen_text(screen.app))  # type: ignore[arg-type]


async def test_export_writes_every_format_to_the_run_folder(runs: Path) -> None:
    async with on_runs(runs) as (_, pilot):
        await pilot.press("w")
        folder = runs / "20260108-000000-run7" / "export"
        await until(pilot, lambda: (folder / "20260108-000000-run7-tensorboard").is_dir())
        assert {path.name for path in folder.iterdir()} >= {"results.csv", "results.json", "results.md", "results.html"}


async def test_an_export_that_writes_nothing_is_an_error(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "write_all", lambda _: ([], ["csv: no room."]))
    async with on_runs(runs) as (screen, pilot):
        await pilot.press("w")
        await until(pilot, lambda: any("no room" in note.message for note in screen.app._notifications))
        (note,) = (note for note in screen.app._notifications if "no room" in note.message)
        assert (note.title, note.severity, note.message) == ("Nothing is written", "error", "csv: no room.")


async def test_an_unexpected_error_is_shown(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_runs(runs) as (screen, pilot):
        monkeypatch.setattr(runs_module, "list_runs", lambda _: 1 / 0)
        screen._load()
        await until(pilot, lambda: any("ZeroDivisionError" in note.message for note in screen.app._notifications))
        assert [run.id[-4:] for run in screen.runs][:1] == ["run7"]


async def test_an_interrupted_run_is_offered_and_continues(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=400) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: len(checkpoints(tmp_path / "runs")) == 2)
    (run,) = list_runs(tmp_path / "runs")
    assert run["resumable"] == ["pytorch", "keras"]
    async with opened(tmp_path, small_mnist, epochs=400) as (app, pilot):
        await until(pilot, lambda: any("cut off" in note.message for note in app._notifications))
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and bool(app.screen.runs))
        await pilot.press("c")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        assert app.screen is app.train_screen
        assert json.loads(next((tmp_path / "runs").glob("*/config.json")).read_text())


async def test_a_disabled_key_is_not_passed_to_the_app(tmp_path: Path, small_mnist: Path) -> None:
    """Without a run at the cursor, c must not continue the session's own run; x is the app's on every screen."""
    async with opened(tmp_path, small_mnist, epochs=400) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and bool(app.screen.runs))
        await pilot.press("slash", *"nothing", "enter")
        await until(pilot, lambda: app.screen.query_one(DataTable).row_count == 0)
        runs = app.screen
        await pilot.press("x")
        await until(pilot, lambda: phases(app) == ["stopped", "stopped"])
        await pilot.press("c", "v", "m")
        await pilot.pause()
        assert app.screen is runs
        assert phases(app) == ["stopped", "stopped"], "the session's own run would have gone on"


async def test_a_replay_cannot_continue_a_run(tmp_path: Path) -> None:
    folder = make_run_folder(tmp_path / "runs", "20260109-000000-run8", outcome="interrupted")
    (folder / "keras.npz").write_text("")
    app = MnistApp(session=Replay(demo_events()), runs_dir=tmp_path / "runs")
    async with app.run_test() as pilot:
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and bool(app.screen.runs))
        runs = app.screen
        assert isinstance(runs, RunsScreen)
        assert runs.runs[0].resumable
        assert runs.check_action("continue_run", ()) is None
        await pilot.press("c")
        await pilot.pause()
        assert app.screen is runs


async def test_letters_in_the_filter_are_not_commands(runs: Path) -> None:
    async with on_runs(runs) as (screen, pilot):
        await pilot.press("slash", "q", "d", "5")
        assert screen.query_one(Input).value == "qd5"
        assert screen.app.is_running
