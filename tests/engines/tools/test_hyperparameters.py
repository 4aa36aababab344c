"""The table of hyperparameters matches the libraries, and shows where they differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engines.config import PRESETS
from engines.preset_configs import for_engine, from_settings
from engines.supervision.registry import EngineSpec
from engines.tools import hyperparameters
from engines.tools.hyperparameters import PresetsError, compare, tabulate
from tests.support.engines import scripted_spec
from tui.cli import arguments, main


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


@pytest.mark.framework
def test_the_table_matches_the_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    """Every optimizer and layer is the same in effect, and library-defaults holds the real defaults."""
    assert main.main(["presets", "--json"]) == 0
    tables = {preset: by_name(rows) for preset, rows in json.loads(capsys.readouterr().out).items()}
    assert set(tables) == set(PRESETS)
    for preset in ("reference", "quick", "best"):
        assert [name for name, row in tables[preset].items() if not row["same"]] == []
        config = from_settings({"preset": preset})
        for engine in ("pytorch", "keras"):
            assert tables[preset]["optimizer.learning_rate"]["values"][engine] == pytest.approx(config.learning_rate)
            assert tables[preset]["dropout2.rate"]["values"][engine] == 2 * config.dropout
    traps = tables["library-defaults"]
    differ = {name for name, row in traps.items() if not row["same"]}
    assert differ == {"optimizer.learning_rate", "optimizer.rho", "optimizer.epsilon"}
    for name in ("learning_rate", "rho", "epsilon"):
        left_alone = tables["reference"][f"optimizer.{name}"]["defaults"]
        for engine in ("pytorch", "keras"):
            trap = getattr(for_engine(from_settings({"preset": "library-defaults"}), engine), name)
            assert trap == pytest.approx(left_alone[engine]), f"{engine}'s own default of {name} has changed"
    for preset, row, expected in (
        ("quick", "schedule.warm_up", "20 % of the run"),
        ("quick", "limit_train", 24_000),
        ("best", "augment.turn", "±10°"),
        ("best", "augment.shift", "±7 %"),
    ):
        assert set(tables[preset][row]["values"].values()) == {expected}
        assert row not in tables["reference"]
    classes = tables["reference"]["optimizer.implementation"]["values"]
    assert classes == {
        "pytorch": "torch.optim.Adadelta", "keras": "keras.optimizers.Adadelta, its update replaced"
    }  # fmt: skip
    assert tables["reference"]["precision"]["defaults"] == {
        "pytorch": "TF32 on CUDA in convolutions", "keras": "TF32 on CUDA in matrix products and convolutions"
    }  # fmt: skip
    assert "Kaiming" in tables["reference"]["kernel_initializer"]["defaults"]["pytorch"]


def test_names_and_values_of_one_meaning_are_the_same() -> None:
    rows = compare(
        {
            "pytorch": {"optimizer.lr": 0.001, "optimizer.betas": [0.9, 0.99], "conv1.padding": [0, 0], "optimizer.dampening": 0},
            "keras": {"optimizer.learning_rate": 0.0010000000474974513, "optimizer.beta_1": 0.9, "optimizer.beta_2": 0.999,
                      "conv1.padding": "valid", "optimizer.ema_momentum": 0.99, "optimizer.use_ema": False},
        }
    )  # fmt: skip
    assert {row.name: row.same for row in rows} == {
        "optimizer.learning_rate": True, "optimizer.beta_1": True, "optimizer.beta_2": False, "conv1.padding": True,
        "optimizer.dampening": True, "optimizer.use_ema": True,
    }  # fmt: skip


def test_an_engine_that_does_not_start_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = EngineSpec(name="keras", title="Keras", module="x", python="/nowhere/python")
    monkeypatch.setattr(arguments, "specs", lambda _: [nowhere])
    assert main.main(["presets", "quick"]) == 1
    assert "/nowhere/python" in capsys.readouterr().err
    assert main.main(["presets", "slow"]) == 2
    assert "reference, quick, best" in capsys.readouterr().err


def test_an_import_that_never_ends_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "hang@import")
    monkeypatch.setattr(hyperparameters, "TIMEOUT_SECONDS", 1.0)
    with pytest.raises(PresetsError, match="it did not answer in time"):
        tabulate([scripted_spec()], {"quick": from_settings({})}, tmp_path)
