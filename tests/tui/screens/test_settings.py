"""The settings form."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Select, Static

from engines.api import Device, RunHistory, RunRequest, TrainConfig
from tests.support.pilot import SIZES, opened, phases, text_of, until
from tests.tui.test_launch_options import CPU, gpu, histories_with
from tui import preferences
from tui.app import MnistApp
from tui.base_app import BaseApp
from tui.screens.settings import ADVANCED_FIELDS, FIRST_FIELDS, FORM_FIELDS, NOTICES, SettingsScreen
from tui.screens.train import TrainScreen
from tui.terminal import osc

REASON = "this PyTorch has no kernels for compute capability 5.2: mnist-tui setup --gpu installs one that does"


async def _opened_form(app: MnistApp, pilot: Pilot[None]) -> SettingsScreen:
    """Open the form with e, and wait until the last of its fields is mounted."""
    await pilot.press("e")
    await until(pilot, lambda: isinstance(app.screen, SettingsScreen) and bool(app.screen.query("#limit_test")))
    assert isinstance(app.screen, SettingsScreen)
    return app.screen


@asynccontextmanager
async def _form(
    values: Mapping[str, Any], size: tuple[int, int] = (120, 40), histories: Mapping[str, RunHistory] | None = None
) -> AsyncIterator[tuple[SettingsScreen, Pilot[None]]]:
    """Show a form of these settings alone, with all that it mounts at first."""
    form = SettingsScreen(RunRequest.from_values(values), histories or {})
    async with BaseApp("mnist-dark").run_test(size=size) as pilot:
        await pilot.app.push_screen(form)
        while not form.query("#limit_test" if form.has_class("-advanced") else "#advanced"):
            await pilot.pause()
        await pilot.pause()
        yield form, pilot


async def test_the_empty_frame_is_shown_before_the_rows() -> None:
    form = SettingsScreen(RunRequest.from_values({"seed": 1}), {})
    shown: list[int] = []
    async with BaseApp("mnist-dark").run_test() as pilot:
        display = pilot.app._display

        def record(screen: Any, renderable: Any) -> None:
            if screen is form and form.query_one("#box").region.height:
                shown.append(len(form.query(".row")))
            display(screen, renderable)

        pilot.app._display = record  # type: ignore[method-assign]
        await pilot.app.push_screen(form)
        while not form.query("#limit_test"):
            await pilot.pause()
        await pilot.pause()
    assert shown[0] == 0
    assert shown[-1] == 1 + len(FORM_FIELDS)


async def test_framework_device_preset_and_epochs_come_first() -> None:
    async with _form({}) as (form, pilot):
        assert [row.query_one(".name", Label).content for row in form.query(".row")] == list(FIRST_FIELDS)
        visited = [form.focused.id if form.focused else ""]
        for _ in range(4):
            await pilot.press("tab")
            visited.append(form.focused.id if form.focused else "")
        assert visited == [*FIRST_FIELDS, "advanced"]
        await pilot.press("enter")
        while form.focused is None or form.focused.id != ADVANCED_FIELDS[0]:
            await pilot.pause()
        reached = {widget.id for widget in form.focus_chain}
        unused = {"momentum", "weight_decay"}
        assert reached == {"framework", *FORM_FIELDS, "save", "start", "reset", "copy", "cancel"} - unused


@pytest.mark.parametrize("values", [{"dropout": 0.1}, {"dropout": 7.0}, {"keras_device": "cpu"}])
async def test_advanced_is_open_when_one_of_its_fields_is_changed_or_invalid(values: dict[str, Any]) -> None:
    async with _form(values) as (form, _):
        assert not form.query("#advanced")
        expected = "at most 0.49" if values.get("dropout") == 7.0 else "changed; default: "
        assert expected in str(form.query_one(f"#reason-{next(iter(values))}", Static).content)


async def test_an_invalid_field_is_not_saved_before_the_rows_are_mounted() -> None:
    form = SettingsScreen(RunRequest.from_values({"dropout": 7.0}), {})
    assert form.invalid_fields == ["dropout"]


@pytest.mark.parametrize("size", [(60, 15), *SIZES])
@pytest.mark.parametrize("values", [{}, {"seed": 1}], ids=["first", "advanced"])
async def test_buttons_are_on_the_screen_and_rows_scroll_only_without_room(
    values: dict[str, Any], size: tuple[int, int]
) -> None:
    async with _form(values, size) as (form, _):
        for button in form.query(Button):
            assert form.region.contains_region(button.region) or button.id == "advanced"
            assert button.region.width >= len(str(button.label))
        if size[1] > 40 or not values:
            assert form.query_one("#form").max_scroll_y == 0
        assert form.query_one("#box").region.bottom <= size[1]


@pytest.mark.parametrize("size", SIZES)
async def test_help_is_whole(size: tuple[int, int]) -> None:
    """The focused field's help is at the bottom; wide forms have it beside every field, too."""
    async with _form({"seed": 1}, size) as (form, pilot):
        for name in FORM_FIELDS:
            if (field := form.query_one(f"#{name}")).disabled:
                continue
            field.focus()
            await pilot.pause()
            words = f"{form._help(name)}".split()
            bottom = " ".join(screen_lines(form, "#help"))
            assert bottom.split() == words
        remarks = [remark for remark in form.query(".reason").results(Label) if remark.content and remark.region]
        if size[0] >= 120:
            assert len(remarks) > 10
            assert all(len(str(remark.content)) <= remark.content_region.width for remark in remarks)


