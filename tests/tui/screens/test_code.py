"""The code of both engines: the screen by keys, and the command."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from textual.events import MouseScrollUp
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from engines.api import ENGINES, EVALUATING, IMPORTING, TRAINING, EngineSpec, HyperparameterRow, RunHistory
from engines.messages.events import Prediction
from engines.supervision import one_shot
from engines.supervision.one_shot import Answer
from engines.tools import hyperparameters as hyperparameters_tool
from engines.tools.source import SETUP
from engines.worker.main import NICENESS
from tests.support.engines import SCRIPTED
from tests.support.pilot import SIZES, opened, phases, screen_text, text_of, until
from tests.support.recording import shown
from tui.cli import main
from tui.reports.source_columns import read_pairs, read_script_pairs, total_lines
from tui.screens import code as code_screen
from tui.screens.code import CodeScreen, hyperparameters, sections_now
from tui.widgets.source_view import SourceView
from tui.widgets.text_line import TextLine

# What runs


def test_running_sections_follow_the_events() -> None:
    history = RunHistory("keras")
    assert sections_now(history, 0.0) == set()
    for phase, title in ((IMPORTING, SETUP), (TRAINING, "Train"), (EVALUATING, "Evaluate")):
        history.phase = phase
        assert sections_now(history, 0.0) == {title}
    history.apply(Prediction(engine="keras", t=10.0, request_id=1, probabilities=(), epoch=1, global_step=1))
    assert sections_now(history, 10.1) == {"Evaluate", "Predict"}
    assert sections_now(history, 12.0) == {"Evaluate"}


def views(app_screen: Screen[Any]) -> list[SourceView]:
    """Return the sections of the engines."""
    return list(app_screen.query("#sections SourceView").results(SourceView))


def _running(app_screen: object) -> list[str]:
    assert isinstance(app_screen, CodeScreen)
    return [str(cell.query_one(TextLine).render()) for cell in app_screen.query(".cell.-runs")]


def _is_complete(code: Static) -> bool:
    """Return whether no line is cut off below."""
    return code.region.height >= len(str(code.render()).splitlines())


@pytest.mark.parametrize("size", [*SIZES, (50, 12)])
async def test_both_engines_are_shown_and_scrolled_together(size: tuple[int, int]) -> None:
    async with shown(50.0, size) as app:
        pilot = Pilot(app)
        await pilot.press("2", "v")
        await until(pilot, lambda: isinstance(app.screen, CodeScreen) and bool(_running(app.screen)))
        assert [one.split(" · ")[:2] for one in _running(app.screen)] == [["► Train", "PyTorch"], ["► Train", "Keras"]]
        train = next(pair for pair in views(app.screen) if pair.pair.title == "Train")
        scrolled = app.screen.query_one("#sections")
        await until(pilot, lambda: scrolled.scroll_offset.y == train.virtual_region.y)
        assert "lines ► Train" in text_of(app, "#sums")
        await app.run_action("screen.show_code('both')")
        await until(
            pilot, lambda: all(_is_complete(code) for code in app.screen.query("#sections .code").results(Static))
        )
        for pair in views(app.screen):
            left, right = pair.query(".cell")
            assert left.region.y == right.region.y, "a section starts beside its twin"
            for code in pair.query(".code").results(Static):
                lines = str(code.render()).splitlines()
                assert code.region.height >= len(lines), "nothing is cut off below"
                assert all(len(line) <= code.region.width for line in lines), "nothing is cut off at the right"
        scrolled.scroll_home(animate=False)
        await pilot.press("n", "n")
        first = scrolled.scroll_offset.y
        assert first > 0
        await pilot.press("pagedown")
        assert scrolled.scroll_offset.y > first
        await pilot.press("end")
        await until(pilot, lambda: scrolled.scroll_offset.y == train.virtual_region.y)
        await pilot.press("N")
        assert scrolled.scroll_offset.y < train.virtual_region.y
        await pilot.press("h")
        await until(pilot, lambda: "a recording has no libraries" in text_of(app, "#table"))


@pytest.mark.parametrize(("columns_", "at_first"), [(80, "pytorch"), (120, "both")])
async def test_keys_and_clicks_select_one_engine_or_both(columns_: int, at_first: str) -> None:
    """Both are shown where their lines fit; the function at the top stays there after a switch."""
    async with shown(50.0, (columns_, 24)) as app:
        pilot = Pilot(app)
        await pilot.press("2", "v")
        await until(pilot, lambda: isinstance(app.screen, CodeScreen) and bool(_running(app.screen)))
        screen = app.screen
        assert isinstance(screen, CodeScreen)
        assert screen.columns == at_first
        state = next(pair for pair in views(screen) if pair.pair.title == "Checkpoint")
        pages = screen.query_one("#sections")

        def top() -> str:
            engine = "keras" if screen.columns == "keras" else "pytorch"
            text = str(state.query_one(f".-{engine} .code", Static).render()).splitlines()
            first = max(pages.scroll_offset.y - state.virtual_region.y - 1, 0)
            return text[first] if first < len(text) else ""

        screen.action_show_code("pytorch")
        await pilot.pause()
        await pilot.press("end")
        code = str(state.query_one(".-pytorch .code", Static).render()).splitlines()
        line = next(i for i, text in enumerate(code) if text.startswith("def layers("))
        pages.scroll_to(y=state.virtual_region.y + 1 + line, animate=False)
        await until(pilot, lambda: top().startswith("def layers("))
        for view in ("keras", "both", "pytorch"):
            await pilot.press("tab")
            assert screen.columns == view
            await until(pilot, lambda: top().startswith("def layers("))
            cells = [cell for cell in state.query(".cell") if cell.display]
            assert [cell.has_class("-keras") for cell in cells] == {
                "keras": [True],
                "pytorch": [False],
                "both": [False, True],
            }[view]
        await pilot.press("shift+tab")
        assert screen.columns == "both"
        await pilot.click("#sums", offset=(3, 0))
        assert screen.columns == "pytorch"


async def test_the_engines_open_at_the_model_while_nothing_runs(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("2", "v")
        await until(pilot, lambda: isinstance(app.screen, CodeScreen) and app.screen._ready)
        model = next(part for part in views(app.screen) if part.pair.title == "Model")
        pages = app.screen.query_one("#sections")
        await until(pilot, lambda: 0 < pages.scroll_offset.y == model.virtual_region.y)
        await until(pilot, lambda: "Model · PyTorch" in screen_text(app).splitlines()[2])
        assert '"""' in screen_text(app)
        await pilot.press("C")
        await until(pilot, lambda: '"""' not in screen_text(app))
        await until(pilot, lambda: pages.scroll_offset.y == model.virtual_region.y)
        assert "without comments" in text_of(app, "#sums")
        await pilot.press("C")
        await until(pilot, lambda: '"""' in screen_text(app))


