"""Every figure of the card of a fixed race, as text: one run finishes, one fails in its second epoch, one has no step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engines.api import MachineHistory, RunHistory
from engines.messages.events import (
    DataReady,
    Device,
    EpochCompleted,
    EvalCompleted,
    Event,
    Heartbeat,
    ModelReady,
    RunFailed,
    RunFinished,
    RunRequested,
    RunStarted,
    WorkerReady,
    WorkerSpawned,
    WorkerUsage,
)
from engines.preset_configs import from_settings
from tests.support.fake_gpus import fake_gpu, usage
from tui.reports import card

CONFIG = from_settings({"epochs": 3, "seed": 7, "device": "cuda:0", "keras_device": "cuda:1", "target_accuracy": 98.5})
REQUESTED = 100.0
"""Second 0 of both runs' wall times, on the events' clock."""


def worker(engine: str, gpu: str, ready: float) -> list[Event]:
    """Return the start of a worker whose import takes two seconds, and which has one GPU."""
    devices = (Device(id="cpu", name="CPU"), Device(id=gpu, name="Fake H200", gpu=gpu[-1]))
    return [
        WorkerSpawned(engine=engine, t=ready - 2.0, pid=1, interpreter="python"),
        WorkerReady(
            engine=engine, t=ready, pid=1, framework="F", version=f"{engine} 1.5", devices=devices, num_threads=4,
            import_seconds=2.0,
        ),
    ]  # fmt: skip


def prepared(engine: str, gpu: str) -> list[Event]:
    """Return the events from the digits to the start, two seconds after the request."""
    return [
        DataReady(
            engine=engine, t=REQUESTED + 1, dataset="mnist", source="", sha256="0123456789abcdef, and more", train_size=60_000,
            test_size=10_000, seconds=0.75,
        ),
        ModelReady(engine=engine, t=REQUESTED + 1.5, layers=(("dense", 10),), parameters=10, seconds=0.25),
        RunStarted(
            engine=engine, t=REQUESTED + 2, config=CONFIG, device=gpu, precision="tf32", num_threads=4, steps_per_epoch=469,
            total_steps=1407,
        ),
    ]  # fmt: skip


def epoch(
    engine: str, number: int, t: float, correct: int, *, train: float, test: float, first: float | None
) -> list[Event]:
    """Return an epoch that ends at second t of the run: its training and its evaluation take `train` and `test` seconds."""
    mistakes = tuple((i, 3, 5) for i in range(10_000 - correct))
    confusion = tuple(correct if i == 0 else 10_000 - correct if i == 35 else 0 for i in range(100))
    return [
        EvalCompleted(
            engine=engine, t=REQUESTED + t, epoch=number, global_step=469 * number, split="test", loss=0.5 - correct / 20_000,
            accuracy=correct / 10_000, seconds=test, train_seconds=t - 4, confusion=confusion, mistakes=mistakes,
        ),
        EpochCompleted(
            engine=engine, t=REQUESTED + t, epoch=number, train_loss=0.1, train_accuracy=0.9, train_seconds=train,
            samples_per_sec=60_000 / train, first_step_seconds=first,
        ),
    ]  # fmt: skip


def resources(engine: str, memory: int | None, gpu_memory: int) -> list[Event]:
    """Return a reading of the worker's memory, and its count of the memory on the GPU."""
    sampled = [WorkerUsage(engine=engine, t=REQUESTED + 3, cpu_percent=90.0, cores_allowed=2, rss_bytes=memory, num_threads=9)] \
        if memory else []  # fmt: skip
    return [*sampled, Heartbeat(engine=engine, t=REQUESTED + 3, device_memory_bytes=gpu_memory)]


