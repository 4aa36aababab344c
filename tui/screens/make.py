"""The app's screens, made when they are first opened: none of them is imported before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.screen import Screen

if TYPE_CHECKING:
    from tui.app import MnistApp


def make(name: str, app: MnistApp) -> Screen[Any]:
    """The screen of that name in `SCREENS`, with what it needs of the app."""
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
