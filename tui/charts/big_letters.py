"""Letters and digits of seven rows, to be read from the back of a room."""

from __future__ import annotations

from functools import cache

HEIGHT = 7
"""Rows of a letter; its width is five columns, and one is blank beside it."""

_ART = (
    ("0123456789", """
 ###    #    ###   ###     #  #####  ###  #####  ###   ###
#   #  ##   #   # #   #   ##  #     #         # #   # #   #
#  ##   #       #     #  # #  ####  #         # #   # #   #
# # #   #      #    ##  #  #      # ####     #   ###   ####
##  #   #     #       # #####     # #   #   #   #   #     #
#   #   #    #    #   #    #  #   # #   #   #   #   #     #
 ###   ###  #####  ###     #   ###   ###    #    ###   ###
"""),
    ("ABCDEFGHIJ", """
 ###  ####   ###  ####  ##### #####  ###  #   #  ###    ###
#   # #   # #   # #   # #     #     #   # #   #   #      #
#   # #   # #     #   # #     #     #     #   #   #      #
##### ####  #     #   # ####  ####  # ### #####   #      #
#   # #   # #     #   # #     #     #   # #   #   #      #
#   # #   # #   # #   # #     #     #   # #   #   #   #  #
#   # ####   ###  ####  ##### #      ###  #   #  ###   ##
"""),
    ("KLMNOPQRST", """
#   # #     #   # #   #  ###  ####   ###  ####   ###  #####
#  #  #     ## ## ##  # #   # #   # #   # #   # #   #   #
# #   #     # # # # # # #   # #   # #   # #   # #       #
##    #     # # # #  ## #   # ####  #   # ####   ###    #
# #   #     #   # #   # #   # #     # # # # #       #   #
#  #  #     #   # #   # #   # #     #  #  #  #  #   #   #
#   # ##### #   # #   #  ###  #      ## # #   #  ###    #
"""),
    ("UVWXYZ.%+-", """
#   # #   # #   # #   # #   # #####       ##  #
#   # #   # #   # #   # #   #     #       ##  #   #
#   # #   # #   #  # #   # #     #           #    #
#   # #   # # # #   #     #     #           #   ##### #####
#   # #   # # # #  # #    #    #           #      #
#   #  # #  ## ## #   #   #   #      ##   #  ##   #
 ###    #   #   # #   #   #   #####  ##   #  ##
"""),
)  # fmt: skip


@cache
def _glyphs() -> dict[str, tuple[str, ...]]:
    """Cut the letters out of the art: seven rows of five columns each."""
    glyphs = {" ": (" " * 5,) * HEIGHT}
    for letters, art in _ART:
        rows = [row.ljust(6 * len(letters)) for row in art.strip("\n").split("\n")]
        for i, letter in enumerate(letters):
            glyphs[letter] = tuple(row[6 * i : 6 * i + 5] for row in rows)
    return glyphs


def big_columns(text: str, scale: int = 1) -> int:
    """Return the columns that a text needs, at `scale` columns a pixel."""
    return max(6 * len(text) - 1, 0) * scale


def big_rows(text: str, *, scale: int = 1, half: bool = False, ascii_only: bool = False) -> list[str]:
    """Draw a text in upper case, at `scale` columns a pixel: in seven rows, or with `half` in four, two pixels to a cell.

    A character without a letter is blank.
    """
    glyphs = _glyphs()
    pixels = [" ".join(glyphs.get(letter, glyphs[" "])[y] for letter in text.upper()) for y in range(HEIGHT)]
    wide = ["".join(pixel * scale for pixel in row) for row in pixels]
    if half and not ascii_only:
        blocks = {"  ": " ", "# ": "▀", " #": "▄", "##": "█"}
        lower = [*wide[1::2], " " * len(wide[0])]
        return [
            "".join(blocks[a + b] for a, b in zip(*pair, strict=True)) for pair in zip(wide[::2], lower, strict=True)
        ]
    return wide if ascii_only else [row.replace("#", "█") for row in wide]
