"""The test digits that an engine read wrong, with what each engine read in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message
from textual.widget import Widget

from engines.api import TITLES, PredictionRequests, RunHistory
from tui.widgets.confusion_matrix import Cell
from tui.widgets.pixel_image import PixelImage
from tui.widgets.prediction_bars import PredictionBars, right_or_wrong
from tui.widgets.text_line import TextLine

SIZE, GAP = 28, 2


@dataclass(frozen=True, slots=True)
class Mistake:
    """A test digit that at least one engine read wrong."""

    index: int
    """The digit's number in the test set."""
    label: int
    read: Mapping[str, int]
    """The wrong answers by engine."""


def mistakes(histories: Mapping[str, RunHistory], cell: Cell | None = None) -> dict[str, list[Mistake]]:
    """Return the mistakes of the last evaluations: those of "both" engines, of each engine only, and those that a cell counts."""
    tested = {engine: h.tested.mistakes for engine, h in histories.items() if h.tested}
    wrong: dict[int, tuple[int, dict[str, int]]] = {}
    for engine, rows in tested.items():
        for index, label, read in rows:
            if index < 0:  # a foreign recording may hold one, and it would count from the end
                continue
            wrong.setdefault(index, (label, {}))[1][engine] = read
    lists: dict[str, list[Mistake]] = {"both": []} if len(tested) > 1 else {}
    lists |= {engine: [] for engine in tested}
    for index, (label, answers) in sorted(wrong.items()):
        owner = "both" if len(answers) > 1 else next(iter(answers))
        lists[owner].append(Mistake(index, label, answers))
        if cell is not None and cell.truth == label != cell.read == answers.get(cell.engine):
            lists.setdefault(cell.name, []).append(lists[owner][-1])
    return lists


