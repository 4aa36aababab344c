"""Test that the codec preserves events and commands, and rejects everything else."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any, get_type_hints

import pytest
from hypothesis import given, strategies as st

from engines.messages.codec import ProtocolError, decode_command, decode_event, encode, type_prefix
from engines.messages.commands import COMMANDS
from engines.messages.events import EVENTS, Heartbeat, TrainProgress, WarmedUp
from engines.record import Record


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if hint is float:
        return st.floats()
    return st.from_type(hint)


def _instances(kinds: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(sorted(kinds)).flatmap(
        lambda name: st.builds(kinds[name], **{f: _values(h) for f, h in get_type_hints(kinds[name]).items()})
    )


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(_same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@given(_instances(EVENTS))
def test_every_event_survives_the_pipe(event: Any) -> None:
    line = encode(event)
    assert "\n" not in line
    assert line.partition(",")[0] == type_prefix(type(event)), "readers skip lines by this prefix"
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert _same(decode_event(line), event)


@given(_instances(COMMANDS))
def test_every_command_survives_the_pipe(command: Any) -> None:
    assert _same(decode_command(encode(command)), command)


@given(st.one_of(st.binary(), st.text()))
def test_anything_else_is_a_protocol_error(line: str | bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_event(line)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_wrong_fields_are_a_protocol_error(value: Any) -> None:
    line = json.dumps({"type": "TrainProgress", "engine": value, "epoch": value})
    with pytest.raises(ProtocolError):
        decode_event(line)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**400], ids=["63", "-63", "400"])
def test_an_integer_beyond_64_bits_is_a_protocol_error(number: int) -> None:
    with pytest.raises(ProtocolError, match="64 bits"):
        decode_event(json.dumps({"type": "Heartbeat", "engine": "keras", "seq": number}))


EVALUATION = {
    "type": "EvalCompleted", "engine": "keras", "epoch": 1, "global_step": 4, "split": "test", "loss": 0.5, "accuracy": 0.5,
    "seconds": 1.0, "confusion": [1, 2], "mistakes": [[0, 1, 2]],
}  # fmt: skip
"""A line with a field of most types."""


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("type", [], "unknown type []"),
        ("type", {"a": 1}, "unknown type {'a': 1}"),
        ("type", None, "unknown type None"),
        ("type", "Start", "unknown type 'Start'"),
        ("mistakes", [[0, 1, 2, 3]], "EvalCompleted.mistakes: 4 items instead of 3"),
        ("mistakes", [[0, 1]], "EvalCompleted.mistakes: 2 items instead of 3"),
        ("mistakes", [[0, 1, 2], 3], "EvalCompleted.mistakes: not a list"),
        ("mistakes", {"0": 1}, "EvalCompleted.mistakes: not a list"),
        ("confusion", [1, True], "EvalCompleted.confusion: True is not int"),
        ("confusion", [1, 2.0], "EvalCompleted.confusion: 2.0 is not int"),
        ("confusion", "12", "EvalCompleted.confusion: not a list"),
        ("epoch", True, "EvalCompleted.epoch: True is not int"),
        ("epoch", None, "EvalCompleted.epoch: None is not int"),
        ("epoch", "1", "EvalCompleted.epoch: '1' is not int"),
        ("epoch", 1.0, "EvalCompleted.epoch: 1.0 is not int"),
        ("loss", False, "EvalCompleted.loss: False is not float"),
        ("loss", "nan", "EvalCompleted.loss: 'nan' is not float"),
        ("loss", "0.5", "EvalCompleted.loss: '0.5' is not float"),
        ("loss", 10**400, "EvalCompleted.loss: a number beyond any float"),
        ("split", 1, "EvalCompleted.split: 1 is not str"),
        ("engine", ["keras"], "EvalCompleted.engine: ['keras'] is not str"),
    ],
)
def test_a_field_of_another_type_is_a_protocol_error(field: str, value: Any, reason: str) -> None:
    decode_event(json.dumps(EVALUATION))
    with pytest.raises(ProtocolError) as caught:
        decode_event(json.dumps({**EVALUATION, field: value}))
    assert str(caught.value) == reason


def test_a_missing_field_is_a_protocol_error() -> None:
    for field in EVALUATION:
        with pytest.raises(ProtocolError, match="unknown type" if field == "type" else field):
            decode_event(json.dumps({name: value for name, value in EVALUATION.items() if name != field}))


def test_whole_numbers_and_the_names_of_no_number_are_floats() -> None:
    for value, expected in ((1, 1.0), ("Infinity", math.inf), ("-Infinity", -math.inf)):
        event: Any = decode_event(json.dumps({**EVALUATION, "loss": value}))
        assert (event.loss, type(event.loss)) == (expected, float)
    event = decode_event(json.dumps({**EVALUATION, "loss": "NaN"}))
    assert math.isnan(event.loss)


def test_an_optional_field_may_be_null_and_nothing_else_of_another_type() -> None:
    line = {"type": "Heartbeat", "engine": "keras", "device_memory_bytes": None}
    assert decode_event(json.dumps(line)) == Heartbeat(engine="keras")
    for value in (True, 1.0, [1]):
        with pytest.raises(ProtocolError, match="is not int"):
            decode_event(json.dumps({**line, "device_memory_bytes": value}))


def test_a_nested_record_must_be_an_object_with_its_fields() -> None:
    line = {
        "type": "WorkerReady", "engine": "keras", "pid": 1, "framework": "F", "version": "1", "num_threads": 1,
        "import_seconds": 1.0,
    }  # fmt: skip
    for devices, reason in (
        (["cpu"], "WorkerReady.devices: 'cpu' is not Device"),
        ([{"id": "cpu"}], "WorkerReady.devices: Device: missing ['name'], unknown []"),
        ([{"id": "cpu", "name": 1}], "WorkerReady.devices: Device.name: 1 is not str"),
    ):
        with pytest.raises(ProtocolError) as caught:
            decode_event(json.dumps({**line, "devices": devices}))
        assert str(caught.value) == reason


def test_unknown_fields_are_ignored() -> None:
    line = encode(Heartbeat(engine="keras", seq=3))[:-1] + ',"from_the_future":[1]}'
    assert decode_event(line) == Heartbeat(engine="keras", seq=3)


def test_figures_that_an_older_recording_lacks_are_unknown() -> None:
    event = decode_event('{"type":"WarmedUp","engine":"keras","run_id":"","seq":3,"t":1.0,"samples_per_sec":7.0}')
    expected = WarmedUp(engine="keras", seq=3, t=1.0, samples_per_sec=7.0, build_seconds=None, first_step_seconds=None)
    assert event == expected


def test_nan_and_infinity_are_encoded_as_strings() -> None:
    event = TrainProgress(
        engine="keras", epoch=1, step=1, global_step=1, samples_seen=1, loss=math.nan, accuracy=0.0,
        samples_per_sec=math.inf, learning_rate=1.0,
    )  # fmt: skip
    fields = json.loads(encode(event))
    assert (fields["loss"], fields["samples_per_sec"]) == ("NaN", "Infinity")


def test_messages_are_frozen_records() -> None:
    first, same = (Heartbeat(engine="pytorch", device_memory_bytes=1) for _ in range(2))
    assert first == same
    assert hash(first) == hash(same)
    assert first != dataclasses.replace(first, seq=1)
    assert repr(first) == "Heartbeat(engine='pytorch', run_id='', seq=0, t=0.0, device_memory_bytes=1)"
    invalid: tuple[dict[str, Any], ...] = ({}, {"engine": "pytorch", "colour": "red"})
    for fields in invalid:
        with pytest.raises(TypeError):
            Heartbeat(**fields)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.seq = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del first.seq


def test_a_record_with_kw_only_false_accepts_positional_fields() -> None:
    class Place(Record, kw_only=False):
        row: int
        column: int = 0

    assert Place(1, 2) == Place(row=1, column=2) != Place(1)
    assert dataclasses.replace(Place(1, 2), row=3) == Place(3, 2)
    for positional, named in (((1, 2, 3), {}), ((1,), {"row": 1}), ((), {"column": 1})):
        with pytest.raises(TypeError):
            Place(*positional, **named)
    with pytest.raises(TypeError):
        Heartbeat("pytorch")  # type: ignore[call-arg]
