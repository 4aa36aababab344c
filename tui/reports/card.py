"""The results of a run as a card of rows: for the Results screen, as Markdown and as HTML. Knows no Textual."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape

from engines.api import (
    MILESTONES,
    ONE_RUN_CAVEAT,
    RULE,
    TIE,
    TITLES,
    MachineHistory,
    Record,
    RunHistory,
    display_name,
    energy_joules,
    epoch_time_ratio,
    for_engine,
    plural,
    preset_label,
    read_source,
    script_lines,
    time_caveat,
    verdict,
)
from tui import formatting
from tui.reports import validation


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of each engine, in the order of the report's engines."""

    label: str
    values: tuple[str, ...]
    shares: tuple[float, ...] = ()
    """Each value as a share of the largest one; empty where the values are no figures that a bar can show."""
    better: int | None = None
    """The place of the better value; None where none is better, or where the values are not comparable."""


@dataclass(frozen=True, slots=True)
class Report:
    """A card: the verdict, and every figure in groups."""

    title: str
    engines: tuple[str, ...]
    """The engines' names for people."""
    verdict: str
    why: str
    """The figures behind the verdict, or the reason that there is none."""
    badge: str
    """The reason that times can't be compared; empty when they can."""
    times: str
    """The ratio of the times for an epoch in a time trial; empty elsewhere."""
    groups: tuple[tuple[str, tuple[Row, ...]], ...]


ACCURACY, TIME, COST = "accuracy", "time", "cost"
"""The kinds of figures; each has a condition of its own under which one value is better."""


class Figure(Record, kw_only=False):
    """A row before it is written."""

    label: str
    write: Callable[[RunHistory], str]
    number: Callable[[RunHistory], float | None] | None = None
    """The function that returns the number behind the text, if there is one."""
    kind: str = ""
    more_is_better: bool = False


def report(histories: Mapping[str, RunHistory], machine: MachineHistory) -> Report | None:
    """Make the card of the runs that were requested; None when there are none."""
    runs = [history for history in histories.values() if history.config is not None]
    if not runs:
        return None
    groups = (
        ("Accuracy", _accuracy(runs)),
        ("Time", _times(runs)),
        ("Cost", _costs(runs, machine)),
        ("Provenance", _provenance(runs)),
    )
    names = tuple(TITLES.get(history.engine, history.engine) for history in runs)
    text, reason = _verdict({history.engine: history for history in runs})
    caveat, ratio = time_caveat(histories), epoch_time_ratio(histories)
    ended = not any(history.running for history in runs)
    comparable = {
        COST: ended,
        TIME: ended and bool(ratio and ratio.ratio.is_clear),
        ACCURACY: any(name in text for name in names),
    }
    kinds = [kind for kind, condition in comparable.items() if condition]
    rows = tuple((title, tuple(_row(figure, runs, kinds) for figure in figures)) for title, figures in groups)
    return Report(_title(runs), names, text, reason, caveat, f"{ratio.text} ({ratio.basis})" if ratio else "", rows)


def _title(runs: Sequence[RunHistory]) -> str:
    """Name the digits and the settings that the runs share."""
    config = runs[0].config
    assert config is not None
    digits = dict.fromkeys(formatting.digits_title(history.data.dataset) for history in runs if history.data)
    backends = (display_name(h.engine, h.config.keras_backend) for h in runs if h.config)
    parts = (
        *(name for name in backends if name not in TITLES.values()),  # "Keras on JAX": its column is headed by "Keras"
        " and ".join(digits),
        preset_label(config),
        "learning rate changed by hand" if any(history.rate_changes for history in runs) else "",
        f"seed {config.seed}",
        config.mode,
        plural(config.epochs, "epoch"),
    )
    return formatting.to_plain_text(" · ".join(part for part in parts if part))


def _row(figure: Figure, runs: Sequence[RunHistory], comparable: Collection[str]) -> Row:
    texts = tuple(formatting.to_plain_text(figure.write(history)) for history in runs)
    numbers = [number for history in runs if figure.number and (number := figure.number(history)) is not None]
    if len(numbers) < len(runs) or not all(0 <= number < math.inf for number in numbers) or not any(numbers):
        return Row(figure.label, texts)
    shares = tuple(number / max(numbers) for number in numbers) if figure.kind != ACCURACY else ()
    if figure.kind not in comparable or len(set(texts)) < len(texts) or len(texts) < 2:
        return Row(figure.label, texts, shares)
    return Row(figure.label, texts, shares, numbers.index((max if figure.more_is_better else min)(numbers)))


