"""The part of the app that is the same on every screen: themes, the terminal, and notifications."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from textual import constants, events
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.notifications import SeverityLevel
from textual.theme import BUILTIN_THEMES, Theme

from tui import frame_clock, theme_names, themes
from tui.terminal import display
from tui.terminal.driver import TerminalDriver
from tui.terminal.sanitize import NoBrightening, NoEscapes, OnBlack, OnlyAscii

_COLORS: Any = constants.COLOR_SYSTEM
"""The value of TEXTUAL_COLOR_SYSTEM, as Textual passes it to Rich."""


class BaseApp(App[None]):
    """An app with our themes, whose text can hold no control sequences for the terminal."""

    def __init__(self, theme: str = "", *, ascii_only: bool = False) -> None:
        self.auto_theme = ""
        """The theme chosen to suit this terminal; empty when the user named one."""
        if theme == theme_names.AUTO:
            theme = self.auto_theme = themes.default_theme(
                Console(color_system=_COLORS, force_terminal=True).color_system
            )
        # Before Textual starts: a later change would make it read all style sheets again before the first paint.
        self.set_reactive(App.theme, theme if theme in (*themes.THEMES, *BUILTIN_THEMES) else theme_names.DARK)
        super().__init__()
        self.ascii_only = ascii_only
        self.uses_mouse = True
        """False to leave the mouse to the terminal, which then selects text."""
        self.caption: str | None = None
        """A line above the keys; None without one, which leaves no room for it."""
        self.only_keys: Sequence[tuple[str, str, str]] = ()
        """The key, the word and the action of each command that the key bar shows instead of those of the screen."""
        self.key_remark = ""
        """A remark at the right end of the key bar."""
        self._warning_until = 0.0
        """The time at which the last warning will have gone, on the event loop's clock."""
        self._text_filters = [NoEscapes(), OnlyAscii(enabled=ascii_only)]
        self._on_black, self._no_brightening = OnBlack(), NoBrightening()

    @property
    def available_themes(self) -> dict[str, Theme]:
        return {**super().available_themes, **themes.THEMES}

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return the engines' colours for a theme that is not ours."""
        return themes.ENGINE_COLORS_DARK if self.current_theme.dark else themes.ENGINE_COLORS_LIGHT

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Remove control sequences from any text of a worker, a file or an error; with `ascii_only`, draw even borders in ASCII."""
        filters = [
            *super().get_line_filters(),
            *(text_filter for text_filter in self._text_filters if text_filter.enabled),
        ]
        if self.theme == themes.ANSI_LIGHT.name:
            filters.append(self._no_brightening)
        elif self.theme == themes.ANSI_DARK.name == self.auto_theme:
            filters.append(self._on_black)
        return filters

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a notification instead of the last one, unless that one warns; its text is never markup: files may have brackets."""
        now = frame_clock.now()
        if severity == "information" and now > self._warning_until:
            self.clear_notifications()
        elif severity != "information":
            self._warning_until = now + (timeout or self.NOTIFICATION_TIMEOUT)
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    def set_caption(self, caption: str | None) -> None:
        """Show a caption above the keys; an empty one leaves room for the next, and None leaves none."""
        if caption == self.caption:
            return
        resized = (caption is None) != (self.caption is None)
        self.caption = caption
        for screen in self.screen_stack if self.is_running else ():
            for bar in screen.query("KeyBar"):
                bar.refresh(layout=resized)
            if resized:
                screen.post_message(events.Resize(screen.size, screen.size))

    # The terminal

    def get_driver_class(self) -> type[Driver]:
        """Return the driver for a browser if textual-serve started the app, else one for the terminal."""
        if display.in_browser():
            from tui.terminal.browser_driver import BrowserDriver

            return BrowserDriver
        default = super().get_driver_class()
        return TerminalDriver if default is LinuxDriver else default

    @property
    def terminal_is_ready(self) -> bool:
        """True when the terminal has shown the last frame, or can't report it."""
        return not isinstance(self._driver, TerminalDriver) or self._driver.flow.may_draw()

    def query_terminal(self) -> None:
        """Query the terminal, which replies once it has shown everything that was sent."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.query()

    def action_repaint(self) -> None:
        """Send all of the screen again; Textual itself sends only changes."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.repaint()
        else:
            self.refresh()

    def action_screenshot(self, filename: str | None = None, path: str | None = None) -> None:
        """Save the screen as SVG after the command palette has closed."""

        def save() -> None:
            try:
                saved = Path(self.save_screenshot(filename, path)).absolute()
            except OSError as error:
                self.notify(f"The screenshot could not be written: {error}.", title="Screenshot", severity="error")
            else:
                self.notify(str(saved), title="Screenshot", timeout=8)

        self.call_after_refresh(save)
