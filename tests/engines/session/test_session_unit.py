"""The session without processes: who gets which cores and which worker, when a turn starts, and what is left of a run."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.config import TrainConfig
from engines.messages.commands import UNTRAINED, AutoDevice, Pause, Predict, Resume, SaveCheckpoint, Stop
from engines.messages.events import (
    EvalCompleted,
    Event,
    LogLine,
    MachineUsage,
    Prediction,
    RunFailed,
    RunFinished,
    RunRequested,
    SaveFailed,
    WorkerReady,
    WorkerSpawned,
    WorkerUsage,
)
from engines.preset_configs import from_settings
from engines.runs import directory
from engines.runs.reader import list_runs, read_events, read_json
from engines.runs.seeds import SeedResults
from engines.runs.stop_request import is_pending, request_stop
from engines.session import core_shares, schedule, session as sessions
from engines.session.jobs import Job
from engines.session.rounds import rounds_by_seed
from tests.support.digits import FIXED_DIGITS
from tests.support.fake_supervisor import FakeSession

BOTH = ("pytorch", "keras")
OLDER_RUN = FIXED_DIGITS.with_name("checkpoint-2")
"""A run of two epochs with a checkpoint of each engine."""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSession:
    return FakeSession(monkeypatch, tmp_path / "runs")


def configs(*engines: str, **settings: Any) -> dict[str, TrainConfig]:
    """Return the same config for these engines, or for both."""
    return dict.fromkeys(engines or BOTH, from_settings(settings))


def start(fake: FakeSession, *engines: str, **settings: Any) -> None:
    """Start runs, and let the workers that this needs become ready."""
    before = {engine: len(workers) for engine, workers in fake.workers.items()}
    fake.session.start(configs(*engines, **settings))
    fake.import_framework(*(engine for engine, workers in fake.workers.items() if len(workers) > before[engine]))


def recorded(folder: Path, engine: str) -> list[Event]:
    """Return the events of an engine in a run's record."""
    return [event for event in read_events(folder / "events.jsonl") if event.engine == engine]


# Shares


@pytest.mark.parametrize(
    ("settings", "threads", "cores"),
    [
        ({}, (2, 2), ((0, 1), (2, 3))),
        ({"threads": 1}, (1, 1), ((0, 1), (2, 3))),
        ({"threads": 2}, (2, 2), ((0, 1), (2, 3))),
        ({"threads": 3}, (3, 3), ((0, 1, 2, 3), (0, 1, 2, 3))),
    ],
)
def test_a_race_shares_the_cores_equally(
    settings: dict[str, int], threads: tuple[int, int], cores: tuple[Any, Any], fake: FakeSession
) -> None:
    """More threads than its share has may run on all cores."""
    fake.session.start(configs(**settings))
    workers = [fake.worker(engine) for engine in BOTH]
    assert tuple(worker.threads for worker in workers) == threads
    assert tuple(worker.cores for worker in workers) == cores


def test_each_engine_of_a_race_has_a_rank_for_its_gpu(fake: FakeSession) -> None:
    start(fake, mode="race")
    assert [fake.worker(engine).runs[-1].auto.rank for engine in BOTH] == [0, 1]
    fake.finish_run(*BOTH)
    start(fake, mode="race", pytorch_device="cuda:1")
    assert fake.worker("keras").runs[-1].auto == AutoDevice(taken=("cuda:1",))


def test_a_time_trial_gives_each_engine_all_cores(fake: FakeSession) -> None:
    start(fake, mode="time-trial")
    fake.finish_run("pytorch")
    fake.rest()
    for engine in BOTH:
        assert (fake.worker(engine).threads, fake.worker(engine).cores) == (4, (0, 1, 2, 3))


def test_an_engine_alone_has_all_cores_and_beside_a_run_its_share(fake: FakeSession) -> None:
    start(fake, "pytorch")
    assert fake.worker("pytorch").cores == (0, 1, 2, 3)
    start(fake, "keras")
    assert (fake.worker("keras").threads, fake.worker("keras").cores) == (2, (2, 3))
    fake.finish_run(*BOTH)
    start(fake, "keras")
    assert fake.worker("keras").ended, "all cores are free again, which needs a new worker"


def test_one_core_is_shared_by_both(fake: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_shares, "usable_core_ids", lambda: (5,))
    fake.session.start(configs())
    assert [(fake.worker(engine).threads, fake.worker(engine).cores) for engine in BOTH] == [(1, (5,)), (1, (5,))]


# Turns


