"""The files of a card: as Markdown, as HTML, and as a picture of the screen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textual.app import App

from engines.api import ExportError, RunHistory
from tui.reports.card import Report


def write_card(app: App[Any], folder: Path, report: Report, histories: Mapping[str, RunHistory]) -> None:
    """Write the files into a run's folder, and notify the user."""
    from tui.reports import export

    screenshot = app.export_screenshot(title="mnist-tui")
    try:
        names = export.write_card(folder, report, histories, screenshot)
    except ExportError as error:
        app.notify(str(error), title="Not written", severity="error")
    except OSError as error:
        app.notify(f"{folder}: {error.strerror or error}.", title="Not written", severity="error")
    else:
        app.notify(f"{', '.join(names)} are in {folder / export.FOLDER}", title="Written")
