"""The table of several seeds."""

from __future__ import annotations

from typing import Any

from engines.api import SeedResults, from_settings
from engines.messages.events import DataReady
from tests.support.ended_run import ended_run
from tui.reports import seeds


def results(correct: dict[int, tuple[int, int]], asked: int = 0, mode: str = "race") -> SeedResults:
    """Return a series by seed: how many of 10,000 digits PyTorch and Keras read correctly. PyTorch takes twice as long."""
    series = SeedResults.of(from_settings({"seeds": asked or len(correct), "mode": mode}))
    for seed, its in correct.items():
        for engine, number, seconds in zip(("pytorch", "keras"), its, (4.0, 2.0), strict=True):
            config: dict[str, Any] = {"seeds": series.seeds, "mode": mode, "device": "cpu"}
            series.add(
                ended_run(engine, seed, number, run_id=f"run-{seed}", epoch_times=(seconds + seed / 10,), **config)
            )
    return series


def test_every_seed_has_a_row_and_the_medians_are_those_of_the_columns() -> None:
    """The median of the differences is not the difference of the medians."""
    series = results({0: (9900, 9910), 1: (9930, 9900), 2: (9920, 9925)})
    assert seeds.columns(series) == ["seed", "PyTorch", "Keras", "difference", "PyTorch time", "Keras time", "ratio"]
    assert [(row.title, row.run_id, row.cells) for row in seeds.rows(series)][1] == (
        "1", "run-1", ("99.30 %", "99.00 %", "+0.30", "4.10 s", "2.10 s", "1.95x"),
    )  # fmt: skip
    median = seeds.median_row(series)
    assert median is not None
    assert median.cells == ("99.20 %", "99.10 %", "-0.05", "4.10 s", "2.10 s", "1.95x")
    assert "| median | 99.20 % |" in seeds.markdown(series)


def test_too_few_seeds_say_so_at_once() -> None:
    assert seeds.headline(results({}, asked=2)) == "No verdict yet: 0 of 2 seeds ended"
    details = "\n".join(seeds.details(results({0: (9900, 9910)}, asked=2)))
    assert "2 seeds can never show a difference: p is at least 0.5" in details
    two = results({0: (9900, 9910), 1: (9900, 9910)})
    assert seeds.headline(two) == "Statistical tie over 2 seeds"
    assert "Shared CPU: times not comparable." in "\n".join(seeds.details(two))
    partly = "\n".join(seeds.details(results({0: (9900, 9910), 1: (9900, 9910)}, asked=8)))
    assert "2 of 8 seeds so far: a difference can show from 6 on." in partly
    six = results({seed: (9900, 9910) for seed in range(6)}, mode="time-trial")
    assert seeds.headline(six) == "Keras ahead over 6 seeds"
    assert any(line.startswith("Keras 1.8") and line.endswith("(over 6 seeds).") for line in seeds.details(six))
    assert not any("can never" in line or "so far" in line for line in seeds.details(six))


def test_a_series_names_digits_that_are_not_mnist() -> None:
    series = SeedResults(seeds=2)
    for dataset in ("mnist", "custom"):
        history = ended_run("keras", 0, 9900)
        history.apply(
            DataReady(engine="keras", dataset=dataset, source="", sha256="", train_size=1, test_size=1, seconds=0.0)
        )
        series.add(history)
        title = "CUSTOM DIGITS, not MNIST."
        assert (title in seeds.details(series)) is (title in seeds.markdown(series)) is (dataset == "custom")


def test_runs_that_are_no_result_say_how_they_ended() -> None:
    series = SeedResults(seeds=2)
    series.add(ended_run("pytorch", 0, 9900, run_id="a"))
    series.add(ended_run("keras", 0, 9900, outcome="diverged", run_id="a"))
    series.add(ended_run("pytorch", 1, 9900, run_id="b"))
    assert [row.cells for row in seeds.rows(series)] == [
        ("99.00 %", "diverged", "–", "1.00 s", "–", "–"),
        ("99.00 %", "–", "–", "1.00 s", "–", "–"),
    ]
    assert seeds.median_row(series) is None


def test_one_framework_alone_has_no_comparison() -> None:
    series = SeedResults(seeds=2)
    for seed in range(2):
        series.add(ended_run("keras", seed, 9900 + 10 * seed, run_id=str(seed)))
    assert seeds.columns(series) == ["seed", "Keras", "Keras time"]
    assert seeds.headline(series) == "No comparison: only Keras trained"
    median = seeds.median_row(series)
    assert median is not None
    assert median.cells == ("99.05 %", "1.00 s")
    assert seeds.note(series) == ""
    assert "| 0 | 99.00 % | 1.00 s |" in seeds.markdown(series)