def test_a_turn_waits_for_the_one_before_it_and_for_a_rest(fake: FakeSession) -> None:
    start(fake, mode="time-trial", seeds=2, seed=7)
    assert fake.session.waiting_for("keras") == "pytorch"
    assert fake.sent == [("pytorch", 7)]
    fake.now += 60
    fake.session.drain()
    assert fake.sent == [("pytorch", 7)], "it has not ended"
    fake.finish_run("pytorch")
    assert fake.session.waiting_for("keras") == "its turn"
    fake.now += schedule.REST_SECONDS - 0.1
    fake.session.drain()
    assert fake.sent == [("pytorch", 7)], "the machine has not rested"
    fake.now += 0.1
    fake.session.drain()
    assert fake.sent == [("pytorch", 7), ("keras", 7)]
    fake.import_framework("keras")
    for engine, seed in (("keras", 8), ("pytorch", 8)):
        before = len(fake.sent)
        fake.finish_run(fake.sent[-1][0])
        fake.now += schedule.REST_SECONDS - 0.1
        fake.session.drain()
        assert len(fake.sent) == before, "every turn has its rest"
        fake.now += 0.2
        fake.session.drain()
        assert fake.sent[before:] == [(engine, seed)]
    fake.finish_run("pytorch")
    assert (fake.session.running, fake.session.seed_results.ended) == (False, 4)


def test_a_turn_waits_for_imports(fake: FakeSession) -> None:
    """A framework that is being imported takes the cores that another's run is timed on."""
    fake.session.start_workers(configs())
    fake.session.start(configs(mode="time-trial"))
    assert fake.sent == []
    fake.import_framework("keras")
    fake.rest()
    assert not fake.worker("pytorch").ended
    fake.import_framework("pytorch")
    fake.rest()
    assert fake.worker("pytorch").ended, "its turn has come, with all cores instead of its share"
    fake.end_worker("pytorch")
    fake.session.drain()
    assert fake.sent == [("pytorch", 0)]


def test_a_new_start_drops_the_turns_of_the_old_one(fake: FakeSession, tmp_path: Path) -> None:
    """The record of the old run is complete without them."""
    start(fake, mode="time-trial", seeds=3)
    fake.finish_run("pytorch")
    start(fake, "keras", seed=50)
    assert (fake.session.seed_results.seeds, fake.session.seed_results.first_seed) == (1, 50)
    fake.finish_run("keras")
    for _ in range(3):
        fake.rest()
    assert fake.sent == [("pytorch", 0), ("keras", 50)]
    assert not fake.session.running
    assert fake.session.engines == ("keras",)
    assert [run["summary"].keys() for run in list_runs(tmp_path / "runs")] == [
        {"keras", "comparison"},
        {"pytorch", "comparison"},
    ]


def test_seeds_count_on_from_0_after_the_last(fake: FakeSession) -> None:
    start(fake, "pytorch", seeds=3, seed=2**32 - 2)
    for _ in range(2):
        fake.finish_run("pytorch")
        fake.rest()
    assert [seed for _, seed in fake.sent] == [2**32 - 2, 2**32 - 1, 0]


def test_the_runs_of_a_series_name_its_first(fake: FakeSession, tmp_path: Path) -> None:
    for _ in range(2):
        start(fake, seeds=3)
        fake.finish_run(*BOTH)
        for _ in range(2):
            fake.rest()
            fake.finish_run(*BOTH)
    folders = sorted((tmp_path / "runs").iterdir())
    series = [(read_json(folder / "config.json") or {})["series"] for folder in folders]
    assert series == ["", folders[0].name, folders[0].name, "", folders[3].name, folders[3].name]


@pytest.mark.parametrize("command", ["stop", "kill"])
def test_a_stop_drops_an_engines_later_turns(command: str, fake: FakeSession, tmp_path: Path) -> None:
    """The records of the runs that have not begun yet are complete without it, too."""
    start(fake, mode="time-trial", seeds=2)
    getattr(fake.session, command)("keras")
    fake.finish_run("pytorch")
    fake.rest()
    assert fake.sent == [("pytorch", 0), ("pytorch", 1)]
    assert fake.session.waiting_for("keras") == ""
    fake.session.stop("pytorch")
    fake.finish_run("pytorch", outcome="stopped")
    fake.rest()
    assert not fake.session.running
    folders = [*(tmp_path / "runs").iterdir()]
    assert len(folders) == 2
    for folder in folders:
        summary = read_json(folder / "summary.json")
        assert summary is not None
        assert summary.keys() == {"pytorch", "comparison"}


