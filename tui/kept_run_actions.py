"""The commands of the app that act on kept runs: show, replay, watch or continue one, and what the newest ones say at the start."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from textual import work
from textual.app import SuspendNotSupported

from engines import api
from tui.commands import SCREENS
from tui.frame_clock import FrameClock
from tui.run_actions import RunActions
from tui.terminal.shutdown import Shutdown
from tui.theme_names import THEME_NAMES

NEWEST_RUNS = 30
"""The number of saved runs from which the time of the next one is estimated."""


class KeptRunActions(RunActions):
    """Opens runs of the runs folder, here or in a process of their own."""

    runs_dir: Path
    action_show_screen: Callable[..., None]
    _frame_clock: FrameClock
    _shutdown_guard: Shutdown

    def open_results(self, folder: Path) -> None:
        """Show the results of a kept run."""
        from tui.screens.results import ResultsScreen

        def open_run() -> None:
            if isinstance(self.screen, ResultsScreen):
                self.screen.open_run(folder)

        self.action_show_screen(SCREENS["results"].number, open_run)

    def play_run(self, folder: Path) -> None:
        """Replay a kept run, or watch a live one, in a process that has the terminal until it ends. Not during a run."""
        command = "watch" if api.is_being_recorded(folder) else "replay"
        try:
            with self.suspend():
                self._shutdown_guard.run_foreground(
                    [sys.executable, "-m", "tui", command, str(folder), *self._cli_options()]
                )
        except SuspendNotSupported:
            self.notify(f"That can't open here. Run `mnist-tui {command} {folder}` in a terminal.", severity="warning")
        except OSError as error:
            self.notify(f"mnist-tui {command} could not start: {error.strerror or error}.", severity="error")

    def _cli_options(self) -> list[str]:
        """Return the command-line options of an app that looks like this one; the command line has no Textual themes."""
        theme = ["--theme", self.theme] if self.theme in THEME_NAMES and self.theme != self.auto_theme else []
        options = ["--runs-dir", str(self.runs_dir), "--fps", str(self._frame_clock.fps), *theme]
        flags = {"--ascii": self.ascii_only, "--captions": self.caption is not None, "--no-mouse": not self.uses_mouse}
        return [*options, *(flag for flag, on in flags.items() if on)]

    def continue_run(self, folder: Path) -> None:
        """Continue a kept run, and show the Train screen."""
        self.action_show_screen(SCREENS["train"].number)
        self.resume_run(folder)

    def action_demo(self) -> None:
        self.play_run(api.DEMO)

    @work(thread=True, exclusive=True, group="paces", exit_on_error=False)
    def _read_paces(self) -> None:
        """Read how fast the newest saved runs were, so that the launcher can estimate the next one's time."""
        runs = itertools.islice(api.list_runs(self.runs_dir), NEWEST_RUNS)
        self.controller.paces = api.paces_of(runs)

    @work(thread=True, exit_on_error=False)
    def _show_hint(self) -> None:
        """Offer to continue the newest run if it was interrupted; before the first run, explain --ascii."""
        run = next(map(api.summarize, api.list_runs(self.runs_dir)), None)
        if run is None and not self.ascii_only and api.has_braille(os.environ.get("TERM", "")) is None:
            hint = "The curves are drawn in braille. If you see boxes or nothing, start mnist-tui with --ascii."
            self.call_from_thread(self.notify, hint, title="Your font", timeout=12)
        if run is not None and run.state == api.INTERRUPTED and run.resumable:
            self.opens_gpu_wall = False  # its keys are not those of the hint
            created = run.created[5:16].replace("T", " ")
            hint = f"The last run ({run.preset_title}, {created}) was cut off. Press 5, then c to continue it."
            self.call_from_thread(self.notify, hint, title="Interrupted", timeout=12)