def finished_run() -> list[Event]:
    """Return the events of a run in a warm worker: 98 %, then 99.1 %, then 99 % of the test digits."""
    engine, gpu = "pytorch", "cuda:0"
    return [
        *worker(engine, gpu, REQUESTED - 10),
        RunRequested(engine=engine, run_id="a-run", t=REQUESTED, config=CONFIG, build="1.2.3+abc"),
        *prepared(engine, gpu),
        *resources(engine, 1_500_000_000, 912_000_000),
        *epoch(engine, 1, 15.0, 9_800, train=10.0, test=0.5, first=0.125),
        *resources(engine, 900_000_000, 300_000_000),
        *epoch(engine, 2, 24.0, 9_910, train=8.0, test=0.75, first=None),
        *epoch(engine, 3, 37.0, 9_900, train=12.0, test=1.0, first=None),
        RunFinished(
            engine=engine, t=REQUESTED + 40, outcome="completed", test_accuracy=0.99, test_loss=0.005, best_epoch=2,
            train_seconds=30.125, wall_seconds=40.0,
        ),
    ]  # fmt: skip


def failed_run() -> list[Event]:
    """Return the events of a run that waited for the end of an import, and whose second epoch fails."""
    engine, gpu = "keras", "cuda:1"
    return [
        worker(engine, gpu, REQUESTED + 0.5)[0],
        RunRequested(engine=engine, run_id="a-run", t=REQUESTED, config=CONFIG),
        worker(engine, gpu, REQUESTED + 0.5)[1],
        *prepared(engine, gpu),
        *resources(engine, None, 1_234_000_000),
        *epoch(engine, 1, 20.0, 9_750, train=12.5, test=1.25, first=2.0),
        RunFailed(engine=engine, t=REQUESTED + 22, kind="crashed", message="It ended."),
    ]


def applied(*events: Event) -> RunHistory:
    """Return the history of these events."""
    history = RunHistory(events[0].engine)
    for event in events:
        history.apply(event)
    return history


def machine() -> MachineHistory:
    """Return a machine whose GPU 0 takes 200 W, and GPU 1 300 W, before, during and after the runs."""
    history = MachineHistory()
    for t in range(90, 151):
        history.apply(usage(float(t), fake_gpu(200.0), replace(fake_gpu(300.0, index=1), uuid="GPU-1")))
    return history


def rows(*runs: RunHistory, on: MachineHistory | None = None) -> dict[str, dict[str, Any]]:
    """Return the values of each row by its label, by its group; a single value as a text."""
    report = card.report({run.engine: run for run in runs}, on or MachineHistory())
    assert report is not None
    return {
        title: {row.label: row.values if len(runs) > 1 else row.values[0] for row in rows}
        for title, rows in report.groups
    }


