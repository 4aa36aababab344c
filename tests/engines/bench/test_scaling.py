"""The table of `bench scaling`: its figures from made events, its order with fake workers, and once for real."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.bench import scaling
from engines.bench.engines import BenchPlace, WorkerRunner
from engines.bench.measurement import BenchError
from engines.bench.scaling import (
    ScalingRow,
    ScalingRun,
    counts,
    device_names,
    evaluate_run,
    measure_scaling,
    scaling_notes,
    tabulate_scaling,
)
from engines.config import ENGINES
from engines.messages.events import Device, Event, RunStarted, TrainProgress
from engines.runs.machine_history import MachineHistory
from engines.supervision.registry import EngineSpec, engine_spec
from tests.support.engines import scripted_spec
from tests.support.fake_gpus import fake_gpu, usage

CPU = Device(id="cpu", name="CPU")
GPUS = tuple(Device(id=f"cuda:{i}", name="Fake GPU", gpu=str(i)) for i in range(3))


def progress(t: float, samples: int, speed: float) -> TrainProgress:
    return TrainProgress(
        engine="pytorch", run_id="bench", t=t, epoch=1, step=1, global_step=1, samples_seen=samples, loss=1.0, accuracy=0.5,
        samples_per_sec=speed, learning_rate=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("devices", "measured"), [(1, [1]), (2, [1, 2]), (3, [1, 2]), (4, [1, 2, 4]), (8, [1, 2, 4, 8]), (15, [1, 2, 4, 8])]
)
def test_powers_of_two_are_measured(devices: int, measured: list[int]) -> None:
    assert counts(devices) == measured


def test_all_means_every_usable_gpu() -> None:
    broken = replace(GPUS[1], usable=False, reason="it is broken")
    assert device_names("cuda:1,cuda:0", ()) == ("cuda:1", "cuda:0")
    assert device_names("all", (CPU, GPUS[0], broken, GPUS[2])) == ("cuda:0", "cuda:2")
    with pytest.raises(BenchError, match=r"^There is no GPU here: it is broken\.$"):
        device_names("all", (CPU, broken))


EVENTS = (progress(1.0, 100, 5.0), progress(2.0, 300, 400.0), progress(5.0, 900, 200.0))
"""A slow first step, then 200 digits in half a second and 600 in three, with a pause between the steps."""


def test_the_speed_is_that_of_the_steps_after_the_first() -> None:
    run = evaluate_run(EVENTS, "cpu", (CPU,), MachineHistory())
    assert run == ScalingRun(800 / 3.5, None, "a CPU's energy is not measured")
    with pytest.raises(BenchError, match="only one step"):
        evaluate_run(EVENTS[:1], "cpu", (CPU,), MachineHistory())


def machine(*gpus: int, watts: float | None = 100.0) -> MachineHistory:
    history = MachineHistory()
    for t in range(8):
        history.apply(usage(float(t), *(fake_gpu(watts=watts and watts * (1 + index), index=index) for index in gpus)))
    return history


@pytest.mark.parametrize(
    ("device", "history", "joules", "reason"),
    [
        ("cuda:0", machine(0, 1), 400.0 * 60_000 / 800, ""),
        ("cuda:0,cuda:1", machine(0, 1, 2), 1200.0 * 60_000 / 800, ""),
        ("cuda:0,cuda:1", machine(0), None, "the GPU's power is not known"),
        ("cuda:0", machine(0, watts=None), None, "the GPU's power is not known"),
        ("cuda:0", MachineHistory(), None, "the GPU's power is not known"),
    ],
)
def test_joules_of_an_epoch(device: str, history: MachineHistory, joules: float | None, reason: str) -> None:
    """From the first step's end to the last step's, four seconds, of all GPUs that train, on as many digits as an epoch has."""
    run = evaluate_run(EVENTS, device, GPUS, history)
    assert (run.joules_per_epoch, run.joules_reason) == (joules and pytest.approx(joules), reason)


def test_the_energy_of_a_short_run_is_not_known() -> None:
    events = (progress(1.0, 100, 5.0), progress(1.9, 300, 400.0))
    run = evaluate_run(events, "cuda:0", GPUS, machine(0))
    assert (run.joules_per_epoch, run.joules_reason) == (None, "the run was too short to measure its energy")


def run(speed: float, joules: float | None = None) -> ScalingRun:
    return ScalingRun(speed, joules, "" if joules else "unknown")


def test_speed_up_efficiency_and_joules() -> None:
    """Medians count: 100 on one, 150 on two, 240 on four."""
    runs = {
        1: [run(100, 50.0), run(90, 40.0), run(900)],
        2: [run(150), run(140), run(160)],
        4: [run(240, 70.0)] * 3,
    }
    one, two, four = tabulate_scaling("keras", ("cuda:0", "cuda:1", "cuda:2", "cuda:3"), 64, runs, {})
    assert [row.devices for row in (one, two, four)] == [
        ("cuda:0",),
        ("cuda:0", "cuda:1"),
        two.devices + four.devices[2:],
    ]
    assert [row.speedup for row in (one, two, four)] == [1.0, 1.5, 2.4]
    assert [row.efficiency_percent for row in (one, two, four)] == [100.0, 75.0, 60.0]
    assert [row.joules_per_epoch for row in (one, two, four)] == [45.0, None, 70.0]
    assert [row.joules_reason for row in (one, two, four)] == ["", "unknown", ""]
    assert {(row.engine, row.batch_size, row.problem) for row in (one, two, four)} == {("keras", 64, "")}
    assert one.images_per_second == (100, 90, 900)


@pytest.mark.parametrize("failed", [1, 2])
def test_a_failed_row_has_its_reason_and_no_figures(failed: int) -> None:
    runs = {1: [run(100)], 2: [run(150)]}
    rows = list(tabulate_scaling("pytorch", ("cpu", "cpu"), 128, runs, {failed: "The replica was ended by SIGKILL."}))
    broken, other = rows[failed - 1], rows[2 - failed]
    assert (broken.problem, broken.images_per_second) == ("The replica was ended by SIGKILL.", ())
    assert (broken.speedup, broken.efficiency_percent, broken.joules_per_epoch, broken.joules_reason) == (
        None, None, None, "",
    )  # fmt: skip
    assert (other.problem, len(other.images_per_second)) == ("", 1)
    assert other.speedup == (None if failed == 1 else 1.0), "nothing to compare with"


class FakeWorkers:
    """Fake workers, which fail on the devices named in `failing`, and ends when they do."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.runs: list[tuple[int, str, int]] = []
        """(worker, devices, batch size) of each run."""
        self.closed: list[int] = []
        self.started = 0

    def __call__(self, spec: EngineSpec, cores: Sequence[int], place: BenchPlace) -> Any:
        workers, number = self, self.started
        self.started += 1

        class Worker:
            def devices(self) -> tuple[Device, ...]:
                if "import" in workers.failing:
                    raise BenchError("No module named 'torch'.")
                return (CPU, *GPUS)

            def train(self, device: str, batch_size: int, **settings: Any) -> Sequence[Event]:
                assert number not in workers.closed
                workers.runs.append((number, device, batch_size))
                if device in workers.failing:
                    raise BenchError("The replica was ended by SIGKILL.")
                assert settings["limit_test"] == 100
                assert ("limit_train" in settings, settings["epochs"]) == (
                    (True, 1) if device.startswith("cpu") else (False, 10)
                )
                speed = 100.0 * (1 + device.count(","))
                return (progress(1.0, 128, speed), progress(2.0, 256, speed))

            def close(self) -> None:
                workers.closed.append(number)

        return Worker()


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWorkers]:
    fakes = FakeWorkers()
    monkeypatch.setattr(scaling, "WorkerRunner", fakes)
    yield fakes
    assert sorted(fakes.closed) == list(range(fakes.started)), "each worker is closed once"


