"""Test replicas as processes, without a framework: how they end, and how the worker reports it."""

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

StartReplica = Callable[..., Replica]


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """Write a module that serves as a replica, and return its folder."""
    (tmp_path / "stub.py").write_text(STUB)
    return tmp_path


@pytest.fixture
def start_replica(stub: Path) -> Iterator[StartReplica]:
    """Start replicas, and close them after the test."""
    replicas: list[Replica] = []

    def start(how: str = "") -> Replica:
        replicas.append(Replica("stub", "cuda:1", (how,), {"PYTHONPATH": str(stub)}))
        return replicas[-1]

    yield start
    for replica in replicas:
        replica.close()


def fail_in_collective(replicas: tuple[Replica, ...], error: Exception) -> None:
    """Fail as a collective operation does."""
    with attribute_failures(replicas):
        raise error


def test_a_replica_ends_when_its_worker_does(start_replica: StartReplica) -> None:
    """Even a command that never returns does not keep a replica alive."""
    replica = start_replica()
    replica.wait_until_ready()
    replica.send("print")
    replica.send("hang")
    replica._closing = True
    assert replica._process.stdin
    replica._process.stdin.close()
    assert replica.ends_within(20)
    assert replica._process.returncode == 0


def test_a_replica_that_does_not_start_is_reported(start_replica: StartReplica) -> None:
    with pytest.raises(ReplicaError, match=r"^The replica on cuda:1 exited with code 3\.$"):
        start_replica("broken").wait_until_ready()


def test_the_replica_that_failed_first_is_reported_with_its_error(start_replica: StartReplica) -> None:
    """The framework itself reports only that a peer is gone."""
    other, culprit = start_replica(), start_replica()
    for replica in (other, culprit):
        replica.wait_until_ready()
    culprit.send("fail")
    assert culprit.ends_within(20)
    closed = RuntimeError("Connection closed by peer")
    with pytest.raises(ReplicaError, match=r"code 1\. Its last output: RuntimeError: no kernel image$"):
        fail_in_collective((other, culprit), closed)


def test_an_error_without_a_dead_replica_is_unchanged(start_replica: StartReplica) -> None:
    replica = start_replica()
    replica.wait_until_ready()
    with pytest.raises(RuntimeError, match="out of memory"):
        fail_in_collective((replica,), RuntimeError("out of memory"))


def test_a_worker_that_waits_for_a_dead_replica_ends(stub: Path) -> None:
    """NCCL does not notice that a replica died; the supervisor quotes the printed line in its RunFailed."""
    code = (
        "import threading\nfrom engines.worker import replicas\nreplicas.NOTICE_SECONDS = 0.0\n"
        "replica = replicas.Replica('stub', 'cuda:1', ('',), {})\nreplica.wait_until_ready()\n"
        "replica._process.kill()\n"
        "threading.Event().wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(stub), str(Path(__file__).parents[3])])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (1, "The replica on cuda:1 was ended by SIGKILL.\n")
