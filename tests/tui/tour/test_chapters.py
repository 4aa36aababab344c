"""The chapters of a tour: those that are shipped, a user's own, and files with a mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engines.session.replay import Replay
from tests.support.prose import caption_problem
from tests.support.recording import demo_events
from tui.cli import main
from tui.screens.inside import COUNTS
from tui.tour.chapters import DEMO_TOUR, Chapter, TourError, read_tour
from tui.widgets.key_bar import CAPTION_COLUMNS

CHAPTER = '[[chapter]]\nscreen = "train"\ntime = 1\ncaption = "It trains."\n'


def test_every_shipped_caption_is_a_line_of_plain_prose() -> None:
    captions = [chapter.caption for chapter in read_tour(DEMO_TOUR).chapters]
    assert [caption for caption in captions if len(caption) > CAPTION_COLUMNS] == []
    assert {caption: problem for caption in captions if (problem := caption_problem(caption))} == {}
    assert len(set(captions)) == len(captions)


def test_the_shipped_tour_takes_three_minutes_of_the_recording() -> None:
    tour = read_tour(DEMO_TOUR)
    assert 150 <= sum(chapter.seconds for chapter in tour.chapters) <= 210
    length = Replay(demo_events()).length_seconds
    assert [chapter.time for chapter in tour.chapters if chapter.time > length] == []
    assert [chapter.time for chapter in tour.chapters] == sorted(chapter.time for chapter in tour.chapters)


def test_the_figures_in_the_captions_are_those_of_the_recording() -> None:
    replay = Replay(demo_events(), speed=1e9)
    replay.drain()
    histories = replay.histories.values()
    figures = {f"{100 * one.accuracy:.2f}" for history in histories for one in history.evaluations}
    figures |= {f"{history.model.parameters:,}" for history in histories if history.model}
    figures |= {f"{size:,}" for h in histories if h.data for size in (h.data.train_size, h.data.test_size)}
    figures |= {str(history.config.batch_size) for history in histories if history.config}
    figures |= {f"{100 * history.test_accuracy:.0f}" for history in histories if history.test_accuracy}
    figures |= {str(COUNTS["conv1"])}
    figures |= {"10", "0"}  # the guesses before the first step, which a test of the tour checks
    captions = " ".join(chapter.caption for chapter in read_tour(DEMO_TOUR).chapters)
    assert set(re.findall(r"\d[\d,.]*\d|\d", captions)) <= figures


def test_a_tour_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    more = 'speed = 0\nseconds = 2.5\nkeys = ["o", "M"]\n[[chapter]]\nscreen = "draw"\ntime = 0\ncaption = "A 3."\ndigit = 3\n'
    path.write_text(f'recording = "my run"\n{CHAPTER}{more}', encoding="utf-8")
    tour = read_tour(path)
    assert tour.recording == "my run"
    assert tour.chapters == (
        Chapter(screen="train", caption="It trains.", time=1.0, speed=0.0, seconds=2.5, keys=("o", "M")),
        Chapter(screen="draw", caption="A 3.", time=0.0, digit=3),
    )


MISTAKES = {
    "": "it has no chapters",
    "chapter = 3": "it has no chapters",
    "[[chapter]": "is no tour: ",
    "recording = 3\n" + CHAPTER: "mine.toml, recording: it must be the name of a saved run",
    "author = 'me'\n" + CHAPTER: "there is no field 'author'",
    CHAPTER + "colour = 1": "chapter 1, colour: there is no such field",
    CHAPTER + '[[chapter]]\nscreen = "train"\ntime = 1': "chapter 2, caption: it is missing",
    CHAPTER.replace("train", "trian"): "chapter 1, screen: there is no screen 'trian'",
    CHAPTER.replace("= 1", "= -1"): "chapter 1, time: it must be a number from 0",
    CHAPTER.replace("= 1", "= nan"): "chapter 1, time: it must be a number",
    CHAPTER.replace("= 1", "= true"): "chapter 1, time: it must be a number",
    CHAPTER.replace("= 1", "= 'soon'"): "chapter 1, time: it must be a number",
    CHAPTER + "speed = -1": "chapter 1, speed: it must be a number from 0 to 100",
    CHAPTER + "seconds = 0": "chapter 1, seconds: it must be a number from 0.1",
    CHAPTER + "keys = 'o'": "chapter 1, keys: it must be a list",
    CHAPTER + "keys = ['q']": "chapter 1, keys: train has no key 'q'; the keys are l",
    CHAPTER.replace("train", "proof") + "keys = ['p']": "proof has no key 'p'; it has none for a tour",
    CHAPTER + "digit = 7": "chapter 1, digit: only draw and inside show one",
    CHAPTER.replace("train", "inside"): "chapter 1, digit: inside needs one",
    CHAPTER.replace("train", "draw") + "digit = 10": "chapter 1, digit: it must be a digit from 0 to 9",
    CHAPTER.replace("It trains.", ""): "chapter 1, caption: it must be a sentence",
    CHAPTER.replace("It trains.", "It\\ntrains."): "chapter 1, caption: it must be one line",
    CHAPTER.replace("It trains.", "It\\u001b[2J."): "chapter 1, caption: it must be one line",
    CHAPTER.replace("It trains.", "x" * 79): "chapter 1, caption: it has 79 columns, and only 78 fit",
}
"""The message about each file."""


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_named_with_file_chapter_and_field(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TourError) as raised:
        read_tour(path)
    assert MISTAKES[text] in str(raised.value)
    assert str(path) in str(raised.value)
    assert str(raised.value).endswith(".")


def test_a_bad_file_is_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    for text, reason in (
        (None, "can't be read: No such file"),
        (CHAPTER + "x = 1", "chapter 1, x: there is no such field"),
    ):
        if text is not None:
            path.write_text(text, encoding="utf-8")
        assert main.main(["tour", str(path)]) == 2
        message = capsys.readouterr().err
        assert reason in message
        assert len(message.splitlines()) == 1
    path.write_text('recording = "no such run"\n' + CHAPTER, encoding="utf-8")
    assert main.main(["tour", str(path)]) == 2
    assert "There is no run 'no such run'" in capsys.readouterr().err