@pytest.mark.parametrize("size", [*SIZES, (50, 12)])
async def test_the_scripts_are_shown_first(size: tuple[int, int]) -> None:
    """Both are whole on two pages of 120 columns and 40 rows, and neither is lit: it doesn't run."""
    async with shown(50.0, size) as app:
        pilot = Pilot(app)
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, CodeScreen) and app.screen._ready)
        scripts = app.screen.query_one("#scripts")
        await until(pilot, lambda: "import torch" in screen_text(app))
        both = size[0] >= 100
        assert ("import keras" in screen_text(app)) is both
        assert text_of(app, "#sums").lstrip("[ ").startswith("PyTorch 41 lines")
        assert _running(app.screen) == []
        rows = scripts.size.height + scripts.max_scroll_y
        seen: set[int] = set()
        for _ in range(2):
            seen |= set(range(scripts.scroll_offset.y, scripts.scroll_offset.y + scripts.size.height))
            await pilot.press("pagedown")
        assert size != (120, 40) or seen == set(range(rows))
        assert "accuracy" in screen_text(app) or rows > 3 * scripts.size.height
        await pilot.press("v")
        await until(pilot, lambda: bool(_running(app.screen)))
        await pilot.press("h")
        await until(pilot, lambda: "a recording has no libraries" in text_of(app, "#table"))
        await pilot.press("v")
        await until(pilot, lambda: bool(_running(app.screen)))
        await pilot.press("v")
        await until(pilot, lambda: bool(scripts.display) and "PyTorch 41 lines" in text_of(app, "#sums"))
        assert not app.screen.query("#scripts .-runs")


async def test_scrolling_with_the_mouse_stops_following() -> None:
    async with shown(50.0, (80, 24)) as app:
        pilot = Pilot(app)
        await pilot.press("2", "v")
        await until(pilot, lambda: isinstance(app.screen, CodeScreen) and bool(_running(app.screen)))
        pages = app.screen.query_one("#sections")
        await until(pilot, lambda: pages.scroll_offset.y > 0 and "following" in text_of(app, "#sums"))
        pages.post_message(MouseScrollUp(pages, 5, 5, 0, 0, 0, False, False, False, 5, 5))
        await until(pilot, lambda: "following" not in text_of(app, "#sums"))


def describing_spec(name: str, folder: Path) -> EngineSpec:
    """Return the specification of a scripted engine that has hyperparameters, and reports how its process was started."""
    module = folder / f"{name}_engine.py"
    module.write_text(
        SCRIPTED.read_text(encoding="utf-8")
        + """

def hyperparameters(config):
    process = {"probe.nice": os.nice(0), "probe.gpus": os.environ["CUDA_VISIBLE_DEVICES"]}
    return {"optimizer.class": config.optimizer, "optimizer.rate": config.learning_rate, **process}
""",
        encoding="utf-8",
    )
    return EngineSpec(name=name, title=name, module=str(module), python=sys.executable)


