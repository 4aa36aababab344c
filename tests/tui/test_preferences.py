"""remembered.toml: what the app remembers; and config.toml, which is the user's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from engines import paths
from tui import preferences

USERS = (
    '# mine\n\n[remembered]\nepochs = 3\ntheme = "mnist-light"\nkeras_python = "/opt/keras/bin/python"  # at the end\n'
)
"""A config.toml of the time when its last table was ours, and what its user added below."""


def test_nothing_is_remembered_at_first(tmp_path: Path) -> None:
    assert preferences.load(tmp_path / preferences.FILE) == {}


def test_what_was_saved_last_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / preferences.FILE
    preferences.save(path, {"epochs": 3})
    preferences.save(path, {"epochs": 4, "theme": "mnist-light", "stop_on_nan": False, "learning_rate": 0.5})
    assert preferences.load(path) == {"epochs": 4, "theme": "mnist-light", "stop_on_nan": False, "learning_rate": 0.5}


def test_config_toml_is_read_once_and_never_written(tmp_path: Path) -> None:
    path, config = tmp_path / preferences.FILE, tmp_path / "config.toml"
    config.write_text(USERS)
    assert preferences.load(path) == {"epochs": 3, "theme": "mnist-light"}
    preferences.save(path, {"epochs": 5})
    assert preferences.load(path) == {"epochs": 5}
    assert config.read_text() == USERS


def test_what_was_added_at_the_end_of_config_toml_counts() -> None:
    paths.config_file().write_text(USERS)
    assert paths.settings()["keras_python"] == "/opt/keras/bin/python"


@pytest.mark.parametrize("content", [b"epochs 3", b"\xff", 5_000 * b"["])
def test_what_can_not_be_read_is_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    assert preferences.load(tmp_path / preferences.FILE) == {}
    (tmp_path / preferences.FILE).write_bytes(content)
    assert preferences.load(tmp_path / preferences.FILE) == {}
    preferences.save(tmp_path / preferences.FILE, {"epochs": 5})
    assert preferences.load(tmp_path / preferences.FILE) == {"epochs": 5}


def test_what_can_be_used_is_used(tmp_path: Path) -> None:
    said = {"epochs": 0, "seed": 7, "framework": ["keras"], "theme": 3, "nonsense": True, "data_dir": "~/mnist"}
    settings, wrong = preferences.valid_settings(said)
    assert settings == {"seed": 7, "data_dir": str(tmp_path / "home" / "mnist")}
    assert [one.partition(" ")[0] for one in wrong] == ["epochs", "framework", "nonsense"]


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.booleans() | st.integers(0, 9) | st.text()))
def test_whatever_is_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("memory") / preferences.FILE
    preferences.save(path, settings)
    assert preferences.load(path) == settings
