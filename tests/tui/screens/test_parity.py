"""The parity dialog."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from engines.api import RunRequest, engine_spec
from engines.session.replay import Replay
from tests.support.pilot import key_bar_of, opened, text_of, until
from tui.app import MnistApp
from tui.screens import parity
from tui.screens.parity import ParityScreen
from tui.screens.train import TrainScreen


@pytest.mark.framework
async def test_the_proof_with_real_engines(tmp_path: Path, small_mnist: Path) -> None:
    """Closing the dialog during the full epoch leaves no process."""
    app = MnistApp(
        [engine_spec("pytorch"), engine_spec("keras")],
        RunRequest(settings={"data_dir": str(small_mnist)}),
        session=Replay([]),
        cache_dir=tmp_path / "cache",
    )
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("p")
        assert isinstance(app.screen, ParityScreen)
        await until(pilot, lambda: "checks passed" in text_of(app, "#progress"), 120)
        await pilot.press("enter")
        await until(pilot, lambda: "step" in text_of(app, "#progress"), 120)
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
