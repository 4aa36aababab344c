from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.api import ExportError
from tui.screencast import fonts


@pytest.fixture
def alone(tmp_path: Path, font: Any) -> Path:
    """Return a font file without its bold and italic variants."""
    path = tmp_path / "alone.ttf"
    shutil.copy(font._regular.path, path)
    return path


def test_a_font_without_variants_is_emboldened_and_slanted(alone: Path) -> None:
    font = fonts.Font(8, 16, str(alone))
    plain, bold, italic = font.draw("l", 1), font.draw("l", 1, bold=True), font.draw("l", 1, italic=True)
    assert bold.sum() > 1.3 * plain.sum()
    upright, slanted = (np.flatnonzero(mask[2:5].sum(axis=0)) for mask in (plain, italic))
    assert slanted.mean() > upright.mean()


def test_variants_beside_the_file_are_used(font: Any) -> None:
    variant = font._variant(True, False)
    if Path(font._regular.path).name != "DejaVuSansMono.ttf":
        pytest.skip("this system has another font")
    assert Path(variant.font.path).name == "DejaVuSansMono-Bold.ttf"
    assert not variant.embolden


def test_a_letter_fits_its_cell(font: Any) -> None:
    assert font._regular.getlength("W") <= 8
    mask = font.draw("W", 1)
    assert mask.shape == (16, 8)
    assert 0 < mask.max() <= 1


def test_no_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "FONTS", ("no-such-font.ttf",))
    monkeypatch.setattr(fonts, "_fontconfig", lambda pattern: "")
    with pytest.raises(ExportError, match=r"Install one \(fonts-dejavu\), or name a font file with --font"):
        fonts.Font(8, 16)


def test_fontconfig_finds_a_font_that_has_the_character(
    font: Any, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other font is asked once for each character; one without it is not used."""
    patterns: list[str] = []
    monkeypatch.setattr(fonts, "_has", lambda font, character: character != "x" or font.path != str(alone))

    def fontconfig(pattern: str) -> str:
        patterns.append(pattern)
        return str(font._regular.path)

    monkeypatch.setattr(fonts, "_fontconfig", fontconfig)
    own = fonts.Font(8, 16, str(alone))
    for _ in range(2):
        assert own.draw("x", 1).any()
    assert own._other("x", 8).path == font._regular.path
    assert patterns == [":charset=78"]
    monkeypatch.setattr(fonts, "_has", lambda font, character: False)
    assert own._other("y", 8) is own._regular


def test_fontconfig_may_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fonts._fontconfig("monospace") == ""
