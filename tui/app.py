"""The Textual app: launches the workers' threads, draws ten frames a second, and obeys the commands."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from textual import work
from textual.app import App, SuspendNotSupported, SystemCommand
from textual.filter import LineFilter
from textual.notifications import SeverityLevel
from textual.screen import ModalScreen, Screen
from textual.theme import BUILTIN_THEMES, Theme

from engines.api import (
    FAILED,
    FRAMEWORKS,
    PAUSED,
    ConfigError,
    EngineSpec,
    Event,
    ResumeError,
    TrainConfig,
    for_backend,
    from_settings,
    list_runs,
    listed,
    paths,
)
from tui import memory, mouse, themes
from tui.commands import COMMANDS, SCREENS, commands_of
from tui.digits import TestDigits
from tui.escapes import NoEscapes, OnlyAscii
from tui.leaving import CLOSE_SECONDS, Leaving
from tui.pace import Pace
from tui.replay import Replay
from tui.screens.train import TrainScreen
from tui.session import Session


@runtime_checkable
class Shown(Protocol):
    """A screen that draws the session's histories."""

    def show_frame(self, changed: set[str], with_curves: bool) -> None:
        """One frame: what changed, and curves when it is their turn."""


FPS = 10
FIGURES_EVERY = 2
"""Frames from figures to figures: nobody reads ten numbers a second, and each costs bytes over SSH."""
CURVES_EVERY = 6
"""Frames from curves to curves: they cost most."""
POOL_THREADS = 64
"""Enough for many that wait for a slow file system: a thread that is cancelled keeps its place until it comes back."""


