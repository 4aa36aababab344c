"""Big mode: letters of seven rows, the lead and the verdict, and the way back to the screen as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.api import RunHistory, SeedResults, TrainConfig
from tests.support.pilot import opened, phases, screen_text, text_of, until
from tests.support.recording import shown
from tui.charts.big_letters import HEIGHT, big_columns, big_rows
from tui.widgets.big_figures import VERDICT_SECONDS, BigFigures, thought

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.%+-"


def test_every_letter_has_a_look_of_its_own() -> None:
    drawn = {"\n".join(big_rows(letter)) for letter in ALPHABET}
    assert len(drawn) == len(ALPHABET)
    assert all(len(look.split("\n")) == HEIGHT for look in drawn)
    assert "\n".join(big_rows("k")) == "\n".join(big_rows("K"))
    assert not "".join(big_rows("é")).strip(), "what has no letter is blank"


@pytest.mark.parametrize(("scale", "half"), [(1, False), (2, False), (1, True)])
def test_a_text_is_as_wide_as_it_says(scale: int, half: bool) -> None:
    rows = big_rows("98.1%", scale=scale, half=half)
    assert {len(row) for row in rows} == {big_columns("98.1%", scale)}
    assert len(rows) == (4 if half else 7)


def test_half_rows_hold_the_same_pixels() -> None:
    whole, half = big_rows("AVE 7"), big_rows("AVE 7", half=True)
    upper = [[cell in "▀█" for cell in row] for row in half]
    lower = [[cell in "▄█" for cell in row] for row in half]
    pixels = [row for pair in zip(upper, lower, strict=True) for row in pair][:HEIGHT]
    assert pixels == [[cell == "█" for cell in row] for row in whole]
    assert set("".join(big_rows("AVE 7", half=True, ascii_only=True))) == {"#", " "}


@pytest.mark.parametrize(("seconds", "words"), [(15.0, ("PyTorch leads", "by 0.3 s")), (400.0, ("statistical", "tie"))])
async def test_the_thought_is_the_lead_and_at_the_end_the_verdict(seconds: float, words: tuple[str, str]) -> None:
    async with shown(seconds, (80, 24)) as app:
        assert thought(app.session.histories, SeedResults.of(TrainConfig())) == words


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (50, 12)], ids=str)
async def test_figures_and_thought_fit(size: tuple[int, int]) -> None:
    async with shown(60.0, size, "mnist-dark", "z") as app:
        app.train_screen.show_frame(set(app.session.histories), True)
        big = app.screen.query_one(BigFigures)
        text = str(big.render())
        assert "…" not in text
        assert all(len(line) <= big.content_size.width for line in text.split("\n"))
        assert "█" in text
        assert "epoch 1 of 2" in text
        assert ("▄▀▀▀▄" in text) == (size == (80, 24)), "half blocks where there is no room for whole ones"
        assert "panel" not in screen_text(app)


async def test_the_verdict_stands_for_a_while_and_then_the_screen_is_as_before(
    tmp_path: Path, small_mnist: Path
) -> None:
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        await pilot.press("z")
        await until(pilot, lambda: bool(app.screen.query(BigFigures)))
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        assert app.screen.query(BigFigures)
        await until(pilot, lambda: not app.screen.query(BigFigures))
        assert not app.screen.has_class("-big")
        assert app.screen.query_one("#panels").display
        await pilot.press("z")
        await until(pilot, lambda: "ahead" in text_of(app, "BigFigures") or "█" in text_of(app, "BigFigures"))
        await pilot.press("z")
        await until(pilot, lambda: not app.screen.query(BigFigures))


def test_a_verdict_that_was_asked_for_after_the_run_stays() -> None:
    now = 100.0
    big = BigFigures({}, clock=lambda: now)
    assert not big.is_over({}, running=False)
    now += 10 * VERDICT_SECONDS
    assert not big.is_over({}, running=False)
    assert not big.is_over({}, running=True)
    assert not big.is_over({}, running=False)
    now += VERDICT_SECONDS
    assert big.is_over({}, running=False)


def test_the_verdict_of_a_run_that_was_over_between_two_frames_stands_for_a_while() -> None:
    now, histories = 100.0, {"keras": RunHistory("keras")}
    big = BigFigures(histories, clock=lambda: now)
    assert not big.is_over(histories, running=False)
    histories["keras"].run_id = "short"
    assert not big.is_over(histories, running=False)
    now += VERDICT_SECONDS
    assert big.is_over(histories, running=False)
