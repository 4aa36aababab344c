"""The commands of the app that act on runs."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines import api
from engines.api import ConfigError
from tui import formatting, frame_clock
from tui.base_app import BaseApp
from tui.run_controller import RunController
from tui.terminal import osc
from tui.terminal.driver import TerminalDriver

if TYPE_CHECKING:
    from tui.captions import CaptionLine
    from tui.on_end import OnEnd

INVALID_SETTINGS = "These settings can't be used"
TITLE_SECONDS = 1.0
"""The least time between two titles of the window."""


class RunActions(BaseApp):
    """Passes commands on to the controller, and shows what it reports."""

    controller: RunController
    _caption_line: CaptionLine | None = None
    """The captions of the runs; None while they are off."""
    on_end: OnEnd | None = None
    """The user's command for the end of a run."""
    notices = osc.OFF
    """The kind of notice for the end of a run, of osc.NOTICES."""
    opens_gpu_wall = False
    """True until the GPU wall has opened by itself, where there are many GPUs; a key or a click before that prevents it."""
    _next_title = 0.0
    """The time on the frame clock before which the window's title stays."""
    _was_under_way = False
    _noticed_runs: tuple[str, ...] = ()
    """The ids of the runs whose end was noticed last."""
    _unsent_notice = ""

    @contextlib.contextmanager
    def notify_errors(self, title: str, timeout: float | None = None) -> Iterator[None]:
        """Show a ConfigError or a ResumeError as a notification."""
        try:
            yield
        except (ConfigError, api.ResumeError) as error:
            self.notify(str(error), title=title, severity="error", timeout=timeout)

    def action_captions(self) -> None:
        """Explain the run in a line above the keys, or stop explaining it."""
        from tui.captions import CaptionLine

        self._caption_line = CaptionLine() if self._caption_line is None else None
        self.set_caption(None if self._caption_line is None else "")

    def update_caption(self) -> None:
        """Show the caption that suits the runs now, if captions are on."""
        if self._caption_line is not None:
            self.set_caption(self._caption_line.text(self.controller.session.histories))

    def update_title(self) -> bool:
        """Show in the title of the terminal's window how far the runs are; return whether it changed."""
        now = frame_clock.now()
        if now < self._next_title or not self.terminal_is_ready or not isinstance(self._driver, TerminalDriver):
            return False
        from tui import run_status

        self._next_title = now + TITLE_SECONDS
        return self._driver.set_title(self._drawable(f"{osc.APP} {run_status.line(self.controller.session)}".rstrip()))

    def _drawable(self, text: str) -> str:
        """Return the text in ASCII where the terminal shows nothing else."""
        return "".join(formatting.ASCII.get(character, character) for character in text) if self.ascii_only else text

    def send_notice(self) -> None:
        """Send a notice, if that is wanted, when the runs have just ended while the user looks elsewhere."""
        from tui import run_status

        under_way = run_status.is_under_way(self.controller.session)
        ids = tuple(history.run_id for history in run_status.requested(self.controller.session).values())
        # A short run may begin and end between two calls; a watched one may have ended long ago.
        is_new = ids != self._noticed_runs and (self._was_under_way or not self.controller.session.recorded)
        if ids and is_new and not under_way:
            self._noticed_runs = ids
            self._unsent_notice = run_status.end(self.controller.session)
        self._was_under_way = under_way
        if self.app_focus or under_way or self.notices == osc.OFF:
            self._unsent_notice = ""
        if self._unsent_notice and self.terminal_is_ready and isinstance(self._driver, TerminalDriver):
            self._driver.send_notice(self.notices, self._drawable(self._unsent_notice))
            self._unsent_notice = ""

    def handle_end(self) -> None:
        """Run the user's command, in a thread, if training has just ended."""
        if self.on_end is not None and (variables := self.on_end.due(self.controller.session)):
            self.run_worker(partial(self._run_on_end, self.on_end, variables), thread=True, exit_on_error=False)

    def _run_on_end(self, on_end: OnEnd, variables: Mapping[str, str]) -> None:
        if problem := on_end.run(variables):
            self.call_from_thread(self.notify, problem, severity="warning", timeout=12)

    def action_start(self) -> None:
        with self.notify_errors(INVALID_SETTINGS):
            self.controller.start()

    def action_pause(self) -> None:
        self.controller.pause()

    def action_step(self) -> None:
        self.controller.step()

    def action_learning_rate(self) -> None:
        """Ask for a factor, and multiply the learning rates by it."""
        from tui.screens.rate_dialog import RateDialog

        def on_close(factor: float | None) -> None:
            if factor is not None:
                self.notify(self.controller.change_learning_rate(factor), title="Learning rate", timeout=8)

        self.push_screen(RateDialog(self.controller.changeable_rates), on_close)

    def action_seek(self, seconds: float) -> None:
        self.controller.seek(seconds)

    def action_seek_epoch(self, epochs: int) -> None:
        self.controller.seek_epoch(epochs)

    def action_change_speed(self, steps: int) -> None:
        self.controller.change_speed(steps)

    def action_stop(self) -> None:
        self.controller.stop()

    def action_kill(self) -> None:
        self.controller.kill()

    def action_restart(self) -> None:
        with self.notify_errors(INVALID_SETTINGS):
            self.controller.restart()

    def action_resume(self) -> None:
        for folder, engines in self.controller.resumable_folders().items():
            self.resume_run(folder, engines=engines)

    def resume_run(self, folder: Path, changes: Mapping[str, Any] | None = None, engines: Collection[str] = ()) -> None:
        """Continue the run in a folder with some settings changed; show what went wrong, or a warning."""
        with self.notify_errors("This run can't continue", 15):
            if warning := self.controller.resume(folder, changes, engines):
                self.notify(warning, title="This run continues", severity="warning", timeout=15)

    def action_save(self) -> None:
        self.notify(self.controller.save(), timeout=3)

    def action_focus_engine(self) -> None:
        self.controller.aim_at_next()
