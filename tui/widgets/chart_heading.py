"""The headings of charts: a chart's name, its switches and the figures of one engine or of several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from rich.text import Text

from engines.api import TITLES, RunHistory
from tui import formatting
from tui.charts.sparkline import sparkline
from tui.charts.viewport import Viewport
from tui.widgets.curves import DASHED, MARKERS, cursor_label, figures_at_cursor
from tui.widgets.line_fit import Part, fit_parts

SHORT_NAMES = {"accuracy": "acc."}
WIDE_LEGEND = 60
"""Cells from which a legend sets its engines further apart."""
X_AXIS_STATES = {"epoch": " · by epoch", "time": " · by time"}


def switches(name: str, view: Viewport) -> list[Part]:
    """Return the states of the switches that the user has changed."""
    default = Viewport()
    parts = []
    if view.scale != default.scale:
        long = "error scale" if view.scale == "log" and name == "accuracy" else view.scale
        parts.append(Part("scale", (f" · {long}", f" · {view.scale}", "")))
    if view.smoothing != default.smoothing:
        state = f"mean of {100 * view.smoothing:g} %" if view.smoothing else "not smoothed"
        parts.append(Part("smoothing", (f" · {state}", f" · {100 * view.smoothing:g} %", "")))
    if view.x_axis != default.x_axis:
        parts.append(Part("x axis", (X_AXIS_STATES[view.x_axis], "")))
    return parts


def heading(name: str, history: RunHistory, view: Viewport, width: int, has_chart: bool, ascii_only: bool) -> Text:
    """Render a chart's name and figures, and its curve as a sparkline where there is no room for the chart."""
    title = [Part("name", (name, SHORT_NAMES.get(name, name), "")), *switches(name, view)]
    texts = fit_parts([*title, Part("", (" ",)), *_figures(name, history, view)], width)
    title_text, values = "".join(texts[: len(title)]), "".join(texts[len(title) + 1 :]).strip()
    values = f" {values} " if values else ""
    text = Text(no_wrap=True)
    text.append(texts[0], style="bold")
    text.append(f"{title_text[len(texts[0]) :]} ")
    room = max(width - text.cell_len - len(values), 0)
    if has_chart or not len(history.train_loss):
        text.append("─" * room, style="dim")
    else:
        text.append(_curve_sparkline(name, history, room, ascii_only))
    text.append(values)
    return text


def _figures(name: str, history: RunHistory, view: Viewport) -> list[Part]:
    """Return the figures of one engine: at the cursor, or the newest ones and the best."""
    form, short = _forms(name)
    figures, label = figures_at_cursor(history, name, view), cursor_label(view)
    train, test = form(figures.train), form(figures.test)
    parts = [Part("cursor", (f"  {label}:", ""))] if label else []
    before = " " if label else "  "
    words = f"{history.split} {test}"
    if figures.test is None:
        return [*parts, Part("", (f"{before}train {train}",)), Part("interval", (f"  {words}", ""))]
    parts.append(Part("train", (f"{before}train {train}", f"{before}train {short(figures.train)}", "")))
    if name == "loss" or label:
        return [*parts, Part("test", (f"  {words}", f"  {words}", f"  {words}", f"  {test}"))]
    in_epoch = f"epoch {figures.epoch}: {test}"
    parts.append(Part("test", (f"  {history.split} {in_epoch}", f"  {in_epoch}", f"  {words}", f"  {test}")))
    parts.append(Part("best", (f" (best {short(history.best_accuracy)})", "")))
    if history.ended_t is not None and history.test_interval:
        low, high = history.test_interval
        tested = "  95 %:" if history.split == "test" else f"  test {form(history.test_accuracy)}, 95 %:"
        parts.append(Part("interval", (f"{tested} {100 * low:.2f}–{100 * high:.2f}", "")))
    return parts