class MistakeGallery(Widget):
    """One mistake enlarged, each engine's answer when tested and now, and the next mistakes below.

    The lists come from the last evaluation, the bars from the current models, which may have improved since.
    """

    class Selected(Message):
        """Posted when the user clicks a mistake; `position` counts from 0 in the shown list."""

        def __init__(self, position: int) -> None:
            super().__init__()
            self.position = position

    DEFAULT_CSS = """
    MistakeGallery {
        height: 1fr; layout: vertical;
        #lists { height: 1; }
        #one { height: auto; layout: horizontal; }
        #picture-side { width: 30; height: auto; margin: 0 1; }
        #bars { width: 1fr; height: auto; layout: horizontal; }
        .reader { width: 1fr; height: auto; }
        .tested { margin: 0 1; }
        #next { margin: 1 1 0 1; }
        #captions { margin: 0 1; }
    }
    """

    def __init__(self, engines: list[str], requests: PredictionRequests) -> None:
        super().__init__(id="gallery")
        self._engines = engines
        self._requests = requests
        self.shown: list[Mistake] = []
        self.position = 0

    def compose(self) -> ComposeResult:
        yield TextLine(id="lists")
        with Container(id="one"):
            with Vertical(id="picture-side"):
                yield PixelImage(SIZE, SIZE, id="picture")
                yield TextLine(id="caption")
                yield TextLine(id="place")
            with Container(id="bars"):
                for engine in self._engines:
                    with Vertical(classes="reader"):
                        yield TextLine(id=f"tested-{engine}", classes="tested")
                        yield TextLine(id=f"when-{engine}", classes="tested")
                        yield PredictionBars(engine)
        yield PixelImage(SIZE, SIZE, id="next")
        yield TextLine(id="captions")

    def show(
        self, lists: Mapping[str, list[Mistake]], list_name: str, position: int, images: Any, problem: str
    ) -> None:
        """Show one mistake of a list; `images` are the test images, shape (n, 28, 28), or None with the problem."""
        self.shown, self.position = lists.get(list_name, []), position
        self.query_one("#lists", TextLine).set_text(_list_tabs(lists, list_name))
        mistake = self.shown[position] if self.shown else None
        available = images is not None and mistake is not None and mistake.index < len(images)
        for name in ("#one", "#next", "#captions"):
            self.query_one(name).display = available
        if not available or mistake is None:
            self.query_one("#captions").display = True
            self.query_one("#captions", TextLine).set_text(Text(problem or "No mistake here."))
            return
        self.query_one("#picture", PixelImage).show(images[mistake.index])
        self.query_one("#caption", TextLine).set_text(
            Text(f"test digit {mistake.index:,}: a {mistake.label}", style="bold")
        )
        self.query_one("#place", TextLine).set_text(Text(f"{position + 1:,} of {len(self.shown):,}", style="dim"))
        self._show_next(images)

    def _show_next(self, images: Any) -> None:
        room = max((self.size.width - 2 + GAP) // (SIZE + GAP), 1)
        candidates = self.shown[self.position + 1 : self.position + 1 + room]
        following = [mistake for mistake in candidates if mistake.index < len(images)]
        fits = self.size.height >= 18 + SIZE // 2 and bool(following)
        self.query_one("#next").display = self.query_one("#captions").display = fits
        if not fits:
            return
        row = np.zeros((SIZE, len(following) * (SIZE + GAP) - GAP), np.uint8)
        captions = []
        for i, mistake in enumerate(following):
            row[:, i * (SIZE + GAP) : i * (SIZE + GAP) + SIZE] = images[mistake.index]
            answers = " and ".join(map(str, mistake.read.values()))
            captions.append(f"{mistake.index:,}: {mistake.label}, read {answers}")
        self.query_one("#next", PixelImage).show(row)
        self.query_one("#captions", TextLine).set_text(
            Text("".join(f"{text:{SIZE + GAP}}" for text in captions).rstrip(), style="dim")
        )

    def show_answers(
        self, colors: Mapping[str, str], tested: Mapping[str, RunHistory], current: Mapping[str, RunHistory]
    ) -> None:
        """Show each engine's answer for the shown mistake: in the last evaluation of `tested`, and of the `current` model."""
        mistake = self.shown[self.position] if self.position < len(self.shown) else None
        if mistake is None:
            return
        for bars in self.query(PredictionBars):
            engine, history = bars.engine, current[bars.engine]
            last = tested[engine].tested if engine in tested else None
            self._show_tested(mistake, engine, last.epoch if last else None, colors)
            answer = self._requests.answer(history)
            unchanged = last is not None and answer is not None and answer.global_step == last.global_step
            source = "the same model" if unchanged else self._requests.source(history)
            probabilities, problem = self._requests.probabilities(history, exact=True), self._requests.problem(history)
            bars.show(probabilities, source, problem, colors, title="now", truth=mistake.label)

    def _show_tested(self, mistake: Mistake, engine: str, epoch: int | None, colors: Mapping[str, str]) -> None:
        """Show an engine's answer in the evaluation after this epoch; None before its first evaluation."""
        title, read = TITLES.get(engine, engine), mistake.read.get(engine, mistake.label)
        answer = title if epoch is None else f"{title} read {read}{right_or_wrong(read, mistake.label)}"
        when = "not tested yet" if epoch is None else f"when tested, epoch {epoch}"
        self.query_one(f"#tested-{engine}", TextLine).set_text(Text(answer, style=f"bold {colors[f'${engine}']}"))
        self.query_one(f"#when-{engine}", TextLine).set_text(Text(when, style="dim"))

    def on_click(self, event: events.Click) -> None:
        """Select a mistake below."""
        if event.widget is self.query_one("#next"):
            self.post_message(self.Selected(self.position + 1 + event.x // (SIZE + GAP)))


def _list_tabs(lists: Mapping[str, list[Mistake]], selected: str) -> Text:
    text = Text(" Wrong when last tested: " if lists else " ")
    only = "only " if len(lists) > 1 else ""
    for name, entries in lists.items():
        title = f"{only}{TITLES[name]}" if name in TITLES else name  # "both", or a cell of a confusion matrix
        tab = f"[{title} {len(entries):,}]" if name == selected else f" {title} {len(entries):,} "
        text.append(tab, style=Style(bold=name == selected, meta={"@click": f"screen.show_list('{name}')"}))
        text.append(" ")
    return text
