"""How the app is left, without the app: in processes of their own, which really end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tui.terminal import tty_state
from tui.terminal.shutdown import Shutdown

_ROOT = Path(__file__).parents[3]
_HEAD = """
import os, signal, sys, threading
from tui.terminal import shutdown as leaving
from tui.terminal.shutdown import Shutdown
leaving.CUT_OFF_SECONDS = 1.0
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # whole, whichever thread it is
its = Shutdown(lambda seconds: say("closed within", seconds))
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
    script = """
its.own_process(); its.install_handlers(lambda code: None); os.kill(os.getpid(), signal.SIGTERM); threading.Event().wait()
"""
    assert ends(script) == (143, "closed within 3.5\nclosed within 0.0\n")


def test_what_ends_in_time_is_not_cut_off() -> None:
    script = """
its.own_process(); its.start_deadline(7); its.finish()
for thread in set(threading.enumerate()) - {threading.main_thread()}:  # the timer, and who closes the workers
    thread.join()
say('the end')
"""
    assert ends(script) == (0, 2 * "closed within 3.5\n" + "the end\n")


def test_a_terminal_that_is_gone_is_not_taken_again() -> None:
    """The kernel sends SIGCONT after SIGHUP, at which Textual begins anew."""
    script = """
signal.signal(signal.SIGCONT, lambda *_: say("once more"))
its.own_process()
its.install_handlers(lambda code: say("leaves with", code))
for number in (signal.SIGCONT, signal.SIGHUP, signal.SIGCONT):
    os.kill(os.getpid(), number)
its.finish()
"""
    code, said = ends(script)
    assert code == 0
    assert said.splitlines()[0] == "once more"
    assert sorted(said.splitlines()[1:]) == [*2 * ["closed within 3.5"], "leaves with 129"]


def test_a_process_that_is_not_ours_is_not_cut_off() -> None:
    assert ends("its.start_deadline(7); say(its._timer)") == (0, "None\n")


@pytest.mark.parametrize("deaf", [False, True], ids=["a program that obeys", "a program that does not"])
def test_who_has_the_terminal_ends_first(deaf: bool) -> None:
    """One that is deaf is killed when we are cut off; while it lives, it holds the pipe that `ends` reads to its end."""
    child = f"""import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN if {deaf} else signal.SIG_DFL)
os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"""
    script = f"""
its.own_process()
its.install_handlers(lambda code: say("leaves with", code))
its.run_foreground([sys.executable, "-c", {child!r}])
say("has it back")
threading.Event().wait()
"""
    code, said = ends(script)
    assert code == 143
    told = [line for line in said.splitlines() if line != "closed within 3.5"]
    assert told == ["leaves with 143", *([] if deaf else ["has it back"]), "closed within 0.0"]


def test_what_is_cut_off_takes_no_terminal_back() -> None:
    """The main thread would come back out of `lend` as soon as the borrower is killed."""
    child = "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.kill(os.getppid(), 15); time.sleep(60)"
    script = f"""
end, back = os._exit, threading.Event()
os._exit = lambda code: (say("taken back" if back.wait(0.5) else "given back"), end(code))
its.own_process()
its.install_handlers(lambda code: None)
its.run_foreground([sys.executable, "-c", {child!r}])
back.set()
threading.Event().wait()
"""
    code, said = ends(script)
    assert (code, said.splitlines()[-1]) == (143, "given back")


@pytest.mark.parametrize("shows", [False, True], ids=["another picture", "the app's picture"])
def test_the_last_word_is_of_whoever_cuts_off(shows: bool) -> None:
    """The app's own picture is cleared, which an alternate screen may not hide; what else is there stays."""
    script = f"""
end = os._exit
os._exit = lambda code: (os.write(2, b"one more frame"), end(code))
Shutdown(lambda seconds: None, lambda: {shows}).cut_off(143)
"""
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", _HEAD + script]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, timeout=30)
    written = os.read(ours, 4096).decode()
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 143
    assert written == (tty_state.CLEAR if shows else "") + tty_state._UNDO


def test_signals_do_again_what_they_did() -> None:
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    leaving = Shutdown(lambda seconds: None)
    leaving.install_handlers(lambda code: None)
    assert all(signal.getsignal(n) is not was for n, was in zip(numbers, before, strict=True))
    leaving.unhear()
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_full_terminal_is_left_as_one_that_blocks() -> None:
    """Or the shell that comes after us could not write to it."""
    script = """
from tui.terminal import tty_state as terminal
read, write = os.pipe()
before = os.dup(2)
os.dup2(write, 2)
os.set_blocking(2, False)
try:
    while os.write(2, bytes(1 << 16)):
        pass
except BlockingIOError:
    os.set_blocking(2, True)
terminal.restore(None)
blocks = os.get_blocking(2)
os.dup2(before, 2)
say(blocks)
"""
    assert ends(script) == (0, "True\n")


def test_a_signal_to_go_on_waits_for_the_loop() -> None:
    """In the midst of a write it would wait for a lock that its own thread holds."""
    script = """
import asyncio
from types import SimpleNamespace
from tui.terminal import tty_state as terminal
writing = threading.Lock()
def suspend():
    with writing:
        say("given back")
driver = SimpleNamespace(
    _key_thread=threading.main_thread(), _auto_restart=True, suspend_application_mode=suspend
)
signal.signal(signal.SIGCONT, lambda *_: say("taken"))
async def main():
    painted = asyncio.Event()
    terminal.install_sigcont(driver, asyncio.get_running_loop(), painted.set)
    with writing:
        os.kill(os.getpid(), signal.SIGCONT)
        say("written")
    await painted.wait()
asyncio.run(main())
"""
    assert ends(script) == (0, "written\ngiven back\ntaken\n")