async def test_the_table_is_read_during_a_run_and_cached(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run_once(spec: EngineSpec, *arguments: Any, **named: Any) -> Answer:
        asked.append(spec.name)
        return one_shot.run_once(spec, *arguments, **named)

    monkeypatch.setattr(hyperparameters_tool, "run_once", run_once)
    for again in (False, True):
        async with opened(tmp_path, small_mnist, epochs=10_000, seed=int(again)) as (app, pilot):
            app.specs = tuple(describing_spec(name, tmp_path) for name in ENGINES)
            await pilot.press("s")
            await until(pilot, lambda: phases(app) == ["training", "training"])
            await pilot.press("2", "v")
            await until(pilot, lambda: isinstance(app.screen, CodeScreen) and len(_running(app.screen)) >= 2)
            await pilot.press("h")
            await until(pilot, lambda: "optimizer.class" in screen_text(app))
            assert app.session.running
            assert isinstance(app.screen, CodeScreen)
            rows = {row.name: row.values for row in next(iter(app.screen._tables.values()))}
            assert rows["optimizer.rate"] == {"pytorch": 1.0, "keras": 1.0}
            assert rows["probe.gpus"] == {"pytorch": "", "keras": ""}, "a GPU belongs to the run"
            assert all(nice == NICENESS + os.nice(0) for nice in rows["probe.nice"].values())
        assert asked == ["pytorch", "keras"], "another seed has the same values"


async def test_the_code_follows_the_backend(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("2", "v")
        await until(pilot, lambda: isinstance(app.screen, CodeScreen) and "Keras " in text_of(app, "#sums"))
        assert "Keras on" not in text_of(app, "#sums")
        app.controller.request = app.controller.request.choose("keras_backend", "jax")
        await until(pilot, lambda: "Keras on JAX" in text_of(app, "#sums"))

        def shown() -> str:
            return "".join(
                str(code.render()) for code in app.screen.query("#sections .cell.-keras .code").results(Static)
            )

        await until(pilot, lambda: "jax.grad(" in shown() and "GradientTape" not in shown())


@pytest.mark.parametrize("error", [None, FileNotFoundError(2, "No usable temporary directory")])
async def test_a_failed_query_shows_its_reason(
    error: Exception | None, tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scripted engine has no hyperparameters, and an error of the query itself is shown, too."""
    if error is not None:

        def tabulate(*_: object) -> None:
            raise error

        monkeypatch.setattr(code_screen, "tabulate", tabulate)
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, CodeScreen) and bool(app.screen.query("#table")))
        await pilot.press("h")
        await until(pilot, lambda: text_of(app, "#table").startswith("n/a: "))
        assert error is None or "No usable temporary directory" in text_of(app, "#table")


def test_rows_that_differ_are_first_and_marked() -> None:
    rows = [
        HyperparameterRow("rho", {"pytorch": 0.95, "keras": 0.95}, True, {"pytorch": 0.9}),
        HyperparameterRow("off in both", {"pytorch": None, "keras": None}, True),
        HyperparameterRow("epsilon", {"pytorch": 1e-6, "keras": 1e-7}, False),
    ]
    colors = {"$pytorch": "red", "$keras": "blue", "$warning": "yellow"}
    table = hyperparameters(rows, colors)
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    assert cells == [
        ["", "≠", ""],
        ["hyperparameter", "epsilon", "rho"],
        ["PyTorch", "1e-06", "0.95"],
        ["Keras", "1e-07", "0.95"],
        ["library default", "", "PyTorch 0.9"],
    ]


# The command


def test_the_command_prints_the_scripts_and_then_the_engines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["code", "--no-hyperparameters", "--width", "200"]) == 0
    printed = capsys.readouterr().out.splitlines()
    scripts, aligned = read_script_pairs(ENGINES), read_pairs(ENGINES)
    headings = [line for line in printed if line.startswith("PyTorch, ")]
    for line, kind, of in zip(headings, ("a script", "this app's engine"), (scripts, aligned), strict=True):
        cells = [f"{title}, {kind}: {total_lines(of, i)} lines" for i, title in enumerate(("PyTorch", "Keras"))]
        assert [cell.strip() for cell in line.split("│")] == cells
    assert max(map(len, printed)) <= 200
    titles = [line.split()[1].rstrip(":") for line in printed if line.startswith("──")]
    assert titles[:8] == ["Setup", "Hyperparameters", "Data", "Model", "Optimizer", "Train", "Evaluate", "Setup"]
    assert any("nn.Conv2d(1, 32, kernel_size=3)" in line for line in printed)
    assert main.main(["code", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["scripts"]["lines"] == {engine: total_lines(scripts, i) for i, engine in enumerate(ENGINES)}
    assert told["lines"] == {engine: total_lines(aligned, i) for i, engine in enumerate(ENGINES)}
