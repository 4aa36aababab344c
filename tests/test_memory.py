"""config.toml: what the app remembers, and what it must leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui import memory

USERS = '# mine\n[pythons]\nkeras = "/opt/keras/bin/python"  # keep\n'


def test_nothing_is_remembered_at_first(tmp_path: Path) -> None:
    assert memory.load(tmp_path / "config.toml") == {}


def test_the_users_lines_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "config.toml"
    path.parent.mkdir()
    path.write_text(USERS)
    memory.save(path, {"epochs": 3})
    memory.save(path, {"epochs": 4, "theme": "mnist-light", "stop_on_nan": False, "learning_rate": 0.5})
    assert path.read_text().startswith(USERS)
    assert path.read_text().count("[remembered]") == 1
    assert memory.load(path) == {"epochs": 4, "theme": "mnist-light", "stop_on_nan": False, "learning_rate": 0.5}


def test_a_table_of_the_user_after_ours_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[remembered]\nepochs = 3\n\n" + USERS)
    memory.save(path, {"epochs": 5})
    assert 'keras = "/opt/keras/bin/python"  # keep' in path.read_text()
    assert memory.load(path) == {"epochs": 5}


def test_a_file_that_is_not_toml_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("epochs 3")
    assert memory.load(path) == {}
    with pytest.raises(ValueError, match="line 1"):
        memory.save(path, {"epochs": 5})
    assert path.read_text() == "epochs 3"


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.booleans() | st.integers(0, 9) | st.text()))
def test_whatever_is_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("memory") / "config.toml"
    memory.save(path, settings)
    assert memory.load(path) == settings
