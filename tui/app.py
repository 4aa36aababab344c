"""The Textual app: its screens, and a method for each command. What a command does to the runs is decided in run_controller."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import Any

from textual import work
from textual.app import SuspendNotSupported, SystemCommand
from textual.screen import ModalScreen, Screen
from textual.worker import Worker

from engines import api
from engines.api import ConfigError, EngineSpec, Event, Replay, RunSource, Session, for_backend, paths
from tui import preferences, themes
from tui.base_app import BaseApp
from tui.commands import COMMANDS, SCREENS, commands_of
from tui.digit_cache import DigitCache
from tui.frame_clock import FPS, FrameClock, FrameReceiver
from tui.run_controller import RunController
from tui.screens.train import TrainScreen
from tui.terminal import startup_gc, textual_patches, tty_state
from tui.terminal.driver import TerminalDriver
from tui.terminal.shutdown import CLOSE_SECONDS, Shutdown
from tui.widgets import header

UNUSABLE = "These settings can't be used"
NOTE_SECONDS = 15.0
POOL_THREADS = 64
"""Enough for many that wait for a slow file system: a thread that is cancelled keeps its place until it comes back."""


class MnistApp(BaseApp):
    """Train the MNIST convnet in PyTorch and Keras, live and side by side."""

    TITLE = "mnist-tui"
    CSS_PATH = "screens/train.tcss"
    ENABLE_COMMAND_PALETTE = True
    DEFAULT_MODE = "train"
    BINDINGS = [command.binding for command in COMMANDS]

    def __init__(
        self,
        specs: Sequence[EngineSpec] = (),
        settings: Mapping[str, Any] | None = None,
        *,
        recording: Sequence[Event] | None = None,
        speed: float = 1.0,
        start: bool = False,
        resume: Path | None = None,
        fps: int = FPS,
        runs_dir: Path | None = None,
        cache_dir: Path | None = None,
        session: RunSource | None = None,
        ascii_only: bool = False,
        remember: Path | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """`notes` are said once, when the app has opened."""
        said = dict(settings or {})
        super().__init__(str(said.pop("theme", "")), ascii_only=ascii_only)
        self.specs = tuple(specs)
        self.cache_dir = cache_dir or paths.cache_dir()
        self.runs_dir = runs_dir or paths.runs_dir()
        self.session: RunSource
        if session is not None:
            self.session = session
        elif recording is not None:
            self.session = Replay(recording, speed)
        else:
            self.session = Session(specs, self.launch, cache_dir=self.cache_dir, runs_dir=self.runs_dir)
        self.control = RunController(self.session, said)
        self.train_screen = TrainScreen(self.control, ascii_only=ascii_only)
        self.test_digits = DigitCache(self.cache_dir)
        self._start_at_once = start
        self._resume = resume
        self._frames = FrameClock(fps)
        self._remember = remember
        self._notes = notes
        self._left = False
        self._leaving = Shutdown(
            self.session.close, lambda: isinstance(self._driver, TerminalDriver) and self._driver.is_showing
        )
        self._possible: tuple[bool | None, ...] = ()

    def get_default_screen(self) -> Screen[Any]:
        """Train. Were it a mode like the others, Textual would read the style sheets once more before the first paint."""
        return self.train_screen

    def open_results(self, folder: Path) -> None:
        """Show what came of a kept run."""
        from tui.screens.results import ResultsScreen

        def open_run() -> None:
            if isinstance(self.screen, ResultsScreen):
                self.screen.open_run(folder)

        self.action_show_screen(list(SCREENS).index("results") + 1, open_run)

    def play(self, folder: Path) -> None:
        """Give the terminal to a replay of a kept run until that is left; nothing trains meanwhile."""
        try:
            with self.suspend():
                self._leaving.run_foreground([sys.executable, "-m", "tui", "replay", str(folder), *self._options()])
        except SuspendNotSupported:
            self.notify(f"Here it can't be played; `mnist-tui replay {folder}` does it.", severity="warning")
        except OSError as error:
            self.notify(f"It can't be played: {error.strerror or error}.", severity="error")

    def _options(self) -> list[str]:
        """Our own options, for another that is to look alike; a theme of Textual's can't be named there."""
        theme = ["--theme", self.theme] if self.theme in themes.THEME_NAMES and self.theme != self.chosen_theme else []
        said = ["--runs-dir", str(self.runs_dir), "--fps", str(self._frames.fps), *theme]
        return [*said, "--ascii"] if self.ascii_only else said

    def go_on_with(self, folder: Path) -> None:
        """Continue a kept run, and show it."""
        self.action_show_screen(1)
        self._go_on_with(folder)

    @work(thread=True, exit_on_error=False)
    def _offer(self) -> None:
        """The newest run was cut off: say how to go on with it. Before the first run, say what else may go wrong here."""
        run = next(map(api.summarize, api.list_runs(self.runs_dir)), None)
        if run is None and not self.ascii_only and api.has_braille(os.environ.get("TERM", "")) is None:
            said = "The curves are drawn in braille. If you see boxes or nothing, start mnist-tui with --ascii."
            self.call_from_thread(self.notify, said, title="Your font", timeout=12)
        if run is not None and run.state == api.INTERRUPTED and run.resumable:
            said = f"The last run ({run.preset}, {run.created[5:16].replace('T', ' ')}) was cut off. 5 lists it, c goes on with it."
            self.call_from_thread(self.notify, said, title="Interrupted", timeout=12)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette lists our commands, and what has no key."""
        for command in commands_of(self.current_mode):
            yield SystemCommand(command.title, command.help, partial(self.run_action, command.action))
        yield SystemCommand(
            "Screenshot", "Save this screen as an SVG file in the current folder.", self.action_screenshot
        )

    # Life

    def on_mount(self) -> None:
        """Hear signals and begin to draw; what else begins must not take the processor from the first paint."""
        for name in SCREENS:
            self.add_mode(name, partial(make_screen, name, self))
        loop = asyncio.get_running_loop()
        tty_state.install_sigcont(self._driver, loop, partial(self.call_later, self.refresh, layout=True))
        self._leaving.install_handlers(partial(self._leave_soon, loop))
        self.set_interval(self._frames.period, self.tick)
        self.call_after_refresh(self.call_later, self._begin)

    def _begin(self) -> None:
        """Train, when that was asked for, or let the frameworks import while the user reads."""
        startup_gc.resume_gc()
        asyncio.get_running_loop().set_default_executor(futures.ThreadPoolExecutor(POOL_THREADS))
        for note in self._notes:
            self.notify(note, severity="warning", timeout=NOTE_SECONDS)
        if self._resume is not None:
            self._go_on_with(self._resume, {n: v for n, v in self.control.settings.items() if n != "framework"})
        elif self._start_at_once:
            self.action_start()
        else:
            with self._telling(UNUSABLE):
                self.control.warm()
            if not self.session.recorded:
                self._offer()

    def _leave_soon(self, loop: asyncio.AbstractEventLoop, return_code: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: so does the app, already
            loop.call_soon_threadsafe(self.leave, return_code)

    async def on_unmount(self) -> None:
        """Leave no process behind; also after an exception, in time."""
        self._leaving.start_deadline(self.return_code or 0)
        self._leaving.restore_handlers()
        # In the pool it could wait for a slow file system, until the workers are killed.
        own = futures.ThreadPoolExecutor(1)
        await asyncio.get_running_loop().run_in_executor(own, self.session.close, CLOSE_SECONDS)

    def leave(self, return_code: int = 0) -> None:
        """End the app; the workers end with it."""
        if self._left:
            return
        self._left = True
        self._leaving.start_deadline(return_code)
        self.exit(return_code=return_code)

    def run_guarded(self) -> int:
        """Run, and leave in time even when the terminal is gone, which can hold Textual's writer for ever."""
        startup_gc.pause_gc()
        self._leaving.own_process()
        textual_patches.fix_zero_pixel_size()
        textual_patches.fix_empty_option_list()
        textual_patches.fix_outdated_sizes()
        try:
            self.run()
        finally:
            self._leaving.finish()
        return self.return_code or 0

    def launch(self, engine: str, live: Callable[[], None]) -> None:
        """A background thread for each engine, which owns that engine's worker process."""
        self.run_worker(live, name=engine, group=engine, thread=True, exclusive=False, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Such a thread may not be had."""
        engine, error = event.worker.group, event.worker.error
        if isinstance(error, Exception) and engine in self.session.histories:
            self.session.fail_to_start(engine, error)

    # Frames

    def tick(self) -> None:
        """A frame, when it is due."""
        if self._frames.due(time.monotonic()):
            self.draw_frame()

    def draw_frame(self) -> None:
        """Fold what happened and show it."""
        if not self.is_running or not self.screen_stack:  # a last tick while the app comes down
            return
        self.fold()
        # Beneath a dialog, Textual would send the whole screen with each frame.
        held = not isinstance(self.screen, FrameReceiver) or not self.terminal_is_ready
        if self._frames.draw(self._show_frame, held=held):
            self.call_after_refresh(self.query_terminal)
        possible = tuple(self.check_action(command.name, ()) for command in COMMANDS if command.target == "app")
        if possible != self._possible:  # the footer is built anew each time, which costs more than a frame
            self._possible = possible
            self.refresh_bindings()

    def fold(self) -> None:
        """Take what happened into the histories."""
        self._frames.changed(self.session.drain())

    def _show_frame(self, changed: set[str], with_curves: bool) -> None:
        """The screen that is shown."""
        if isinstance(self.screen, FrameReceiver):
            self.screen.show_frame(changed, with_curves)

    # Commands

    @contextlib.contextmanager
    def _telling(self, title: str, timeout: float | None = None) -> Iterator[None]:
        """What can't be done is said at the side."""
        try:
            yield
        except (ConfigError, api.ResumeError) as error:
            self.notify(str(error), title=title, severity="error", timeout=timeout)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A command that makes no sense now is grey, in the footer and for its key alike."""
        if action in _COMMAND_NAMES and isinstance(self.screen, ModalScreen):
            from tui.screens.dialogs import QuitDialog

            return action == "repaint" or (action == "quit" and not isinstance(self.screen, QuitDialog))
        if action == "parity":
            return True if self.specs and not self.session.running else None
        return self.control.can(action)

    def action_start(self) -> None:
        """Train."""
        with self._telling(UNUSABLE):
            self.control.start()

    def action_pause(self) -> None:
        """Pause what runs; when all of it is paused, go on."""
        self.control.pause()

    def action_seek(self, seconds: float) -> None:
        """Wind the recording."""
        self.control.seek(seconds)

    def action_seek_epoch(self, epochs: int) -> None:
        """Wind it by epochs."""
        self.control.seek_epoch(epochs)

    def action_hurry(self, steps: int) -> None:
        """Play it faster, or slower."""
        self.control.hurry(steps)

    def action_stop(self) -> None:
        """Finish the step, evaluate, keep."""
        self.control.stop()

    def action_kill(self) -> None:
        """SIGKILL."""
        self.control.kill()

    def action_restart(self) -> None:
        """Start again what is not running."""
        with self._telling(UNUSABLE):
            self.control.restart()

    def action_resume(self) -> None:
        """Go on from the last checkpoint of what was stopped, killed or has failed."""
        for folder, engines in self.control.to_resume().items():
            self._go_on_with(folder, engines=engines)

    def _go_on_with(
        self, folder: Path, changes: Mapping[str, Any] | None = None, engines: Collection[str] = ()
    ) -> None:
        with self._telling("This run can't go on", 15):
            if warning := self.control.resume(folder, changes, engines):
                self.notify(warning, title="Learning rate", severity="warning", timeout=15)

    def action_save(self) -> None:
        """A checkpoint, now."""
        self.notify(self.control.save(), timeout=3)

    def action_parity(self) -> None:
        """The proof."""
        from tui.screens.parity import ParityScreen

        backend = str(self.control.settings.get("keras_backend", "tensorflow"))
        specs = [for_backend(spec, backend) for spec in self.specs]
        self.push_screen(ParityScreen(specs, self.cache_dir, self.control.settings))

    def action_settings(self) -> None:
        """The form."""
        from tui.screens.settings import SettingsScreen

        devices = {d.id: (d.id, d.name, d.reason) for h in self.session.histories.values() for d in h.devices}

        def done(settings: dict[str, Any] | None) -> None:
            if settings is None:
                return
            start = settings.pop("start", False)
            self.control.settings = settings
            self._remember_now(settings)
            if start and self.session.running:
                self.notify("A run is under way; stop it first (x).", severity="warning")
            elif start:
                self.action_start()

        self.push_screen(SettingsScreen(self.control.settings, list(devices.values())), done)

    def action_focus_engine(self) -> None:
        """Aim at the next engine, then at both."""
        self.control.aim_at_next()

    def action_show_screen(self, number: int, then: Callable[[], None] | None = None) -> None:
        """Train, Code, Draw, Results or Runs; the first time, the tab lights up before the screen is made, which takes its time."""
        name = list(SCREENS)[number - 1]

        def switch() -> None:
            self.switch_mode(name)
            self._frames.changed(self.session.histories)
            self.call_after_refresh(self._show_frame, self._frames.stale, True)
            if then is not None:
                then()

        if name in self._screen_stacks:
            switch()
        else:
            header.show_tab(self.screen, self.session, number)
            self.call_after_refresh(switch)

    def action_theme(self) -> None:
        """Dark, light, clear, the terminal's own dark and light."""
        at = themes.THEME_NAMES.index(self.theme) if self.theme in themes.THEME_NAMES else -1
        self.theme = themes.THEME_NAMES[(at + 1) % len(themes.THEME_NAMES)]
        self.notify(self.theme, title="Theme", timeout=1.5)
        self._frames.changed(self.session.histories)
        if self._remember is not None:
            self._remember_now(preferences.load(self._remember))

    def action_help(self) -> None:
        """Keys and words."""
        from tui.screens.dialogs import HelpDialog

        self.push_screen(HelpDialog(commands_of(self.current_mode)))

    def action_suspend_process(self) -> None:
        """To the shell, until it says `fg`."""
        if self._driver is not None and self._driver.can_suspend and tty_state.has_shell():
            tty_state.suspend_to_shell(self._driver)
        else:
            self.notify("There is no shell to go back to.", severity="warning", timeout=3)

    async def action_quit(self) -> None:
        """Leave, after a question while something trains."""
        from tui.screens.dialogs import QuitDialog

        if not self.session.running or self.session.recorded:
            self.leave()
        elif not isinstance(self.screen, QuitDialog):

            def done(leave: bool | None) -> None:
                if leave:
                    self.leave()

            self.push_screen(QuitDialog(), done)

    def _remember_now(self, settings: Mapping[str, Any]) -> None:
        """Keep these for the next start, and the theme with them."""
        if self._remember is None:
            return
        kept = {name: value for name, value in settings.items() if name != "theme"}
        if self.theme != self.chosen_theme:  # what suits this terminal may not suit the next
            kept["theme"] = self.theme
        try:
            preferences.save(self._remember, kept)
        except (OSError, ValueError) as error:
            why = api.reason(error)
            self.notify(f"The settings could not be remembered in {self._remember}: {why}.", severity="warning")


_COMMAND_NAMES = frozenset(command.name for command in COMMANDS)


def make_screen(name: str, app: MnistApp) -> Screen[Any]:
    """Make the screen of that name in `SCREENS` when it is first opened; none of them is imported before."""
    plain = app.ascii_only
    if name == "code":
        from tui.screens.code import CodeScreen

        return CodeScreen(app.session, app.specs, app.cache_dir, app.control.present_config, ascii_only=plain)
    if name == "draw":
        from tui.screens.draw import DrawScreen

        return DrawScreen(app.session, app.test_digits, app.control.present_config, app.fold, ascii_only=plain)
    if name == "results":
        from tui.screens.results import ResultsScreen

        return ResultsScreen(app.session, app.test_digits, app.fold, app.runs_dir, ascii_only=plain)
    if name == "runs":
        from tui.screens.runs import RunsScreen

        return RunsScreen(
            app.session,
            app.runs_dir,
            open_results=app.open_results,
            play=app.play,
            go_on=app.go_on_with,
            ascii_only=plain,
        )
    return app.train_screen