def _time(label: str, number: Callable[[RunHistory], float | None]) -> Figure:
    return Figure(label, lambda history: formatting.seconds(number(history)), number, TIME)


def _accuracy(runs: Sequence[RunHistory]) -> Sequence[Figure]:
    last = validation.last_accuracy
    validated = Figure("validation accuracy", lambda h: formatting.percent(last(h)), last)
    return (
        Figure(
            "test accuracy", lambda h: formatting.percent(h.test_accuracy), lambda h: h.test_accuracy, ACCURACY, True
        ),
        Figure("its 95 % interval", lambda h: _interval(h.test_interval)),
        Figure("test loss", lambda h: formatting.loss(h.test_loss)),
        *([validated] if validation.is_validated(runs) else []),
        Figure("best epoch", validation.best_epoch),
        Figure("epochs", lambda h: f"{h.epochs_done} of {h.config.epochs if h.config else 0}{_outcome(h)}"),
        *([Figure("learning rate, by hand", _rate_changes)] if any(h.rate_changes for h in runs) else []),
    )


def _times(runs: Sequence[RunHistory]) -> Sequence[Figure]:
    targets = sorted({*MILESTONES, *(history.target for history in runs if history.target)})
    of = " of held-out digits" if validation.is_validated(runs) else ""
    return (
        *(Figure(f"to {100 * accuracy:g} %{of}", _time_to(accuracy)) for accuracy in targets),
        _time("training", _train_seconds),
        _time("an epoch", lambda h: h.epoch_seconds / h.epochs_done if h.epochs_done else None),
        Figure("img/s", lambda h: _count(_speed(h)), _speed, TIME, True),
        _time("wall, since asked for", lambda h: h.wall_seconds(h.last_t)),
        Figure("import", _import),
        _time("loading digits", lambda h: h.data.seconds if h.data else None),
        Figure("building", _building, lambda h: h.build_seconds, TIME),
        Figure("first step", _first_step, lambda h: h.first_steps_seconds, TIME),
        _time("an evaluation", lambda h: _mean([e.seconds for e in h.evaluations])),
    )


def _costs(runs: Sequence[RunHistory], machine: MachineHistory) -> Sequence[Figure]:
    return (
        Figure("peak memory", lambda h: _size(h.peak_rss_bytes, "not sampled"), lambda h: h.peak_rss_bytes, COST),
        Figure("peak GPU memory", _gpu_memory, lambda h: h.peak_device_bytes, COST),
        Figure("energy", lambda h: _energy(h, machine, runs), lambda h: energy_joules(h, machine, runs)[0], COST),
        Figure(
            "lines of a plain script",
            lambda h: _script_lines(h.engine),
            lambda h: _whole(_script_lines(h.engine)),
            COST,
        ),
        Figure("lines of this app's engine", engine_lines, lambda h: _whole(engine_lines(h)), COST),
    )


def _provenance(runs: Sequence[RunHistory]) -> Sequence[Figure]:
    return (
        Figure("framework", _framework),
        Figure("device", _device),
        Figure("optimizer", _optimizer),
        Figure("dropout", lambda h: f"{h.config.dropout:g}" if h.config else ""),
        Figure("training digits", lambda h: f"{h.data.train_size:,}" if h.data else "n/a: not loaded"),
        *([Figure("held-out digits", validation.held_out_digits)] if validation.is_validated(runs) else []),
        Figure("test digits", lambda h: f"{h.data.test_size:,}" if h.data else "n/a: not loaded"),
        Figure("precision", lambda h: h.started.precision if h.started else "n/a: not started"),
        Figure("CPU threads", lambda h: str(h.started.num_threads) if h.started else "n/a: not started"),
        Figure("digits SHA-256", lambda h: h.data.sha256[:16] if h.data else "n/a: not loaded"),
        Figure("run", lambda h: h.run_id),
        Figure("mnist-tui", lambda h: h.build or "n/a: not recorded"),
    )