class MnistApp(App[None]):
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
        session: Session | Replay | None = None,
        ascii_only: bool = False,
        remember: Path | None = None,
    ) -> None:
        self.settings: dict[str, Any] = dict(settings or {})
        chosen = str(self.settings.pop("theme", ""))
        # Before Textual begins: a theme that is chosen later has it read all style sheets once more before the first paint.
        self.set_reactive(App.theme, chosen if chosen in (*themes.OURS, *BUILTIN_THEMES) else themes.NAMES[0])
        super().__init__()
        self.session: Session | Replay
        if session is not None:
            self.session = session
        elif recording is not None:
            self.session = Replay(recording, speed)
        else:
            self.session = Session(
                specs, self.launch, cache_dir=cache_dir or paths.cache_dir(), runs_dir=runs_dir or paths.runs_dir()
            )
        self.train_screen = TrainScreen(self.session, ascii_only=ascii_only)
        self._ascii_only = ascii_only
        self.test_digits = TestDigits(cache_dir or paths.cache_dir())
        self._start_at_once = start
        self._resume = resume
        self._specs = tuple(specs)
        self._cache_dir = cache_dir or paths.cache_dir()
        self._runs_dir = runs_dir or paths.runs_dir()
        self._fps = min(max(fps, 1), 60)
        self._pace = Pace(1 / self._fps)
        self._frame = 0
        self._stale: set[str] = set()
        self._remember = remember
        self._left = False
        self._leaving = Leaving(self.session.close)
        self._possible: tuple[bool | None, ...] = ()
        self._outermost = [NoEscapes(), OnlyAscii(enabled=ascii_only)]

    @property
    def available_themes(self) -> dict[str, Theme]:
        """Textual's, and ours."""
        return {**super().available_themes, **themes.OURS}

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The engines' colours for themes that are not ours."""
        if self.theme.startswith("ansi"):
            return themes.ENGINE_COLORS_ANSI
        return themes.ENGINE_COLORS_DARK if self.current_theme.dark else themes.ENGINE_COLORS_LIGHT

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Nothing that a worker, a file or an error says is obeyed by the terminal; and ASCII is ASCII, borders too."""
        return [*super().get_line_filters(), *(one for one in self._outermost if one.enabled)]

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Say something at the side; a bracket in a file's name is a bracket, never markup."""
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    def get_default_screen(self) -> Screen[Any]:
        """Train. Were it a mode like the others, Textual would read the style sheets once more before the first paint."""
        return self.train_screen

    def _make_screen(self, name: str) -> Screen[Any]:
        """A screen, when it is first opened: the others are not imported before."""
        if name == "code":
            from tui.screens.code import CodeScreen

            return CodeScreen(
                self.session, self._specs, self._cache_dir, self.present_config, ascii_only=self._ascii_only
            )
        if name == "draw":
            from tui.screens.draw import DrawScreen

            return DrawScreen(
                self.session, self.test_digits, self.present_config, self.fold, ascii_only=self._ascii_only
            )
        if name == "results":
            from tui.screens.results import ResultsScreen

            return ResultsScreen(self.session, self.test_digits, self.fold, self._runs_dir, ascii_only=self._ascii_only)
        if name == "runs":
            from tui.screens.runs import RunsScreen

            return RunsScreen(
                self.session,
                self._runs_dir,
                open_results=self.open_results,
                play=self.play,
                go_on=self.go_on_with,
                ascii_only=self._ascii_only,
            )
        return self.train_screen

    def open_results(self, folder: Path) -> None:
        """Show what came of a kept run."""
        from tui.screens.results import ResultsScreen

        self.action_show_screen(list(SCREENS).index("results") + 1)
        if isinstance(self.screen, ResultsScreen):
            self.screen.open_run(folder)

    def play(self, folder: Path) -> None:
        """Give the terminal to a replay of a kept run until that is left; nothing trains meanwhile."""
        try:
            with self.suspend():
                self._leaving.lend([sys.executable, "-m", "tui", "replay", str(folder), *self._looks()])
        except SuspendNotSupported:
            self.notify(f"Here it can't be played; `mnist-tui replay {folder}` does it.", severity="warning")

    def _looks(self) -> list[str]:
        """Our own options, for another that is to look alike; a theme of Textual's can't be named there."""
        theme = ["--theme", self.theme] if self.theme in themes.NAMES else []
        said = ["--runs-dir", str(self._runs_dir), "--fps", str(self._fps), *theme]
        return [*said, "--ascii"] if self._ascii_only else said

    def go_on_with(self, folder: Path) -> None:
        """Continue a kept run, and show it."""
        self.action_show_screen(1)
        self._go_on_with(folder, {})

    @work(thread=True, exit_on_error=False)
    def _offer(self) -> None:
        """The newest run was cut off: say how to go on with it."""
        run = next(map(listed, list_runs(self._runs_dir)), None)
        if run is not None and run.state == "interrupted" and run.resumable:
            said = f"The last run ({run.preset}, {run.created[5:16].replace('T', ' ')}) was cut off. 5 lists it, c goes on with it."
            self.call_from_thread(self.notify, said, title="Interrupted", timeout=12)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette lists our commands; the form, help and screenshots come with them."""
        for command in commands_of(self.current_mode):
            yield SystemCommand(command.title, command.help, partial(self.run_action, command.action))

    # Life

    def on_mount(self) -> None:
        """Hear signals and begin to draw; what else begins must not take the processor from the first paint."""
        for name in SCREENS:
            self.add_mode(name, partial(self._make_screen, name))
        self._leaving.hear(partial(self._leave_soon, asyncio.get_running_loop()))
        self.set_interval(1 / self._fps, self.tick)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """Train, when that was asked for, or let the frameworks import while the user reads."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(POOL_THREADS))
        if self._resume is not None:
            self._go_on_with(self._resume, {n: v for n, v in self.settings.items() if n != "framework"})
        elif self._start_at_once:
            self.action_start()
        else:
            self.session.warm(self._configs())
            if not self.session.recorded:
                self._offer()

    def _leave_soon(self, loop: asyncio.AbstractEventLoop, return_code: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: so does the app, already
            loop.call_soon_threadsafe(self.leave, return_code)

    async def on_unmount(self) -> None:
        """Leave no process behind."""
        self._leaving.unhear()
        own = ThreadPoolExecutor(1)  # in the pool it could wait for a slow file system, until the workers are killed
        await asyncio.get_running_loop().run_in_executor(own, self.session.close, CLOSE_SECONDS)

    def leave(self, return_code: int = 0) -> None:
        """End the app; the workers end with it."""
        if self._left:
            return
        self._left = True
        self._leaving.arm(return_code)
        self.exit(return_code=return_code)

    def run_guarded(self) -> int:
        """Run, and leave in time even when the terminal is gone, which can hold Textual's writer for ever."""
        self._leaving.own_process()
        mouse.expect_unknown_pixels()
        gc.freeze()  # what is imported stays; to look for rubbish there takes a tenth of the time to the first paint
        try:
            self.run()
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # one ctrl+c too many must not cut the leaving off
            self.session.close(CLOSE_SECONDS)
            self._leaving.disarm()
        return self.return_code or 0

    def launch(self, engine: str, live: Callable[[], None]) -> None:
        """A background thread for each engine, which owns that engine's worker process."""
        self.run_worker(live, name=engine, group=engine, thread=True, exclusive=False, exit_on_error=False)

    # Frames

    def tick(self) -> None:
        """A frame, when it is due."""
        if self._pace.draws(time.monotonic()):
            self.draw_frame()

    def draw_frame(self) -> None:
        """Fold what happened and show it."""
        if not self.is_running or not self.screen_stack:  # a last tick while the app comes down
            return
        self._frame += 1
        self.fold()
        with_curves = self._frame % CURVES_EVERY == 0
        if self._frame % FIGURES_EVERY == 0:
            self._show_frame(with_curves)
        if with_curves:
            self._stale = set()
        possible = tuple(self.check_action(command.name, ()) for command in COMMANDS if command.target == "app")
        if possible != self._possible:  # the footer is built anew each time, which costs more than a frame
            self._possible = possible
            self.refresh_bindings()

    def fold(self) -> None:
        """Take what happened into the histories."""
        self._stale |= self.session.drain()

    def _show_frame(self, with_curves: bool) -> None:
        """The screen at the bottom of the stack; dialogs may lie on it, and the other screens draw nothing."""
        shown = self.screen_stack[0]
        if isinstance(shown, Shown):
            shown.show_frame(self._stale, with_curves)

    # Commands

    def _configs(self) -> dict[str, TrainConfig]:
        """The config of each chosen engine."""
        settings = dict(self.settings)
        engines = FRAMEWORKS.get(str(settings.pop("framework", "both")), ())
        try:
            config = from_settings(settings)
        except ConfigError as error:
            self.notify(str(error), title="These settings can't be used", severity="error")
            return {}
        return {engine: config for engine in engines if engine in self.session.histories}

    def present_config(self) -> TrainConfig:
        """Of what runs or ran; before the first run, of the settings."""
        known = (history.config for history in self.session.histories.values())
        return next((config for config in known if config), None) or next(iter(self._configs().values()), TrainConfig())

    def _aimed(self) -> list[str]:
        aim = self.train_screen.aim
        return [aim] if aim else list(self.session.histories)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A command that makes no sense now is grey, in the footer and for its key alike."""
        if action in _COMMAND_NAMES and isinstance(self.screen, ModalScreen):
            from tui.screens.dialogs import QuitDialog

            return action == "quit" and not isinstance(self.screen, QuitDialog)
        histories = [self.session.histories[engine] for engine in self._aimed()]
        running = any(history.running for history in histories)
        if action == "start":
            return None if self.session.running or self.session.recorded else True
        if action == "stop" and any(self.session.turn_of(engine) for engine in self._aimed()):
            return True
        if action in ("seek", "seek_epoch", "hurry"):
            return self.session.recorded  # else they are not even shown
        if action == "pause" and self.session.recorded:
            return True
        if action in ("pause", "stop"):
            return True if running and not self.session.recorded else None
        if action == "kill":
            return True if any(h.alive for h in histories) else None
        if action == "restart":
            free = [h for h in histories if self.session.is_free(h.engine)]
            return True if any(h.requested_t is not None or h.phase == FAILED for h in free) else None
        if action == "resume":
            return any(
                h.can_continue and self.session.is_free(h.engine) for h in histories
            )  # else it is not even shown
        if action == "save":
            return True if running and not self.session.recorded else None
        if action == "parity":
            return True if self._specs and not self.session.running else None
        if action == "settings" and self.session.recorded:
            return None
        return True

    def action_start(self) -> None:
        """Train."""
        configs = self._configs()
        if configs and not self.session.running:
            self.session.start(configs)

    def action_pause(self) -> None:
        """Pause what runs; when all of it is paused, go on."""
        if isinstance(self.session, Replay):
            self.session.toggle()
            return
        running = [e for e in self._aimed() if self.session.histories[e].running]
        all_paused = all(self.session.histories[e].phase == PAUSED for e in running)
        for engine in running:
            (self.session.go_on if all_paused else self.session.pause)(engine)

    def action_seek(self, seconds: float) -> None:
        """Wind the recording."""
        if isinstance(self.session, Replay):
            self.session.seek(seconds)

    def action_seek_epoch(self, epochs: int) -> None:
        """Wind it by epochs."""
        if isinstance(self.session, Replay):
            self.session.seek_epoch(epochs)

    def action_hurry(self, steps: int) -> None:
        """Play it faster, or slower."""
        if isinstance(self.session, Replay):
            self.session.hurry(steps)

    def action_stop(self) -> None:
        """Finish the step, evaluate, keep."""
        for engine in self._aimed():
            if self.session.histories[engine].running or self.session.turn_of(engine):
                self.session.stop(engine)

    def action_kill(self) -> None:
        """SIGKILL."""
        for engine in self._aimed():
            self.session.kill(engine)

    def action_restart(self) -> None:
        """Start again what is not running."""
        configs = self._configs()
        again = {e: c for e, c in configs.items() if e in self._aimed() and self.session.is_free(e)}
        if again:
            self.session.start(again)

    def action_resume(self) -> None:
        """Go on from the last checkpoint of what was stopped, killed or has failed."""
        able = [e for e in self._aimed() if self.session.histories[e].can_continue and self.session.is_free(e)]
        folders = {engine: self.session.folder(engine) for engine in able}
        for folder in {folder for folder in folders.values() if folder is not None}:
            self._go_on_with(folder, {}, [engine for engine, its in folders.items() if its == folder])

    def _go_on_with(self, folder: Path, changes: Mapping[str, Any], engines: Collection[str] = ()) -> None:
        try:
            self.session.resume(folder, changes, engines)
        except (ResumeError, ConfigError) as error:
            self.notify(str(error), title="This run can't go on", severity="error", timeout=15)

    def action_save(self) -> None:
        """A checkpoint, now."""
        for engine in self._aimed():
            if self.session.histories[engine].running:
                self.session.save(engine)

    def action_parity(self) -> None:
        """The proof."""
        from tui.screens.parity import ParityScreen

        backend = str(self.settings.get("keras_backend", "tensorflow"))
        specs = [for_backend(spec, backend) for spec in self._specs]
        self.push_screen(ParityScreen(specs, self._cache_dir, self.settings))

    def action_settings(self) -> None:
        """The form."""
        from tui.screens.settings import SettingsScreen

        devices = {d.id: (d.id, d.name, d.reason) for h in self.session.histories.values() for d in h.devices}

        def done(settings: dict[str, Any] | None) -> None:
            if settings is None:
                return
            start = settings.pop("start", False)
            self.settings = settings
            self._remember_now(settings)
            if start and self.session.running:
                self.notify("A run is under way; stop it first (x).", severity="warning")
            elif start:
                self.action_start()

        self.push_screen(SettingsScreen(self.settings, list(devices.values())), done)

    def action_focus_engine(self) -> None:
        """Aim at the next engine, then at both."""
        engines: list[str | None] = [*self.session.histories, None]
        at = engines.index(self.train_screen.aim)
        self.train_screen.aim = engines[(at + 1) % len(engines)]

    def action_show_screen(self, number: int) -> None:
        """Train, Code, Draw, Results or Runs."""
        self.switch_mode(list(SCREENS)[number - 1])
        self._stale |= set(self.session.histories)
        self.call_after_refresh(self._show_frame, True)

    def action_theme(self) -> None:
        """Dark, light, clear, the terminal's own dark and light."""
        at = themes.NAMES.index(self.theme) if self.theme in themes.NAMES else -1
        self.theme = themes.NAMES[(at + 1) % len(themes.NAMES)]
        self.notify(self.theme, title="Theme", timeout=1.5)
        self._stale |= set(self.session.histories)
        if self._remember is not None:
            self._remember_now(memory.load(self._remember))

    def action_help(self) -> None:
        """Keys and words."""
        from tui.screens.dialogs import HelpDialog

        self.push_screen(HelpDialog(commands_of(self.current_mode)))

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
        try:
            memory.save(self._remember, {**settings, "theme": self.theme})
        except (OSError, ValueError) as error:
            self.notify(f"The settings could not be remembered in {self._remember}: {error}.", severity="warning")


_COMMAND_NAMES = frozenset(command.name for command in COMMANDS)
