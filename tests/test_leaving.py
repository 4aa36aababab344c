"""How the app is left, without the app: in processes of their own, which really end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tui.leaving import Leaving

_ROOT = Path(__file__).parents[1]
_HEAD = """
import os, signal, sys, threading
from tui import leaving
from tui.leaving import Leaving
leaving.CUT_OFF_SECONDS = 1.0
its = Leaving(lambda seconds: print("closed within", seconds, flush=True))
"""


def ends(script: str, **variables: str) -> tuple[int, str]:
    """The exit code of a process that leaves so, and what it said."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), **variables}
    command = [sys.executable, "-c", _HEAD + script]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, timeout=30
    )
    return done.returncode, done.stdout


def test_what_hangs_is_cut_off() -> None:
    script = (
        "its.own_process(); its.hear(lambda code: None); os.kill(os.getpid(), signal.SIGTERM); threading.Event().wait()"
    )
    assert ends(script) == (143, "closed within 0.0\n")


def test_what_ends_in_time_is_not_cut_off() -> None:
    script = "its.own_process(); its.arm(7); its.finish(); its._timer.join(); print('the end')"
    assert ends(script) == (0, "closed within 3.5\nthe end\n")


def test_a_process_that_is_not_ours_is_not_cut_off() -> None:
    assert ends("its.arm(7); print(its._timer)") == (0, "None\n")


@pytest.mark.parametrize("deaf", [False, True], ids=["a program that obeys", "a program that does not"])
def test_who_has_the_terminal_ends_first(deaf: bool) -> None:
    """One that is deaf is killed when we are cut off; while it lives, it holds the pipe that `ends` reads to its end."""
    child = f"""import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN if {deaf} else signal.SIG_DFL)
os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"""
    script = f"""
its.own_process()
its.hear(lambda code: print("leaves with", code, flush=True))
its.lend([sys.executable, "-c", {child!r}])
print("has it back", flush=True)
threading.Event().wait()
"""
    code, said = ends(script)
    assert code == 143
    assert said.splitlines() == ["leaves with 143", *([] if deaf else ["has it back"]), "closed within 0.0"]


def test_signals_do_again_what_they_did() -> None:
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    leaving = Leaving(lambda seconds: None)
    leaving.hear(lambda code: None)
    assert all(signal.getsignal(n) is not was for n, was in zip(numbers, before, strict=True))
    leaving.unhear()
    assert [signal.getsignal(number) for number in numbers] == before
