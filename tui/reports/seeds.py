"""The results of several seeds as a table of texts: for the Results screen, for Train and as Markdown. Knows no Textual."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engines.api import FEWEST_SEEDS, TITLES, Record, SeedResult, SeedResults, SeedRun, few_seeds_caveat, plural
from tui import formatting

NONE = "–"


class SeedRow(Record, kw_only=False):
    """A row of the table: the texts of one seed's results, or of the medians."""

    title: str
    """The seed, or "median"."""
    run_id: str
    """The id of the seed's runs; empty for the medians."""
    cells: tuple[str, ...]
    """The texts below `columns`, without the first."""


def engines_of(series: SeedResults) -> list[str]:
    """Return the engines that have trained in the series, in display order."""
    trained = {engine for run in series.runs.values() for engine in run.outcomes}
    return [engine for engine in TITLES if engine in trained]


def columns(series: SeedResults) -> list[str]:
    """Return the headings: the seed, each engine's accuracy, their difference, each one's training time, their ratio."""
    titles = [TITLES[engine] for engine in engines_of(series)]
    both = len(titles) > 1
    times = [f"{title} time" for title in titles]
    return ["seed", *titles, *(["difference"] if both else []), *times, *(["ratio"] if both else [])]


def rows(series: SeedResults, runs: Iterable[SeedRun] | None = None) -> list[SeedRow]:
    """Return a row for each of the seeds, or of all that have ended, with how a run ended that has no result."""
    engines = engines_of(series)
    by_seed = {engine: series.by_seed(engine) for engine in engines}
    out = []
    for run in series.runs.values() if runs is None else runs:
        its = [by_seed[engine].get(run.seed) for engine in engines]
        missing = [run.outcomes.get(engine, NONE) for engine in engines]
        accuracies = [100 * result.accuracy if result else None for result in its]
        seconds = [result.train_seconds if result else None for result in its]
        out.append(SeedRow(str(run.seed), run.run_id, _cells(accuracies, seconds, missing, _comparable(its))))
    return out


def median_row(series: SeedResults) -> SeedRow | None:
    """Return the medians of every column over the seeds that have both results; None for fewer than two seeds."""
    import statistics  # not before the first paint

    engines, pairs = engines_of(series), series.pairs()
    samples: list[Sequence[SeedResult]] = [series.results.get(engine, ()) for engine in engines]
    if len(engines) > 1:
        samples = [[pair[i] for pair in pairs] for i in range(2)] if pairs else []
    if not samples or len(samples[0]) < 2:
        return None
    accuracies = [statistics.median(100 * result.accuracy for result in its) for its in samples]
    seconds = [statistics.median(result.train_seconds for result in its) for its in samples]
    cells = list(_cells(accuracies, seconds, [NONE] * len(engines), comparable=True))
    if pairs:  # the median of the differences, not the difference of the medians
        cells[2] = _difference(statistics.median(100 * (a.accuracy - b.accuracy) for a, b in pairs))
        ratios = [a.train_seconds / b.train_seconds for a, b in pairs if b.train_seconds]
        cells[-1] = _ratio(statistics.median(ratios) if ratios else None)
    return SeedRow("median", "", tuple(cells))


def _comparable(results: Sequence[SeedResult | None]) -> bool:
    """Return whether a seed's results are of equally long training on equally many test digits."""
    return len({(result.steps, result.n) if result else None for result in results}) == 1


def _cells(
    accuracies: Sequence[float | None], seconds: Sequence[float | None], missing: Sequence[str], comparable: bool
) -> tuple[str, ...]:
    tests = [
        ended if accuracy is None else f"{accuracy:.2f} %" for accuracy, ended in zip(accuracies, missing, strict=True)
    ]
    times = [NONE if time is None else formatting.seconds(time) for time in seconds]
    if len(tests) < 2:
        return (*tests, *times)
    (a, b), (s, t) = accuracies, seconds
    difference = _difference(a - b) if comparable and a is not None and b is not None else NONE
    ratio = _ratio(s / t if comparable and s is not None and t else None)
    return (*tests, difference, *times, ratio)


def _difference(points: float) -> str:
    return f"{points:+.2f}"


def _ratio(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}x"


def headline(series: SeedResults) -> str:
    """Return the verdict over the seeds, or why there is none yet."""
    verdict = series.verdict()
    ended = min((len(series.results.get(engine, ())) for engine in engines_of(series)), default=0)
    if verdict is not None:
        return f"{formatting.sentence(verdict.text)} over {len(series.pairs())} seeds"
    if len(engines_of(series)) < 2 and len(series.runs) > 1:
        return f"No comparison: only {', '.join(series.names) or 'one framework'} trained"
    return (
        f"No verdict yet: {ended} of {plural(series.seeds, 'seed')} ended" if ended < 2 else "No verdict over the seeds"
    )


def details(series: SeedResults) -> list[str]:
    """Return the sentences behind the headline: the test, what so few seeds can't show, the times, and digits but MNIST."""
    verdict, ratio = series.verdict(), series.time_ratio()
    lines = []
    if verdict is not None:
        lines.append(f"{formatting.sentence(verdict.why)}.")
    elif len(series.pairs()) > 1:
        lines.append("The seeds were not tested on equally many digits.")
    if len(engines_of(series)) > 1 or not series.runs:
        so_far = f"{len(series.pairs())} of {series.seeds} seeds so far: a difference can show from {FEWEST_SEEDS} on."
        lines.append(few_seeds_caveat(series.seeds) or (so_far if len(series.pairs()) < FEWEST_SEEDS else ""))
    if ratio is not None:
        lines.append(f"{ratio.text} (over {ratio.basis}).")
    elif series.time_caveat:
        lines.append(f"{formatting.sentence(series.time_caveat)}. {_how_to_compare(series)} compares them.")
    lines += [f"{formatting.digits_title(dataset)}." for dataset in sorted(series.datasets - {"mnist"})]
    return [line for line in lines if line]


def _how_to_compare(series: SeedResults) -> str:
    if series.jobs == 1:
        return "--mode time-trial"
    racing = series.mode == "race" and len(engines_of(series)) > 1
    return "--mode time-trial without --jobs" if racing else "A series without --jobs"


def note(series: SeedResults) -> str:
    """Return what the columns of differences and ratios mean; empty where there are none."""
    titles = [TITLES[engine] for engine in engines_of(series)]
    if len(titles) < 2:
        return ""
    return f"difference: {titles[0]} - {titles[1]}, in points · ratio: {titles[0]}'s time / {titles[1]}'s"


def markdown(series: SeedResults) -> str:
    """Write the series as GitHub's Markdown."""
    titles = columns(series)
    last = median_row(series)
    table = [*rows(series), *([last] if last else [])]
    lines = [
        f"## {headline(series)}",
        "",
        *details(series),
        "",
        f"| {' | '.join(titles)} |",
        f"|{'---:|' * len(titles)}",
    ]
    lines += [f"| {' | '.join((row.title, *row.cells))} |" for row in table]
    return "\n".join([*lines, "", note(series), ""])
