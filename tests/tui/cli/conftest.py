"""Fixtures for the tests of the command line."""

from __future__ import annotations

import os

import pytest

from tests.support.engines import SCRIPTED, scripted_spec
from tui.cli import arguments


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace both engines by the scripted one."""
    monkeypatch.setattr(arguments, "specs", lambda _: [scripted_spec("pytorch"), scripted_spec("keras")])


@pytest.fixture
def environment() -> dict[str, str]:
    """Return an environment in which stdout is buffered, as it is for a user."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**buffered, "PYTHONPATH": str(SCRIPTED.parents[2])}
