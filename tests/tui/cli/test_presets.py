"""The tables of hyperparameters as they are printed."""

from __future__ import annotations

import io
import sys

import pytest

from engines.tools.hyperparameters import HyperparameterRow
from tui.cli import presets


@pytest.mark.parametrize(
    ("encoding", "cells"),
    [
        ("utf-8", ("Kaiming uniform, a = √5", "uniform ±1 / √fan_in")),
        ("ascii", ("Kaiming uniform, a = sqrt(5)", "uniform +-1 / sqrt(fan_in)")),
    ],
)
def test_tables_begin_at_the_first_line_and_spell_signs_out_where_there_are_none(
    encoding: str, cells: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"pytorch": "Kaiming uniform, a = √5", "keras": "uniform ±1 / √fan_in"}
    rows = [HyperparameterRow("conv1", values, same=True)]
    monkeypatch.setattr(presets, "tabulate", lambda *_: {"quick": rows, "best": rows})
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
    presets.print_tables([], [], as_json=False)
    sys.stdout.flush()
    lines = raw.getvalue().decode(encoding).split("\n")
    assert [line.split()[0] if line else "" for line in lines] == ["quick", "conv1", "", "best", "conv1", ""]
    assert lines[1] == f"  {'conv1':28}{cells[0]:28} {cells[1]}"
    assert lines[0].index("Keras") == lines[1].index("uniform", 40)