def test_a_stop_in_a_race_drops_the_engine_from_the_next_races(fake: FakeSession, tmp_path: Path) -> None:
    start(fake, seeds=2)
    fake.session.stop("keras")
    fake.finish_run("keras", outcome="stopped")
    fake.finish_run("pytorch")
    fake.rest()
    fake.end_worker("pytorch")  # it had half of the cores
    fake.session.drain()
    assert fake.sent == [("pytorch", 0), ("keras", 0), ("pytorch", 1)]
    fake.import_framework("pytorch")
    fake.finish_run("pytorch")
    summaries = [read_json(folder / "summary.json") or {} for folder in sorted((tmp_path / "runs").iterdir())]
    assert [sorted(summary) for summary in summaries] == [["comparison", "keras", "pytorch"], ["comparison", "pytorch"]]


# Workers


def test_a_worker_that_suits_trains_the_next_run(fake: FakeSession, tmp_path: Path) -> None:
    """The record of each run begins with the worker's introduction."""
    for seed in (1, 2):
        start(fake, seed=seed)
        fake.finish_run(*BOTH)
    assert [len(workers) for workers in fake.workers.values()] == [1, 1]
    first, second = (
        [type(event).__name__ for event in recorded(folder, "keras")]
        for folder in sorted((tmp_path / "runs").iterdir())
    )
    assert sorted(first) == ["RunFinished", "RunRequested", "WorkerReady", "WorkerSpawned"]
    assert second == ["WorkerSpawned", "WorkerReady", "RunRequested", "RunFinished"]


@pytest.mark.parametrize(
    ("settings", "engines"),
    [({"threads": 2}, ("keras",)), ({"threads": 1}, BOTH), ({"threads": 1, "keras_backend": "jax"}, ("keras",))],
    ids=["threads", "cores", "backend"],
)
def test_a_worker_that_does_not_suit_is_replaced_once_it_has_ended(
    settings: dict[str, Any], engines: tuple[str, ...], fake: FakeSession
) -> None:
    start(fake, "keras", threads=1)
    fake.finish_run("keras")
    fake.session.start(configs(*engines, **settings))
    fake.rest()
    assert fake.worker("keras").ended
    assert ("keras", 0) not in fake.sent[1:]
    assert len(fake.workers["keras"]) == 1
    assert fake.session.running, "the run waits for the new worker"
    fake.end_worker("keras")
    fake.session.drain()
    assert fake.sent[-1] == ("keras", 0)
    worker = fake.worker("keras")
    assert (worker.threads, worker.spec.backend) == (settings["threads"], settings.get("keras_backend", "tensorflow"))
    assert worker.cores == ((0, 1, 2, 3) if engines == ("keras",) else (2, 3))


def test_a_resumed_run_begins_with_its_past_and_without_the_old_workers_last_words(
    fake: FakeSession, tmp_path: Path
) -> None:
    start(fake)
    fake.finish_run(*BOTH)
    fake.session.resume_run(OLDER_RUN, {"epochs": 3, "threads": 1})
    for engine in BOTH:
        last_words = LogLine(engine=engine, stream="stderr", text="of the old worker")
        fake.worker(engine).publish(last_words)
        fake.end_worker(engine)
    fake.session.drain()
    fake.import_framework(*BOTH)
    folder = sorted((tmp_path / "runs").iterdir())[-1]
    assert (read_json(folder / "config.json") or {})["resumed"] == OLDER_RUN.name
    for engine in BOTH:
        (run,) = fake.worker(engine).runs
        assert (run.config.epochs, run.config.threads, run.config.seed) == (3, 1, 3)
        assert (run.resume, run.run_dir) == (str(OLDER_RUN / f"{engine}.npz"), str(folder))
        assert [event.epoch for event in run.past if isinstance(event, EvalCompleted)] == [1, 2]
        assert [type(event) for event in recorded(folder, engine)] == [RunRequested, WorkerSpawned, WorkerReady]


def test_a_run_that_no_worker_accepted_gets_a_new_one(fake: FakeSession) -> None:
    """The worker died while the run was requested."""
    start(fake, "keras")
    fake.finish_run("keras")
    fake.worker("keras").gone = True
    fake.session.start(configs("keras", seed=3))
    assert fake.session.running
    fake.end_worker("keras")
    fake.session.drain()
    assert fake.sent == [("keras", 0), ("keras", 3)]
    assert len(fake.workers["keras"]) == 2


