"""Make a screen when it is first shown, so that its module is imported only then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.screen import Screen

if TYPE_CHECKING:
    from tui.app import MnistApp


def make_screen(name: str, app: MnistApp) -> Screen[Any]:
    """Make a screen of `SCREENS` by its name."""
    ascii_only = app.ascii_only
    if name == "code":
        from tui.screens.code import CodeScreen

        return CodeScreen(app.session, app.specs, app.cache_dir, app.controller.current_config, ascii_only=ascii_only)
    if name == "draw":
        from tui.screens.draw import DrawScreen

        return DrawScreen(
            app.session,
            app.digit_cache,
            app.drawing,
            app.controller.current_config,
            app.apply_events,
            ascii_only=ascii_only,
        )
    if name == "results":
        from tui.screens.results import ResultsScreen

        return ResultsScreen(app.session, app.digit_cache, app.apply_events, app.runs_dir, ascii_only=ascii_only)
    if name == "runs":
        from tui.screens.runs import RunsScreen

        return RunsScreen(
            app.session,
            app.runs_dir,
            open_results=app.open_results,
            play=app.play_run,
            continue_run=app.continue_run,
            ascii_only=ascii_only,
        )
    if name == "inside":
        from tui.screens.inside import InsideScreen

        return InsideScreen(
            app.session,
            app.digit_cache,
            app.drawing,
            app.controller.current_config,
            app.apply_events,
            ascii_only=ascii_only,
        )
    return app.train_screen