def screen_lines(form: SettingsScreen, selector: str) -> list[str]:
    """Return what the screen shows of a widget."""
    region = form.query_one(selector, Widget).content_region
    assert form.region.contains_region(region)
    rows = [strip.text for strip in form._compositor.render_strips()]
    return [row[region.x : region.right] for row in rows[region.y : region.bottom]]


@pytest.mark.parametrize("size", SIZES)
async def test_each_framework_has_its_own_devices_and_no_reason_is_cut(size: tuple[int, int]) -> None:
    absent = Device(id="cuda:2", name="NVIDIA GTX 970", usable=False, reason=REASON)
    histories = histories_with(pytorch=(CPU, gpu(0), gpu(1), absent), keras=(CPU, gpu(0)))
    async with _form({"seed": 1}, size, histories) as (form, pilot):
        options = {name: form._device_choices[f"{name}_device"] for name in ("pytorch", "keras")}
        assert list(options["pytorch"]) == ["", "auto", "cpu", "cuda:0", "cuda:1", "cuda:2", "all"]
        assert list(options["keras"]) == ["", "auto", "cpu", "cuda:0"]
        field = form.query_one("#pytorch_device", Select)
        field.focus()
        field.value = "cuda:2"
        while REASON not in str(form.query_one("#reason-pytorch_device", Static).content):
            await pilot.pause()
        await pilot.pause()
        await pilot.pause()
        assert " ".join(screen_lines(form, "#reason-pytorch_device")).split() == f"← can't be used: {REASON}".split()
        field.value = "cuda:1"
        await pilot.pause()
        await pilot.press("ctrl+s")
        assert form._request.values == {"seed": 1, "pytorch_device": "cuda:1"}


async def test_the_devices_are_those_of_the_chosen_framework() -> None:
    absent = Device(id="cuda:0", name="GPU", usable=False, reason="no CUDA")
    async with _form({}, histories=histories_with(pytorch=(CPU, gpu(0)), keras=(CPU, absent))) as (form, pilot):
        form.query_one("#device", Select).value = "cuda:0"
        while "Keras: no CUDA" not in str(form.query_one("#reason-device", Static).content):
            await pilot.pause()
        form.query_one("#framework", Select).value = "pytorch"
        while "can't be used" in str(form.query_one("#reason-device", Static).content):
            await pilot.pause()
        assert form.query_one("#device", Select).value == "cuda:0"