def test_a_job_takes_one_seed_after_the_other_and_rests_between_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(number=1, count=2, devices={"pytorch": "cuda:2", "keras": "cuda:3"})
    fake = FakeSession(monkeypatch, tmp_path / "runs", one_config=True, job=job)
    results = SeedResults(seeds=4)
    seeds = rounds_by_seed(configs(seeds=4))
    fake.session.start_seed(seeds[1], results)
    fake.import_framework(*BOTH)
    assert fake.sent == [("pytorch", 1), ("keras", 1)], "at once"
    for engine, gpu in job.devices.items():
        run = fake.worker(engine).runs[-1]
        assert (run.auto.chosen, run.jobs, fake.worker(engine).only_device) == (gpu, 2, gpu)
    fake.finish_run(*BOTH)
    fake.session.start_seed(seeds[3], results)
    assert fake.session.running
    fake.session.drain()
    fake.now += schedule.REST_SECONDS - 0.1
    fake.session.drain()
    assert len(fake.sent) == 2, "the GPU has not rested"
    fake.now += 0.2
    fake.session.drain()
    fake.finish_run(*BOTH)
    assert fake.sent[2:] == [("pytorch", 3), ("keras", 3)]
    assert (results.ended, fake.session.running) == (4, False)


def test_the_runs_of_a_series_sort_behind_its_first_though_they_start_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As text, the id of seed 10 comes before that of seed 9."""
    moments = iter([*["20260101-120000-001Z"] * 4, "20260101-120000-002Z"])
    monkeypatch.setattr(directory, "new_run_id", lambda seed: f"{next(moments)}-seed{seed}-1")
    for (round_,) in rounds_by_seed(configs("keras", seeds=2, seed=9)):
        round_.run_folder.open(tmp_path / "runs")
    assert [folder.name for folder in sorted((tmp_path / "runs").iterdir())] == [
        "20260101-120000-001Z-seed9-1",
        "20260101-120000-002Z-seed10-1",
    ]


def test_the_cpu_that_stands_for_auto_in_a_job_hides_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker refuses to train where there is a GPU after all: other jobs would have the same one."""
    for device, only in (("auto", "auto"), ("cpu", "cpu")):
        job = Job(number=1, count=2, devices={"keras": "cpu"})
        fake = FakeSession(monkeypatch, None, one_config=True, job=job)
        fake.session.start(configs("keras", device=device))
        assert fake.worker("keras").only_device == only


def test_a_command_for_one_device_tells_its_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for one_config, only in ((True, "cuda:1"), (False, "")):
        fake = FakeSession(monkeypatch, None, one_config=one_config)
        fake.session.start(configs(device="cuda:1"))
        assert fake.worker("keras").only_device == only
        fake.session.start(configs(device="cuda:0", keras_device="cuda:1"))
        assert fake.worker("keras").only_device == only


def test_a_thread_that_can_not_start_fails_the_run_and_frees_the_engine(fake: FakeSession) -> None:
    fake.launch_error = RuntimeError("can't start new thread")
    fake.session.start(configs("keras"))
    fake.session.drain()
    assert fake.worker("keras").error is fake.launch_error
    failure = fake.session.histories["keras"].failure
    assert failure is not None
    assert failure.message == "can't start new thread"
    assert fake.session.is_free("keras")
    fake.launch_error = None
    start(fake, "keras", seed=4)
    assert fake.sent[-1] == ("keras", 4)


def test_commands_reach_their_engine(fake: FakeSession) -> None:
    start(fake)
    for command in (fake.session.pause, fake.session.resume, fake.session.save, fake.session.stop):
        command("keras")
    assert fake.worker("keras").commands == [Pause(), Resume(), SaveCheckpoint(), Stop()]
    assert fake.worker("pytorch").commands == []


def test_a_question_starts_a_worker_and_names_the_newest_checkpoint(fake: FakeSession, tmp_path: Path) -> None:
    """While a model of its own trains, the worker answers with that."""
    (tmp_path / "runs" / "20260101-120000").mkdir(parents=True)
    checkpoint = tmp_path / "runs" / "20260101-120000" / "keras.npz"
    checkpoint.touch()
    first = fake.session.predict("keras", [0] * 784)
    (question,) = fake.worker("keras").commands
    assert isinstance(question, Predict)
    assert (question.request_id, question.checkpoint) == (first, str(checkpoint))
    start(fake, "keras")
    assert fake.session.predict("keras", [0] * 784) > first
    newest = fake.worker("keras").commands[-1]
    assert isinstance(newest, Predict)
    assert newest.checkpoint == ""


