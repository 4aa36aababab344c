"""The end of a worker, explained: its kind, and what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engines.config import TrainConfig
from engines.messages.events import RunFailed
from engines.supervision import supervisor as supervisors
from engines.supervision.exit_reason import explain_exit
from tests.support.engines import Worked

EVENT_STATUS = "F0000 00:00:1796032555.958762 10173 gpu_event_mgr.cc:274] Unexpected Event status: 1"


@pytest.mark.parametrize(
    ("signal", "last_words", "oom_killed", "kind", "hint"),
    [
        ("SIGABRT", EVENT_STATUS, False, "crashed", "The worker can't use the GPU after this error."),
        ("SIGABRT", "CUDA_ERROR_OUT_OF_MEMORY", False, "out-of-memory", "smaller batch size"),
        ("SIGABRT", "Check failed: dtype", False, "crashed", "The log has the details."),
        ("SIGKILL", "", False, "crashed", "the system ran out of main memory"),
        ("SIGKILL", "", True, "out-of-memory", "Free memory"),
        ("SIGILL", "", False, "crashed", "instructions that this CPU lacks"),
    ],
)
def test_a_hint_fits_the_cause(signal: str, last_words: str, oom_killed: bool, kind: str, hint: str) -> None:
    found = explain_exit(-1, signal, "in epoch 1", last_words, oom_killed=oom_killed)
    assert found[0] == kind
    assert hint in found[2]
    assert "Restart starts a new worker." in found[2]


def test_the_killer_of_processes_frees_main_memory_not_the_gpus() -> None:
    """A GPU that is full raises an error; the kernel ends a process only for the machine's own memory."""
    _, message, _ = explain_exit(-9, "SIGKILL", "in epoch 1", "", oom_killed=True)
    assert message == "The system ran out of main memory and ended the worker in epoch 1."


@pytest.mark.parametrize(
    ("counts", "kind"), [((3, 4), "out-of-memory"), ((3, 3), "crashed"), ((None, None), "crashed")]
)
def test_the_system_ran_out_of_memory_when_its_count_grew_meanwhile(
    counts: tuple[int | None, int | None], kind: str, work: Callable[[str], Worked], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three processes of this container had been killed for memory before the worker was started."""
    monkeypatch.setattr(supervisors, "oom_kills", iter(counts).__next__)
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "kill@import")
    worker = work("scripted")
    worker.start(TrainConfig(epochs=1))
    assert worker.wait_for(RunFailed).kind == kind
    worker.thread.join(10)
