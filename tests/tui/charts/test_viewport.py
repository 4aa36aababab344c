"""How all charts look at the runs: zoom, pan, cursor, smoothing, and what x means."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from rich.text import Text

from engines.api import SeedResults as SeedSeries, TrainConfig, lead
from engines.messages.events import GpuReading, MachineUsage, RunFinished, RunRequested, RunStarted, TrainProgress
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from tests.support.chart_text import line_of
from tui.charts.braille import Axes, Series, draw, x_of
from tui.charts.viewport import Viewport, smoothed, value_at
from tui.widgets.curves import axes, cursor_label, curves, values_at_cursor, x_extent, x_values
from tui.widgets.machine import machine
from tui.widgets.overlay import _legend
from tui.widgets.race import race
from tui.widgets.run_charts import _legend_lines

WHOLE = (0.0, 1000.0)


def test_everything_is_seen_until_one_zooms() -> None:
    assert Viewport().window(WHOLE) == WHOLE
    assert Viewport().panned(0.5, WHOLE) == Viewport()


def test_zoom_follows_the_newest_sample() -> None:
    view = Viewport().zoomed(4, WHOLE)
    assert view.window(WHOLE) == (750.0, 1000.0)
    assert view.window((0.0, 1100.0)) == (850.0, 1100.0)


def test_zoom_keeps_what_one_points_at_in_its_place() -> None:
    left, right = Viewport().zoomed(2, WHOLE, at=250.0).window(WHOLE)
    assert (left, right) == (125.0, 625.0)
    assert (250.0 - left) / (right - left) == pytest.approx(0.25)


def test_panning_leaves_the_tail_and_finds_it_again() -> None:
    view = Viewport().zoomed(4, WHOLE).panned(-1, WHOLE)
    assert view.window((0.0, 1100.0)) == (500.0, 750.0), "stays where it was put"
    assert view.panned(9, WHOLE).right is None, "at the end it follows again"
    assert view.panned(-99, WHOLE).window(WHOLE) == (0.0, 250.0)


def test_zooming_out_ends_the_zoom() -> None:
    assert Viewport().zoomed(4, WHOLE).zoomed(0.1, WHOLE) == Viewport()


@given(
    st.lists(st.tuples(st.sampled_from(["zoom", "pan", "point"]), st.floats(-40, 40)), max_size=30),
    st.floats(0, 1e6, allow_subnormal=False),
)
def test_any_keys_stay_within_the_data(keys: list[tuple[str, float]], end: float) -> None:
    view, whole = Viewport(), (0.0, end)
    for key, amount in keys:
        if key == "zoom":
            view = view.zoomed(1.5**amount, whole)
        elif key == "pan":
            view = view.panned(amount, whole)
        else:
            view = view.pointed(amount, 50, whole)
        left, right = view.window(whole)
        assert -1e-6 * end <= left <= right <= end * (1 + 1e-9)
        assert view.cursor is None or 0 <= view.cursor <= end


def test_the_cursor_appears_at_the_newest_sample_and_moves_by_columns() -> None:
    view = Viewport().pointed(-1, 101, WHOLE)
    assert view.cursor == 1000.0
    assert view.pointed(-10, 101, WHOLE).cursor == 900.0


def test_another_axis_forgets_zoom_and_cursor() -> None:
    view = Viewport().zoomed(4, WHOLE)._replace(cursor=3.0).with_next_axis()
    assert (view.x_axis, view.span, view.cursor) == ("epoch", None, None)
    assert view.with_next_axis().with_next_axis().x_axis == "step"


def test_smoothing_is_the_debiased_moving_average() -> None:
    ys, weight = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0], 0.6
    last, expected = 0.0, []
    for i, y in enumerate(ys):  # TensorBoard's loop
        last = weight * last + (1 - weight) * y
        expected.append(last / (1 - weight ** (i + 1)))
    assert smoothed(ys, weight) == pytest.approx(expected)
    assert list(smoothed(ys, 0.0)) == ys


def test_smoothing_leaves_a_nan_and_its_neighbours_alone() -> None:
    out = smoothed([1.0, math.nan, 1.0, 1.0], 0.9)
    assert math.isnan(out[1])
    assert [out[0], out[2], out[3]] == pytest.approx([1.0, 1.0, 1.0])


def test_values_are_read_at_the_nearest_sample() -> None:
    assert value_at([0, 10, 20], [1.0, 2.0, 3.0], 14) == 2.0
    assert value_at([0, 10, 20], [1.0, 2.0, 3.0], 16) == 3.0
    assert value_at([], [], 3) is None


def test_the_cursor_is_a_line_behind_the_curve() -> None:
    rows = line_of(draw([Series("keras", [0, 10], [0.0, 1.0])], Axes((0, 10), (0, 1), cursor=5.0), 46, 8))
    assert sum("┊" in row for row in rows) >= 6
    assert len({row.index("┊") for row in rows if "┊" in row}) == 1


def test_two_equal_curves_take_turns_so_that_neither_is_hidden() -> None:
    xs, ys = list(range(100)), [1.0] * 100
    rows = draw([Series("pytorch", xs, ys), Series("keras", xs, ys)], Axes(y_range=(0, 2)), 60, 8)
    cells = {role: sum(len(text) for row in rows for text, r in row if r == role) for role in ("pytorch", "keras")}
    assert cells["pytorch"] > 20
    assert cells["keras"] > 20


def test_raw_samples_never_hide_a_line() -> None:
    xs, ys = list(range(100)), [1.0] * 100
    rows = draw([Series("keras", xs, ys), Series("keras-raw", xs, ys, faint=True)], Axes(y_range=(0, 2)), 60, 8)
    assert not any(role == "keras-raw" for row in rows for _, role in row)


def test_a_spike_survives_in_a_dashed_line() -> None:
    for at in range(0, 100, 3):
        ys = [0.0] * 100
        ys[at] = 1.0
        rows = line_of(draw([Series("keras", list(range(100)), ys, dashed=True)], Axes(), 56, 10))
        assert any(0x2800 < ord(c) < 0x2900 for c in rows[1]), at


@pytest.mark.parametrize("width", [18, 60, 121])
def test_what_one_points_at_is_what_is_drawn_there(width: int) -> None:
    for column in range(6, width):
        x = x_of(column, (width, 8), WHOLE)
        rows = line_of(draw([Series("keras", [0, 1000], [0.0, 0.0])], Axes(WHOLE, (0, 1), cursor=x), width, 8))
        assert abs(rows[0].index("┊") - column) <= 1


def ran(engine: str, seconds_per_step: float, steps: int = 100, slow_from: int = 10**9) -> RunHistory:
    """A run of so many steps, three times slower from one step on."""
    history, t, e = RunHistory(engine), 10.0, engine
    config = TrainConfig()
    history.apply(RunRequested(engine=e, t=t, config=config))
    history.apply(
        RunStarted(
            engine=e,
            t=t,
            config=config,
            device="cpu",
            precision="fp32",
            num_threads=1,
            steps_per_epoch=50,
            total_steps=200,
        )
    )
    for step in range(1, steps + 1):
        t += seconds_per_step * (3 if step > slow_from else 1)
        history.apply(
            TrainProgress(
                engine=e,
                t=t,
                epoch=1 + (step - 1) // 50,
                step=1 + (step - 1) % 50,
                global_step=step,
                samples_seen=step,
                loss=1 / step,
                accuracy=1 - 1 / step,
                samples_per_sec=1.0,
                learning_rate=1.0,
            )
        )
    return history


def axes_of(history: RunHistory, view: Viewport) -> Axes:
    return axes(curves(history, "loss", view), "loss", view, x_extent([history], view))


def test_x_counts_steps_epochs_or_seconds() -> None:
    history = ran("keras", 0.5)
    assert list(x_values(history, [50.0, 100.0], Viewport())) == [50.0, 100.0]
    assert list(x_values(history, [50.0, 100.0], Viewport(x_axis="epoch"))) == [1.0, 2.0]
    assert list(x_values(history, [50.0, 100.0], Viewport(x_axis="time"))) == [25.0, 50.0]
    assert axes_of(history, Viewport(x_axis="time")).x_range == pytest.approx((0.0, 50.0), rel=0.12)


def test_the_reading_follows_the_cursor() -> None:
    history = ran("keras", 0.5)
    assert values_at_cursor(history, "loss", Viewport())[0] == pytest.approx(0.01)
    train, test = values_at_cursor(history, "loss", Viewport(cursor=50.0))
    assert train == pytest.approx(0.02)
    assert test is None
    assert cursor_label(Viewport(cursor=1234.0)) == "step 1,234"


def test_y_fits_what_is_in_sight() -> None:
    history = ran("keras", 0.5)
    assert axes_of(history, Viewport()).y_range == (0.0, 1.0)
    _, high = axes_of(history, Viewport().zoomed(2, (0.0, 100.0))).y_range or (0, 0)
    assert high < 0.1


def test_nothing_is_drawn_before_the_first_step() -> None:
    assert curves(RunHistory("keras"), "loss", Viewport()) == []
    assert axes_of(RunHistory("keras"), Viewport()).x_range is None


def test_the_lead_is_seconds_since_the_leader_stood_there() -> None:
    slow, fast = ran("pytorch", 0.5, 60), ran("keras", 0.4, 75)
    found = lead(slow, fast)
    assert found is not None
    assert (found.engine, found.steps, found.changes) == ("keras", 15, 0)
    assert found.seconds == pytest.approx(60 * 0.5 - 60 * 0.4)


def test_lead_changes_are_counted() -> None:
    found = lead(ran("pytorch", 0.5), ran("keras", 0.4, slow_from=50))
    assert found is not None
    assert (found.engine, found.changes) == ("pytorch", 1)


def test_no_lead_before_both_have_moved() -> None:
    assert lead(ran("pytorch", 0.5), RunHistory("keras")) is None


def test_the_axis_stands_still_while_a_curve_grows_a_little() -> None:
    ends = {x_extent([ran("keras", 0.5, steps)], Viewport())[1] for steps in range(100, 190)}
    assert len(ends) < 15
    assert x_extent([ran("keras", 0.5, 199)], Viewport())[1] <= 200


def test_the_winner_is_who_ended_first_not_who_made_more_steps() -> None:
    """A target reached early ends a run with fewer steps."""
    early, late = ran("pytorch", 0.5, 50), ran("keras", 0.5, 100)
    for history in (early, late):
        end = history.last_t + 1.0
        history.apply(
            RunFinished(
                engine=history.engine,
                t=end,
                outcome="completed",
                test_accuracy=None,
                test_loss=None,
                best_epoch=None,
                train_seconds=1.0,
                wall_seconds=1.0,
            )
        )
    colors = {"$pytorch": "red", "$keras": "blue"}
    first, _ = race({"pytorch": early, "keras": late}, 0.0, SeedSeries(), 200, colors, False)
    assert "PyTorch was first by 25.0 s" in first.plain


def test_a_legend_of_runs_breaks_between_runs() -> None:
    entries = [Text(name, style="red") for name in ("1 first", "2 second", "3 a third that is long", "4 x")]
    assert [row.plain for row in _legend_lines(entries, 20)] == ["1 first  2 second", "3 a third that is long", "4 x"]
    assert [row.plain for row in _legend_lines(entries, 200)] == ["1 first  2 second  3 a third that is long  4 x"]
    assert _legend_lines([], 20) == []


@pytest.mark.parametrize("room", [35, 50, 80])
def test_an_overlays_legend_says_all_four_figures(room: int) -> None:
    """35 cells is what a terminal of 80 columns leaves."""
    histories = [ran("pytorch", 0.5, 100), ran("keras", 0.5, 100)]
    for name in ("loss", "accuracy"):
        legend = _legend(name, histories, Viewport(), {"$pytorch": "red", "$keras": "blue"}, False, room).plain
        assert len(legend) <= room
        assert legend.count("━━") == legend.count("╍╍") == legend.count("●") == legend.count("◆") == 1


def test_several_gpus_are_told_in_few_words() -> None:
    """Fake readings: no GPU of this name exists."""
    one = GpuReading(
        index=0, name="Fake GPU", uuid="GPU-0", utilization_percent=61.0, memory_used_bytes=3 * 10**9,
        memory_total_bytes=80 * 10**9, temperature_celsius=55.0, power_watts=212.0, power_limit_watts=700.0,
        sm_clock_mhz=1980.0, throttled="heat",
    )  # fmt: skip
    history = MachineHistory()
    said = {}
    for gpus in ((one,), tuple(replace(one, index=i, throttled="") for i in range(4))):
        history.apply(MachineUsage(engine="machine", t=1.0, cpu_percent=9.0, per_core=(9.0,), memory_used_bytes=10**9,
                                   memory_total_bytes=10**10, gpus=gpus, gpu_reason=""))  # fmt: skip
        said[len(gpus)] = machine(history, 200, False).plain
    assert said[1].endswith("GPU 0 Fake GPU  61 % 55 °C 212 W 1980 MHz 3.0/80 GB slowed by heat")
    assert said[4].endswith("GPU 3  61 % 3.0/80 GB")
    assert said[4].count("GPU") == 4
