"""The parent's account of a worker's runs, without a process."""

from __future__ import annotations

from engines.config import TrainConfig
from engines.messages.commands import Start
from engines.messages.events import EpochStarted, LogLine, RunFailed, RunRequested
from engines.supervision.run_ledger import RunLedger


def _failed(run_id: str) -> RunFailed:
    return RunFailed(engine="keras", t=9.0, run_id=run_id, kind="internal", message="m", hint="", traceback="")


def _opened(run_id: str) -> RunLedger:
    ledger = RunLedger("keras", "Keras")
    ledger.open(Start(run_id=run_id, config=TrainConfig()), (), 5.0)
    return ledger


def test_the_past_of_a_resumed_run_ends_at_its_request() -> None:
    past = (
        RunRequested(engine="keras", t=100.0, run_id="old", config=TrainConfig()),
        EpochStarted(engine="keras", t=103.0, run_id="old", epoch=1, order_sha256=""),
        EpochStarted(engine="keras", t=110.0, run_id="old", epoch=2, order_sha256=""),
    )
    events = RunLedger("keras", "Keras").open(Start(run_id="new", config=TrainConfig()), past, 50.0)
    first = [event for event in events if not isinstance(event, LogLine)]
    assert [(type(event), event.run_id, event.t) for event in first] == [
        (RunRequested, "new", 40.0),
        (EpochStarted, "new", 43.0),
        (EpochStarted, "new", 50.0),
    ]


def test_a_run_beside_others_is_marked_also_when_it_is_resumed_alone() -> None:
    start = Start(run_id="a", config=TrainConfig(), jobs=4)
    past = RunLedger("keras", "Keras").open(start, (), 5.0)
    again = RunLedger("keras", "Keras").open(Start(run_id="b", config=TrainConfig()), past, 9.0)
    assert [event.jobs for event in (*past, *again) if isinstance(event, RunRequested)] == [4, 4]


def test_a_run_ends_once() -> None:
    ledger = _opened("r")
    first = ledger.record(_failed(""))
    assert first is not None
    assert (first.run_id, ledger.run_id) == ("r", "")
    assert ledger.record(_failed("r")) is None


def test_an_end_of_another_run_does_not_end_the_one_under_way() -> None:
    """The worker sends the end of its last run once more, after the next one was requested."""
    ledger = _opened("first")
    assert ledger.record(_failed("first"))
    ledger.open(Start(run_id="second", config=TrainConfig()), (), 6.0)
    assert ledger.record(_failed("first")) is None
    assert ledger.record(_failed("never requested")) is None
    assert ledger.run_id == "second"
    assert ledger.record(_failed("second"))


def test_a_worker_that_fails_outside_any_run_is_reported() -> None:
    ledger = RunLedger("keras", "Keras")
    failed = ledger.record(_failed(""))
    assert failed is not None
    assert (failed.run_id, ledger.no_run_yet) == ("", False)


def test_a_run_with_the_id_of_an_earlier_one_ends_again() -> None:
    ledger = _opened("r")
    assert ledger.record(_failed("r"))
    ledger.open(Start(run_id="r", config=TrainConfig()), (), 6.0)
    assert ledger.record(_failed("r"))


def test_the_activity_follows_the_events() -> None:
    ledger = RunLedger("keras", "Keras")
    assert ledger.activity == "while importing Keras"
    ledger.record(EpochStarted(engine="keras", t=1.0, run_id="r", epoch=2, order_sha256=""))
    ledger.record(LogLine(engine="keras", t=2.0, stream="stdout", text="no activity"))
    assert ledger.activity == "at the beginning of epoch 2"
