"""Fixtures for the tests of the command line."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from tests.support.engines import SCRIPTED, scripted_spec
from tui.app import MnistApp
from tui.cli import arguments
from tui.terminal import display


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace both engines by the scripted one."""
    monkeypatch.setattr(arguments, "specs", lambda _: [scripted_spec("pytorch"), scripted_spec("keras")])


@pytest.fixture
def environment() -> dict[str, str]:
    """Return an environment in which stdout is buffered, as it is for a user."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**buffered, "PYTHONPATH": str(SCRIPTED.parents[2])}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[MnistApp]]:
    """Collect the apps that commands open on a terminal, instead of running them."""
    apps: list[MnistApp] = []
    monkeypatch.setattr(display, "missing", lambda: "")

    def run_guarded(app: MnistApp) -> int:
        apps.append(app)
        return 0

    monkeypatch.setattr(MnistApp, "run_guarded", run_guarded)
    yield apps
    gc.enable()  # an app does it at its first paint
