"""The Draw screen: the user draws a digit, and both frameworks read it, also while they train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.widgets import Static

from engines.api import TITLES
from tui.commands import DRAW
from tui.screens.base import WIDE
from tui.screens.digit_base import DigitScreen
from tui.widgets.drawing_pad import SIZE, DrawingPad
from tui.widgets.pixel_image import PixelImage
from tui.widgets.prediction_bars import PredictionBars, best_digit
from tui.widgets.text_line import TextLine

DISAGREE = "✗ DISAGREE: "
PEN_KEY = next(command.key for command in DRAW if command.name == "pen")
HINT = f"Drag, or {PEN_KEY} and arrows"
SIDE_COLUMNS = 64
"""The columns that a wide screen leaves for what is beside the sheet."""
ROWS_OF_OTHERS = 5
"""The rows of the header, the key bar, the sheet's frame and the verdict."""
ROWS_OF_BARS = 22
"""The rows of two answers above each other, each of a line and ten bars."""
SURE_COLUMNS = 8
"""The columns for the text beside a large digit: "100.0 %" and a blank."""
GLYPHS = (
    "111101101101111", "010110010010111", "111001111100111", "111001111001111", "101101111001001",
    "111100111001111", "111100111101111", "111001001001001", "111101111101111", "111101111001111",
)  # fmt: skip
"""Each digit in rows of three pixels, where 1 is ink."""
GLYPH_COLUMNS, GLYPH_ROWS = 3, 5