def test_every_figure_of_a_fixed_race() -> None:
    """PyTorch finishes after 40 seconds; Keras fails after 22, in its second epoch."""
    pytorch, keras = applied(*finished_run()), applied(*failed_run())
    groups = rows(pytorch, keras, on=machine())
    lines = {label: groups["Cost"].pop(label) for label in [*groups["Cost"]] if label.startswith("lines of")}
    assert groups == {
        "Accuracy": {
            "test accuracy": ("99.00 %", "97.50 %"),
            "its 95 % interval": ("98.79 to 99.18 %", "97.18 to 97.79 %"),
            "test loss": ("0.0050", "0.0125"),
            "best epoch": ("2: 99.10 %, chosen by the test digits", "1: 97.50 %, chosen by the test digits"),
            "epochs": ("3 of 3", "1 of 3, failed"),
        },
        "Time": {
            "to 97 %": ("00:15 wall, 11.0 s of training", "00:20 wall, 16.0 s of training"),
            "to 98 %": ("00:15 wall, 11.0 s of training", "not reached"),
            "to 98.5 %": ("00:24 wall, 20.0 s of training", "not reached"),
            "to 99 %": ("00:24 wall, 20.0 s of training", "not reached"),
            "training": ("30.1 s", "12.5 s"),
            "an epoch": ("10.0 s", "12.5 s"),
            "img/s": ("6,000", "4,800"),
            "wall, since asked for": ("40.0 s", "22.0 s"),
            "import": ("2.00 s, before the run", "2.00 s, 0.50 s of it in the wall time"),
            "loading digits": ("0.75 s", "0.75 s"),
            "building": ("0.25 s, in a warm worker", "0.25 s"),
            "first step": ("0.12 s, in a warm worker", "2.00 s"),
            "an evaluation": ("0.75 s", "1.25 s"),
        },
        "Cost": {
            "peak memory": ("1.5 GB", "n/a: not sampled"),
            "peak GPU memory": ("912 MB", "1.2 GB"),
            "energy": ("7.60 kJ", "6.00 kJ"),  # 38 s of 200 W and 20 s of 300 W: from the first step to the end
        },
        "Provenance": {
            "framework": ("pytorch 1.5", "keras 1.5"),
            "device": ("cuda:0 (Fake H200)", "cuda:1 (Fake H200)"),
            "optimizer": 2 * ("adadelta, learning rate 1",),
            "dropout": 2 * ("0.25",),
            "training digits": 2 * ("60,000",),
            "test digits": 2 * ("10,000",),
            "precision": 2 * ("tf32",),
            "CPU threads": 2 * ("4",),
            "digits SHA-256": 2 * ("0123456789abcdef",),
            "run": 2 * ("a-run",),
            "mnist-tui": ("1.2.3+abc", "n/a: not recorded"),
        },
    }
    assert [*lines] == ["lines of a plain script", "lines of this app's engine"]
    assert all(count.isdecimal() for counts in lines.values() for count in counts)


def test_figures_of_a_run_that_failed_before_its_first_step_are_missing_and_not_zero() -> None:
    config = replace(CONFIG, target_accuracy=0.0)
    requested = RunRequested(engine="keras", run_id="a-run", t=REQUESTED, config=config)
    failed = RunFailed(engine="keras", t=REQUESTED + 3, kind="data", message="There are no digits.")
    groups = rows(applied(requested, failed), on=machine())
    assert groups["Accuracy"] == {
        "test accuracy": "–",
        "its 95 % interval": "–",
        "test loss": "–",
        "best epoch": "–",
        "epochs": "0 of 3, failed",
    }
    assert groups["Time"] == {
        **{f"to {percent} %": "not reached" for percent in (97, 98, 99)},
        "training": "0.00 s",
        "an epoch": "n/a",
        "img/s": "n/a: no whole epoch",
        "wall, since asked for": "3.00 s",
        "import": "n/a: not recorded",
        **dict.fromkeys(("loading digits", "building", "first step", "an evaluation"), "n/a"),
    }
    cost = groups["Cost"]
    assert (cost["peak memory"], cost["peak GPU memory"]) == ("n/a: not sampled", "n/a: not reported")
    assert cost["energy"] == "n/a: the run has not ended"
    missing = {label for label, text in groups["Provenance"].items() if text.startswith("n/a: not ")}
    assert missing == {
        "framework", "device", "training digits", "test digits", "precision", "CPU threads", "digits SHA-256", "mnist-tui"
    }  # fmt: skip


def test_a_run_on_the_cpu_says_why_it_has_no_gpu_figures() -> None:
    events = [replace(event, device="cpu") if isinstance(event, RunStarted) else event for event in finished_run()]
    on_cpu = [event for event in events if not isinstance(event, Heartbeat)]
    cost = rows(applied(*on_cpu), on=machine())["Cost"]
    assert cost["peak GPU memory"] == "n/a: runs on the CPU"
    assert cost["energy"] == "n/a: a CPU's energy is not measured"


def test_a_target_that_is_not_reached_yet_is_open_while_the_run_trains() -> None:
    times = rows(applied(*failed_run()[:-1]))["Time"]
    assert (times["to 97 %"], times["to 98 %"]) == ("00:20 wall, 16.0 s of training", "–")
    assert times["training"] == "12.5 s"
