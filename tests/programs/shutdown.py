"""A process that ends in one of many ways, for the tests of tui/terminal/shutdown: `shutdown CASE [ARGUMENT]`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

from tui.terminal import shutdown, tty_state
from tui.terminal.shutdown import Shutdown


def report(*words: object) -> None:
    """Write a line to stdout at once, whichever thread calls."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def report_close(seconds: float) -> None:
    report("closed within", seconds)


def owning_shutdown(leave: Callable[[int], object] = lambda code: None) -> Shutdown:
    """Return a Shutdown that owns the process and handles its signals."""
    its = Shutdown(report_close)
    its.own_process()
    its.install_handlers(leave)
    return its


def report_leave(code: int) -> None:
    report("leaves with", code)


def hang() -> None:
    owning_shutdown()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()


def end_in_time() -> None:
    its = Shutdown(report_close)
    its.own_process()
    its.start_deadline(7)
    its.finish()
    others = set(threading.enumerate()) - {threading.main_thread()}  # the timer, and the thread that closes the workers
    for thread in others:
        thread.join()
    report("the end")


def sigcont_after_sighup() -> None:
    signal.signal(signal.SIGCONT, lambda *_: report("set up"))
    its = owning_shutdown(report_leave)
    for number in (signal.SIGCONT, signal.SIGHUP, signal.SIGCONT):
        os.kill(os.getpid(), number)
    its.finish()


def without_process() -> None:
    its = Shutdown(report_close)
    its.start_deadline(7)
    report(its._timer)


def terminate_parent(ignores_sigterm: str) -> None:
    """Send SIGTERM to the parent, and stay."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN if ignores_sigterm == "yes" else signal.SIG_DFL)
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(60)


def foreground(ignores_sigterm: str) -> None:
    """Run a program in the foreground that terminates this one."""
    its = owning_shutdown(report_leave)
    its.run_foreground([sys.executable, "-m", "tests.programs.shutdown", "terminate_parent", ignores_sigterm])
    report("reclaimed")
    threading.Event().wait()


def force_exit_in_foreground() -> None:
    """Report at the exit whether the main thread came back from the foreground program before."""
    reclaimed, end = threading.Event(), os._exit

    def report_and_end(code: int) -> None:
        report("reclaimed" if reclaimed.wait(0.5) else "not reclaimed")
        end(code)

    setattr(os, "_exit", report_and_end)  # noqa: B010  # its type is NoReturn
    its = owning_shutdown()
    its.run_foreground([sys.executable, "-m", "tests.programs.shutdown", "terminate_parent", "yes"])
    reclaimed.set()
    threading.Event().wait()


def force_exit_while_drawing(is_showing: str) -> None:
    """Try to draw a frame after the terminal was restored."""
    end = os._exit

    def draw_and_end(code: int) -> None:
        os.write(2, b"one more frame")
        end(code)

    setattr(os, "_exit", draw_and_end)  # noqa: B010  # its type is NoReturn
    Shutdown(lambda seconds: None, lambda: is_showing == "yes").force_exit(143)


def restore_full_terminal() -> None:
    """Restore a terminal whose buffer is full, and report whether its descriptor still blocks."""
    _, write_end = os.pipe()
    stderr = os.dup(2)
    os.dup2(write_end, 2)
    os.set_blocking(2, False)
    try:
        while os.write(2, bytes(1 << 16)):
            pass
    except BlockingIOError:
        os.set_blocking(2, True)
    tty_state.restore(None)
    blocks = os.get_blocking(2)
    os.dup2(stderr, 2)
    report(blocks)


def sigcont_during_write() -> None:
    """Get SIGCONT while the main thread holds the lock that suspending the driver needs."""
    lock = threading.Lock()

    def suspend() -> None:
        with lock:
            report("restored")

    driver = SimpleNamespace(_key_thread=threading.main_thread(), _auto_restart=True, suspend_application_mode=suspend)
    signal.signal(signal.SIGCONT, lambda *_: report("set up"))

    async def main() -> None:
        repainted = asyncio.Event()
        tty_state.install_sigcont(driver, asyncio.get_running_loop(), repainted.set)
        with lock:
            os.kill(os.getpid(), signal.SIGCONT)
            report("written")
        await repainted.wait()

    asyncio.run(main())


CASES: dict[str, Callable[..., None]] = {
    case.__name__: case
    for case in (
        hang, end_in_time, sigcont_after_sighup, without_process, terminate_parent, foreground, force_exit_in_foreground,
        force_exit_while_drawing, restore_full_terminal, sigcont_during_write,
    )
}  # fmt: skip


if __name__ == "__main__":
    shutdown.DEADLINE_SECONDS = 1.0
    CASES[sys.argv[1]](*sys.argv[2:])
