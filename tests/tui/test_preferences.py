"""remembered.toml, which the app writes, and config.toml, which is the user's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from engines import paths
from tui import preferences
from tui.terminal import osc

CONFIG = (
    '# mine\n\n[remembered]\nepochs = 3\ntheme = "mnist-light"\nkeras_python = "/opt/keras/bin/python"  # at the end\n'
)
"""A config.toml with the table in which the app once saved settings, and a line that its user added below."""


def test_there_are_no_settings_at_first(tmp_path: Path) -> None:
    assert preferences.load(tmp_path / preferences.FILE) == {}


def test_the_settings_saved_last_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / preferences.FILE
    preferences.save(path, {"epochs": 3})
    preferences.save(path, {"epochs": 4, "theme": "mnist-light", "stop_on_nan": False, "learning_rate": 0.5})
    assert preferences.load(path) == {"epochs": 4, "theme": "mnist-light", "stop_on_nan": False, "learning_rate": 0.5}


def test_config_toml_is_read_once_and_never_written(tmp_path: Path) -> None:
    path, config = tmp_path / preferences.FILE, tmp_path / "config.toml"
    config.write_text(CONFIG)
    assert preferences.load(path) == {"epochs": 3, "theme": "mnist-light"}
    preferences.save(path, {"epochs": 5})
    assert preferences.load(path) == {"epochs": 5}
    assert config.read_text() == CONFIG


def test_an_interpreter_below_the_old_table_of_config_toml_is_used() -> None:
    paths.config_file().write_text(CONFIG)
    assert paths.settings()["keras_python"] == "/opt/keras/bin/python"


@pytest.mark.parametrize("content", [b"epochs 3", b"\xff", 5_000 * b"["])
def test_an_unreadable_file_has_no_settings(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    assert preferences.load(tmp_path / preferences.FILE) == {}
    (tmp_path / preferences.FILE).write_bytes(content)
    assert preferences.load(tmp_path / preferences.FILE) == {}
    preferences.save(tmp_path / preferences.FILE, {"epochs": 5})
    assert preferences.load(tmp_path / preferences.FILE) == {"epochs": 5}


def test_valid_settings_are_used_and_the_others_reported(tmp_path: Path) -> None:
    saved = {"epochs": 0, "seed": 7, "framework": ["keras"], "theme": 3, "nonsense": True, "data_dir": "~/mnist"}
    settings, invalid = preferences.valid_settings(saved)
    assert settings == {"seed": 7, "data_dir": str(tmp_path / "home" / "mnist")}
    assert [phrase.partition(" ")[0] for phrase in invalid] == ["epochs", "framework", "nonsense"]


def test_the_notices_are_no_setting_of_a_run() -> None:
    for kind in osc.NOTICES:
        assert preferences.valid_settings({"notices": kind}) == ({}, [])
        assert preferences.notices({"notices": kind}) == kind
    for other in ("loud", 3, ["bell"]):
        assert preferences.notices({"notices": other}) == osc.OFF
        _, invalid = preferences.valid_settings({"notices": other})
        assert invalid == ["notices must be one of off, bell, osc9, osc777"]


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.booleans() | st.integers(0, 9) | st.text()))
def test_any_saved_settings_are_loaded(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("preferences") / preferences.FILE
    preferences.save(path, settings)
    assert preferences.load(path) == settings