def legend(
    name: str, histories: Sequence[RunHistory], view: Viewport, colors: Mapping[str, str], ascii_only: bool, width: int
) -> Text:
    """Render for each engine its name, line, train figure, marker and test figure, in the longest form that fits."""
    form, short = _forms(name)
    parts: list[Part] = []
    styles: list[str] = []

    def add(kind: str, *forms: str, style: str = "") -> None:
        parts.append(Part(kind, forms))
        styles.append(style)

    for i, history in enumerate(histories):
        engine, figures = history.engine, figures_at_cursor(history, name, view)
        has_epoch = name == "accuracy" and figures.test is not None
        in_epoch = f"{history.split} epoch {figures.epoch}: " if has_epoch else f"{history.split} "
        title, color = TITLES.get(engine, engine), f"bold {colors[f'${engine}']}"
        add("", "  " * bool(i) if width < WIDE_LEGEND else "   " * bool(i))
        add("engine", f"{title} ", "")
        add("", f"{line_sample(engine, ascii_only)} ", style=color)
        add("label", "train ", "")
        add("train", form(figures.train), short(figures.train), "")
        add("", f" {'o' if ascii_only else MARKERS.get(engine, '●')} ")
        add("label", in_epoch, f"{history.split} ", "")
        add("percent", form(figures.test), short(figures.test))
        if name == "accuracy" and figures.test is not None and view.cursor is None:
            add("best", f" (best {short(history.best_accuracy)})", "")
    text = Text(no_wrap=True, overflow="ellipsis")
    for form_shown, style in zip(fit_parts(parts, width), styles, strict=True):
        text.append(form_shown, style=style)
    return text


def difference_title(histories: Sequence[RunHistory]) -> str:
    """Return ": Keras - PyTorch" for the engines in the order in which they are subtracted."""
    first, second = [TITLES.get(history.engine, history.engine) for history in [*histories, *histories][:2]]
    return f": {second} − {first}"


def difference_heading(name: str, histories: Sequence[RunHistory], view: Viewport, width: int) -> Text:
    """Render the differences of the training and the test figures, those of an accuracy in percentage points."""
    first, second = [figures_at_cursor(history, name, view) for history in [*histories, *histories][:2]]

    def signed(a: float | None, b: float | None) -> str:
        if a is None or b is None:
            return "–"
        change = round(b - a, 4) + 0.0  # which makes -0.0 a 0.0
        return f"{change:+.4f}" if name == "loss" else f"{100 * change:+.2f}"

    test = signed(first.test, second.test) if first.epoch == second.epoch else "–"
    unit = " points" if name == "accuracy" else ""
    parts = [
        Part("train", (f"train {signed(first.train, second.train)}{unit}", "", "")),
        Part("test", (f"  test {test}{unit}",)),
    ]
    return Text("".join(fit_parts(parts, width)).strip(), no_wrap=True)


def line_sample(engine: str, ascii_only: bool) -> str:
    """Return a piece of the line of an engine in a chart that all engines share."""
    if engine in DASHED:
        return "- -" if ascii_only else "╍╍"
    return "---" if ascii_only else "━━"


def _forms(name: str) -> tuple[formatting.Format, formatting.Format]:
    """Return the formats of a figure: as long as it should be, and in short, which for a percentage is without its sign."""
    if name == "loss":
        return formatting.loss, lambda value: "–" if value is None else f"{value:.3f}"
    return formatting.percent, lambda value: "–" if value is None else f"{100 * value:.2f}"


def _curve_sparkline(name: str, history: RunHistory, width: int, ascii_only: bool) -> str:
    """Draw the complete curve in `width` blocks, each the mean of its samples."""
    ys = [y for y in (history.train_loss if name == "loss" else history.train_accuracy).means if math.isfinite(y)]
    ends = [round(i * len(ys) / width) for i in range(width + 1)] if width else []
    means = [sum(ys[a:b]) / (b - a) for a, b in pairwise(ends) if b > a]
    return sparkline(means, width, maximum=max(means, default=1.0) if name == "loss" else 1.0, ascii_only=ascii_only)