async def test_settings_are_validated_while_typing(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        form = await _opened_form(app, pilot)
        epochs = form.query_one("#epochs", Input)
        epochs.value = "zero"
        await pilot.pause()
        assert "whole number" in str(form.query_one("#reason-epochs", Static).render())
        await pilot.press("ctrl+s")
        assert app.screen is form, "an invalid field can't be saved"
        epochs.value, rate = "3", form.query_one("#learning_rate", Input)
        rate.value = "0,001"
        await pilot.pause()
        assert "has a decimal comma: write 0.001" in str(form.query_one("#reason-learning_rate", Static).render())
        await pilot.press("ctrl+s")
        assert app.screen is form, "it is not 1"
        rate.value = "0.001"
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
        await _opened_form(app, pilot)
        app.screen.query_one("#preset", Select).value = "quick"
        await until(pilot, lambda: "--preset quick" in text_of(app, "#command"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, TrainScreen))
        assert app.controller.request.values == {**own, "data_dir": str(small_mnist), "preset": "quick"}


async def test_a_change_that_arrives_late_does_not_undo_a_preset(tmp_path: Path, small_mnist: Path) -> None:
    """On a busy machine, the first values of the fields are announced after the user has chosen a preset."""
    async with opened(tmp_path, small_mnist) as (app, pilot):
        form = await _opened_form(app, pilot)
        app.screen.query_one("#preset", Select).value = "quick"
        await until(pilot, lambda: "--preset quick" in text_of(app, "#command"))
        epochs, optimizer = form.query_one("#epochs", Input), form.query_one("#optimizer", Select)
        epochs.post_message(Input.Changed(epochs, "12"))
        optimizer.post_message(Select.Changed(optimizer, "sgd"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, TrainScreen))
        assert app.controller.request.values == {"data_dir": str(small_mnist), "preset": "quick"}


async def test_an_unavailable_device_shows_its_reason(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await _opened_form(app, pilot)
        app.screen.query_one("#device", Select).value = "cuda:0"
        await pilot.pause()
        assert "scripted away" in str(app.screen.query_one("#reason-device", Static).render())


def test_the_form_has_every_setting_once() -> None:
    assert sorted(FORM_FIELDS) == sorted([*(field.name for field in dataclasses.fields(TrainConfig)), NOTICES])


async def test_the_notices_are_chosen_saved_and_reset(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        for chosen in (osc.OSC9, osc.BELL):
            form = await _opened_form(app, pilot)
            field = form.query_one("#notices", Select)
            field.value = chosen
            await until(pilot, lambda: text_of(app, "#reason-notices") == "changed; default: off")
            field.focus()
            await until(pilot, lambda: text_of(app, "#help").startswith("Tells you that a run has ended"))
            assert "notices" not in form.command, "they are no option"
            await pilot.press("escape" if chosen == osc.BELL else "ctrl+s")
            await until(pilot, lambda: isinstance(app.screen, TrainScreen))
            assert app.notices == osc.OSC9, "saved the first time, not the second"
        await pilot.press("t")  # saves the theme beside it
        assert preferences.load(tmp_path / preferences.FILE)["notices"] == osc.OSC9
        form = await _opened_form(app, pilot)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: form.query_one("#notices", Select).value == osc.OFF)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.notices == osc.OFF)
        assert "notices" not in preferences.load(tmp_path / preferences.FILE)


async def test_settings_that_the_optimizer_ignores_are_disabled(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        form = await _opened_form(app, pilot)
        assert form.query_one("#momentum").disabled
        form.query_one("#optimizer", Select).value = "sgd"
        await until(pilot, lambda: not form.query_one("#momentum").disabled)
        assert form.query_one("#rho").disabled
        assert form.query_one("#learning_rate", Input).value == "0.05", "its default"
        await until(pilot, lambda: "--optimizer sgd" in text_of(app, "#command"))
        assert "--learning-rate" not in text_of(app, "#command")


async def test_the_focused_field_is_explained(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        await _opened_form(app, pilot)
        app.screen.query_one("#dropout").focus()
        await until(pilot, lambda: "the dense layer drops twice that. Default: 0.25" in text_of(app, "#help"))
        app.screen.query_one("#limit_train").focus()
        await until(pilot, lambda: text_of(app, "#help").endswith("Default: 0."))  # 0 equals False, which is off


async def test_escape_changes_nothing(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        before = app.controller.request
        await _opened_form(app, pilot)
        app.screen.query_one("#epochs", Input).value = "9"
        await pilot.press("escape")
        await pilot.pause()
        assert app.controller.request is before


async def test_a_form_that_closes_while_it_opens_does_no_harm(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, patience=3) as (app, pilot):
        for steps in range(0, 120, 3):  # of the event loop, between opening and closing
            app.action_settings()
            for _ in range(steps):
                await asyncio.sleep(0)
            app.screen.dismiss(None)
            await until(pilot, lambda: isinstance(app.screen, TrainScreen))


@pytest.mark.parametrize("values", [{}, {"seed": 1}], ids=["first", "advanced"])
async def test_an_app_can_end_while_the_form_opens(values: dict[str, Any]) -> None:
    """The app closes before the rows are mounted."""
    async with BaseApp("mnist-dark").run_test() as pilot:
        await pilot.app.push_screen(SettingsScreen(RunRequest.from_values(values), {}))
        pilot.app.exit(return_code=0)
    assert pilot.app.return_code == 0