def _verdict(runs: Mapping[str, RunHistory]) -> tuple[str, str]:
    """Return the verdict and its reason, or why there is none yet."""
    result = verdict(runs)
    if result is not None:
        return result.text, result.why if result.text == TIE else f"{result.why}. {ONE_RUN_CAVEAT}"
    if any(history.running for history in runs.values()):
        return "still training", "the verdict comes when both have ended"
    if len(runs) < 2:
        return "no comparison", "only one framework ran"
    return "no verdict", "the two were not tested after the same steps on the same digits"


def _outcome(history: RunHistory) -> str:
    return "" if history.outcome in ("", "completed") else f", {history.outcome.replace('-', ' ')}"


def _interval(bounds: tuple[float, float] | None) -> str:
    return "–" if bounds is None else f"{100 * bounds[0]:.2f} to {100 * bounds[1]:.2f} %"


def _time_to(accuracy: float) -> Callable[[RunHistory], str]:
    """Return the function that writes how long a run took to reach that accuracy."""

    def write(history: RunHistory) -> str:
        for milestone in history.milestones:
            if milestone.accuracy == accuracy:
                seconds = milestone.train_seconds
                trained = f", {formatting.seconds(seconds)} of training" if seconds else ""
                return f"{formatting.clock(milestone.wall_seconds)} wall{trained}"
        return "–" if history.running else "not reached"

    return write


def _import(history: RunHistory) -> str:
    """Write how long the import took, and whether the run's wall time includes it."""
    ready, waited = history.last_worker_ready, history.import_wait_seconds
    if ready is None:
        return "n/a: not recorded"
    if not waited:
        return f"{formatting.seconds(ready.import_seconds)}, before the run"
    share = "" if waited >= ready.import_seconds else f"{formatting.seconds(waited)} of it "
    return f"{formatting.seconds(ready.import_seconds)}, {share}in the wall time"


def _building(history: RunHistory) -> str:
    warm_up = history.warm_up.build_seconds if history.warm_up else None
    return _after_warm_up(history, history.model.seconds if history.model else None, warm_up)


def _first_step(history: RunHistory) -> str:
    warm_up = history.warm_up.first_step_seconds if history.warm_up else None
    return _after_warm_up(history, history.first_step_seconds, warm_up)


def _after_warm_up(history: RunHistory, seconds: float | None, in_warm_up: float | None) -> str:
    """Write the run's seconds, and what its worker had spent on the same before."""
    if seconds is None or history.cold_start:
        return formatting.seconds(seconds)
    before = ", in a warm worker" if in_warm_up is None else f" + {formatting.seconds(in_warm_up)} in the warm-up"
    return f"{formatting.seconds(seconds)}{before}"


def _train_seconds(history: RunHistory) -> float:
    return history.finished.train_seconds if history.finished else history.epoch_seconds


def _speed(history: RunHistory) -> float | None:
    return history.epoch_samples / history.epoch_seconds if history.epoch_seconds else None


def _whole(text: str) -> float | None:
    return int(text) if text.isdecimal() else None


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None  # fmean raises where a recording's figures are infinite


def _count(value: float | None) -> str:
    return "n/a: no whole epoch" if value is None else f"{value:,.0f}"


def _size(value: int | None, reason: str) -> str:
    return f"n/a: {reason}" if value is None else formatting.size(value)


def _gpu_memory(history: RunHistory) -> str:
    on_cpu = history.started is not None and history.started.device.startswith("cpu")
    return _size(history.peak_device_bytes, "runs on the CPU" if on_cpu else "not reported")


def _energy(history: RunHistory, machine: MachineHistory, runs: Sequence[RunHistory]) -> str:
    joules, reason = energy_joules(history, machine, runs)
    return f"n/a: {reason}" if joules is None else f"{joules / 1000:,.2f} kJ"


def _framework(history: RunHistory) -> str:
    ready = history.last_worker_ready
    return ready.version if ready else history.framework or "n/a: not started"


def _optimizer(history: RunHistory) -> str:
    if history.config is None:
        return ""
    config = for_engine(history.config, history.engine)  # as it trained: library-defaults are each library's own
    return f"{config.optimizer}, learning rate {config.learning_rate:g}"