def test_inside_shows_an_untrained_network_whatever_draw_has_loaded(fake: FakeSession) -> None:
    """A kept model of each framework may be of another run: those are no twins."""
    answer = Prediction(
        engine="keras", request_id=1, epoch=1, global_step=5, probabilities=(0.1,) * 10, checkpoint="kept.npz"
    )
    fake.session.histories["keras"].prediction = answer
    questions = []
    for inside in (False, True):
        fake.session.predict("keras", [0] * 784, inside=inside)
        questions.append(fake.worker("keras").commands[-1])
    assert [question.checkpoint for question in questions if isinstance(question, Predict)] == ["", UNTRAINED]
    fake.session.histories["keras"].prediction = replace(answer, checkpoint="")
    fake.session.predict("keras", [0] * 784, inside=True)
    trained = fake.worker("keras").commands[-1]
    assert isinstance(trained, Predict)
    assert trained.checkpoint == ""


# Closing


def on_sleep_end(fake: FakeSession, engine: str, when: Callable[[], bool]) -> None:
    """End the worker while the session waits, once the condition holds."""

    def end() -> None:
        if when() and not fake.worker(engine).gone:
            fake.end_worker(engine)

    fake.on_sleep = end


def test_closing_ends_workers_in_order(fake: FakeSession) -> None:
    start(fake, "keras", mode="time-trial", seeds=2)
    on_sleep_end(fake, "keras", lambda: True)
    before = fake.now
    assert fake.session.close(4.5)
    assert fake.now - before < 0.1
    worker = fake.worker("keras")
    assert (worker.ended, worker.killed) == (True, False)
    fake.rest()
    assert fake.sent == [("keras", 0)], "no further turn starts"
    fake.sampler.stop.assert_called_once()


def test_closing_kills_the_deaf(fake: FakeSession) -> None:
    start(fake)
    on_sleep_end(fake, "keras", lambda: fake.worker("keras").killed)
    before = fake.now
    assert not fake.session.close(4.5), "PyTorch's worker does not even end by SIGKILL"
    assert fake.now - before == pytest.approx(4.5 + sessions.KILL_SECONDS, abs=0.1)
    assert [fake.worker(engine).killed for engine in BOTH] == [True, True]


def test_closing_at_once_kills_at_once(fake: FakeSession) -> None:
    start(fake, "keras")
    before = fake.now
    assert not fake.session.close(0.0)
    assert fake.now == before
    assert fake.worker("keras").killed


def test_a_session_that_closes_starts_no_worker(fake: FakeSession) -> None:
    start(fake, "keras")
    fake.finish_run("keras")
    fake.session.start(configs("keras", threads=1))  # pending, until the old worker has ended
    on_sleep_end(fake, "keras", lambda: True)
    assert fake.session.close()
    fake.session.drain()
    assert fake.session.predict("keras", [0] * 784)
    assert len(fake.workers["keras"]) == 1


def test_a_worker_that_is_launched_while_the_session_closes_is_ended(fake: FakeSession) -> None:
    """`close` runs in another thread, and may have looked at this slot before."""
    launch = fake._launch

    def close_and_launch(engine: str, live: Callable[[], None]) -> None:
        fake.session._closing = True
        launch(engine, live)

    fake.session._launch = close_and_launch
    fake.session.start(configs("keras"))
    assert fake.worker("keras").ended


# Records


def test_a_folder_that_can_not_be_made_is_reported_once_an_engine_and_costs_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").write_text("a file in the way")
    fake = FakeSession(monkeypatch, tmp_path / "runs")
    start(fake)
    fake.finish_run(*BOTH)
    assert fake.session.problem.startswith("This run is not kept, nor are its checkpoints and models: Not a directory")
    for engine in BOTH:
        assert fake.worker(engine).runs[0].run_dir == "", "so that no worker tries to save"
        history = fake.session.histories[engine]
        assert [(failure.what, failure.engine) for failure in history.unsaved.values()] == [("run", engine)]
        assert len([line for line in history.log if "not kept" in line.text]) == 1
        assert history.outcome == "completed"
    (tmp_path / "runs").unlink()
    start(fake, seed=2)
    assert fake.session.problem == "", "the next run is saved"


