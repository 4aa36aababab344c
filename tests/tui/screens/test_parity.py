"""The parity dialog."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.support.digits import random_digits, write_idx
from tests.support.pilot import key_bar_of, opened, phases, text_of, until
from tui.screens import parity
from tui.screens.parity import ParityScreen
from tui.screens.train import TrainScreen


async def test_the_proof_of_two_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the dialog during the full epoch leaves no process."""
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    images, labels = random_digits(12_800)
    write_idx(tmp_path / "digits", images, labels, "train", zipped=False)
    write_idx(tmp_path / "digits", images[:512], labels[:512], "t10k", zipped=False)
    async with opened(tmp_path, tmp_path / "digits", (100, 40)) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        before = {child.pid for child in psutil.Process().children(recursive=True)}
        await pilot.press("p")
        assert isinstance(app.screen, ParityScreen)
        await until(pilot, lambda: "checks passed" in text_of(app, "#progress"))
        assert "NOT the same experiment: 8 of 9 checks" in text_of(app, "#progress"), "its parameters are others"
        await pilot.press("enter")
        await until(pilot, lambda: "step" in text_of(app, "#progress"))
        assert {child.pid for child in psutil.Process().children(recursive=True)} - before
        await pilot.press("escape")
        assert isinstance(app.screen, TrainScreen)
        await until(pilot, lambda: not {child.pid for child in psutil.Process().children(recursive=True)} - before, 20)


@pytest.mark.parametrize("error", [PermissionError("no room for it"), ValueError("no room for it")])
async def test_a_failed_proof_shows_its_reason_and_can_be_repeated(
    error: Exception, tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(parity, "prove", fail)
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: "no room for it" in text_of(app, "#progress"))
        assert isinstance(app.screen, ParityScreen)
        assert not app.screen._proving
        assert "Each row below".lower() in text_of(app, "#what").lower()
        assert "enter Prove over a full epoch" in key_bar_of(app)
