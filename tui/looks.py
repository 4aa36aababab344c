"""How the app looks on any screen: themes, what the terminal may be sent, and what is said at the side."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import App
from textual.filter import LineFilter
from textual.notifications import SeverityLevel
from textual.theme import BUILTIN_THEMES, Theme

from tui import themes
from tui.escapes import NoEscapes, OnlyAscii


class Looks(App[None]):
    """An app in our themes, whose text is never obeyed by the terminal."""

    def __init__(self, theme: str = "", *, ascii_only: bool = False) -> None:
        # Before Textual begins: a theme that is chosen later has it read all style sheets once more before the first paint.
        self.set_reactive(App.theme, theme if theme in (*themes.OURS, *BUILTIN_THEMES) else themes.NAMES[0])
        super().__init__()
        self.ascii_only = ascii_only
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
