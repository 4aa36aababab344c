"""The warm-up of a worker that has no run yet."""

from __future__ import annotations

from typing import Any

import pytest

from engines.messages.events import Event, WarmedUp
from engines.worker.trainer import Trainer
from tests.support import scripted_engine


class RecordingChannel:
    """A channel whose events go nowhere."""

    def __init__(self, *, idle: bool) -> None:
        self.idle = idle
        self.published: list[Event] = []

    def publish(self, kind: type[Event], /, **fields: Any) -> None:
        self.published.append(kind(engine="pytorch", **fields))


@pytest.mark.parametrize("idle", [True, False])
def test_a_warm_up_reports_its_build_and_its_first_step(idle: bool) -> None:
    """Only an idle worker times a second step; one for which a run waits reports the others all the same."""
    channel = RecordingChannel(idle=idle)
    Trainer(scripted_engine, (), 1, channel).warm_up()  # type: ignore[arg-type]  # of a channel, it only publishes
    (event,) = channel.published
    assert isinstance(event, WarmedUp)
    assert event.build_seconds is not None
    assert event.build_seconds > 0
    assert event.first_step_seconds is not None
    assert event.first_step_seconds > 0
    assert (event.samples_per_sec is not None) is idle
