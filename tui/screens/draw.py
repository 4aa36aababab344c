"""The Draw screen: draw a digit, and both frameworks read it, while they train and after."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.widgets import Digits, Static

from engines.api import TITLES, DataError, Replay, Session, TrainConfig
from tui.digit_cache import DigitCache
from tui.screens.base import WIDE
from tui.screens.prediction_base import PredictionScreen
from tui.widgets.drawing_pad import SIZE, DrawingPad
from tui.widgets.pixel_image import PixelImage
from tui.widgets.prediction_bars import Answer, best_of
from tui.widgets.text_line import TextLine

DISAGREE = "✗ DISAGREE: "
HOW = "Drag, or space and arrows"


class DrawScreen(PredictionScreen):
    """The sheet, what the networks see of it, and what each of them reads."""

    NAME = "draw"
    BINDINGS = PredictionScreen.bindings(NAME)
    CSS_PATH = "draw.tcss"
    LOOK_SECONDS = 1 / 50

    def __init__(
        self,
        session: Session | Replay,
        digits: DigitCache,
        config: Callable[[], TrainConfig],
        fold: Callable[[], None],
        *,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(session, fold, ascii_only=ascii_only)
        self._digits = digits
        self._config = config
        self._said = ""
        """What is on the sheet, when it is a test digit."""
        self._label: int | None = None
        """What that digit truly is."""
        self._mistake = -1
        self._giving = False
        """Whether a test digit is on its way to the sheet; no other is, then."""
        self._told = Text()

    def body(self) -> ComposeResult:
        """The sheet at the left; what is seen and read of it beside it."""
        with Container(id="draw"):
            with Vertical(id="left"):
                with Container(id="sheet-box", classes="box") as box:
                    box.border_title = "Draw a digit"
                    yield DrawingPad()
                yield TextLine(id="hint")
            with Container(id="side"):
                with Container(id="below"):
                    with Container(id="seen-box", classes="box") as box:
                        box.border_title = "What they see"
                        yield PixelImage(SIZE, SIZE, id="seen")
                    with Vertical(id="remarks"):
                        yield TextLine(id="verdict")
                        yield Static(id="label")
                        with Horizontal(id="big"):
                            for engine in self.session.histories:
                                with Vertical(classes=f"big -{engine}"):
                                    yield TextLine(id=f"name-{engine}")
                                    yield Digits(id=f"big-{engine}")
                                    yield TextLine(id=f"sure-{engine}")
                with Container(id="answers"):
                    for engine in self.session.histories:
                        yield Answer(engine)

    def begin(self) -> None:
        """Ask about the blank sheet, so that the models are warm when the first stroke comes."""
        for one in (*self.query(PixelImage), *self.query(Answer)):
            one.ascii_only = self.ascii_only
        super().begin()
        self.query_one(DrawingPad).redraw()
        self._ask()

    def on_resize(self) -> None:
        """Pixels as large as there is room for."""
        width, height = self.size
        wide = width >= WIDE
        room = (width - 64) // SIZE if wide else 1
        scale = max(min(room, 2 * (height - 5) // SIZE), 1)
        self.query_one(DrawingPad).enlarge(scale)
        left = width - scale * SIZE - 2
        self.query_one("#seen", PixelImage).enlarge(2 if wide and left >= 84 and height >= 48 else 1)
        super().on_resize()

    # Ask and show

    def show(self, changed: set[str]) -> None:
        """The answers, and new questions where the models have learnt since."""
        if self.questions.ask_again():
            self.resume_polling()
        self.show_answers()

    def on_sheet_drawn(self) -> None:
        """At every stroke."""
        self._said, self._label = "", None
        self._ask()

    def _ask(self) -> None:
        seen = self.query_one(DrawingPad).canvas.normalised()
        self.query_one("#seen", PixelImage).show(seen)
        self.questions.ask([int(grey) for grey in seen.ravel()])
        self.resume_polling()
        self.show_answers()

    def show_answers(self) -> None:
        """Beside the sheet."""
        sheet, palette = self.query_one(DrawingPad), self.palette
        blank = sheet.canvas.blank
        reads: dict[str, int | None] = {}
        brief: list[Text] = []
        for panel in self.query(Answer):
            history, title = self.session.histories[panel.engine], TITLES.get(panel.engine, panel.engine)
            shares = () if blank else self.questions.probabilities(history)
            reads[panel.engine] = best_of(shares)
            source, problem = self.questions.source(history), self.questions.problem(history)
            panel.show(shares, source, problem, palette)
            brief.append(Text(f"{title}: {problem or source}", style=palette[f"${panel.engine}"]))
            self._show_big(panel.engine, title, shares)
        verdict, histories = self.query_one("#verdict", TextLine), self.session.histories.values()
        label = self._label if all(self.questions.probabilities(one, exact=True) for one in histories) else None
        verdict.set_text(_verdict(reads, label, blank, palette, verdict.size.width))
        self._tell(Text("\n").join([*([Text(self._said)] if self._said else []), *([] if self._roomy else brief)]))
        tool = "eraser" if sheet.erasing else "pen"
        state = f"down: arrows {'erase' if sheet.erasing else 'draw'}" if sheet.down else "up: space puts it down"
        self.query_one("#hint", TextLine).set_text(Text(f" {tool} {state}", style="dim"))

    def _show_big(self, engine: str, title: str, shares: Sequence[float]) -> None:
        """What it reads, to be read from the last row of seats."""
        best = best_of(shares)
        self.query_one(f"#name-{engine}", TextLine).set_text(Text(title))
        big, said = self.query_one(f"#big-{engine}", Digits), "" if best is None else str(best)
        if said != big.value:  # each update paints it anew
            big.update(said)
        self.query_one(f"#sure-{engine}", TextLine).set_text(Text(f"{100 * max(shares):.1f} % sure" if shares else ""))

    @property
    def _roomy(self) -> bool:
        """Whether there is a line above the bars that says which weights gave them."""
        return self.has_class("-wide") or self.has_class("-tall")

    def _tell(self, text: Text) -> None:
        """Say it below the verdict, when it is new."""
        if text != self._told:
            self._told = text
            self.query_one("#label", Static).update(text, layout=False)

    # Commands

    def action_pen(self) -> None:
        """Down or up."""
        self.query_one(DrawingPad).toggle_pen()
        self.show_answers()

    def action_move(self, dx: int, dy: int) -> None:
        """The pen, by a pixel."""
        self.query_one(DrawingPad).move(dx, dy)
        self.show_answers()

    def action_eraser(self) -> None:
        """Erase, or draw."""
        sheet = self.query_one(DrawingPad)
        sheet.erasing = not sheet.erasing
        self.show_answers()

    def action_undo(self) -> None:
        """One stroke back."""
        self.query_one(DrawingPad).undo()

    def action_clear(self) -> None:
        """A blank sheet."""
        self.query_one(DrawingPad).clear()

    def action_test_digit(self) -> None:
        """By chance."""
        if not self._giving:
            self._give(None)

    def action_next_mistake(self) -> None:
        """In the order of the test digits, those that either got wrong."""
        wrong: dict[int, dict[str, int]] = {}
        for engine, history in self.session.histories.items():
            for index, _, predicted in history.evaluations[-1].mistakes if history.evaluations else ():
                wrong.setdefault(index, {})[engine] = predicted
        if not wrong:
            evaluated = any(history.evaluations for history in self.session.histories.values())
            self.notify("There is no mistake." if evaluated else "Nothing is evaluated yet.", timeout=3)
            return
        if self._giving:
            return
        self._mistake = min((index for index in wrong if index > self._mistake), default=min(wrong))
        said = " and ".join(f"{TITLES.get(e, e)} read {p}" for e, p in wrong[self._mistake].items())
        self._give(self._mistake, f"; at the last evaluation {said}")

    def _give(self, index: int | None, remark: str = "") -> None:
        """Lay a test digit on the sheet, by chance where none is named."""
        self._giving, config = True, self._config()
        if not self._digits.at_hand(config):
            self.notify("Reading the test digits…", timeout=3)
        self._read(config, index, remark)

    @work(thread=True, group="digits", exit_on_error=False)
    def _read(self, config: TrainConfig, index: int | None, remark: str) -> None:
        """In a thread: it takes long where the digits are fetched first."""
        found = None
        try:
            found = self._digits.load(config)
        except DataError as error:
            self.deliver(self.notify, f"{error.message} {error.hint}", severity="error")
        finally:
            self.deliver(self._take, found, index, remark)

    def _take(self, found: tuple[Any, Any, str] | None, index: int | None, remark: str) -> None:
        self._giving = False
        if found is None:
            return
        images, labels, _ = found
        if index is None:
            index = random.randrange(len(labels))
        if 0 <= index < len(labels):
            self._lay(images[index], int(labels[index]), f"Test digit {index:,}: a {labels[index]}{remark}")

    def _lay(self, image: Any, label: int, said: str) -> None:
        sheet = self.query_one(DrawingPad)
        with sheet.prevent(DrawingPad.Drawn):
            sheet.set_image(image)
        self._said, self._label = said, label
        self._ask()


def _verdict(reads: dict[str, int | None], label: int | None, blank: bool, palette: dict[str, str], width: int) -> Text:
    if blank:
        return Text(HOW, style=f"bold {palette['$accent']}")
    known = {engine: digit for engine, digit in reads.items() if digit is not None}
    if len(known) < 2:
        return Text("")
    if len(set(known.values())) == 1:
        digit = next(iter(known.values()))
        if label not in (None, digit):
            return Text(f"✗ BOTH WRONG: {digit}, not {label}", style=f"bold {palette['$error']}")
        return Text(f"✓ AGREE: both read {digit}", style=f"bold {palette['$success']}")
    said = ", ".join(f"{TITLES.get(engine, engine)} {digit}" for engine, digit in known.items())
    if len(said) + len(DISAGREE) > width:
        said = f"{' or '.join(map(str, known.values()))}?"
    return Text(f"{DISAGREE}{said}", style=f"bold {palette['$warning']}")
