"""What came of a run, as a card of rows: for the Results screen, and as Markdown and HTML. Knows no Textual."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    RunHistory,
    display_name,
    energy_joules,
    plural,
    preset_label,
    read_source,
    script_lines,
    time_caveat,
    verdict,
)
from tui import formatting


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of each engine, in the order of the report's engines."""

    label: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The card: who won, and every figure in groups."""

    title: str
    engines: tuple[str, ...]
    """As people write them."""
    verdict: str
    why: str
    """The figures behind the verdict, or why there is none."""
    badge: str
    """Why times may not be compared; empty when they may."""
    groups: tuple[tuple[str, tuple[Row, ...]], ...]


def report(histories: Mapping[str, RunHistory], machine: MachineHistory) -> Report | None:
    """Of what ran; None before anything was asked for."""
    runs = [history for history in histories.values() if history.config is not None]
    if not runs or runs[0].config is None:
        return None
    config, data = runs[0].config, next((h.data for h in runs if h.data), None)
    digits = formatting.digits_title(data.dataset) if data else ""
    backends = (display_name(h.engine, h.config.keras_backend) for h in runs if h.config)
    parts = (
        *(one for one in backends if one not in TITLES.values()),  # "Keras on JAX": the columns are headed by "Keras"
        digits,
        preset_label(config),
        f"seed {config.seed}",
        config.mode,
        plural(config.epochs, "epoch"),
    )
    said, why = _verdict({h.engine: h for h in runs})

    def row(label: str, form: Callable[[RunHistory], str]) -> Row:
        return Row(label, tuple(formatting.to_plain_text(form(history)) for history in runs))

    targets = sorted({*MILESTONES, *(h.target for h in runs if h.target)})
    groups = (
        (
            "Accuracy",
            (
                row("test accuracy", lambda h: formatting.percent(h.test_accuracy)),
                row("its 95 % interval", lambda h: _interval(h.test_interval)),
                row("test loss", lambda h: formatting.loss(h.test_loss)),
                row("epochs", lambda h: f"{h.epochs_done} of {h.config.epochs if h.config else 0}{_outcome(h)}"),
            ),
        ),
        (
            "Time",
            (
                *(row(f"to {100 * accuracy:g} %", _reached(accuracy)) for accuracy in targets),
                row("training", lambda h: formatting.seconds(_train_seconds(h))),
                row("an epoch", lambda h: formatting.seconds(h.epoch_seconds / h.epochs_done if h.epochs_done else None)),
                row("img/s", lambda h: _count(h.epoch_samples / h.epoch_seconds if h.epoch_seconds else None)),
                row("wall, since asked for", lambda h: formatting.seconds(h.wall_seconds(h.last_t))),
                row("import", _import),
                row("loading digits", lambda h: formatting.seconds(h.data.seconds if h.data else None)),
                row("building", lambda h: formatting.seconds(h.model.seconds if h.model else None)),
                row("first step", lambda h: formatting.seconds(h.first_step_seconds)),
                row("an evaluation", lambda h: formatting.seconds(_mean([e.seconds for e in h.evaluations]))),
            ),
        ),
        (
            "Cost",
            (
                row("peak memory", lambda h: _size(h.peak_rss_bytes, "not sampled")),
                row("peak GPU memory", _gpu_memory),
                row("energy", lambda h: _energy(h, machine, runs)),
                row("lines of a plain script", lambda h: _script_lines(h.engine)),
                row("lines of this app's engine", lambda h: lines_of_code(h)),
            ),
        ),
        (
            "Provenance",
            (
                row(
                    "framework",
                    lambda h: h.last_worker_ready.version if h.last_worker_ready else h.framework or "n/a: not started",
                ),
                row("device", _device),
                row("optimizer", lambda h: f"{h.config.optimizer}, learning rate {h.config.learning_rate:g}" if h.config else ""),
                row("dropout", lambda h: f"{h.config.dropout:g}" if h.config else ""),
                row("training digits", lambda h: f"{h.data.train_size:,}" if h.data else "n/a: not loaded"),
                row("test digits", lambda h: f"{h.data.test_size:,}" if h.data else "n/a: not loaded"),
                row("precision", lambda h: h.started.precision if h.started else "n/a: not started"),
                row("CPU threads", lambda h: str(h.started.num_threads) if h.started else "n/a: not started"),
                row("digits SHA-256", lambda h: h.data.sha256[:16] if h.data else "n/a: not loaded"),
                row("run", lambda h: h.run_id),
                row("mnist-tui", lambda h: h.build or "n/a: not recorded"),
            ),
        ),
    )  # fmt: skip
    names = tuple(TITLES.get(h.engine, h.engine) for h in runs)
    title = formatting.to_plain_text(" · ".join(part for part in parts if part))
    return Report(title, names, said, why, time_caveat(histories), groups)


def _verdict(runs: Mapping[str, RunHistory]) -> tuple[str, str]:
    said = verdict(runs)
    if said is not None:
        return said.text, said.why if said.text == TIE else f"{said.why}. {ONE_RUN_CAVEAT}"
    if any(history.running for history in runs.values()):
        return "still training", "who is ahead is decided when both have ended"
    if len(runs) < 2:
        return "no comparison", "only one framework ran"
    return "no verdict", "the two were not tested after the same steps on the same digits"


def _outcome(history: RunHistory) -> str:
    return "" if history.outcome in ("", "completed") else f", {history.outcome.replace('-', ' ')}"


def _interval(bounds: tuple[float, float] | None) -> str:
    return "–" if bounds is None else f"{100 * bounds[0]:.2f} to {100 * bounds[1]:.2f} %"


def _reached(accuracy: float) -> Callable[[RunHistory], str]:
    def form(history: RunHistory) -> str:
        for one in history.milestones:
            if one.accuracy == accuracy:
                trained = f", {formatting.seconds(one.train_seconds)} of training" if one.train_seconds else ""
                return f"{formatting.clock(one.wall_seconds)}{trained}"
        return "–" if history.running else "not reached"

    return form


def _import(history: RunHistory) -> str:
    seconds = formatting.seconds(history.last_worker_ready.import_seconds if history.last_worker_ready else None)
    return f"{seconds}, in the wall time" if history.cold_start else f"{seconds}, before the run"


def _train_seconds(history: RunHistory) -> float:
    return history.finished.train_seconds if history.finished else history.epoch_seconds


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None  # fmean raises where a recording's figures are infinite


def _count(value: float | None) -> str:
    return "n/a: no whole epoch" if value is None else f"{value:,.0f}"


def _size(value: int | None, reason: str) -> str:
    return f"n/a: {reason}" if value is None else formatting.size(value)


def _gpu_memory(history: RunHistory) -> str:
    on_cpu = history.started is not None and history.started.device.startswith("cpu")
    return _size(history.peak_device_bytes, "runs on the CPU" if on_cpu else "not reported")


def _energy(history: RunHistory, machine: MachineHistory, runs: list[RunHistory]) -> str:
    joules, reason = energy_joules(history, machine, runs)
    return f"n/a: {reason}" if joules is None else f"{joules / 1000:,.2f} kJ"


def _device(history: RunHistory) -> str:
    if history.started is None:
        return "n/a: not started"
    device = history.started.device
    known = {one.id: one.name for one in history.last_worker_ready.devices} if history.last_worker_ready else {}
    names = dict.fromkeys(known.get(one, "") for one in device.split(","))
    name = " and ".join(one for one in names if one and one.lower() not in device)
    return f"{device} ({name})" if name else device


def lines_of_code(history: RunHistory) -> str:
    """Of the source of the engine that ran, by the rule."""
    return _lines_of_code(history.engine, history.config.keras_backend if history.config else "tensorflow")


@cache  # to count what does not change would take most of the time of each drawing
def _lines_of_code(engine: str, backend: str) -> str:
    return _counted(lambda: sum(section.lines for section in read_source(engine, backend)))


@cache
def _script_lines(engine: str) -> str:
    return _counted(lambda: script_lines(engine))


def _counted(count: Callable[[], int]) -> str:
    try:
        return str(count())
    except (OSError, SyntaxError) as error:
        return f"n/a: {error}"


def markdown(card: Report) -> str:
    """The card as GitHub shows it."""
    lines = [f"## {card.verdict}", "", card.why, "", card.title, ""]
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
    """The card as a page of its own, with charts as SVG; it needs no network and no script."""
    heads = "".join(f'<th><b class="{escape(engine.lower())}">{escape(engine)}</b></th>' for engine in card.engines)
    body = []
    for title, rows in card.groups:
        body.append(f'<tr><th colspan="{len(card.engines) + 1}">{escape(title)}</th></tr>')
        for row in rows:
            cells = "".join(f"<td>{escape(value)}</td>" for value in row.values)
            body.append(f"<tr><td>{escape(row.label)}</td>{cells}</tr>")
    note = f"<p><strong>{escape(card.badge)}</strong></p>" if card.badge else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(card.verdict)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(card.verdict)}</h1><p>{escape(card.why)}</p><p>{escape(card.title)}</p>{note}{charts}"
        f"<table><tr><th></th>{heads}</tr>{''.join(body)}</table><p>Lines of code: {escape(RULE)}.</p></html>\n"
    )
