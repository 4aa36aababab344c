"""The results card with its verdict, large accuracies where there is room, and the confusion matrices beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Digits, Static

from engines.api import TITLES, RunHistory
from tui import formatting
from tui.reports.card import Report
from tui.widgets.card_tables import card, confusions, verdict_line

MATRICES_FROM = 160
"""The width of the screen in columns from which the confusion matrices are shown beside the card."""


class CardView(VerticalScroll):
    """Shows a report and the histories that it is about."""

    def __init__(self, engines: Sequence[str]) -> None:
        super().__init__(id="card", can_focus=False)
        self._engines = engines

    def compose(self) -> ComposeResult:
        with Horizontal(id="big"):
            for engine in self._engines:
                yield Static(TITLES.get(engine, engine), classes=f"name -{engine}")
                yield Digits("", id=f"big-{engine}")
                yield Static("%", classes="percent")
        yield Static(id="verdict")
        with Horizontal(id="figures"):
            yield Static(id="rows")
            yield Static(id="beside")

    def show(self, report: Report | None, histories: Mapping[str, RunHistory], colors: Mapping[str, str]) -> None:
        """Show a report, or that there is none yet."""
        if report is None:
            self.query_one("#verdict", Static).update("No results yet. Press s to train.")
            return
        self.query_one("#verdict", Static).update(verdict_line(report, colors))
        self.query_one("#rows", Static).update(card(report, colors))
        for digits in self.query(Digits):
            history = histories.get(str(digits.id).removeprefix("big-"))
            accuracy = None if history is None else history.test_accuracy
            digits.update(formatting.percent(accuracy).replace("–", "-").removesuffix(" %"))
        matrices = self.query_one("#beside", Static)
        matrices.display = self.screen.size.width >= MATRICES_FROM
        if matrices.display:
            matrices.update(confusions(list(histories.values()), colors, beside=False))
