"""A sheet to draw a digit on, and what a network that knows MNIST has to see of it. numpy and the standard library only."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

SIZE = 28
"""Pixels on each side, as MNIST's images have."""
FINE = 4
"""Points of the sheet per pixel: NIST's forms were scanned finer than MNIST's pixels, too."""
BOX = 20
"""Pixels on each side of the box that MNIST's digits fill."""
PEN = 1.3
ERASER = 2.2
"""Radii, in pixels."""
UNDO = 100
INK = 0.05
"""Less ink than this is none, where a digit's edges are looked for."""


class Canvas:
    """What was drawn, stroke by stroke. x goes right and y down, in pixels from the sheet's corner."""

    def __init__(self) -> None:
        self._ink = np.zeros((SIZE * FINE, SIZE * FINE), np.float32)
        self._given: npt.NDArray[np.uint8] | None = None
        self._past: deque[tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8] | None]] = deque(maxlen=UNDO)

    @property
    def blank(self) -> bool:
        """Whether there is no ink on it."""
        return not bool((self._ink > INK).any())

    def begin_stroke(self) -> None:
        """Put the pen down: what follows, until the next time, is undone as one."""
        self._past.append((self._ink.copy(), self._given))

    def line(self, x0: float, y0: float, x1: float, y1: float, *, erase: bool = False) -> None:
        """Draw from one point to the other with a round pen, its edge smoothed."""
        self._given = None
        radius = ERASER if erase else PEN
        left, right = _span(min(x0, x1) - radius, max(x0, x1) + radius)
        top, bottom = _span(min(y0, y1) - radius, max(y0, y1) + radius)
        y, x = (np.mgrid[top:bottom, left:right] + 0.5) / FINE
        along_x, along_y = x1 - x0, y1 - y0
        length2 = along_x**2 + along_y**2
        part = np.clip(((x - x0) * along_x + (y - y0) * along_y) / length2, 0, 1) if length2 else 0.0
        distance = np.hypot(x - x0 - part * along_x, y - y0 - part * along_y)
        covered = np.clip((radius - distance) * FINE + 0.5, 0, 1).astype(np.float32)
        touched = self._ink[top:bottom, left:right]
        touched[:] = np.minimum(touched, 1 - covered) if erase else np.maximum(touched, covered)

    def clear(self) -> None:
        """A blank sheet; can be undone."""
        self.begin_stroke()
        self._ink[:] = 0
        self._given = None

    def set_image(self, image: npt.NDArray[np.uint8]) -> None:
        """Lay an image (28, 28) of grey values on the sheet, which is seen as it is until it is drawn upon; can be undone."""
        self.begin_stroke()
        self._ink = np.kron(image / 255, np.ones((FINE, FINE))).astype(np.float32)
        self._given = image

    def undo(self) -> None:
        """Take back the last stroke, or clearing, if there is one."""
        if self._past:
            self._ink, self._given = self._past.pop()

    def pixels(self) -> npt.NDArray[np.uint8]:
        """The sheet as grey values (28, 28)."""
        return _grey(self._ink.reshape(SIZE, FINE, SIZE, FINE).mean(axis=(1, 3)))

    def normalised(self) -> npt.NDArray[np.uint8]:
        """What a network is shown: grey values (28, 28), normalised as MNIST's digits were."""
        return self._given if self._given is not None else normalise(self._ink)


def normalise(ink: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Ink (n, n) from 0 to 1 as MNIST's images (28, 28) were made from NIST's.

    Scaled, keeping its aspect, to fit into 20x20 pixels, with grey edges; then moved, by whole pixels, so that its centre of
    mass is the centre of the image (LeCun, Cortes & Burges, "The MNIST database of handwritten digits").
    """
    rows, columns = np.flatnonzero((ink > INK).any(axis=1)), np.flatnonzero((ink > INK).any(axis=0))
    image = np.zeros((SIZE, SIZE))
    if not len(rows):
        return _grey(image)
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float64)
    height, width = (max(round(BOX * side / max(digit.shape)), 1) for side in digit.shape)
    digit = _shrink(digit.shape[0], height) @ digit @ _shrink(digit.shape[1], width).T
    y, x = (_place(digit.sum(axis=axis), side) for axis, side in ((1, height), (0, width)))
    image[y : y + height, x : x + width] = digit
    return _grey(image)


def _shrink(before: int, after: int) -> npt.NDArray[np.float64]:
    """The matrix (after, before) that takes the mean of what each new cell covers."""
    edges = np.arange(after + 1) * before / after
    cells = np.arange(before)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return np.asarray(np.clip(overlap, 0, None) * after / before)


def _place(mass: npt.NDArray[np.float64], side: int) -> int:
    """Where a digit begins so that its centre of mass lies in the middle of the image, and nothing of it outside."""
    centre = float((mass * (np.arange(side) + 0.5)).sum() / mass.sum())
    return min(max(round(SIZE / 2 - centre), 0), SIZE - side)


def _span(low: float, high: float) -> tuple[int, int]:
    """The fine points from low to high that lie on the sheet."""
    return max(int(low * FINE) - 1, 0), max(min(int(high * FINE) + 2, SIZE * FINE), 0)


def _grey(ink: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    return np.asarray(np.rint(255 * ink), np.uint8)
