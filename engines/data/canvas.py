"""A canvas to draw a digit on, and its normalisation to an image like MNIST's. numpy and the standard library only."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

SIZE = 28
"""Pixels on each side of an image, as in MNIST."""
POINTS_PER_PIXEL = 4
"""Points of the canvas on each side of a pixel: NIST's scans were finer than MNIST's pixels, too."""
BOX = 20
"""Pixels on each side of the box that MNIST's digits fill."""
PEN_RADIUS, ERASER_RADIUS = 1.3, 2.2
"""Radii in pixels."""
UNDO_STEPS = 100
MIN_INK = 0.05
"""Ink up to this does not count when a digit's edges are searched."""


class Canvas:
    """A drawing, stroke by stroke. x goes right and y down, in pixels from the top left corner."""

    def __init__(self) -> None:
        side = SIZE * POINTS_PER_PIXEL
        self._ink = np.zeros((side, side), np.float32)
        """Ink from 0 to 1."""
        self._image: npt.NDArray[np.uint8] | None = None
        """The image of `set_image`, until it is drawn upon."""
        self._undo: deque[tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8] | None]] = deque(maxlen=UNDO_STEPS)

    @property
    def blank(self) -> bool:
        """True while there is no ink."""
        return not bool((self._ink > MIN_INK).any())

    def begin_stroke(self) -> None:
        """Start a stroke: the lines until the next one are undone together."""
        self._undo.append((self._ink.copy(), self._image))

    def line(self, x0: float, y0: float, x1: float, y1: float, *, erase: bool = False) -> None:
        """Draw from one point to the other with a round pen with a smooth edge. The first line on a shown image replaces it."""
        if self._image is not None and not erase:
            self._ink[:] = 0
        self._image = None
        radius = ERASER_RADIUS if erase else PEN_RADIUS
        left, right = _span(min(x0, x1) - radius, max(x0, x1) + radius)
        top, bottom = _span(min(y0, y1) - radius, max(y0, y1) + radius)
        y, x = (np.mgrid[top:bottom, left:right] + 0.5) / POINTS_PER_PIXEL
        dx, dy = x1 - x0, y1 - y0
        squared = dx**2 + dy**2
        part = np.clip(((x - x0) * dx + (y - y0) * dy) / squared, 0, 1) if squared else 0.0
        distance = np.hypot(x - x0 - part * dx, y - y0 - part * dy)
        covered = np.clip((radius - distance) * POINTS_PER_PIXEL + 0.5, 0, 1).astype(np.float32)
        touched = self._ink[top:bottom, left:right]
        touched[:] = np.minimum(touched, 1 - covered) if erase else np.maximum(touched, covered)

    def clear(self) -> None:
        """Erase everything; can be undone."""
        self.begin_stroke()
        self._ink[:] = 0
        self._image = None

    def set_image(self, image: npt.NDArray[np.uint8]) -> None:
        """Show an image (28, 28) of grey values, which a network sees unchanged until a line is drawn; can be undone."""
        self.begin_stroke()
        self._ink = np.kron(image / 255, np.ones((POINTS_PER_PIXEL, POINTS_PER_PIXEL))).astype(np.float32)
        self._image = image

    def undo(self) -> None:
        """Undo the last stroke, image or clearing, if there is one."""
        if self._undo:
            self._ink, self._image = self._undo.pop()

    def pixels(self) -> npt.NDArray[np.uint8]:
        """Return the drawing as grey values (28, 28)."""
        return _grey(self._ink.reshape(SIZE, POINTS_PER_PIXEL, SIZE, POINTS_PER_PIXEL).mean(axis=(1, 3)))

    def normalised(self) -> npt.NDArray[np.uint8]:
        """Return the input of a network: grey values (28, 28), normalised as MNIST's digits were."""
        return self._image if self._image is not None else normalise(self._ink)


def normalise(ink: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Turn ink (n, n) from 0 to 1 into an image (28, 28), as MNIST's images were made from NIST's.

    Scale it, keeping its aspect ratio, to fit into 20x20 pixels, with grey edges; then move it, by whole pixels, so that its centre
    of mass is the centre of the image (LeCun, Cortes & Burges, "The MNIST database of handwritten digits").
    """
    rows, columns = np.flatnonzero((ink > MIN_INK).any(axis=1)), np.flatnonzero((ink > MIN_INK).any(axis=0))
    image = np.zeros((SIZE, SIZE))
    if not len(rows):
        return _grey(image)
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float64)
    height, width = (max(round(BOX * side / max(digit.shape)), 1) for side in digit.shape)
    digit = _shrink(digit.shape[0], height) @ digit @ _shrink(digit.shape[1], width).T
    y, x = (_offset(digit.sum(axis=axis), side) for axis, side in ((1, height), (0, width)))
    image[y : y + height, x : x + width] = digit
    return _grey(image)


def _shrink(before: int, after: int) -> npt.NDArray[np.float64]:
    """Return the matrix (after, before) that averages the cells under each new cell."""
    edges = np.arange(after + 1) * before / after
    cells = np.arange(before)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return np.asarray(np.clip(overlap, 0, None) * after / before)


def _offset(mass: npt.NDArray[np.float64], side: int) -> int:
    """Return the first pixel of a digit whose centre of mass is in the middle of the image, and which lies inside it."""
    centre = float((mass * (np.arange(side) + 0.5)).sum() / mass.sum())
    return min(max(round(SIZE / 2 - centre), 0), SIZE - side)


def _span(low: float, high: float) -> tuple[int, int]:
    """Return the range of points from low to high, in pixels, that lies on the canvas."""
    side = SIZE * POINTS_PER_PIXEL
    return max(int(low * POINTS_PER_PIXEL) - 1, 0), max(min(int(high * POINTS_PER_PIXEL) + 2, side), 0)


def _grey(ink: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    return np.asarray(np.rint(255 * ink), np.uint8)
