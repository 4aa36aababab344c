"""Test replicas as processes, without a framework: how they end, and how the worker reports it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engines.worker.replicas import Replica, ReplicaError, attribute_failures, close_together

STUB = """
import os, threading
from engines.worker.replicas import serve_commands

def fail():
    raise RuntimeError("no kernel image")

def serve(how):
    if how == "broken":
        os._exit(3)
    hang = threading.Event().wait
    close = {"fails to close": fail}.get(how, lambda: None)
    serve_commands(lambda: {"fail": fail, "hang": hang, "print": lambda: print("chatter " * 50_000), "close": close})
"""

WORKER = """
import os, signal, threading
from engines.worker import replicas

def wait_forever():
    threading.Event().wait()

replica = replicas.Replica("stub", "cuda:1", ({how!r},), {{}})
print(replica._process.pid, flush=True)
replica.wait_until_ready()
{code}
"""
"""A worker with one replica."""

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
        replica.kill()
        replica.ends_within(20)


def run_worker(stub: Path, code: str, how: str = "") -> tuple[int, str, int]:
    """Run a worker with a replica; return its exit code, its stderr, and the process id of the replica."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(stub), str(Path(__file__).parents[3])])}
    done = subprocess.run(
        [sys.executable, "-c", WORKER.format(code=code, how=how)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr, int(done.stdout)


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
    code = "replicas.NOTICE_SECONDS = 0.0\nreplica._process.kill()\nwait_forever()"
    returncode, printed, _ = run_worker(stub, code)
    assert (returncode, printed) == (1, "The replica on cuda:1 was ended by SIGKILL.\n")


def test_replicas_close_together(start_replica: StartReplica) -> None:
    """A rank destroys its part of the group while the others, which may wait for it, destroy theirs."""
    replicas = [start_replica(), start_replica()]
    for replica in replicas:
        replica.wait_until_ready()
    returncodes: list[int | None] = []
    close_together(replicas, lambda: returncodes.extend(replica._process.poll() for replica in replicas))
    assert len(returncodes) == 2
    assert [replica._process.returncode for replica in replicas] == [0, 0]


@pytest.mark.fault(
    "workers", "several devices: a replica that is stopped never closes; the worker ends, and the replica too"
)
@pytest.mark.parametrize("who", ["a replica", "NCCL"])
def test_closing_is_bounded(who: str, stub: Path) -> None:
    """NCCL destroys a group only once all ranks do; what never answers must not hold the worker."""
    code = "replicas.CLOSE_SECONDS = 0.5\n"
    if who == "a replica":
        code += "os.kill(replica._process.pid, signal.SIGSTOP)\nreplicas.close_together([replica], lambda: None)"
    else:
        code += "replicas.close_together([replica], wait_forever)"
    returncode, printed, pid = run_worker(stub, code)
    assert returncode == 1
    assert "did not close within 0.5 s" in printed or "was ended by SIGKILL" in printed, (
        "by whichever was noticed first"
    )
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(10)


@pytest.mark.parametrize(
    ("how", "before", "message"),
    [
        ("fails to close", "", "exited with code 1. Its last output: RuntimeError: no kernel image"),
        ("", "replica._process.kill(); replica._process.wait(); ", "[Errno 32] Broken pipe"),
    ],
)
def test_a_replica_that_cannot_close_ends_the_worker(how: str, before: str, message: str, stub: Path) -> None:
    """A group that is half destroyed would fail the next run."""
    returncode, printed, _ = run_worker(stub, f"{before}replicas.close_together([replica], lambda: None)", how)
    assert returncode == 1
    last = printed.splitlines()[-1]
    assert last.startswith("The replicas could not close: ")
    assert last.endswith(message)