def rows_of(device: str, tmp_path: Path, repeats: int = 1, *lines: list[str]) -> list[ScalingRow]:
    report = lines[0].append if lines else (lambda _: None)
    return list(measure_scaling([scripted_spec()], device, 32, repeats, BenchPlace(tmp_path, ""), report))


def test_the_order_is_reversed_from_repeat_to_repeat(workers: FakeWorkers, tmp_path: Path) -> None:
    lines: list[str] = []
    one, two = rows_of("cpu,cpu", tmp_path, 2, lines)
    assert workers.runs == [(0, "cpu", 32), (0, "cpu,cpu", 32), (0, "cpu,cpu", 32), (0, "cpu", 32)]
    assert lines[1:3] == ["pytorch on cpu,cpu, 1 of 2", "pytorch on cpu,cpu, 2 of 2"]
    assert (one.speedup, two.speedup, two.efficiency_percent) == (1.0, 2.0, 100.0)
    assert len(two.images_per_second) == 2


def test_all_gpus_are_found_in_the_worker(workers: FakeWorkers, tmp_path: Path) -> None:
    assert [row.devices for row in rows_of("all", tmp_path)] == [("cuda:0",), ("cuda:0", "cuda:1")]


def test_a_worker_that_dies_is_a_row_and_the_next_run_gets_a_new_one(workers: FakeWorkers, tmp_path: Path) -> None:
    workers.failing = {"cpu"}
    one, two, four = rows_of("cpu,cpu,cpu,cpu", tmp_path, 2)
    assert (one.problem, two.problem, four.problem) == ("The replica was ended by SIGKILL.", "", "")
    assert [number for number, _, _ in workers.runs] == [0, 1, 1, 1, 1], "and it is not tried again"


