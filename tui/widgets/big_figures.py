"""Big mode: the accuracies, the progress and the lead in figures that can be read from the back of a room."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.text import Text

from engines.api import CLEAR_LEAD_SECONDS, TITLES, RunHistory, SeedResults, lead, plural, time_caveat, verdict
from tui import frame_clock
from tui.charts.big_letters import HEIGHT, big_columns, big_rows
from tui.charts.sparkline import progress_bar
from tui.widgets.text_line import TextLine

VERDICT_SECONDS = 2.0
"""Seconds for which the verdict stands there before the screen is as it was."""


class BigFigures(TextLine):
    """Each engine's accuracy, beside each other, and below them one thought: who leads, or the verdict."""

    DEFAULT_CSS = "BigFigures { height: 1fr; padding: 1 1 0 1; }"

    def __init__(self, histories: Mapping[str, RunHistory], clock: Callable[[], float] = frame_clock.now) -> None:
        super().__init__()
        self._clock = clock
        self._run_ids = _run_ids(histories)
        self._ran = False
        """True once a run was under way while this was shown."""
        self._ended_t: float | None = None

    def is_over(self, histories: Mapping[str, RunHistory], running: bool) -> bool:
        """Return whether a run has ended while this was shown, and its verdict has stood for VERDICT_SECONDS."""
        self._ran = self._ran or running or _run_ids(histories) != self._run_ids  # a short one runs between two calls
        self._ended_t = None if running or not self._ran else self._ended_t or self._clock()
        return self._ended_t is not None and self._clock() - self._ended_t >= VERDICT_SECONDS

    def show(
        self, histories: Mapping[str, RunHistory], series: SeedResults, colors: Mapping[str, str], *, ascii_only: bool
    ) -> None:
        """Show these engines' figures."""
        runs = list(histories.values())
        width, height = self.content_size
        column = (width - 2 * (len(runs) - 1)) // max(len(runs), 1)
        texts = {h.engine: accuracy_text(h) for h in runs}
        if any(big_columns(text) > column for text in texts.values()):
            texts = {engine: text.removesuffix("%") for engine, text in texts.items()}
        scale = 2 if all(big_columns(text, 2) <= column for text in texts.values()) else 1
        figures = {engine: big_rows(text, scale=scale, ascii_only=ascii_only) for engine, text in texts.items()}
        lines = [_beside([_title(h, column, colors) for h in runs], column)]
        lines += [
            _beside([Text(figures[h.engine][y], style=colors[f"${h.engine}"]) for h in runs], column)
            for y in range(HEIGHT)
        ]
        lines.append(_beside([Text(_meaning(h), style="dim") for h in runs], column))
        lines.append(_beside([_progress(h, column, colors, ascii_only=ascii_only) for h in runs], column))
        lines += self._thought(thought(histories, series), width, height - len(lines) - 2, ascii_only=ascii_only)
        caveat = time_caveat(histories)
        lines += [Text(""), Text(caveat)] if caveat else []
        self.set_text(*lines)

    def _thought(self, words: tuple[str, ...], width: int, rows: int, *, ascii_only: bool) -> list[Text]:
        """Draw the lines of the thought as large as they fit; where they don't, as plain text."""
        for half in (False, True):
            blocks = [big_rows(line, half=half, ascii_only=ascii_only) for line in words]
            drawn = [row for block in blocks for row in ((*block, "") if len(block) == HEIGHT else block)]
            if all(big_columns(line) <= width for line in words) and 1 + len(drawn) <= rows:
                return [Text(""), *(Text(row, style="bold") for row in drawn)]
        return [Text(""), Text(" ".join(words), style="bold")]


def _run_ids(histories: Mapping[str, RunHistory]) -> list[str]:
    return [history.run_id for history in histories.values()]


def accuracy_text(history: RunHistory) -> str:
    """Return the test accuracy in percent, or the training accuracy before the first test; dashes before any step."""
    accuracy = history.test_accuracy if history.test_accuracy is not None else history.train_figures[1]
    return "--" if accuracy is None else f"{100 * accuracy:.1f}%"


def thought(histories: Mapping[str, RunHistory], series: SeedResults) -> tuple[str, ...]:
    """Return, in one or two lines: the verdict once all have ended, or else who leads; empty where neither can be said."""
    runs = {engine: history for engine, history in histories.items() if history.requested_t is not None}
    ended = runs and not any(history.running for history in runs.values())
    over_seeds, single_run = (series.verdict(), verdict(runs)) if ended else (None, None)
    if (result := over_seeds or single_run) is not None:
        ahead = next((title for title in TITLES.values() if title in result.text), "")
        seeds = f"{len(series.pairs())} seeds" if over_seeds else "one seed"
        return (f"{ahead} ahead", seeds) if ahead else ("statistical", "tie")
    leader = lead(*list(runs.values())[:2]) if len(runs) > 1 else None
    if leader is None or any(h.config is not None and h.config.mode != "race" for h in runs.values()):
        return ()
    if leader.seconds < CLEAR_LEAD_SECONDS:
        return ("tie",)
    return (f"{TITLES.get(leader.engine, leader.engine)} leads", f"by {leader.seconds:.1f} s")


def _beside(texts: list[Text], column: int) -> Text:
    line = Text(no_wrap=True)
    for i, text in enumerate(texts):
        text.truncate(column, overflow="ellipsis")
        line.append_text(text)
        line.append(" " * ((column - text.cell_len) + 2 if i < len(texts) - 1 else 0))
    return line


def _title(history: RunHistory, column: int, colors: Mapping[str, str]) -> Text:
    title = TITLES.get(history.engine, history.engine).upper()
    epochs = f"  epoch {history.epoch} of {history.config.epochs}" if history.config and history.epoch else ""
    return Text.assemble(
        (title, f"bold {colors[f'${history.engine}']}"), epochs if len(title + epochs) <= column else ""
    )


def _meaning(history: RunHistory) -> str:
    if history.test_accuracy is not None:
        return f"test accuracy after {plural(history.evaluations[-1].epoch, 'epoch')}"
    return "training accuracy" if history.train_figures[1] is not None else history.phase


def _progress(history: RunHistory, column: int, colors: Mapping[str, str], *, ascii_only: bool) -> Text:
    done, rest = progress_bar(history.fraction, column, ascii_only=ascii_only)
    return Text.assemble((done, f"bold {colors[f'${history.engine}']}"), (rest, "dim"))
