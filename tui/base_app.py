"""How the app looks on any screen: themes, what the terminal may be sent and when, and what is said at the side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from textual import constants
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.notifications import SeverityLevel
from textual.theme import BUILTIN_THEMES, Theme

from tui import themes
from tui.terminal import display
from tui.terminal.driver import TerminalDriver
from tui.terminal.sanitize import NoBrightening, NoEscapes, OnBlack, OnlyAscii

_COLORS: Any = constants.COLOR_SYSTEM
"""What TEXTUAL_COLOR_SYSTEM asks for, as Textual gives it to Rich."""


class BaseApp(App[None]):
    """An app in our themes, whose text is never obeyed by the terminal."""

    def __init__(self, theme: str = "", *, ascii_only: bool = False) -> None:
        self.chosen_theme = ""
        """The theme that suits this terminal, where no theme was named; else empty."""
        if theme == themes.AUTO:
            theme = self.chosen_theme = themes.default_theme(
                Console(color_system=_COLORS, force_terminal=True).color_system
            )
        # Before Textual begins: a theme that is chosen later has it read all style sheets once more before the first paint.
        self.set_reactive(App.theme, theme if theme in (*themes.THEMES, *BUILTIN_THEMES) else themes.THEME_NAMES[0])
        super().__init__()
        self.ascii_only = ascii_only
        self._outermost = [NoEscapes(), OnlyAscii(enabled=ascii_only)]
        self._on_black, self._no_brightening = OnBlack(), NoBrightening()

    @property
    def available_themes(self) -> dict[str, Theme]:
        """Textual's, and ours."""
        return {**super().available_themes, **themes.THEMES}

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The engines' colours for themes that are not ours."""
        return themes.ENGINE_COLORS_DARK if self.current_theme.dark else themes.ENGINE_COLORS_LIGHT

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Nothing that a worker, a file or an error says is obeyed by the terminal; and ASCII is ASCII, borders too."""
        filters = [*super().get_line_filters(), *(one for one in self._outermost if one.enabled)]
        if self.theme == themes.ANSI_LIGHT.name:
            filters.append(self._no_brightening)
        elif self.theme == themes.ANSI_DARK.name == self.chosen_theme:
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
        """Say something at the side; a bracket in a file's name is a bracket, never markup."""
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    # The terminal

    def get_driver_class(self) -> type[Driver]:
        """Draw in a browser where textual-serve started the app, else on the terminal."""
        if display.in_browser():
            from tui.terminal.browser_driver import BrowserDriver

            return BrowserDriver
        chosen = super().get_driver_class()
        return TerminalDriver if chosen is LinuxDriver else chosen

    @property
    def terminal_is_ready(self) -> bool:
        """Whether the terminal has shown the last frame, or never says so."""
        return not isinstance(self._driver, TerminalDriver) or self._driver.flow.may_draw()

    def query_terminal(self) -> None:
        """Ask the terminal to say when it has shown everything that was sent."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.query()

    def action_repaint(self) -> None:
        """Send the whole screen once more: Textual itself sends only what has changed."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.clear()
        self.refresh()

    def action_screenshot(self, filename: str | None = None, path: str | None = None) -> None:
        """Save the screen as SVG, once the palette is gone from it."""

        def save() -> None:
            try:
                saved = Path(self.save_screenshot(filename, path)).absolute()
            except OSError as error:
                self.notify(f"It could not be written: {error}.", title="Screenshot", severity="error")
            else:
                self.notify(str(saved), title="Screenshot", timeout=8)

        self.call_after_refresh(save)
