"""The app that gives a tour: it shows chapter after chapter over a recording."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual import events
from textual.screen import Screen

from engines.api import Replay, RunRequest, recorded_proof
from tui.app import MnistApp
from tui.commands import COMMANDS, TOUR
from tui.drawing import Drawing
from tui.screens.base import BaseScreen
from tui.screens.factory import make_screen
from tui.screens.train import TrainScreen
from tui.tour.chapters import PROOF, Chapter, Tour, commands_on
from tui.tour.clock import TourClock
from tui.tour.strokes import draw_digit, keys_for

KEYS_PER_SECOND = 15.0
"""The pace of the pen that draws a digit: the keys of a seven take three seconds."""
KEPT_COMMANDS = ("suspend_process", "repaint", "theme")
"""The commands of the app that work in a tour."""


class TourApp(MnistApp, inherit_bindings=False):
    """Shows the chapters of a tour one after the other, each on a screen of its own, so that none depends on the one before."""

    CSS_PATH = "../screens/train.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [command.binding for command in (*TOUR, *COMMANDS) if command in TOUR or command.name in KEPT_COMMANDS]

    session: Replay

    def __init__(self, tour: Tour, session: Replay, clock: TourClock, *, auto: bool = False, **options: Any) -> None:
        """Play the recording of `session`, whose clock is `clock`. With `auto`, start over at the end, until a key is pressed."""
        super().__init__(session=session, **options)
        self.tour = tour
        self.clock = clock
        self.auto = auto
        self.index = 0
        """The index of the chapter that is shown."""
        self._since = 0.0
        """The time on the clock at which the chapter began."""
        self._screens = 0
        """The number of screens made so far, which names their modes."""
        self.has_begun = False
        """True once the chapter's screen is ready, and its keys are pressed."""
        self._pen_keys: list[str] = []
        """The keys that draw the chapter's digit, once its screen is ready."""
        self._pressed = 0
        """The number of pen keys pressed so far."""
        keys = [("any key", "Leave", "app.leave_tour()")] if auto else [(c.key, c.title, c.action) for c in TOUR]
        self.only_keys = keys
        self.caption = tour.chapters[0].caption

    @property
    def chapter(self) -> Chapter:
        """The chapter that is shown."""
        return self.tour.chapters[self.index]

    def on_mount(self) -> None:
        """Begin with the first chapter."""
        self.call_after_refresh(self.show_chapter, 0)
        # A timer calls from a task of its own: chapters change one after the other only in the app's.
        self.set_interval(self._frame_clock.period, partial(self.call_later, self.advance))

    async def on_event(self, event: events.Event) -> None:
        """Leave a tour without a guide at any key."""
        if self.auto and isinstance(event, events.Key):
            self.leave()
        else:
            await super().on_event(event)

    # Chapters

    async def show_chapter(self, index: int) -> None:
        """Enter a chapter from anywhere, also a held one: a new screen, the recording at its time, its digit, and its keys."""
        if self.clock.held:
            self.clock.toggle()
        self.index, self._since = index, self.clock()
        self.has_begun, self._pen_keys, self._pressed = False, [], 0
        chapter, self.drawing = self.chapter, Drawing()
        self.session.play_from(chapter.time, chapter.speed)
        self.apply_events()
        if chapter.digit is not None and chapter.screen != "draw":
            self.drawing.image = draw_digit(chapter.digit).normalised()
            self.drawing.caption = f"A drawn {chapter.digit}"
        self.caption = chapter.caption
        self._set_remark()
        last, self._screens = self.current_mode, self._screens + 1
        mode = f"chapter {self._screens}"
        self.add_mode(mode, partial(self._make_screen, chapter.screen))
        await self.switch_mode(mode)
        self.remove_mode(last)  # not awaited: the app removes the screens after this call
        self.screen.call_after_refresh(self._begin, self.screen)

    def _make_screen(self, name: str) -> Screen[Any]:
        if name == PROOF:
            from tui.screens.parity import ParityScreen

            return ParityScreen((), self.cache_dir, RunRequest(), recorded=recorded_proof())
        self.train_screen = TrainScreen(self.controller, ascii_only=self.ascii_only)
        return make_screen(name, self)

    async def _begin(self, screen: Screen[Any]) -> None:
        """Press the chapter's keys when its screen is ready."""
        if screen is not self.screen:
            return
        if isinstance(screen, BaseScreen) and not screen.is_ready:
            screen.call_after_refresh(self._begin, screen)
            return
        for key in self.chapter.keys:
            await self._press(key)
        if self.chapter.digit is not None and self.chapter.screen == "draw":
            self._pen_keys = keys_for(self.chapter.digit)
        self.has_begun = True

    async def _press(self, key: str) -> None:
        await self.run_action(commands_on(self.chapter.screen)[key].action)

    async def advance(self) -> None:
        """Draw on, or go on to the next chapter when it is time; at the end, only a tour without a guide starts over."""
        seconds = self.clock() - self._since
        due = self._pen_keys[self._pressed : int(seconds * KEYS_PER_SECOND)]
        self._pressed += len(due)
        for key in due:
            await self._press(key)
        is_last = self.index == len(self.tour.chapters) - 1
        if seconds >= self.chapter.seconds and (self.auto or not is_last):
            await self.show_chapter(0 if is_last else self.index + 1)

    def _set_remark(self) -> None:
        held = "held · " if self.clock.held else ""
        self.key_remark = f"{held}{self.index + 1} of {len(self.tour.chapters)} "

    # Commands

    async def action_next_chapter(self) -> None:
        if self.index < len(self.tour.chapters) - 1:
            await self.show_chapter(self.index + 1)

    async def action_previous_chapter(self) -> None:
        await self.show_chapter(max(self.index - 1, 0))

    def action_hold(self) -> None:
        self.clock.toggle()
        self._set_remark()
        self.refresh_bindings()

    def action_leave_tour(self) -> None:
        self.leave()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the app's other commands, which the tabs and the key bar would run by a click."""
        return action in _ACTIONS


_ACTIONS = frozenset((*KEPT_COMMANDS, *(command.name for command in TOUR)))
