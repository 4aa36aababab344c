"""The settings form."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from textual.widgets import Input, Select, Static

from engines.api import TrainConfig
from tests.support.pilot import opened, phases, text_of, until
from tui import preferences
from tui.screens.settings import FORM_FIELDS, SettingsScreen
from tui.screens.train import TrainScreen


async def test_settings_are_validated_while_typing(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("e")
        await pilot.pause()
        form = app.screen
        assert isinstance(form, SettingsScreen)
        epochs = form.query_one("#epochs", Input)
        epochs.value = "zero"
        await pilot.pause()
        assert "whole number" in str(form.query_one("#reason-epochs", Static).render())
        await pilot.press("ctrl+s")
        assert app.screen is form, "an invalid field can't be saved"
        epochs.value = "3"
        await pilot.pause()
        assert "--epochs 3" in str(form.query_one("#command", Static).render())
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert app.controller.request.value("epochs") == 3
        assert preferences.load(tmp_path / preferences.FILE)["epochs"] == 3


async def test_a_preset_changes_only_its_own_settings(tmp_path: Path, small_mnist: Path) -> None:
    own: dict[str, Any] = {
        "target_accuracy": 98.0,
        "limit_test": 500,
        "eval_every": 3,
        "patience": 2,
        "stop_on_nan": False,
        "seed": 7,
    }
    async with opened(tmp_path, small_mnist, **own) as (app, pilot):
        await pilot.press("e")
        await pilot.pause()
        app.screen.query_one("#preset", Select).value = "quick"
        await until(pilot, lambda: "--preset quick" in text_of(app, "#command"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, TrainScreen))
        assert app.controller.request.values == {**own, "data_dir": str(small_mnist), "preset": "quick"}


async def test_an_unavailable_device_shows_its_reason(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("e")
        await pilot.pause()
        app.screen.query_one("#device", Select).value = "cuda:0"
        await pilot.pause()
        assert "scripted away" in str(app.screen.query_one("#reason-device", Static).render())


def test_the_form_has_every_setting_once() -> None:
    assert sorted(FORM_FIELDS) == sorted(field.name for field in dataclasses.fields(TrainConfig))


async def test_settings_that_the_optimizer_ignores_are_disabled(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("e")
        await pilot.pause()
        form = app.screen
        assert form.query_one("#momentum").disabled
        form.query_one("#optimizer", Select).value = "sgd"
        await until(pilot, lambda: not form.query_one("#momentum").disabled)
        assert form.query_one("#rho").disabled
        assert form.query_one("#learning_rate", Input).value == "0.05", "its default"
        await until(pilot, lambda: "--optimizer sgd" in text_of(app, "#command"))
        assert "--learning-rate" not in text_of(app, "#command")


async def test_the_focused_field_is_explained(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        await pilot.press("e")
        await pilot.pause()
        app.screen.query_one("#dropout").focus()
        await until(pilot, lambda: "the dense layer drops twice that. Default: 0.25" in text_of(app, "#help"))


async def test_escape_changes_nothing(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        before = app.controller.request
        await pilot.press("e")
        await pilot.pause()
        app.screen.query_one("#epochs", Input).value = "9"
        await pilot.press("escape")
        await pilot.pause()
        assert app.controller.request is before
