from __future__ import annotations

from tui.screens.curve_cache import CACHED_RUNS, CurveCache


def test_the_oldest_unmarked_runs_are_removed() -> None:
    cache = CurveCache()
    names = [f"run{number}" for number in range(CACHED_RUNS + 2)]
    for name in names:
        cache.add(name, {}, marked=["run0"])
    assert [*cache.runs] == ["run0", *names[3:]]
    assert cache.missing(["run5", "run1", "run2"]) == "run1"


def test_discarding_the_run_that_is_being_read_is_reported() -> None:
    cache = CurveCache()
    cache.add("old", {}, marked=[])
    cache.reading = "new"
    assert not cache.discard({"old"})
    assert cache.runs == {}
    assert cache.discard({"new"})
    assert cache.reading == ""
