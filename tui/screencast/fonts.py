"""Letters, drawn by Pillow with a monospaced font of this system."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engines.api import ExportError

FONTS = (
    "DejaVuSansMono.ttf", "LiberationMono-Regular.ttf", "NotoSansMono-Regular.ttf", "UbuntuMono-R.ttf", "Menlo.ttc",
    "SFNSMono.ttf", "Monaco.ttf",
)  # fmt: skip
"""Monospaced fonts by the names of their files, the best first; Pillow finds them in this system's folders."""
VARIANTS = {
    (True, False): ("-Bold", "-B"),
    (False, True): ("-Oblique", "-Italic", "-RI"),
    (True, True): ("-BoldOblique", "-BoldItalic", "-BI"),
}
"""Endings of the files of a font's variants, by (bold, italic)."""
SLANT = 0.2
"""Pixels to the right per row, for a font without an italic variant."""
FONTCONFIG_SECONDS = 10.0
NO_CHARACTER = "\U0010ffff"
"""A code that is no character: in its place, a font draws an empty box or the like."""


class _Variant(NamedTuple):
    font: Any
    """Pillow's font."""
    embolden: bool = False
    slant: bool = False
    """True where the font has no file for that, so that it is done here."""


class Font:
    """A monospaced font that fits a cell; characters that it lacks are drawn with another one that fontconfig knows."""

    def __init__(self, width: int, height: int, path: str = "") -> None:
        """Load the font file at `path`, or the first of FONTS that this system has, for cells of that size in pixels.

        Raises ExportError.
        """
        self._width, self._height = width, height
        self._regular = _fitted(path or _find(), width)
        ascent, descent = self._regular.getmetrics()
        self._baseline = (height + ascent - descent) // 2
        self._variants = {(False, False): _Variant(self._regular)}
        self._others: dict[str, Any] = {}

    def draw(self, text: str, cells: int, *, bold: bool = False, italic: bool = False) -> Any:
        """Return the share of each pixel, 0 to 1, that one character covers; shape (height, width of its cells)."""
        font, embolden, slant = self._variant(bold, italic)
        width, x = cells * self._width, 0.0
        if not _has(font, text[0]):
            font = self._other(text[0], width)
            x = max(round((width - font.getlength(text)) / 2), 0)
        image = Image.new("L", (width, self._height))
        ImageDraw.Draw(image).text((x, self._baseline), text, fill=255, font=font, anchor="ls")
        if slant:
            shear = (1, SLANT, -SLANT * self._baseline, 0, 1, 0)
            image = image.transform(image.size, Image.Transform.AFFINE, shear, Image.Resampling.BILINEAR)
        mask = np.asarray(image) / 255
        return np.maximum(mask, np.pad(mask, ((0, 0), (1, 0)))[:, :-1]) if embolden else mask

    def _variant(self, bold: bool, italic: bool) -> _Variant:
        if (bold, italic) not in self._variants:
            self._variants[bold, italic] = self._load_variant(bold, italic)
        return self._variants[bold, italic]

    def _load_variant(self, bold: bool, italic: bool) -> _Variant:
        path, size = Path(self._regular.path), self._regular.size
        stem = path.stem.removesuffix("-Regular").removesuffix("-R")
        for ending in VARIANTS[bold, italic]:
            file = path.with_name(f"{stem}{ending}{path.suffix}")
            if file.is_file():
                return _Variant(_load(file, size))
        return _Variant(self._regular, bold, italic)

    def _other(self, character: str, width: int) -> Any:
        """Return a font that has the character; the regular one, which draws a box, if none has."""
        if character not in self._others:
            path = _fontconfig(f":charset={ord(character):x}")
            found = _fitted(path, width, character) if path else self._regular
            self._others[character] = found if _has(found, character) else self._regular
        return self._others[character]


def _load(path: str | Path, size: float) -> Any:
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)  # the same with and without Raqm


def _find() -> str:
    """Return the path of a monospaced font of this system. Raises ExportError."""
    for name in FONTS:
        try:
            return str(_load(name, 12).path)
        except OSError:
            continue
    if path := _fontconfig("monospace:spacing=mono"):
        return path
    raise ExportError("No monospaced font was found. Install one (fonts-dejavu), or name a font file with --font.")


def _fitted(path: str, width: int, text: str = "M") -> Any:
    """Return the font in the largest size, in pixels, in which the text is at most that wide. Raises ExportError."""
    try:
        sizes = (_load(path, size) for size in range(3 * width, 3, -1))
        return next(font for font in sizes if font.getlength(text) <= width)
    except (OSError, StopIteration) as error:
        raise ExportError(f"{path} is no font file that Pillow can draw with.") from error


def _has(font: Any, character: str) -> bool:
    return bytes(font.getmask(character)) != bytes(font.getmask(NO_CHARACTER))


def _fontconfig(pattern: str) -> str:
    """Return the path of the font that fontconfig finds for a pattern; empty without fontconfig."""
    try:
        command = ["fc-match", "--format=%{file}", pattern]
        return subprocess.run(command, capture_output=True, text=True, timeout=FONTCONFIG_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
