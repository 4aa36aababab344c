"""Tests of the headings of charts: which figures they show, and what gives way where there is little room."""

from __future__ import annotations

import pytest

from engines.api import RunHistory
from tests.support.histories import evaluated_run, simulated_run
from tests.support.run_events import validated_life
from tui.charts.viewport import Viewport
from tui.widgets.chart_heading import difference_heading, heading, legend

COLORS = {"$pytorch": "red", "$keras": "blue"}
WIDTHS = [10, 12, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 46, 50, 56, 64, 76, 96, 200]


@pytest.fixture(scope="module")
def long_run() -> RunHistory:
    """Return a run of 4,950 steps with 99 evaluations, which takes a third of a second to make."""
    return evaluated_run([0.9999] * 99)


def shown(history: RunHistory, view: Viewport, width: int, name: str = "accuracy") -> str:
    return heading(name, history, view, width, True, False).plain


def test_an_accuracy_says_its_epoch_and_the_best() -> None:
    text = shown(evaluated_run([0.981, 0.9921, 0.9918]), Viewport(), 56)
    assert text.startswith("accuracy ")
    assert text.endswith("epoch 3: 99.18 % (best 99.21) ")
    assert "train " in text


def test_a_switch_shows_its_state() -> None:
    history, view = evaluated_run([0.981]), Viewport(scale="log", smoothing=0.1, x_axis="time")
    assert shown(history, view, 120).startswith("accuracy · error scale · mean of 10 % · by time ─")
    assert shown(history, view, 120, "loss").startswith("loss · log · mean of 10 % · by time ─")
    assert shown(history, view._replace(smoothing=0.0), 120).startswith("accuracy · error scale · not smoothed")
    assert shown(history, Viewport(), 120).startswith("accuracy ─")
    assert shown(history, Viewport(scale="log"), 36).startswith("accuracy · log "), "rather than the training figure"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "view", [Viewport(), Viewport(scale="log", smoothing=0.1, x_axis="epoch"), Viewport(cursor=99.0)]
)
def test_a_figure_is_whole_or_absent(width: int, view: Viewport, long_run: RunHistory) -> None:
    for name, figure in (("accuracy", "99.99 %"), ("loss", "0.0001")):
        text = shown(long_run, view, width, name)
        assert len(text) <= width
        assert figure in text
        for word in text.split("train")[1:]:
            assert len(word.split()[0]) >= 5, "a training figure is whole, too"


@pytest.mark.parametrize("width", WIDTHS)
def test_without_a_test_the_training_figure_stays(width: int) -> None:
    text = shown(simulated_run("keras", 0.5), Viewport(), width)
    assert len(text) <= width
    assert "train 98." in text or width < 16


@pytest.mark.parametrize("width", [35, 50, 80])
def test_a_legend_has_all_four_figures(width: int) -> None:
    """35 cells are available in a terminal of 80 columns."""
    histories = [evaluated_run([0.9999], "pytorch"), evaluated_run([0.9999])]
    for name in ("loss", "accuracy"):
        text = legend(name, histories, Viewport(), COLORS, False, width).plain
        assert len(text) <= width
        assert text.count("━━") == text.count("╍╍") == text.count("●") == text.count("◆") == 1
        assert sum(part[0].isdigit() and "." in part for part in text.split()) >= 4
    assert ("PyTorch" in text) == (width > 50)


def test_a_narrow_legend_has_whole_test_figures() -> None:
    """26 cells are available in a terminal of 60 columns, where the figure was once cut to "9"."""
    histories = [evaluated_run([0.9829], "pytorch"), evaluated_run([0.9828])]
    text = legend("accuracy", histories, Viewport(), COLORS, False, 26).plain
    assert text == "━━  ● 98.29  ╍╍  ◆ 98.28"


def test_the_difference_has_a_sign_and_a_unit() -> None:
    histories = [evaluated_run([0.97], "pytorch"), evaluated_run([0.975])]
    assert difference_heading("accuracy", histories, Viewport(), 60).plain == "train +0.00 points  test +0.50 points"
    assert difference_heading("loss", histories, Viewport(), 60).plain == "train +0.0000  test -0.0050"
    assert difference_heading("loss", histories, Viewport(), 15).plain == "test -0.0050"


def test_a_heading_names_the_digits_that_judge_and_the_test_at_the_end() -> None:
    history = RunHistory("keras")
    for event in validated_life():
        history.apply(event)
    text = shown(history, Viewport(), 150)
    assert "validation epoch 2: 96.00 % (best 97.50)  test 75.00 %, 95 %: 40.93–92.85" in text
    before = RunHistory("keras")
    for event in validated_life()[:14]:
        before.apply(event)
    text = shown(before, Viewport(), 150)
    assert "validation epoch 1: 97.50 %" in text
    assert "test" not in text
