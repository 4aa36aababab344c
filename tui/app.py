"""The Textual app: its life cycle, its frames, and a method for each command; run_controller holds the rules about runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import Any

from textual import events
from textual.app import SystemCommand
from textual.screen import ModalScreen, Screen
from textual.worker import Worker

from engines import api
from engines.api import EngineSpec, RunRequest, RunSource, Session, for_backend, paths
from tui import frame_clock, palette, preferences
from tui.commands import COMMANDS, SCREENS, Command, groups_for
from tui.digit_cache import DigitCache
from tui.drawing import Drawing
from tui.frame_clock import FPS, FrameClock, FrameReceiver
from tui.kept_run_actions import KeptRunActions
from tui.run_actions import INVALID_SETTINGS
from tui.run_controller import RunController
from tui.screens.factory import make_screen
from tui.screens.train import TrainScreen
from tui.terminal import osc, startup_gc, textual_patches, tty_state
from tui.terminal.driver import TerminalDriver
from tui.terminal.shutdown import CLOSE_SECONDS, Shutdown
from tui.theme_names import THEME_NAMES
from tui.widgets import header
from tui.widgets.machine import FEWEST_FOR_STRIP

WARNING_SECONDS = 15.0
POOL_THREADS = 64
"""Threads for blocking calls; a call to a slow file system occupies its thread until it returns, even when cancelled."""


class MnistApp(KeptRunActions):
    """Train the MNIST convnet in PyTorch and Keras, live and side by side."""

    TITLE = "mnist-tui"
    CSS_PATH = "screens/train.tcss"
    ENABLE_COMMAND_PALETTE = True
    DEFAULT_MODE = "train"
    BINDINGS = [command.binding for command in COMMANDS]

    def __init__(
        self,
        specs: Sequence[EngineSpec] = (),
        request: RunRequest | None = None,
        *,
        theme: str = "",
        start: bool = False,
        resume: Path | None = None,
        fps: int = FPS,
        runs_dir: Path | None = None,
        cache_dir: Path | None = None,
        session: RunSource | None = None,
        ascii_only: bool = False,
        captions: bool = False,
        preferences_file: Path | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        """Show a `session`, or else run the engines of `specs`; show the `warnings` once when the app has opened."""
        super().__init__(theme, ascii_only=ascii_only)
        self.specs = tuple(specs)
        self.cache_dir = cache_dir or paths.cache_dir()
        self.runs_dir = runs_dir or paths.runs_dir()
        self.session: RunSource = session or Session(
            specs, self.launch, cache_dir=self.cache_dir, runs_dir=self.runs_dir
        )
        self.controller = RunController(self.session, request or RunRequest())
        self.train_screen = TrainScreen(self.controller, ascii_only=ascii_only)
        self.digit_cache = DigitCache(self.cache_dir)
        self.drawing = Drawing()
        self._start_on_open = start
        self._resume_folder = resume
        self._frame_clock = FrameClock(fps)
        self._preferences_file = preferences_file
        self._warnings = warnings
        self._exiting = False
        self._shutdown_guard = Shutdown(
            self.session.close, lambda: isinstance(self._driver, TerminalDriver) and self._driver.is_showing
        )
        self._command_states: tuple[bool | None, ...] = ()
        if captions:
            self.action_captions()

    def get_default_screen(self) -> Screen[Any]:
        """Return the Train screen. As a mode, it would cost a second reading of the style sheets before the first paint."""
        return self.train_screen

    def on_train_screen_chosen(self, event: TrainScreen.Chosen) -> None:
        self.choose(event.request)

    def choose(self, request: RunRequest) -> None:
        """Adopt and save what the launcher or the palette chose, and start the workers that it needs."""
        self.controller.request = request
        self._save_preferences(request.values)
        with self.notify_errors(INVALID_SETTINGS):
            self.controller.start_workers()
        self.draw_frame()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield what works now, the settings of the next run, what has no key, and Textual's own commands, for the palette."""
        yield from palette.key_commands(
            groups_for(self.current_mode), partial(self._command_state, screen), self.run_action
        )
        if not self.session.running:
            if not self.session.recorded:
                yield from palette.setting_commands(self.controller, self.choose)
            yield SystemCommand("Watch the demo", "Replay a recorded race of both frameworks.", self.action_demo)
        yield SystemCommand("Captions", "Explain the run in a line above the keys, or stop.", self.action_captions)
        help_text = "Save this screen as an SVG file in the current folder."
        yield SystemCommand("Screenshot", help_text, self.action_screenshot)
        ours = ("Quit", "Screenshot")
        yield from (command for command in super().get_system_commands(screen) if command.title not in ours)

    # Life cycle

    def on_mount(self) -> None:
        """Prepare signals, screens and frames; everything else waits, so as not to delay the first paint."""
        for name in SCREENS:
            self.add_mode(name, partial(make_screen, name, self))
        loop = asyncio.get_running_loop()
        tty_state.install_sigcont(self._driver, loop, partial(self.call_later, self.refresh, layout=True))
        self._shutdown_guard.install_handlers(partial(self._leave_soon, loop))
        self.set_interval(self._frame_clock.period, self.tick)
        self.call_after_refresh(self.call_later, self._on_first_paint)

    def _on_first_paint(self) -> None:
        """Start a run if one was requested; otherwise import the frameworks while the user reads."""
        startup_gc.resume_gc()
        asyncio.get_running_loop().set_default_executor(futures.ThreadPoolExecutor(POOL_THREADS))
        for warning in self._warnings:
            self.notify(warning, severity="warning", timeout=WARNING_SECONDS)
        if self._resume_folder is not None:
            self.resume_run(self._resume_folder, self.controller.request.settings)
        elif self._start_on_open:
            self.action_start()
        else:
            with self.notify_errors(INVALID_SETTINGS):
                self.controller.start_workers()
            if not self.session.recorded:
                self._show_hint()

    def _leave_soon(self, loop: asyncio.AbstractEventLoop, return_code: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, so the app has ended already
            loop.call_soon_threadsafe(self.leave, return_code)

    async def on_unmount(self) -> None:
        """End every worker in time, also after an exception."""
        self._shutdown_guard.start_deadline(self.return_code or 0)
        self._shutdown_guard.restore_handlers()
        # The default pool may be full of calls to a slow file system.
        executor = futures.ThreadPoolExecutor(1)
        await asyncio.get_running_loop().run_in_executor(executor, self.session.close, CLOSE_SECONDS)

    def leave(self, return_code: int = 0) -> None:
        """End the app and its workers."""
        if self._exiting:
            return
        self._exiting = True
        self._shutdown_guard.start_deadline(return_code)
        self.exit(return_code=return_code)

    def run_guarded(self) -> int:
        """Run the app and return its exit code; end in time even when a lost terminal blocks Textual's writer."""
        startup_gc.pause_gc()
        self._shutdown_guard.own_process()
        textual_patches.fix_zero_pixel_size()
        textual_patches.fix_empty_option_list()
        textual_patches.fix_outdated_sizes()
        try:
            self.run(mouse=self.uses_mouse)
        finally:
            self._shutdown_guard.finish()
        return self.return_code or 0

    def launch(self, engine: str, live: Callable[[], None]) -> None:
        """Run `live`, which owns an engine's worker process, in a background thread."""
        self.run_worker(live, name=engine, group=engine, thread=True, exclusive=False, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report a thread that could not be started."""
        engine, error = event.worker.group, event.worker.error
        if isinstance(error, Exception) and engine in self.session.histories:
            self.session.fail_to_start(engine, error)

    # Frames

    def tick(self) -> None:
        """Draw a frame when one is due."""
        if self._frame_clock.is_due(frame_clock.now()):
            self.draw_frame()

    def draw_frame(self) -> None:
        """Apply the new events to the histories, and draw a frame."""
        if not self.is_running or not self.screen_stack:  # a last tick while the app shuts down
            return
        self.apply_events()
        self.update_caption()
        self.handle_end()
        self.send_notice()
        has_new_title = self.update_title()
        self._open_gpu_wall_if_due()
        # Beneath a dialog, Textual would send the whole screen with each frame.
        held = not isinstance(self.screen, FrameReceiver) or not self.terminal_is_ready
        if self._frame_clock.draw(self._show_frame, held=held) or has_new_title:
            self.call_after_refresh(self.query_terminal)
        states = tuple(self.check_action(command.name, ()) for command in COMMANDS if command.target == "app")
        if states != self._command_states:  # rebuilding the key bar costs more than a frame
            self._command_states = states
            self.refresh_bindings()
            if not self.session.running and not self.session.recorded:
                self._read_paces()

    def apply_events(self) -> None:
        """Apply the new events to the histories."""
        self._frame_clock.mark_stale(self.session.drain())

    def _show_frame(self, changed: set[str], with_curves: bool) -> None:
        if isinstance(self.screen, FrameReceiver):
            self.screen.show_frame(changed, with_curves)

    # Commands

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether a command makes sense now: True, None for grey, False for hidden. A dialog blocks nearly all."""
        if action in _COMMAND_NAMES and isinstance(self.screen, ModalScreen):
            from tui.screens.dialogs import QuitDialog

            return action == "repaint" or (action == "quit" and not isinstance(self.screen, QuitDialog))
        return self._app_command_state(action)

    def _app_command_state(self, name: str) -> bool | None:
        if name == "parity":
            return True if self.specs and not self.session.running else None
        return self.controller.check_command(name)

    def _command_state(self, screen: Screen[Any], command: Command) -> bool | None:
        """Return whether a command makes sense on `screen`, whatever dialog is open."""
        if command.target == "app":
            return self._app_command_state(command.name)
        return screen.check_action(command.name, command.arguments)

    def action_parity(self) -> None:
        from tui.screens.parity import ParityScreen

        request = self.controller.request
        specs = [for_backend(spec, request.value("keras_backend")) for spec in self.specs]
        self.push_screen(ParityScreen(specs, self.cache_dir, request))

    def action_settings(self) -> None:
        from tui.screens.settings import SettingsScreen

        def on_close(result: tuple[RunRequest, bool] | None) -> None:
            if result is None:
                return
            self.controller.request, start = result
            self.notices = form.notices
            self._save_preferences(self.controller.request.values)
            if start and self.session.running:
                self.notify("A run is under way. Stop it first (x).", severity="warning")
            elif start:
                self.action_start()

        gpus = self.session.machine.gpu_readings
        form = SettingsScreen(self.controller.request, self.session.histories, gpus, self.notices)
        self.push_screen(form, on_close)

    def action_gpus(self, hint: str = "") -> None:
        from tui.screens.gpu_wall import GpuWall

        self.push_screen(GpuWall(self.session, ascii_only=self.ascii_only, hint=hint))

    def _open_gpu_wall_if_due(self) -> None:
        if self.opens_gpu_wall and len(self.session.machine.gpus) >= FEWEST_FOR_STRIP:
            self.opens_gpu_wall = False
            if self.screen is self.train_screen and not self.controller.has_run:
                self.action_gpus("esc goes on to the app")

    async def on_event(self, event: events.Event) -> None:
        """Open nothing by itself once the user has begun to do something."""
        if isinstance(event, events.Key | events.MouseDown):
            self.opens_gpu_wall = False
        await super().on_event(event)

    def action_show_screen(self, number: int, then: Callable[[], None] | None = None) -> None:
        """Show a screen by its number, and then call `then`; a new one's tab lights up before the screen is made, which is slow."""
        name = list(SCREENS)[number - 1]

        def switch() -> None:
            self.switch_mode(name)
            self._frame_clock.mark_stale(self.session.histories)
            self.call_after_refresh(self._show_frame, self._frame_clock.stale, True)
            if then is not None:
                then()

        if name in self._screen_stacks:
            switch()
        else:
            header.show_tab(self.screen, self.session, number)
            self.call_after_refresh(switch)

    def action_theme(self) -> None:
        """Switch to the next theme, and save it."""
        index = THEME_NAMES.index(self.theme) if self.theme in THEME_NAMES else -1
        self.theme = THEME_NAMES[(index + 1) % len(THEME_NAMES)]
        self.notify(self.theme, title="Theme", timeout=1.5)
        self._frame_clock.mark_stale(self.session.histories)
        if self._preferences_file is not None:
            self._save_preferences(preferences.load(self._preferences_file))

    def action_help(self) -> None:
        from tui.screens.dialogs import HelpDialog

        self.push_screen(HelpDialog(groups_for(self.current_mode), partial(self._command_state, self.screen)))

    def action_suspend_process(self) -> None:
        if self._driver is not None and self._driver.can_suspend and tty_state.has_shell():
            tty_state.suspend_to_shell(self._driver)
        else:
            self.notify("There is no shell to go back to.", severity="warning", timeout=3)

    async def action_quit(self) -> None:
        """End the app; ask first while something trains."""
        from tui.screens.dialogs import QuitDialog

        if not self.session.running or self.session.recorded:
            self.leave()
        elif not isinstance(self.screen, QuitDialog):

            def on_answer(confirmed: bool | None) -> None:
                if confirmed:
                    self.leave()

            self.push_screen(QuitDialog(), on_answer)

    def _save_preferences(self, settings: Mapping[str, Any]) -> None:
        """Save the settings, the theme and the kind of notice for the next start."""
        if self._preferences_file is None:
            return
        saved = {name: value for name, value in settings.items() if name not in ("theme", "notices")}
        if self.notices != osc.OFF:
            saved["notices"] = self.notices
        if self.theme != self.auto_theme:  # a theme that suits this terminal may not suit the next
            saved["theme"] = self.theme
        try:
            preferences.save(self._preferences_file, saved)
        except (OSError, ValueError) as error:
            message = f"The settings could not be saved to {self._preferences_file}: {api.reason(error)}."
            self.notify(message, severity="warning")


_COMMAND_NAMES = frozenset(command.name for command in COMMANDS)
