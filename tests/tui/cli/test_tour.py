"""`mnist-tui tour`: its file and its options."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.session.replay import DEMO, Replay
from tui.app import MnistApp
from tui.cli import main
from tui.tour.app import TourApp
from tui.tour.chapters import DEMO_TOUR, read_tour

MINE = '[[chapter]]\nscreen = "train"\ntime = 1\ncaption = "It trains."\n'


def test_the_options_have_an_effect(opened: list[MnistApp], tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(f'recording = "{DEMO}"\n{MINE}', encoding="utf-8")
    for words in ([], [str(mine), "--auto", "--speed", "4", "--ascii", "--fps", "5", "--theme", "mnist-light"]):
        assert main.main(["tour", *words]) == 0
    shipped, own = opened
    assert isinstance(shipped, TourApp)
    assert isinstance(own, TourApp)
    assert shipped.tour == read_tour(DEMO_TOUR)
    assert [chapter.caption for chapter in own.tour.chapters] == ["It trains."]
    assert [app.auto for app in (shipped, own)] == [False, True]
    assert [app.clock._speed for app in (shipped, own)] == [1.0, 4.0]
    assert [app.ascii_only for app in (shipped, own)] == [False, True]
    assert [app._frame_clock.fps for app in (shipped, own)] == [10, 5]
    assert own.theme == "mnist-light"
    assert all(isinstance(app.session, Replay) and app.session.length_seconds > 100 for app in opened)


@pytest.mark.parametrize(
    ("words", "says"), [(["--speed", "0"], "more than 0"), (["--speed", "soon"], "--speed 'soon'")]
)
def test_a_speed_that_is_none_is_bad_usage(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["tour", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_tour_needs_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["tour"]) == 2
    assert "A tour needs a terminal" in capsys.readouterr().err
