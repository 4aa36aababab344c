"""The Inside screen: one digit on its way through both networks, layer by layer, and what differs between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.widgets import Static

from engines.api import TITLES, Activations, decode_activations, largest_difference
from tui import frame_clock
from tui.charts.feature_maps import maps_of
from tui.screens.base import WIDE
from tui.screens.digit_base import DigitScreen
from tui.widgets.enlarged_map import EnlargedMap
from tui.widgets.layer_strips import DIFFERENCE, LayerStrips
from tui.widgets.logit_bars import LogitBars
from tui.widgets.pixel_image import PixelImage
from tui.widgets.prediction_bars import best_digit
from tui.widgets.step_changes import StepChanges
from tui.widgets.text_line import TextLine
from tui.widgets.twin_distance import TwinDistance

MAPS = ("conv1", "conv2", "dense1", "saliency")
"""The views that are strips of maps."""
VIEWS = {
    "conv1": "32 maps of 26 x 26: what each 3 x 3 filter finds in the digit",
    "conv2": "64 maps of 12 x 12: what each filter finds in the 32 maps, the largest of each 2 x 2",
    "dense1": "128 units, each of which weighs all 9,216 values of conv2",
    "logits": "ten outputs, a sum over the 128 units; the highest is the answer",
    "saliency": "where ink would change the answer most: the slope of the winning logit by each pixel",
    "change": "what one training step does to each layer",
    "twins": "how far apart the two networks are after each epoch",
}
SIDES = {"conv1": 26, "conv2": 12, "saliency": 28}
"""The views whose maps can be enlarged, and their height and width."""
COUNTS = {"conv1": 32, "conv2": 64}
"""The number of maps where a view has several."""
SAME = 1e-5
"""Two networks with equal weights differ by less: both add up the same numbers in another order."""
MORE_ROWS = 36
"""The height in rows from which the logits and the changes stand below the maps."""
MUCH = 50
"""The height in rows from which the changes in a step stand there, too."""
MEASURE_SECONDS = 1.0
"""Seconds between two steps that are measured while they are shown."""


class InsideScreen(DigitScreen):
    """Shows a digit and what both networks make of it, while they train and afterwards."""

    NAME = "inside"
    BINDINGS = DigitScreen.bindings(NAME)  # INSIDE in tui/commands.py
    CSS_PATH = "inside.tcss"
    INSIDE = True
    view = "conv1"
    enlarged = False
    position = (0, 0)
    """The marked position (y, x) of an enlarged map."""

    _image: Any = np.zeros((28, 28), np.uint8)
    _caption = ""
    _shown_drawing: Any = None
    """The drawing that was shown last, so that the same one does not replace a test digit."""
    _measured_t = 0.0
    """The time of the last request to measure a step."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._engines = tuple(self.session.histories)
        self._views = [name for name in VIEWS if name != "change" or not self.session.playback]
        self._chosen = dict.fromkeys(MAPS, 0)
        """The chosen map of each view."""
        self._decoded: dict[str, tuple[int, Activations]] = {}
        """The newest values inside each network, with the id of the request that they answer."""

    def compose_body(self) -> ComposeResult:
        yield TextLine(id="views")
        yield TextLine(id="meaning")
        with Container(id="inside"):
            with Vertical(id="left"):
                yield PixelImage(28, 28, id="digit")
                yield Static(id="caption")
            with Vertical(id="right"):
                yield LayerStrips(self._engines)
                yield EnlargedMap(self._engines)
                with Horizontal(id="more"):
                    yield LogitBars()
                    with Vertical(id="beside"):
                        yield TwinDistance()
                        yield StepChanges()

    def setup(self) -> None:
        super().setup()
        for widget in (self.query_one("#digit", PixelImage), self.query_one(LayerStrips), self.query_one(EnlargedMap)):
            widget.ascii_only = self.ascii_only
        self._arrange()
        self._take_drawing()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        if self._ready:
            self._take_drawing()

    def on_resize(self) -> None:
        self._arrange()
        super().on_resize()
        self.call_after_refresh(self.show_predictions)

    # The digit

    def _take_drawing(self) -> None:
        """Show what is drawn on Draw, if it is new; at first, without a drawing, a test digit."""
        image = self.drawing.image
        if image is not None and not np.array_equal(image, self._shown_drawing):
            self._shown_drawing = image
            self._show_image(image, self.drawing.caption)
        elif not self._image.any():
            self.action_test_digit()

    def show_digit(self, image: Any, label: int, caption: str) -> None:
        self._show_image(image, caption)

    def _show_image(self, image: Any, caption: str) -> None:
        self._image, self._caption = image, caption
        self.query_one("#digit", PixelImage).show(image)
        self.predictions.request([int(grey) for grey in image.ravel()])
        self.resume_polling()
        self.show_predictions()

    # What is shown

    @property
    def _has_more(self) -> bool:
        return self.size.height >= MORE_ROWS and not self.enlarged

    def _arrange(self) -> None:
        """Show the widgets of the chosen view."""
        # Of 256 colours only grey has many shades: dark orange would be olive and red.
        self.set_class(self.app.console.color_system != "256", "-tinted")
        strips, logits, changes = self.query_one(LayerStrips), self.query_one(LogitBars), self.query_one(StepChanges)
        self.query_one("#left").display = not self.enlarged and self.size.width >= 72
        self.query_one(EnlargedMap).display = self.enlarged
        strips.display = not self.enlarged and (self.view in MAPS or self._has_more)
        logits.display = self.view == "logits" or (self._has_more and self.size.width >= WIDE)
        twins = self.query_one(TwinDistance)
        twins.display = self.view == "twins" or (self._has_more and self.view != "change")
        changes.display = self.view == "change" or (
            self._has_more and "change" in self._views and self.size.height >= MUCH
        )
        self.query_one("#beside").display = changes.display or twins.display  # else the logits have its room
        self.query_one("#more").display = not self.enlarged and (logits.display or changes.display or twins.display)
        self.query_one("#meaning").display = self.size.height >= MORE_ROWS

    def update_body(self, changed: set[str]) -> None:
        """Ask models that have learnt since again, and measure a step now and then."""
        if self.predictions.refresh():
            self.resume_polling()
        if self.query_one(StepChanges).display and frame_clock.now() - self._measured_t >= MEASURE_SECONDS:
            self._measured_t = frame_clock.now()
            for engine, history in self.session.histories.items():
                if history.running:
                    self.session.measure_step(engine)
        self.show_predictions()

    def show_predictions(self) -> None:
        if not self._ready:
            return
        inside, palette = self._inside(), self.palette
        self._show_views(palette)
        layer = self.view if self.view in MAPS else "conv1"
        if self.enlarged:
            pixels, chosen = self._image / np.float32(255), self._chosen[layer]
            self.query_one(EnlargedMap).show(layer, inside, pixels, chosen, self.position, palette)
        elif self.query_one(LayerStrips).display:
            maps = {engine: maps_of(one, layer) for engine, one in inside.items()}
            self.query_one(LayerStrips).show(maps, self._labels(inside, layer), self._chosen[layer])
        logits = {engine: one.logits for engine, one in inside.items()}
        self.query_one(LogitBars).show(logits, palette, ascii_only=self.ascii_only)
        steps = {engine: history.measured_step for engine, history in self.session.histories.items()}
        self.query_one(StepChanges).show(steps, palette, self._no_steps, ascii_only=self.ascii_only)
        compared = [one for history in self.session.histories.values() for one in history.twins]
        compared.sort(key=lambda one: one.global_step)
        missing = "not recorded" if self.session.playback else "after each epoch"
        missing = "n/a: one framework trains" if len(self.session.engines) == 1 else missing
        self.query_one(TwinDistance).show(compared, missing, ascii_only=self.ascii_only)
        self._show_caption(inside)

    def _inside(self) -> dict[str, Activations]:
        """Return the newest values inside each network, by engine."""
        for engine, history in self.session.histories.items():
            answer = self.predictions.answer(history)
            if answer is None or not answer.activations:
                self._decoded.pop(engine, None)
            elif engine not in self._decoded or self._decoded[engine][0] != answer.request_id:
                self._decoded[engine] = answer.request_id, decode_activations(answer.activations)
        return {engine: self._decoded[engine][1] for engine in self._engines if engine in self._decoded}

    def _labels(self, inside: dict[str, Activations], layer: str) -> dict[str, list[Text]]:
        """Return the lines beside each strip: what each network answers, and how far apart they are."""
        labels: dict[str, list[Text]] = {}
        for engine in self._engines:
            history = self.session.histories[engine]
            lines = [Text(TITLES.get(engine, engine), style=f"bold {self.palette[f'${engine}']}")]
            probabilities = self.predictions.probabilities(history)
            answer = self.predictions.answer(history)
            if engine in inside and probabilities and answer is not None:
                lines += [Text(f"reads {best_digit(probabilities)}"), Text(f"{100 * max(probabilities):.1f} %")]
                lines += [Text("step", style="dim"), Text(f"{answer.global_step:,}", style="dim")]
            labels[engine] = lines
        if len(inside) == 2:
            apart = largest_difference(*(getattr(one, layer) for one in inside.values()))
            labels[DIFFERENCE] = [Text("differ", style="bold"), Text("at most"), Text(f"{apart:.1e}")]
            labels[DIFFERENCE] += [Text("the same", style="dim"), Text("network", style="dim")] if apart < SAME else []
        return labels

    @property
    def _no_steps(self) -> str:
        """The reason why no measured step is shown."""
        if self.session.recorded:
            return "n/a: only the process that trains can measure it"
        return "measuring a step…" if self.session.running else "While they train, a step a second is measured here."

    def _show_caption(self, inside: dict[str, Activations]) -> None:
        """Describe the digit, the weights, and what the comparison means."""
        lines, texts = [Text(self._caption)], {}
        for engine, history in self.session.histories.items():
            texts[engine] = self.predictions.problem(history) or self.predictions.source(history)
        if len(texts) > 1 and len(set(texts.values())) == 1:
            lines.append(Text(f"Each: {next(iter(texts.values()))}"))
        else:
            for engine, text in texts.items():
                lines.append(Text(f"{TITLES.get(engine, engine)}: {text}", style=self.palette[f"${engine}"]))
        if len(inside) == 2:
            apart = max(
                largest_difference(*values) for values in zip(*(one[:4] for one in inside.values()), strict=True)
            )
            steps = {a.global_step for h in self.session.histories.values() if (a := self.predictions.answer(h))}
            if apart < SAME:
                least = f" by more than {apart:.0e}" if apart else ""
                text = f"The same network twice: no value differs{least}."
            elif len(steps) > 1:
                text = "They are at different steps, so they differ by more than they would at the same one."
            else:
                text = f"After the same steps: {self._led_apart()} led them apart."
            lines.append(Text(text, style="bold" if apart < SAME else ""))
        self.query_one("#caption", Static).update(Text("\n").join(lines))

    def _led_apart(self) -> str:
        """Name what makes the two networks learn differently: "dropout and rounding have", or their settings."""
        configs = [h.config for h in self.session.histories.values() if h.config is not None]
        if any(config.preset == "library-defaults" for config in configs):
            return "their settings have"
        causes = ["dropout"] * any(config.dropout for config in configs)
        causes += ["augmentation"] * any(config.augment != "none" for config in configs)
        return f"{', '.join(causes)} and rounding have" if causes else "rounding has"

    def _show_views(self, palette: dict[str, str]) -> None:
        """Show the names of the views, the open one marked."""
        line = Text(no_wrap=True)
        for name in self._views:
            click = Style(bold=name == self.view, reverse=name == self.view, meta={"@click": f"screen.view({name!r})"})
            line.append(f" {name} ", style=click)
        self.query_one("#views", TextLine).set_text(line)
        self.query_one("#meaning", TextLine).set_text(Text(VIEWS[self.view], style="dim"))

    # Commands

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "enlarge":
            return True if self.view in SIDES else None
        if action == "close":
            return self.enlarged
        return super().check_action(action, parameters)

    def action_view(self, name: str) -> None:
        self.view, self.enlarged = name, False
        self._redraw()

    def action_next_view(self, step: int = 1) -> None:
        self.action_view(self._views[(self._views.index(self.view) + step) % len(self._views)])

    def action_choose(self, dx: int, dy: int) -> None:
        """Choose another map, or move the mark in an enlarged one."""
        if self.view not in MAPS:
            return
        if self.enlarged:
            size = SIDES[self.view]
            y, x = self.position
            self.position = min(max(y + dy, 0), size - 1), min(max(x + dx, 0), size - 1)
        else:
            count = COUNTS.get(self.view, 1)
            self._chosen[self.view] = (self._chosen[self.view] + dx + 8 * dy) % count
        self.show_predictions()

    def action_enlarge(self) -> None:
        """Enlarge the chosen map, with its kernel and the arithmetic of its largest value, or go back to all maps."""
        self.enlarged = not self.enlarged
        for inside in list(self._inside().values())[:1]:
            chosen = maps_of(inside, self.view)[:, :, self._chosen[self.view]]
            y, x = np.unravel_index(int(chosen.argmax()), chosen.shape)
            self.position = int(y), int(x)
        self._redraw()

    def action_close(self) -> None:
        self.enlarged = False
        self._redraw()

    def _redraw(self) -> None:
        self._arrange()
        self.refresh_bindings()
        self.call_after_refresh(self.show_predictions)
