"""The end of the app, in small processes that really end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.support.terminal import ROOT
from tui.terminal import osc, tty_state
from tui.terminal.shutdown import Shutdown

PROGRAM = [sys.executable, "-m", "tests.programs.shutdown"]


def run(*case: str) -> tuple[int, list[str]]:
    """Run a case of the program; return its exit code and the lines that it wrote."""
    command, env = [*PROGRAM, *case], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, timeout=30)
    return done.returncode, done.stdout.splitlines()


def test_a_process_that_hangs_is_ended() -> None:
    assert run("hang") == (143, ["closed within 3.5", "closed within 0.0"])


def test_a_process_that_ends_in_time_is_not_ended_by_force() -> None:
    assert run("end_in_time") == (0, [*2 * ["closed within 3.5"], "the end"])


def test_a_terminal_that_is_gone_is_not_set_up_again() -> None:
    """The kernel sends SIGCONT after SIGHUP, and Textual sets up the terminal at SIGCONT."""
    code, (first, *lines) = run("sigcont_after_sighup")
    assert code == 0
    assert first == "set up"
    assert sorted(lines) == [*2 * ["closed within 3.5"], "leaves with 129"]


def test_without_a_process_of_its_own_there_is_no_deadline() -> None:
    assert run("without_process") == (0, ["None"])


@pytest.mark.parametrize("ignores_sigterm", ["no", "yes"])
def test_the_program_in_the_foreground_ends_first(ignores_sigterm: str) -> None:
    """One that ignores SIGTERM is killed at the deadline; while it lives, it holds the pipe that `run` reads to its end."""
    code, lines = run("foreground", ignores_sigterm)
    assert code == 143
    reclaimed = [] if ignores_sigterm == "yes" else ["reclaimed"]
    assert [line for line in lines if line != "closed within 3.5"] == [
        "leaves with 143",
        *reclaimed,
        "closed within 0.0",
    ]


def test_a_process_that_is_ended_by_force_does_not_reclaim_the_terminal() -> None:
    """The main thread would return from `run_foreground` as soon as the program is killed."""
    code, lines = run("force_exit_in_foreground")
    assert (code, lines[-1]) == (143, "not reclaimed")


@pytest.mark.parametrize(
    ("is_showing", "term", "before"),
    [
        (False, "xterm", ""),
        (True, "xterm", tty_state.CLEAR + osc.RESTORE_TITLE),
        (True, "linux", tty_state.CLEAR),
    ],
    ids=["another screen", "the app's screen", "a console"],
)
def test_nothing_is_drawn_after_the_terminal_is_restored(is_showing: bool, term: str, before: str) -> None:
    """The app's own screen is cleared, for terminals without an alternate one, and its title goes; another program's stay."""
    master, slave = os.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": term}
    command = [*PROGRAM, "force_exit_while_drawing", "yes" if is_showing else "no"]
    done = subprocess.run(command, stdin=slave, stdout=slave, stderr=slave, env=env, timeout=30)
    written = os.read(master, 4096).decode()
    os.close(slave)
    os.close(master)
    assert done.returncode == 143
    assert written == before + tty_state.RESTORE


def test_previous_signal_handlers_are_restored() -> None:
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    shutdown = Shutdown(lambda seconds: None)
    shutdown.install_handlers(lambda code: None)
    assert all(signal.getsignal(n) is not previous for n, previous in zip(numbers, before, strict=True))
    shutdown.restore_handlers()
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_full_terminal_blocks_again_after_it_is_restored() -> None:
    """The shell shares the descriptor, and could not write to it."""
    assert run("restore_full_terminal") == (0, ["True"])


def test_sigcont_waits_for_the_event_loop() -> None:
    """A handler that ran during a write would wait for a lock that its own thread holds."""
    assert run("sigcont_during_write") == (0, ["written", "restored", "set up"])
