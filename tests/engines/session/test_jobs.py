"""The jobs of a series: how many there are, and who has which GPU."""

from __future__ import annotations

from typing import Any

import pytest

from engines.config import ConfigError
from engines.preset_configs import from_settings
from engines.session import core_shares
from engines.session.core_shares import core_shares as shares
from engines.session.jobs import Job, jobs_of

BOTH = ("pytorch", "keras")
EIGHT = [f"cuda:{i}" for i in range(8)]


def configs(*engines: str, **settings: Any) -> dict[str, Any]:
    """Return the config of a series of ten seeds for these engines, or for both."""
    return dict.fromkeys(engines or BOTH, from_settings({"seeds": 10, **settings}))


def devices(jobs: list[Job], engine: str) -> list[str]:
    return [job.devices.get(engine, "") for job in jobs]


@pytest.mark.parametrize(
    ("engines", "settings", "jobs", "free", "pytorch", "keras"),
    [
        (("pytorch",), {}, 3, EIGHT, EIGHT[:3], ["", "", ""]),
        (("pytorch",), {}, None, EIGHT, EIGHT, [""] * 8),
        (BOTH, {}, None, EIGHT, EIGHT[::2], EIGHT[1::2]),  # a race: a GPU for each engine of each job
        (BOTH, {}, 2, EIGHT[3:], ["cuda:3", "cuda:5"], ["cuda:4", "cuda:6"]),
        (BOTH, {}, 3, EIGHT[:5], EIGHT[:3], EIGHT[:3]),  # not enough for both: those of a job share one
        (BOTH, {"mode": "time-trial"}, None, EIGHT[:2], EIGHT[:2], EIGHT[:2]),  # in turns, on the same GPU
        (("pytorch",), {"seeds": 2}, None, EIGHT, EIGHT[:2], ["", ""]),  # no more jobs than seeds
        (BOTH, {"pytorch_device": "cpu"}, None, EIGHT[:2], ["cpu", "cpu"], EIGHT[:2]),
        (BOTH, {}, 2, None, ["cpu", "cpu"], ["cpu", "cpu"]),
        (BOTH, {"device": "cpu"}, 2, EIGHT, ["cpu", "cpu"], ["cpu", "cpu"]),
        (("pytorch",), {"device": "cpu,cpu"}, 2, EIGHT, ["cpu,cpu", "cpu,cpu"], ["", ""]),
    ],
)
def test_who_has_what(
    engines: tuple[str, ...], settings: dict[str, Any], jobs: int | None, free: Any, pytorch: Any, keras: Any
) -> None:
    found = jobs_of(configs(*engines, **settings), jobs, free)
    assert (devices(found, "pytorch"), devices(found, "keras")) == (pytorch, keras)
    assert [(job.number, job.count) for job in found] == [(i, len(found)) for i in range(len(found))]


@pytest.mark.parametrize("jobs", [1, 2, 3, 5, None])
@pytest.mark.parametrize("mode", ["race", "time-trial"])
@pytest.mark.parametrize("free", range(1, 9))
def test_no_two_jobs_have_one_gpu(free: int, mode: str, jobs: int | None) -> None:
    try:
        found = jobs_of(configs(mode=mode), jobs, EIGHT[:free])
    except ConfigError:
        assert jobs is not None
        assert jobs > free
        return
    own = [set(job.devices.values()) for job in found]
    assert sum(map(len, own)) == len(set().union(*own))


@pytest.mark.parametrize(
    ("settings", "free"),
    [
        ({}, None),  # no GPU
        ({}, []),  # none is free
        ({}, ["cuda:2"]),
        ({"device": "cpu"}, EIGHT),
        ({"device": "cuda:1"}, EIGHT),
        ({"device": "all"}, EIGHT),
        ({"seeds": 1}, EIGHT),
    ],
)
def test_one_job_is_all_that_auto_finds_room_for(settings: dict[str, Any], free: list[str] | None) -> None:
    (job,) = jobs_of(configs(**settings), None, free)
    assert (job.count, job.devices) == (1, {}), "nothing is chosen for it"


@pytest.mark.parametrize(
    ("settings", "free", "message"),
    [
        ({"device": "cuda:1"}, EIGHT, "cuda:1 would hold 3 runs at once. Leave out --jobs, or let auto choose"),
        ({"keras_device": "cuda:1,cuda:2"}, EIGHT, "cuda:1,cuda:2 would hold 3 runs at once"),
        ({"device": "mps"}, None, "mps would hold 3 runs at once"),
        (
            {},
            ["cuda:0", "cuda:5"],
            "needs a free GPU for each run, and 2 GPUs of this machine are free (cuda:0, cuda:5).",
        ),
        ({}, ["cuda:4"], "1 GPU of this machine is free (cuda:4)."),
        ({}, [], "0 GPUs of this machine are free. Choose fewer, --jobs auto, or --device cpu."),
    ],
)
def test_more_jobs_than_there_is_room_for_are_refused(
    settings: dict[str, Any], free: list[str] | None, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        jobs_of(configs(**settings), 3, free)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "engines", "expected"),
    [
        ({}, ("pytorch",), [(4, (0, 1, 2, 3)), (4, (0, 1, 2, 3))]),  # as many threads as in turns, on shared cores
        ({"threads": 2}, ("pytorch",), [(2, (0, 1)), (2, (2, 3))]),
        ({"threads": 1}, BOTH, [(1, (0,)), (1, (1,)), (1, (2,)), (1, (3,))]),
        ({}, BOTH, [(2, (0, 1, 2, 3))] * 4),
    ],
)
def test_a_run_has_the_threads_that_it_has_in_turns(
    settings: dict[str, Any], engines: tuple[str, ...], expected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_shares, "usable_core_ids", lambda: (0, 1, 2, 3))
    asked = configs(*engines, **settings)
    found = [shares(asked, engines, Job(number=i, count=2, devices={})) for i in range(2)]
    assert [found[i][engine] for i in range(2) for engine in engines] == expected
    assert {threads for threads, _ in shares(asked, engines).values()} == {threads for threads, _ in expected}
