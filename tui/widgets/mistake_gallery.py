"""The gallery of mistakes: the test digits that both got wrong, or one of them alone, with what each reads in them."""

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
from tui.widgets.pixel_image import PixelImage
from tui.widgets.prediction_bars import Answer, mark
from tui.widgets.text_line import TextLine

SIZE, GAP = 28, 2


@dataclass(frozen=True, slots=True)
class Mistake:
    """A test digit that somebody got wrong."""

    index: int
    label: int
    read: Mapping[str, int]
    """What each engine that was wrong read in it."""


def mistakes(histories: Mapping[str, RunHistory]) -> dict[str, list[Mistake]]:
    """By the last evaluations: "both", and each engine's own; of one engine alone, all of its own."""
    tested = {engine: h.evaluations[-1].mistakes for engine, h in histories.items() if h.evaluations}
    wrong: dict[int, tuple[int, dict[str, int]]] = {}
    for engine, its in tested.items():
        for index, label, read in its:
            if index < 0:  # a recording may be anybody's, and this would count from the end
                continue
            wrong.setdefault(index, (label, {}))[1][engine] = read
    lists: dict[str, list[Mistake]] = {"both": []} if len(tested) > 1 else {}
    lists |= {engine: [] for engine in tested}
    for index, (label, its_readers) in sorted(wrong.items()):
        owner = "both" if len(its_readers) > 1 else next(iter(its_readers))
        lists[owner].append(Mistake(index, label, its_readers))
    return lists


class Gallery(Widget):
    """One mistake large, with what each engine read in it when it was tested and reads now, and the next ones below.

    The lists are of the last evaluation, the bars of the living models: while these train, they may know better already.
    """

    class Chosen(Message):
        """Somebody clicked that digit of the list."""

        def __init__(self, at: int) -> None:
            super().__init__()
            self.at = at

    DEFAULT_CSS = """
    Gallery {
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

    def __init__(self, engines: list[str], questions: PredictionRequests) -> None:
        super().__init__(id="gallery")
        self._engines = engines
        self._questions = questions
        self.shown: list[Mistake] = []
        self.at = 0

    def compose(self) -> ComposeResult:
        """The three lists, the digit, its bars, the next digits."""
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
                        yield Answer(engine)
        yield PixelImage(SIZE, SIZE, id="next")
        yield TextLine(id="captions")

    def show(self, lists: Mapping[str, list[Mistake]], whose: str, at: int, images: Any, problem: str) -> None:
        """The list `whose`, its digit number `at`, from these test images (n, 28, 28), or why there are none."""
        self.shown, self.at = lists.get(whose, []), at
        self.query_one("#lists", TextLine).set_text(_heads(lists, whose))
        known = self.shown[at] if self.shown else None
        here = images is not None and known is not None and known.index < len(images)
        for name in ("#one", "#next", "#captions"):
            self.query_one(name).display = here
        if not here or known is None:
            self.query_one("#captions").display = True
            self.query_one("#captions", TextLine).set_text(Text(problem or "No mistake here."))
            return
        self.query_one("#picture", PixelImage).show(images[known.index])
        self.query_one("#caption", TextLine).set_text(
            Text(f"test digit {known.index:,}: a {known.label}", style="bold")
        )
        self.query_one("#place", TextLine).set_text(Text(f"{at + 1:,} of {len(self.shown):,}", style="dim"))
        self._show_next(images)

    def _show_next(self, images: Any) -> None:
        room = max((self.size.width - 2 + GAP) // (SIZE + GAP), 1)
        after = [one for one in self.shown[self.at + 1 : self.at + 1 + room] if one.index < len(images)]
        fits = self.size.height >= 18 + SIZE // 2 and bool(after)
        self.query_one("#next").display = self.query_one("#captions").display = fits
        if not fits:
            return
        sheet = np.zeros((SIZE, len(after) * (SIZE + GAP) - GAP), np.uint8)
        for i, one in enumerate(after):
            sheet[:, i * (SIZE + GAP) : i * (SIZE + GAP) + SIZE] = images[one.index]
        self.query_one("#next", PixelImage).show(sheet)
        captions = [f"{one.index:,}: {one.label}, read {' and '.join(map(str, one.read.values()))}" for one in after]
        self.query_one("#captions", TextLine).set_text(
            Text("".join(f"{text:{SIZE + GAP}}" for text in captions).rstrip(), style="dim")
        )

    def show_answers(
        self, colors: Mapping[str, str], tested: Mapping[str, RunHistory], asked: Mapping[str, RunHistory]
    ) -> None:
        """What each engine read in the digit when the shown run was `tested` last, and what the model that is `asked` reads now."""
        known = self.shown[self.at] if self.at < len(self.shown) else None
        if known is None:
            return
        for panel in self.query(Answer):
            engine, history = panel.engine, asked[panel.engine]
            title, style = TITLES.get(engine, engine), f"bold {colors[f'${engine}']}"
            exams = tested[engine].evaluations if engine in tested else []
            read = known.read.get(engine, known.label)
            said = f"{title} read {read}{mark(read, known.label)}" if exams else title
            when = f"when tested, epoch {exams[-1].epoch}" if exams else "not tested yet"
            self.query_one(f"#tested-{engine}", TextLine).set_text(Text(said, style=style))
            self.query_one(f"#when-{engine}", TextLine).set_text(Text(when, style="dim"))
            answer = self._questions.answer(history)
            same = bool(exams) and answer is not None and answer.global_step == exams[-1].global_step
            shares = self._questions.probabilities(history, exact=True)
            now = "the same model" if same else self._questions.source(history)
            panel.show(shares, now, self._questions.problem(history), colors, title="now", truth=known.label)

    def on_click(self, event: events.Click) -> None:
        """A digit of those below."""
        if event.widget is self.query_one("#next"):
            self.post_message(self.Chosen(at=self.at + 1 + event.x // (SIZE + GAP)))


def _heads(lists: Mapping[str, list[Mistake]], whose: str) -> Text:
    text = Text(" Wrong when last tested: " if lists else " ")
    for name, its in lists.items():
        alone = len(lists) > 1
        title = "both" if name == "both" else f"{'only ' if alone else ''}{TITLES.get(name, name)}"
        head = f"[{title} {len(its):,}]" if name == whose else f" {title} {len(its):,} "
        text.append(head, style=Style(bold=name == whose, meta={"@click": f"screen.show_list('{name}')"}))
        text.append(" ")
    return text
