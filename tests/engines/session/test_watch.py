"""Watching a run of another process: growth, silence, the end of its writer, and what continues it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engines.messages.codec import encode
from engines.messages.events import CheckpointSaved, Event, RunFinished, RunRequested, TrainProgress
from engines.runs import record_tail
from engines.runs.history import RunHistory
from engines.runs.phases import FINISHED, INTERRUPTED
from engines.runs.reader import read_events
from engines.session.predictions import REFRESH_SECONDS, PredictionRequests
from engines.session.replay import DEMO
from engines.session.run_source import NO_WEIGHTS
from engines.session.watch import NOTICE_SECONDS, PROBE_SECONDS, SILENT_SECONDS, Watch
from tests.support.pilot import screen_text, until
from tui.app import MnistApp

FUTURE = 2**32
"""A time of a file that is later than any machine's clock, in seconds since 1970."""


class Writer:
    """A writer of the demo's record, who says so by the lock, and a clock that the test sets."""

    def __init__(self, runs_dir: Path) -> None:
        self.folder = runs_dir / "20260101-120000-000Z-seed0-1234"
        self.seconds = 1000.0
        self._lock: int | None = None
        make_config(self.folder)

    def __call__(self) -> float:
        return self.seconds

    def move(self, run_id: str, seeds: int = 1, **entries: str) -> None:
        """End this run, and write another one from now on."""
        self.end()
        self.folder = self.folder.with_name(run_id)
        make_config(self.folder, seeds, **entries)

    def begin(self) -> None:
        self._lock = os.open(self.folder / "events.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def write(self, data: str) -> None:
        with open(self.folder / "events.jsonl", "a", encoding="utf-8") as record:
            record.write(data)

    def send(self, *events: Event) -> None:
        self.write("".join(encode(event) + "\n" for event in events))

    def end(self) -> None:
        """End as the kernel ends a killed process: the lock is gone, the record is as it was."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def make_config(folder: Path, seeds: int = 1, **entries: str) -> None:
    folder.mkdir(parents=True)
    engines = {engine: {"seeds": seeds} for engine in ("keras", "pytorch")}
    (folder / "config.json").write_text(json.dumps({"engines": engines, **entries}))


def of_seed(events: list[Event], seed: int, seeds: int) -> list[Event]:
    """Return the events as those of one of several seeds."""
    return [
        replace(event, config=replace(event.config, seed=seed, seeds=seeds))
        if isinstance(event, RunRequested)
        else event
        for event in events
    ]


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """Make a writer that has not begun."""
    writer = Writer(tmp_path / "runs")
    yield writer
    writer.end()


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Return the events of the demo, in the order of time."""
    return sorted(read_events(DEMO), key=lambda event: event.t)


def watched(writer: Writer) -> Watch:
    return Watch(writer.folder, writer)


def read(*watches: Watch) -> None:
    for watch in watches:
        watch.poll()
        while watch.drain():
            pass


def figures(histories: dict[str, RunHistory]) -> list[object]:
    return [(h.engine, h.phase, h.global_step, h.epochs_done, h.test_accuracy) for h in histories.values()]


def test_two_watches_follow_a_growing_record_to_its_end(writer: Writer, events: list[Event]) -> None:
    watches = watched(writer), watched(writer)
    read(*watches)
    assert [watch.problem for watch in watches] == ["", ""]  # a record that does not exist yet is no problem
    writer.begin()
    for start in range(0, len(events), 100):
        some = events[start : start + 100]
        writer.send(*some[:-1])
        last = encode(some[-1]) + "\n"
        writer.write(last[:20])  # half of a line
        read(watches[0])
        writer.write(last[20:])
        writer.seconds += 1
        read(*watches)
        assert figures(watches[0].histories) == figures(watches[1].histories)
        assert watches[0].badge == ("RECORDED" if watches[0].ended else "WATCHING")
    assert watches[0].ended
    expected = {engine: RunHistory(engine) for engine in watches[0].engines}
    for event in events:
        if event.engine in expected:
            expected[event.engine].apply(event)
    assert figures(watches[0].histories) == figures(expected)
    assert {history.phase for history in expected.values()} == {FINISHED}


def test_a_silent_writer_that_lives_is_told_from_one_that_has_ended(writer: Writer, events: list[Event]) -> None:
    writer.begin()
    watch = watched(writer)
    some = [event for event in events[:400] if not isinstance(event, RunFinished)]
    writer.send(*some)
    read(watch)
    writer.seconds += SILENT_SECONDS - 1
    read(watch)
    assert watch.badge == "WATCHING"
    writer.seconds += 31
    read(watch)
    assert watch.badge == "WATCHING, no news for 40 s"
    assert all(history.running for history in watch.histories.values())
    writer.seconds += 200
    assert watch.badge == "WATCHING, no news for 4 min"
    writer.end()
    read(watch)
    assert (watch.badge, watch.problem[:10]) == ("RECORDED", "No process")
    assert {history.phase for history in watch.histories.values()} == {INTERRUPTED}
    more = events[len(some) :]
    writer.send(*more)  # it lived, on a machine whose locks are not seen here
    read(watch)
    assert watch.problem == ""
    assert {history.phase for history in watch.histories.values()} == {FINISHED}


def test_a_cut_record_of_an_ended_run_breaks_off(writer: Writer, events: list[Event]) -> None:
    writer.send(*events[:400])
    (writer.folder / "summary.json").write_text("{}")
    os.utime(writer.folder / "events.jsonl", (0, 0))  # written long ago
    watch = watched(writer)
    read(watch)
    assert (watch.badge, watch.problem[:10]) == ("RECORDED", "No process")
    assert {history.phase for history in watch.histories.values()} == {INTERRUPTED}


def test_the_run_that_continues_a_killed_one_is_named(writer: Writer, events: list[Event]) -> None:
    writer.send(*events[:400])
    os.utime(writer.folder / "events.jsonl", (0, 0))  # written long ago
    watch = watched(writer)
    read(watch)
    assert watch.problem == "No process writes the record of this run any more, and it has no end."
    runs = writer.folder.parent
    make_config(runs / "20260101-150000-000Z-seed0-1", resumed="another")
    make_config(runs / "20260101-140000-000Z-seed0-2", resumed=writer.folder.name)
    writer.seconds += PROBE_SECONDS
    read(watch)
    assert "continues as 20260101-140000-000Z-seed0-2." in watch.problem


def test_a_watch_waits_for_the_record_of_the_run_that_follows(writer: Writer, events: list[Event]) -> None:
    """A run on a full disk may have a folder and never a record."""
    writer.begin()
    watch = watched(writer)
    writer.send(*events[:400])
    read(watch)
    writer.end()
    writer.seconds += SILENT_SECONDS
    read(watch)
    first, folder = writer.folder.name, writer.folder
    make_config(folder.parent / "20260101-130000-000Z-seed0-2", resumed=first)
    writer.seconds += PROBE_SECONDS
    read(watch)
    assert (watch.folder("keras"), watch.badge) == (folder, "RECORDED")
    writer.move("20260101-140000-000Z-seed0-3", resumed=first)
    writer.begin()
    writer.send(*events[:300])
    for _ in range(2):
        writer.seconds += PROBE_SECONDS
        read(watch)
    assert (watch.folder("keras"), watch.badge) == (writer.folder, "WATCHING")


def test_watches_go_on_with_the_run_that_continues_theirs(writer: Writer, events: list[Event]) -> None:
    writer.begin()
    watches = watched(writer), watched(writer)
    writer.send(*events[:400])
    read(*watches)
    writer.end()
    writer.seconds += SILENT_SECONDS
    read(*watches)
    assert {history.phase for history in watches[0].histories.values()} == {INTERRUPTED}
    first, second = writer.folder.name, "20260101-130000-000Z-seed0-2"
    writer.move(second, resumed=first)
    writer.begin()
    writer.send(*events[:300])
    writer.seconds += PROBE_SECONDS
    read(*watches)
    read(*watches)
    for watch in watches:
        assert (watch.badge, watch.problem) == ("WATCHING", f"The run continues as {second}, shown here.")
        assert {watch.folder("keras"), watch.checkpoint("keras").parent} == {writer.folder}
    writer.seconds += NOTICE_SECONDS
    writer.send(*events[300:])
    writer.end()
    read(*watches)
    for watch in watches:
        assert (watch.badge, watch.problem) == ("RECORDED", "")
        assert {history.phase for history in watch.histories.values()} == {FINISHED}
    third = "20260101-140000-000Z-seed0-3"
    writer.move(third, resumed=second)
    writer.send(*events)
    writer.seconds += PROBE_SECONDS
    read(*watches)
    read(*watches)
    assert {watch.folder("keras") for watch in watches} == {writer.folder}  # also a run that was over at once
    late = Watch(writer.folder.with_name(first), writer)
    read(late)
    writer.seconds += SILENT_SECONDS
    read(late)
    assert late.problem == f"The run continues as {second}."  # over before it was watched: what was named is shown


def test_a_watch_goes_on_with_the_next_seed_and_has_the_results_of_those_before(
    writer: Writer, events: list[Event]
) -> None:
    seeds = [of_seed(events, seed, 3) for seed in range(3)]
    names = [f"20260101-12000{seed}-000Z-seed{seed}-1" for seed in range(3)]
    writer.move(names[0], 3)
    writer.begin()
    writer.send(*seeds[0])
    from_second = None
    watch = watched(writer)
    read(watch)
    assert (watch.seed_results.seeds, watch.seed_results.ended) == (3, 2)
    for seed in (1, 2):
        writer.move(names[seed], 3, series=names[0])
        writer.begin()
        writer.send(*seeds[seed][:400])
        from_second = from_second or watched(writer)
        writer.seconds += PROBE_SECONDS
        for _ in range(2):
            read(watch, from_second)
        for one in (watch, from_second):
            assert one.histories["keras"].config is not None
            assert one.histories["keras"].config.seed == seed
            assert [*one.seed_results.runs] == [*range(seed)]
            assert one.seed_results.number(seed) == seed + 1
        writer.send(*seeds[seed][400:])
        read(watch, from_second)
    from_end = watched(writer)
    read(from_end)
    assert from_second is not None
    assert watch.seed_results == from_second.seed_results == from_end.seed_results
    assert (watch.seed_results.ended, watch.badge) == (6, "RECORDED")


def test_a_watch_of_an_ended_seed_goes_on_with_the_one_that_trains(
    writer: Writer, events: list[Event], tmp_path: Path
) -> None:
    """Three seeds trained at once: the second still does, and the others have ended."""
    writer.move("20260101-120000-000Z-seed0-1", 3)
    first = writer.folder
    writer.send(*of_seed(events, 0, 3))
    watch = watched(writer)
    writer.move("20260101-120002-000Z-seed2-1", 3, series=first.name)
    writer.send(*of_seed(events, 2, 3))
    writer.move("20260101-120001-000Z-seed1-1", 3, series=first.name)
    writer.begin()
    writer.send(*of_seed(events, 1, 3)[:400])
    for _ in range(3):
        writer.seconds += PROBE_SECONDS
        read(watch)
    assert (watch.folder("keras"), watch.badge) == (writer.folder, "WATCHING")


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_watches_of_seeds_that_train_at_once_end_with_the_results_of_all(
    first_to_end: int, writer: Writer, events: list[Event], tmp_path: Path
) -> None:
    other = Writer(tmp_path / "elsewhere")
    other.folder = writer.folder
    writers, halves = (
        (writer, other),
        [(few[:400], few[400:]) for few in (of_seed(events, seed, 2) for seed in range(2))],
    )
    writer.move("20260101-120000-000Z-seed0-1", 2)
    other.move("20260101-120001-000Z-seed1-1", 2, series=writer.folder.name)
    for one, (half, _) in zip(writers, halves, strict=True):
        one.begin()
        one.send(*half)
    watches = [Watch(one.folder, writer) for one in writers]
    read(*watches)
    for i in (first_to_end, 1 - first_to_end):
        writers[i].send(*halves[i][1])
        writers[i].end()
        for _ in range(3):
            writer.seconds += PROBE_SECONDS
            read(*watches)
    for watch in watches:
        assert (watch.badge, watch.seed_results.ended, len(watch.seed_results.runs)) == ("RECORDED", 4, 2)
        assert {history.phase for history in watch.histories.values()} == {FINISHED}
    assert watches[1].folder("keras") == (writers[1 - first_to_end].folder)


def test_the_clock_is_that_of_the_events_also_when_the_files_clock_is_wrong(
    writer: Writer, events: list[Event]
) -> None:
    writer.begin()
    writer.send(*events[:300])
    os.utime(writer.folder / "events.jsonl", (1, 1))
    watch = watched(writer)
    read(watch)
    writer.seconds += 1
    writer.send(*events[300:320])
    read(watch)
    assert watch.now() == max(event.t for event in events[:320])
    writer.seconds += 5
    assert watch.now() == max(event.t for event in events[:320]) + 5


def test_a_record_that_was_replaced_is_read_from_its_start(writer: Writer, events: list[Event]) -> None:
    writer.send(*events[:400])
    watch = watched(writer)
    read(watch)
    assert watch.histories["pytorch"].global_step
    (writer.folder / "new").write_text("".join(encode(event) + "\n" for event in events if event.engine == "keras"))
    os.replace(writer.folder / "new", writer.folder / "events.jsonl")
    read(watch)
    assert (watch.histories["pytorch"].global_step, watch.histories["keras"].phase) == (0, FINISHED)


def test_a_record_that_is_gone_or_stale_is_a_problem_until_it_is_back(
    writer: Writer, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.begin()
    writer.send(*events[:100])
    watch = watched(writer)
    read(watch)
    record = writer.folder / "events.jsonl"
    record.rename(writer.folder / "moved")
    read(watch)
    assert "gone" in watch.problem
    (writer.folder / "moved").rename(record)
    read(watch)
    assert watch.problem == ""

    def fail(*_: object) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    with monkeypatch.context() as patch:
        patch.setattr(record_tail, "open_record", fail)
        read(watch)
        assert "tale file handle" in watch.problem
    writer.send(*events[100:200])
    read(watch)
    assert watch.problem == ""
    assert watch.now() == max(event.t for event in events[:200])


def test_the_weights_of_the_newest_checkpoint_predict(writer: Writer, events: list[Event]) -> None:
    writer.begin()
    watch = watched(writer)
    requests, keras = PredictionRequests(watch, writer), "keras"

    def answered() -> str:
        """Return what the newest weights are, once they have answered, or why there are none."""
        requests.refresh()
        watch._models._thread.submit(lambda: None).result(30)
        watch.drain()
        assert not requests.waiting
        history = watch.histories[keras]
        return requests.problem(history) or f"{requests.source(history)}: {bool(requests.probabilities(history))}"

    def send(kind: type[Event]) -> None:
        writer.send(*(event for event in events if isinstance(event, kind) and event.engine == keras))
        read(watch)
        writer.seconds += 2 * REFRESH_SECONDS

    requests.request([255] * 784)
    assert answered() == "n/a: no checkpoint yet"
    send(RunRequested)
    assert answered() == "before its first step: True"
    send(TrainProgress)
    assert answered() == "n/a: no checkpoint yet"
    shutil.copy(DEMO.with_name("keras.npz"), writer.folder)
    send(CheckpointSaved)
    assert answered() == "epoch 2, step 938: True"
    before = requests.probabilities(watch.histories[keras])
    shutil.copy(DEMO.with_name("pytorch.npz"), writer.folder / "keras.npz")
    send(CheckpointSaved)
    assert answered() == "epoch 2, step 938: True"
    assert requests.probabilities(watch.histories[keras]) != before
    send(RunFinished)
    first = writer.folder.name
    writer.move("20260101-130000-000Z-seed0-2", resumed=first)
    writer.send(*events[:100])
    os.utime(writer.folder / "events.jsonl", (0, 0))
    writer.end()
    writer.seconds += SILENT_SECONDS
    for _ in range(2):
        read(watch)
    assert watch.folder(keras) == writer.folder
    assert answered() == NO_WEIGHTS


async def test_screens_that_have_nothing_to_show_say_why(writer: Writer, events: list[Event], tmp_path: Path) -> None:
    writer.begin()
    writer.send(*events[:400])
    app = MnistApp(session=watched(writer), runs_dir=tmp_path / "runs", cache_dir=tmp_path / "cache")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bool(app.session.histories["pytorch"].global_step))
        app.drawing.image = np.full((28, 28), 255, np.uint8)  # else a test digit would be read
        await pilot.press("6")
        await until(pilot, lambda: "Each: n/a: no checkpoint yet" in screen_text(app))
        await pilot.press("shift+tab", "shift+tab")
        await until(pilot, lambda: " n/a: only the process that trains can measure it\n" in screen_text(app))
        await pilot.press("3")
        await until(pilot, lambda: "PyTorch: n/a: no checkpoint" in screen_text(app))


async def test_the_app_shows_that_it_watches_and_that_there_is_no_news(
    writer: Writer, events: list[Event], tmp_path: Path
) -> None:
    writer.begin()
    writer.send(*events[:400])
    os.utime(writer.folder / "events.jsonl", (FUTURE, FUTURE))  # its age is 0, however busy this machine is
    watch = watched(writer)
    app = MnistApp(session=watch, runs_dir=tmp_path / "runs", cache_dir=tmp_path / "cache")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: watch.histories["pytorch"].running)
        await until(pilot, lambda: " WATCHING " in screen_text(app))
        await pilot.press("space", "x", "K", "s")
        writer.seconds += 40
        await until(pilot, lambda: "no news for 40 s" in screen_text(app))
        assert watch.histories["pytorch"].running
        assert "not answering" not in screen_text(app)
        writer.end()
        writer.seconds += PROBE_SECONDS
        await until(pilot, lambda: "breaks off here" in screen_text(app))
        assert "tries again" not in screen_text(app)  # r does nothing here
        writer.send(*events[400:])
        await until(pilot, lambda: "RECORDED" in screen_text(app) and watch.histories["keras"].phase == FINISHED)