def test_a_folder_that_vanishes_is_reported_in_mid_run(fake: FakeSession, tmp_path: Path) -> None:
    start(fake)
    shutil.rmtree(tmp_path / "runs")
    fake.finish_run("keras")
    assert "The record of this run breaks off here" in fake.session.problem
    failures = [failure for history in fake.session.histories.values() for failure in history.unsaved.values()]
    assert [(failure.engine, failure.what) for failure in failures] == [("keras", "record")]


def test_a_kill_before_the_run_was_sent_completes_the_record(fake: FakeSession, tmp_path: Path) -> None:
    start(fake)
    fake.finish_run(*BOTH)
    start(fake, threads=1)
    fake.session.kill("keras")
    fake.end_worker("pytorch")
    fake.session.drain()
    fake.import_framework("pytorch")
    fake.finish_run("pytorch")
    newest = sorted((tmp_path / "runs").iterdir())[-1]
    summary = read_json(newest / "summary.json")
    assert summary is not None
    assert summary["pytorch"]["outcome"] == "completed"
    assert "keras" not in summary
    assert fake.worker("keras").killed
    assert not fake.session.running


def test_usage_is_recorded_in_the_streams_of_the_engines_and_once_a_run(fake: FakeSession, tmp_path: Path) -> None:
    class Sample:
        """One sample of the machine and of one worker."""

        def of_workers(self) -> list[WorkerUsage]:
            return [WorkerUsage(engine="keras", cpu_percent=1.0, cores_allowed=1, rss_bytes=1, num_threads=1)]

        def of_machine(self, seq: int) -> MachineUsage:
            return MachineUsage(
                engine="machine", seq=seq, cpu_percent=1.0, per_core=(), memory_used_bytes=1, memory_total_bytes=2, gpus=(),
                gpu_reason="",
            )  # fmt: skip

    start(fake)
    for _ in range(2):
        fake.session._on_sample(Sample())  # type: ignore[arg-type]  # as far as the session reads it
    fake.finish_run(*BOTH)
    (folder,) = (tmp_path / "runs").iterdir()
    assert [event.seq for event in recorded(folder, "machine")] == [1, 2]
    keras = recorded(folder, "keras")
    assert len([event for event in keras if isinstance(event, WorkerUsage)]) == 2
    assert all(before.seq < after.seq for before, after in itertools.pairwise(keras))
    assert fake.session.machine.usage is not None


def test_the_end_of_another_run_ends_no_run(fake: FakeSession) -> None:
    start(fake, "keras")
    end = RunFinished(
        engine="keras", run_id="another", outcome="completed", test_accuracy=None, test_loss=None, best_epoch=None,
        train_seconds=1.0, wall_seconds=1.0,
    )  # fmt: skip
    fake.worker("keras").publish(end)
    fake.session.drain()
    assert fake.session.running


def test_a_failed_start_ends_the_run_that_waits_for_it(fake: FakeSession) -> None:
    """A worker that could not start has no run's id."""
    start(fake, "keras")
    fake.worker("keras").publish(RunFailed(engine="keras", kind="crashed", message="m"))
    fake.session.drain()
    assert not fake.session.running
    assert (fake.session.seed_results.ended, fake.session.seed_results.unsuccessful) == (1, 1)


def test_a_listener_gets_every_event(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    fake = FakeSession(monkeypatch, None, on_event=events.append)
    start(fake, "keras")
    fake.finish_run("keras")
    assert [type(event) for event in events] == [RunRequested, WorkerSpawned, WorkerReady, RunFinished]
    assert fake.session.folder("keras") is None
    assert [event for event in events if isinstance(event, SaveFailed)] == []


def test_a_request_of_another_process_stops_all_engines_of_its_run(fake: FakeSession, tmp_path: Path) -> None:
    start(fake, mode="time-trial")
    (folder,) = (tmp_path / "runs").iterdir()
    request_stop(folder)
    directory = fake.session._slots["pytorch"].directory
    assert directory is not None
    fake.session.drain()
    assert Stop() not in fake.worker("pytorch").commands  # nobody has looked yet
    assert not fake.session.was_stopped
    directory.append(
        MachineUsage(
            engine="machine",
            cpu_percent=1.0,
            per_core=(),
            memory_used_bytes=1,
            memory_total_bytes=2,
            gpus=(),
            gpu_reason="",
        )
    )
    fake.session.drain()
    fake.session.drain()
    assert fake.worker("pytorch").commands.count(Stop()) == 1
    assert fake.session.was_stopped
    assert not is_pending(folder)
    fake.finish_run("pytorch", outcome="stopped")
    assert not fake.session.running  # Keras, which waited for its turn, has none