def test_a_framework_that_does_not_import_is_one_row(workers: FakeWorkers, tmp_path: Path) -> None:
    workers.failing = {"import"}
    (row,) = rows_of("all", tmp_path)
    assert (row.devices, row.problem) == (("all",), "No module named 'torch'.")
    assert list(scaling_notes([row])) == [], "there are no figures to explain"


def test_notes_name_the_batch_the_parameters_and_what_is_shared() -> None:
    names = tuple(f"cuda:{i}" for i in range(8))
    rows = list(tabulate_scaling("keras", names, 128, {count: [run(1.0)] for count in counts(8)}, {}))
    size, shared, graph = scaling_notes([*rows[:-1], replace(rows[-1], problem="It ended.")])
    assert "4 get about 32 digits each" in size, "eight could not be measured"
    assert "devices. After" in next(scaling_notes(rows[:1]))
    size, shared, graph = scaling_notes(rows)
    assert "one batch of 128 digits, on however many devices: 8 get about 16 digits each" in size
    assert "the gradients of 1,199,882 parameters, 4.8 MB" in size
    assert "are small for that" in size
    assert "share this machine's processor" in shared
    assert "One GPU replays a captured graph" in graph
    on_cpus = list(scaling_notes(list(tabulate_scaling("keras", ("cpu",) * 2, 1, {1: [run(1.0)], 2: [run(1.0)]}, {}))))
    assert "2 get about 1 digit each" in on_cpus[0]
    assert on_cpus[1].startswith("All replicas on the CPU share its")
    assert len(on_cpus) == 2


@pytest.mark.framework
@pytest.mark.parametrize("engine", ENGINES)
def test_two_replicas_on_the_cpu_are_measured(
    engine: str, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the framework's own data parallelism, and the same batch as one device: three steps of 64 digits."""
    recorded: dict[str, list[Event]] = {}
    train = WorkerRunner.train

    def record(worker: WorkerRunner, **settings: Any) -> list[Event]:
        recorded[settings["device"]] = events = train(worker, **settings)
        return events

    monkeypatch.setattr(WorkerRunner, "train", record)
    monkeypatch.setattr(scaling, "CPU_DIGITS", 192)
    one, two = measure_scaling([engine_spec(engine)], "cpu,cpu", 64, 1, BenchPlace(tmp_path, str(small_mnist)))
    assert (one.problem, two.problem) == ("", "")
    assert (one.speedup, two.devices) == (1.0, ("cpu", "cpu"))
    assert two.speedup is not None
    assert two.speedup > 0
    assert two.efficiency_percent == 50 * two.speedup
    for device, events in recorded.items():
        (started,) = (event for event in events if isinstance(event, RunStarted))
        first = next(event for event in events if isinstance(event, TrainProgress))
        assert (started.device, started.steps_per_epoch, first.step, first.samples_seen) == (device, 3, 1, 64)
    assert list(recorded) == ["cpu", "cpu,cpu"]
