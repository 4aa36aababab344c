"""Runs that earlier versions wrote: they load, replay and resume for ever.

Each folder of tests/data/runs is a run of both engines, two epochs of two steps, as the code of its time wrote it; `thin_run` in
tests/programs made it small. A new schema of checkpoints needs a folder here, and its events too when they change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engines.config import ENGINES
from engines.experiment.arrays import load_arrays, save_arrays
from engines.experiment.checkpoint import SCHEMA, CheckpointError, load, read_position
from engines.messages.codec import decode_event
from engines.messages.events import EvalCompleted, RunFinished
from engines.messages.grammar import violations
from engines.preset_configs import from_settings
from engines.runs.directory import SCHEMA as RECORD_SCHEMA
from engines.runs.reader import list_runs, read_events, read_run
from engines.runs.resume import find_resume_points
from engines.runs.run_list import summarize
from engines.session.replay import MAX_SPEED, Replay
from tests.support.digits import FIXED_DIGITS, load_fixed_digits
from tests.support.engines import Worked

RUNS = Path(__file__).parents[2] / "data" / "runs"
RECORDS = sorted(path.parent.name for path in RUNS.glob("*/events.jsonl"))
CHECKPOINTS = sorted(path.parent.name for path in RUNS.glob("*/pytorch.npz"))
EPOCHS = 8
LOSS = 2.2124056
"""The test loss after so many epochs, when the code that wrote the checkpoint resumes from it, in both engines."""


@pytest.mark.parametrize("name", RECORDS)
def test_an_older_record_loads(name: str) -> None:
    """Every line is an event by today's grammar, and the run ends as it did."""
    lines = (RUNS / name / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [decode_event(line) for line in lines]
    histories, _ = read_run(RUNS / name)
    assert tuple(histories) == ENGINES
    for engine, history in histories.items():
        assert violations(event for event in events if event.engine == engine) == []
        assert (history.outcome, history.epochs_done, history.global_step, history.total_steps) == (
            "completed",
            2,
            4,
            4,
        )
        assert history.test_accuracy == 6 / 32
        assert history.test_loss == pytest.approx(2.13598, abs=1e-4)
        assert len(history.train_loss) == 4
        assert history.last_epoch is not None
        assert history.last_epoch.train_loss == pytest.approx(2.10640, abs=1e-4)
        assert history.started is not None
        assert history.started.device == "cpu"
        assert history.config is not None
        assert (history.config.seed, history.config.batch_size) == (3, 32)


def test_older_runs_are_listed() -> None:
    runs = {summary.id: summary for summary in map(summarize, list_runs(RUNS))}
    assert sorted(runs) == RECORDS
    for run in runs.values():
        assert (run.state, run.preset, run.seed, run.epochs, run.best) == ("completed", "reference", 3, 2, 6 / 32)


@pytest.mark.parametrize("name", RECORDS)
def test_an_older_record_replays(name: str) -> None:
    seconds = 0.0
    replay = Replay(list(read_events(RUNS / name / "events.jsonl")), MAX_SPEED, clock=lambda: seconds)
    seconds = 1.0
    assert replay.drain() >= set(ENGINES)
    assert [history.test_accuracy for history in replay.histories.values()] == [6 / 32, 6 / 32]
    assert replay.playback == "end"


def test_every_version_has_a_run() -> None:
    schemas = {json.loads(str(load_arrays(path)["facts"]))["schema"] for path in RUNS.glob("*/*.npz")}
    assert schemas == set(range(1, SCHEMA + 1))
    records = {json.loads(path.read_text())["schema"] for path in RUNS.glob("*/config.json")}
    assert records == set(range(1, RECORD_SCHEMA + 1))


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_an_older_run_can_be_resumed(name: str) -> None:
    points = find_resume_points(RUNS / name, {"epochs": EPOCHS, "data_dir": str(FIXED_DIGITS)})
    assert tuple(points) == ENGINES
    for point in points.values():
        position, weights, state = load(Path(point.checkpoint), point.config, load_fixed_digits())
        assert (position.epoch, position.step, position.global_step, position.test_accuracy) == (3, 0, 4, 6 / 32)
        assert weights["dense1.kernel"].shape == (9216, 128)
        assert state
        assert [event.epoch for event in point.events if isinstance(event, EvalCompleted)] == [1, 2]


def test_the_first_schemas_slots_are_in_todays_order() -> None:
    """PyTorch's slots of dense1 were in (channel, height, width) order, and those of all other layers as today."""
    path = RUNS / "checkpoint-1" / "pytorch.npz"
    config = from_settings({"epochs": 3, "batch_size": 32, "dropout": 0.0, "seed": 3})
    _, _, state = load(path, config, load_fixed_digits())
    before = {name.removeprefix("state."): value for name, value in load_arrays(path).items()}
    for name in ("optimizer.4.square_avg", "optimizer.4.acc_delta"):
        units, features = np.nonzero(before[name])
        channel, pixel = features // 144, features % 144
        assert len(units) > 1000
        assert np.array_equal(state[name][units, pixel * 64 + channel], before[name][units, features])
    changed = [name for name, value in state.items() if not np.array_equal(value, before[name])]
    assert changed == ["optimizer.4.square_avg", "optimizer.4.acc_delta"]


def test_a_checkpoint_of_a_later_version_is_refused(tmp_path: Path) -> None:
    arrays = load_arrays(RUNS / "checkpoint-2" / "keras.npz")
    for schema in (0, SCHEMA + 1, None):
        metadata = {**json.loads(str(arrays["facts"])), "schema": schema}
        save_arrays({**arrays, "facts": np.array(json.dumps(metadata))}, tmp_path / "keras.npz")
        with pytest.raises(CheckpointError, match="another version of mnist-tui wrote it"):
            read_position(tmp_path / "keras.npz")


def test_patience_is_read_under_its_former_name(tmp_path: Path) -> None:
    arrays = load_arrays(RUNS / "checkpoint-1" / "keras.npz")
    metadata = json.loads(str(arrays["facts"]))
    metadata["position"]["without_better"] = 2
    save_arrays({**arrays, "facts": np.array(json.dumps(metadata))}, tmp_path / "keras.npz")
    assert read_position(tmp_path / "keras.npz").evaluations_since_best == 2


@pytest.mark.framework
@pytest.mark.parametrize("engine", ENGINES)
def test_older_checkpoints_train_on_as_their_own_code_did(engine: str, warm: Callable[[str], Worked]) -> None:
    """Slots in another order change the loss by 0.001, a rounding difference by 0.000002."""
    worker = warm(engine)
    config = from_settings({
        "epochs": EPOCHS, "batch_size": 32, "dropout": 0.0, "seed": 3, "device": "cpu", "data_dir": str(FIXED_DIGITS),
    })  # fmt: skip
    for name in CHECKPOINTS:
        worker.start(config, name, resume=str(RUNS / name / f"{engine}.npz"))
        finished = worker.wait_for(RunFinished)
        assert (finished.run_id, finished.outcome) == (name, "completed")
        assert finished.test_loss == pytest.approx(LOSS, abs=1e-4), name
    worker.finish()