def _rate_changes(history: RunHistory) -> str:
    """Write each change of the learning rate that the user made."""
    changes = history.rate_changes
    return (
        "; ".join(f"{one.before:.4g} to {one.after:.4g} after step {one.global_step:,}" for one in changes)
        or "unchanged"
    )


def _device(history: RunHistory) -> str:
    """Write the device, or the devices joined by commas, with the names that the driver has for them."""
    if history.started is None:
        return "n/a: not started"
    device = history.started.device
    ready = history.last_worker_ready
    names_by_id = {listed.id: listed.name for listed in ready.devices} if ready else {}
    names = dict.fromkeys(names_by_id.get(part, "") for part in device.split(","))
    text = " and ".join(name for name in names if name and name.lower() not in device)
    return f"{device} ({text})" if text else device


def engine_lines(history: RunHistory) -> str:
    """Count the lines of code of the engine that ran, by RULE."""
    return _engine_lines(history.engine, history.config.keras_backend if history.config else "tensorflow")


@cache  # counting would take most of the time of each drawing
def _engine_lines(engine: str, backend: str) -> str:
    return _count_lines(lambda: sum(section.lines for section in read_source(engine, backend)))


@cache
def _script_lines(engine: str) -> str:
    return _count_lines(lambda: script_lines(engine))


def _count_lines(count: Callable[[], int]) -> str:
    try:
        return str(count())
    except (OSError, SyntaxError) as error:
        return f"n/a: {error}"


def markdown(card: Report) -> str:
    """Write the card as GitHub's Markdown."""
    lines = [f"## {card.verdict}", "", card.why, "", *([card.times, ""] if card.times else []), card.title, ""]
    if card.badge:
        lines += [f"**{card.badge}**", ""]
    lines += [f"| | {' | '.join(card.engines)} |", f"|---|{'---|' * len(card.engines)}"]
    for title, rows in card.groups:
        lines.append(f"| **{title}** |{' |' * len(card.engines)}")
        lines += [f"| {row.label} | {' | '.join(row.values)} |" for row in rows]
    return "\n".join([*lines, "", f"Lines of code: {RULE}.", ""])


_STYLE = """
:root{color-scheme:light dark;--pytorch:#b8480c;--keras:#0a6aa8}
@media(prefers-color-scheme:dark){:root{--pytorch:#ee8a4a;--keras:#4db8e8}}
body{font:18px/1.5 system-ui;margin:3em auto;max-width:60em;padding:0 1em}td,th{padding:.1em 1em;text-align:left}
svg{width:100%;max-width:52em;display:block;margin:1em 0;font:12px system-ui;fill:currentColor}svg .title{font-weight:bold}
svg .grid{stroke:currentColor;opacity:.15}polyline{fill:none;stroke-width:1.6}
.pytorch{stroke:var(--pytorch)}.keras{stroke:var(--keras)}circle.pytorch,b.pytorch{fill:var(--pytorch);color:var(--pytorch)}
circle.keras,b.keras{fill:var(--keras);color:var(--keras)}
"""


def html(card: Report, charts: str = "") -> str:
    """Write the card as an HTML page that needs no network and no script; `charts` is SVG."""
    heads = "".join(f'<th><b class="{escape(engine.lower())}">{escape(engine)}</b></th>' for engine in card.engines)
    body = []
    for title, rows in card.groups:
        body.append(f'<tr><th colspan="{len(card.engines) + 1}">{escape(title)}</th></tr>')
        for row in rows:
            cells = "".join(f"<td>{escape(value)}</td>" for value in row.values)
            body.append(f"<tr><td>{escape(row.label)}</td>{cells}</tr>")
    times = f"<p>{escape(card.times)}</p>" if card.times else ""
    note = f"<p><strong>{escape(card.badge)}</strong></p>" if card.badge else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(card.verdict)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(card.verdict)}</h1><p>{escape(card.why)}</p>{times}<p>{escape(card.title)}</p>{note}{charts}"
        f"<table><tr><th></th>{heads}</tr>{''.join(body)}</table><p>Lines of code: {escape(RULE)}.</p></html>\n"
    )