class DrawScreen(DigitScreen):
    """Shows the drawing pad, the network's input, and what each engine reads in it."""

    NAME = "draw"
    BINDINGS = DigitScreen.bindings(NAME)  # DRAW in tui/commands.py
    CSS_PATH = "draw.tcss"
    POLL_SECONDS = 1 / 50

    _caption = ""
    """The name of the test digit on the pad; empty for a drawing."""
    _label: int | None = None
    """The true label of that test digit."""
    _shown_remarks = Text()

    def compose_body(self) -> ComposeResult:
        with Container(id="draw"):
            with Vertical(id="left"):
                with Container(id="sheet-box", classes="box") as box:
                    box.border_title = "Draw a digit"
                    yield DrawingPad()
                yield TextLine(id="verdict")
                with Horizontal(id="large"):
                    for engine in self.session.histories:
                        with Horizontal(classes=f"large -{engine}"):
                            yield PixelImage(GLYPH_COLUMNS, GLYPH_ROWS, id=f"large-{engine}")
                            yield TextLine(id=f"sure-{engine}", classes="sure")
            with Container(id="side"):
                with Container(id="answers"):
                    for engine in self.session.histories:
                        yield PredictionBars(engine)
                with Container(id="seen-and-label"):
                    with Container(id="seen-box", classes="box") as box:
                        box.border_title = "What they see"
                        yield PixelImage(SIZE, SIZE, id="seen")
                    yield Static(id="label")

    def setup(self) -> None:
        """Request predictions for the empty pad, so that the models are warm at the first stroke."""
        for widget in (*self.query(PixelImage), *self.query(PredictionBars)):
            widget.ascii_only = self.ascii_only
        super().setup()
        self.query_one(DrawingPad).redraw()
        self._request_predictions()

    def on_resize(self) -> None:
        """Make the pixels of the sheet as large as the room allows, and those of the large digits below it."""
        width, height = self.size
        wide, rows = width >= WIDE, height - ROWS_OF_OTHERS - (self.bar_rows - 1)
        self.set_class(rows < ROWS_OF_BARS - 3 and not wide, "-cramped")
        scale = min((width - SIDE_COLUMNS) // SIZE if wide else 1, 2 * rows // SIZE)
        if scale > 2:  # large enough to give rows to the large digits
            scale = max(min(scale, 2 * (rows - GLYPH_ROWS) // SIZE), 2)
        scale = max(scale, 1)
        self.query_one(DrawingPad).set_scale(scale)
        side = width - scale * SIZE - 2
        self.query_one("#seen", PixelImage).set_scale(2 if wide and side >= 84 and height >= 48 else 1)
        columns = (scale * SIZE + 2) // 2 - SURE_COLUMNS
        large = min(2 * (rows - scale * SIZE // 2) // GLYPH_ROWS, columns // GLYPH_COLUMNS)
        self.query_one("#large").display = large > 0
        for engine in self.session.histories:
            self.query_one(f"#large-{engine}", PixelImage).set_scale(max(large, 1))
        super().on_resize()

    # Predictions

    def update_body(self, changed: set[str]) -> None:
        """Show the predictions, and request new ones from models that have learnt since."""
        if self.predictions.refresh():
            self.resume_polling()
        self.show_predictions()

    @on(DrawingPad.Changed)
    def _on_stroke(self) -> None:
        self._caption, self._label = "", None
        self._request_predictions()

    def _request_predictions(self) -> None:
        canvas = self.query_one(DrawingPad).canvas
        image = canvas.normalised()
        self.drawing.image = None if canvas.blank else image
        self.drawing.caption = self._caption or "your drawing"
        self.query_one("#seen", PixelImage).show(image)
        self.predictions.request([int(grey) for grey in image.ravel()])
        self.resume_polling()
        self.show_predictions()

    def show_predictions(self) -> None:
        pad, palette = self.query_one(DrawingPad), self.palette
        blank = pad.canvas.blank
        digits: dict[str, int | None] = {}
        sources: list[Text] = []
        for panel in self.query(PredictionBars):
            history, title = self.session.histories[panel.engine], TITLES.get(panel.engine, panel.engine)
            probabilities = () if blank else self.predictions.probabilities(history)
            digits[panel.engine] = best_digit(probabilities)
            source, problem = self.predictions.source(history), self.predictions.problem(history)
            panel.show(probabilities, source, problem, palette)
            sources.append(Text(f"{title}: {problem or source}", style=palette[f"${panel.engine}"]))
            self._show_large(panel.engine, title, probabilities)
        verdict, histories = self.query_one("#verdict", TextLine), self.session.histories.values()
        label = self._label if all(self.predictions.probabilities(one, exact=True) for one in histories) else None
        verdict.set_text(_verdict(digits, label, blank, palette, verdict.size.width))
        caption = [Text(self._caption)] if self._caption else []
        self._show_remarks(Text("\n").join([*caption, *([] if self._has_source_lines else sources)]))
        self.query_one("#sheet-box").border_subtitle = _pen_state(pad)

    def _show_large(self, engine: str, title: str, probabilities: Sequence[float]) -> None:
        """Show an engine's digit so large that it can be read from the back of a room."""
        best = best_digit(probabilities)
        pixels = GLYPHS[best] if best is not None else "0" * GLYPH_COLUMNS * GLYPH_ROWS
        rows = [pixels[i : i + GLYPH_COLUMNS] for i in range(0, len(pixels), GLYPH_COLUMNS)]
        self.query_one(f"#large-{engine}", PixelImage).show([[255 * int(pixel) for pixel in row] for row in rows])
        sure = [f"{100 * max(probabilities):.1f} %", "sure"] if probabilities else []
        self.query_one(f"#sure-{engine}", TextLine).set_text(*map(Text, (title, *sure)))

    @property
    def _has_source_lines(self) -> bool:
        """True when the bars have a line above them that names the weights."""
        return self.has_class("-wide") or self.has_class("-tall")

    def _show_remarks(self, text: Text) -> None:
        if text != self._shown_remarks:
            self._shown_remarks = text
            self.query_one("#label", Static).update(text, layout=False)

    # Commands

    def action_pen(self) -> None:
        self.query_one(DrawingPad).toggle_pen()
        self.show_predictions()

    def action_move(self, dx: int, dy: int) -> None:
        self.query_one(DrawingPad).move(dx, dy)
        self.show_predictions()

    def action_eraser(self) -> None:
        pad = self.query_one(DrawingPad)
        pad.erasing = not pad.erasing
        self.show_predictions()

    def action_undo(self) -> None:
        self.query_one(DrawingPad).undo()

    def action_clear(self) -> None:
        self.query_one(DrawingPad).clear()

    def show_digit(self, image: Any, label: int, caption: str) -> None:
        pad = self.query_one(DrawingPad)
        with pad.prevent(DrawingPad.Changed):
            pad.set_image(image)
        self._caption, self._label = caption, label
        self._request_predictions()


def _pen_state(pad: DrawingPad) -> str:
    """Return what the keys do to the sheet now."""
    tool, verb = ("eraser", "erase") if pad.erasing else ("pen", "draw")
    return f"{tool} down: arrows {verb}" if pad.pen_down else f"{tool}: {PEN_KEY} {verb}s"


def _verdict(
    digits: dict[str, int | None], label: int | None, blank: bool, palette: dict[str, str], width: int
) -> Text:
    """Return whether the engines agree, or a hint while the pad is blank; `label` is the truth where it is known."""
    if blank:
        return Text(HINT, style=f"bold {palette['$accent']}")
    read = {engine: digit for engine, digit in digits.items() if digit is not None}
    if len(read) < 2:
        return Text("")
    if len(set(read.values())) == 1:
        digit = next(iter(read.values()))
        if label not in (None, digit):
            return Text(f"✗ BOTH WRONG: {digit}, not {label}", style=f"bold {palette['$error']}")
        return Text(f"✓ AGREE: both read {digit}", style=f"bold {palette['$success']}")
    text = ", ".join(f"{TITLES.get(engine, engine)} {digit}" for engine, digit in read.items())
    if len(text) + len(DISAGREE) > width:
        text = f"{' or '.join(map(str, read.values()))}?"
    return Text(f"{DISAGREE}{text}", style=f"bold {palette['$warning']}")
