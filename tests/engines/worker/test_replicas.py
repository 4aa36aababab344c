"""Replicas as processes, without a framework: how they end, and what is said of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines.worker.replicas import Replica, ReplicaError, attribute_failures

STUB = """
import os, threading
from engines.worker.replicas import serve_commands

def fail():
    raise RuntimeError("no kernel image")

def serve(how):
    if how == "broken":
        os._exit(3)
    serve_commands(lambda: {"fail": fail, "hang": threading.Event().wait, "print": lambda: print("chatter " * 50_000)})
"""

Begin = Callable[..., Replica]


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """The folder of a module that serves."""
    (tmp_path / "stub.py").write_text(STUB)
    return tmp_path


@pytest.fixture
def begin(stub: Path) -> Iterator[Begin]:
    """Start replicas that are gone when the test is over."""
    begun: list[Replica] = []

    def start(how: str = "") -> Replica:
        begun.append(Replica("stub", "cuda:1", (how,), {"PYTHONPATH": str(stub)}))
        return begun[-1]

    yield start
    for replica in begun:
        replica.close()


def fail_blaming(replicas: tuple[Replica, ...], error: Exception) -> None:
    """Fail as a collective does."""
    with attribute_failures(replicas):
        raise error


def test_a_replica_ends_when_its_worker_does(begin: Begin) -> None:
    """Also in the midst of something that never ends."""
    replica = begin()
    replica.wait_until_ready()
    replica.tell("print")
    replica.tell("hang")
    replica._closing = True
    assert replica._process.stdin
    replica._process.stdin.close()
    assert replica.is_gone(20)
    assert replica._process.returncode == 0


def test_one_that_does_not_come_up_is_told(begin: Begin) -> None:
    with pytest.raises(ReplicaError, match=r"^The replica on cuda:1 exited with code 3\.$"):
        begin("broken").wait_until_ready()


def test_the_one_that_died_first_is_blamed_with_its_last_words(begin: Begin) -> None:
    """What the framework says of it is but that a peer is gone."""
    other, culprit = begin(), begin()
    for replica in (other, culprit):
        replica.wait_until_ready()
    culprit.tell("fail")
    assert culprit.is_gone(20)
    gone = RuntimeError("Connection closed by peer")
    with pytest.raises(ReplicaError, match=r"code 1\. Its last words: RuntimeError: no kernel image$"):
        fail_blaming((other, culprit), gone)


def test_nobody_is_blamed_for_what_fails_by_itself(begin: Begin) -> None:
    replica = begin()
    replica.wait_until_ready()
    with pytest.raises(RuntimeError, match="out of memory"):
        fail_blaming((replica,), RuntimeError("out of memory"))


def test_a_worker_that_waits_for_the_dead_ends(stub: Path) -> None:
    """As NCCL's would, which notices nothing; the supervisor makes a failed run of these last words."""
    code = (
        "import threading\nfrom engines.worker import replicas\nreplicas.NOTICE_SECONDS = 0.0\n"
        "one = replicas.Replica('stub', 'cuda:1', ('',), {})\none.wait_until_ready()\none._process.kill()\n"
        "threading.Event().wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(stub), str(Path(__file__).parents[3])])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (1, "The replica on cuda:1 was ended by SIGKILL.\n")
