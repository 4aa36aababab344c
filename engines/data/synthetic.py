"""Draw digits as strokes, so that the app works fully on a machine without data.

Each digit has a few handwriting variants: strokes as control points in a unit square (x right, y down). A sample is one variant
with its points shaken, bent, slanted, rotated and stretched, joined by a smooth curve, and then placed like MNIST's digits: fitted
into 20x20 pixels with its aspect ratio, its centre of mass in the middle of 28x28 (LeCun, Cortes & Burges, "The MNIST database").
There are 70,000 samples, so training takes as much work as on MNIST.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.atomic_file import write_atomically
from engines.data.dataset import DataCancelled, Digits
from engines.data.download import Cancelled, Progress, locked

VERSION = 1
"""The version of the drawing; raise it with every change of the drawn digits."""
TRAIN_SIZE, TEST_SIZE = 60_000, 10_000
SEED = 19_981_101
SOURCE = "drawn by mnist-tui"
POINTS_PER_CURVE = 9
"""Points of a drawn curve; twice as many when it has six control points or more."""
CHUNK = 500
"""Samples that are drawn together."""

SHAKE, BEND, ASPECT, SLANT, TURN = 0.08, 0.14, 0.33, 0.33, 0.16
"""Standard deviations of the random changes: distances in the unit square, ASPECT of the logarithm, TURN in radians."""
RADIUS = (0.65, 2.1)
"""Smallest and largest radius of the pen, in pixels of the 28x28 image."""

Points = tuple[tuple[float, float], ...]

STROKES: dict[int, tuple[tuple[Points, ...], ...]] = {
    0: (
        (((0.5, 0), (0.15, 0.2), (0.05, 0.55), (0.25, 0.92), (0.55, 1), (0.85, 0.75), (0.93, 0.4), (0.75, 0.08), (0.5, 0)),),
        (((0.55, 0.03), (0.2, 0.2), (0.05, 0.6), (0.3, 0.98), (0.7, 0.9), (0.93, 0.5), (0.8, 0.12), (0.4, 0.02)),),
        (((0.45, 0), (0.25, 0.3), (0.25, 0.75), (0.5, 1), (0.72, 0.75), (0.75, 0.3), (0.55, 0), (0.4, 0.06)),),
    ),
    1: (
        (((0.5, 0), (0.5, 0.5), (0.5, 1)),),
        (((0.54, 0), (0.5, 0.5), (0.46, 1)),),
        (((0.5, 0), (0.52, 0.5), (0.5, 1)),),
        (((0.32, 0.22), (0.52, 0)), ((0.52, 0), (0.5, 0.5), (0.5, 1))),
        (((0.3, 0.2), (0.5, 0)), ((0.5, 0), (0.5, 1)), ((0.22, 1), (0.78, 1))),
    ),
    2: (
        (((0.08, 0.25), (0.35, 0.02), (0.75, 0.1), (0.8, 0.36), (0.5, 0.68), (0.08, 0.98)), ((0.08, 0.98), (0.5, 0.95), (0.95, 0.98))),
        (((0.1, 0.2), (0.45, 0), (0.8, 0.2), (0.65, 0.55), (0.3, 0.88), (0.08, 0.92), (0.2, 0.74), (0.5, 0.88), (0.95, 0.97)),),
        (((0.15, 0.1), (0.5, 0), (0.82, 0.2), (0.7, 0.5), (0.35, 0.8), (0.05, 1)), ((0.05, 1), (0.9, 0.9))),
        (((0.02, 0.35), (0.3, 0.05), (0.62, 0.12), (0.62, 0.5), (0.3, 0.9), (0.1, 0.9), (0.2, 0.72), (0.55, 0.85), (1, 0.72)),),
    ),
    3: (
        (((0.1, 0.12), (0.45, 0), (0.8, 0.18), (0.62, 0.42), (0.35, 0.48)), ((0.35, 0.48), (0.75, 0.55), (0.85, 0.8), (0.5, 1), (0.08, 0.88))),
        (((0.1, 0.05), (0.5, 0.02), (0.8, 0.05)), ((0.8, 0.05), (0.38, 0.42)), ((0.38, 0.42), (0.78, 0.52), (0.85, 0.8), (0.5, 1), (0.08, 0.9))),
        (((0.1, 0.1), (0.5, 0), (0.78, 0.2), (0.55, 0.45), (0.42, 0.48), (0.6, 0.5), (0.85, 0.72), (0.55, 1), (0.05, 0.95)),),
        (((0.2, 0.15), (0.55, 0), (0.8, 0.15), (0.6, 0.4), (0.5, 0.45), (0.7, 0.6), (0.6, 0.85), (0.3, 1), (0.0, 0.9)),),
        (((0.05, 0.2), (0.4, 0), (0.9, 0.12), (0.7, 0.38), (0.3, 0.5)), ((0.3, 0.5), (0.7, 0.5), (0.8, 0.7), (0.55, 0.95), (0.15, 1))),
    ),
    4: (
        (((0.2, 0.02), (0.1, 0.35), (0.15, 0.52), (0.5, 0.52), (0.85, 0.46)), ((0.82, 0), (0.75, 0.5), (0.68, 1))),
        (((0.15, 0), (0.12, 0.5)), ((0.12, 0.5), (0.9, 0.5)), ((0.75, 0.05), (0.72, 1))),
        (((0.65, 0), (0.05, 0.62)), ((0.05, 0.62), (0.98, 0.6)), ((0.65, 0), (0.62, 1))),
        (((0.15, 0.1), (0.1, 0.45), (0.3, 0.58), (0.6, 0.52), (0.95, 0.38)), ((0.85, 0), (0.7, 0.5), (0.6, 1))),
        (((0.12, 0.1), (0.05, 0.5), (0.35, 0.6), (0.75, 0.5)), ((0.75, 0.0), (0.75, 0.5), (0.8, 1))),
    ),
    5: (
        (((0.85, 0.02), (0.25, 0.04)), ((0.25, 0.04), (0.2, 0.44)), ((0.2, 0.44), (0.5, 0.36), (0.85, 0.6), (0.7, 0.92), (0.3, 1), (0.05, 0.88))),
        (((0.95, 0), (0.55, 0.05), (0.35, 0.12)), ((0.35, 0.12), (0.2, 0.42), (0.5, 0.48), (0.75, 0.68), (0.55, 0.96), (0.2, 1), (0.02, 0.9))),
        (((0.3, 0.05), (0.22, 0.42), (0.55, 0.4), (0.8, 0.65), (0.6, 0.95), (0.1, 0.95)), ((0.28, 0.06), (0.6, 0.08), (0.95, 0))),
        (((0.9, 0), (0.45, 0.03), (0.28, 0.3), (0.45, 0.48), (0.68, 0.65), (0.6, 0.95), (0.25, 1), (0.02, 0.85)),),
        (((1, 0), (0.5, 0.1)), ((0.5, 0.1), (0.35, 0.4), (0.6, 0.58), (0.55, 0.85), (0.25, 1), (0, 0.95))),
        (((0.85, 0.05), (0.4, 0.05)), ((0.4, 0.05), (0.3, 0.45)), ((0.3, 0.45), (0.6, 0.5), (0.7, 0.75), (0.45, 0.95), (0.05, 1))),
    ),
    6: (
        (((0.72, 0.02), (0.35, 0.25), (0.12, 0.65), (0.3, 0.97), (0.7, 0.93), (0.8, 0.7), (0.55, 0.55), (0.25, 0.68), (0.18, 0.8)),),
        (((0.5, 0), (0.25, 0.35), (0.15, 0.75), (0.4, 1), (0.75, 0.85), (0.7, 0.6), (0.4, 0.58), (0.2, 0.78)),),
        (((0.85, 0.05), (0.45, 0.12), (0.15, 0.5), (0.2, 0.9), (0.6, 0.98), (0.8, 0.72), (0.55, 0.52), (0.2, 0.62)),),
        (((0.35, 0), (0.12, 0.5), (0.2, 0.9), (0.55, 1), (0.88, 0.82), (0.75, 0.62), (0.42, 0.68), (0.3, 0.95)),),
        (((0.6, 0), (0.3, 0.4), (0.22, 0.8), (0.42, 1), (0.62, 0.85), (0.52, 0.65), (0.28, 0.75)),),
    ),
    7: (
        (((0.05, 0.06), (0.45, 0.04), (0.88, 0.04)), ((0.88, 0.04), (0.6, 0.45), (0.42, 1))),
        (((0.05, 0.05), (0.85, 0.05)), ((0.85, 0.05), (0.6, 0.5), (0.4, 1)), ((0.25, 0.52), (0.82, 0.48))),
        (((0.05, 0.2), (0.1, 0.03), (0.5, 0.06), (0.9, 0.02)), ((0.9, 0.02), (0.62, 0.4), (0.5, 1))),
        (((0.05, 0.12), (0.4, 0.02), (0.75, 0.05), (0.82, 0.25), (0.65, 0.6), (0.55, 1)),),
        (((0.05, 0.25), (0.12, 0.12), (0.5, 0.12), (0.9, 0.02)), ((0.9, 0.02), (0.6, 0.5), (0.3, 1))),
        (((0.15, 0.3), (0.18, 0.08), (0.5, 0.06), (0.8, 0.08)), ((0.8, 0.08), (0.72, 0.5), (0.6, 1)), ((0.4, 0.55), (0.95, 0.5))),
    ),
    8: (
        (((0.55, 0.48), (0.22, 0.25), (0.5, 0.02), (0.8, 0.2), (0.5, 0.5), (0.18, 0.78), (0.45, 1), (0.8, 0.8), (0.5, 0.48)),),
        (((0.82, 0.12), (0.45, 0.02), (0.25, 0.25), (0.6, 0.52), (0.78, 0.8), (0.48, 1), (0.22, 0.8), (0.5, 0.5), (0.85, 0.15)),),
        (((0.5, 0), (0.25, 0.22), (0.5, 0.46), (0.75, 0.22), (0.5, 0)), ((0.5, 0.46), (0.18, 0.74), (0.5, 1), (0.82, 0.74), (0.5, 0.46))),
        (((0.9, 0.05), (0.5, 0.08), (0.35, 0.28), (0.6, 0.5), (0.55, 0.85), (0.3, 1), (0.15, 0.82), (0.45, 0.52), (0.8, 0.25), (0.88, 0.05)),),
        (((0.85, 0.2), (0.55, 0.0), (0.3, 0.18), (0.45, 0.45), (0.58, 0.72), (0.42, 1), (0.25, 0.82), (0.5, 0.5), (0.9, 0.1)),),
        (((0.6, 0.5), (0.15, 0.3), (0.4, 0), (0.85, 0.15), (0.55, 0.5), (0.38, 0.8), (0.5, 1), (0.66, 0.85), (0.5, 0.5)),),
        (((0.7, 0.05), (0.2, 0.15), (0.35, 0.42), (0.75, 0.65), (0.7, 0.95), (0.3, 0.95), (0.3, 0.7), (0.7, 0.4), (0.85, 0.15), (0.7, 0.03)),),
    ),
    9: (
        (((0.8, 0.2), (0.5, 0.02), (0.18, 0.2), (0.25, 0.46), (0.58, 0.46), (0.8, 0.2)), ((0.8, 0.2), (0.75, 0.6), (0.68, 1))),
        (((0.78, 0.22), (0.45, 0), (0.15, 0.25), (0.4, 0.5), (0.78, 0.25)), ((0.78, 0.25), (0.75, 0.7), (0.5, 1), (0.15, 0.92))),
        (((0.82, 0.08), (0.4, 0.03), (0.15, 0.3), (0.4, 0.5), (0.75, 0.3), (0.82, 0.08)), ((0.8, 0.1), (0.7, 0.5), (0.5, 1))),
        (((0.75, 0.15), (0.4, 0.05), (0.2, 0.28), (0.5, 0.42), (0.78, 0.18), (0.72, 0.5), (0.6, 1)),),
        (((0.8, 0.12), (0.4, 0.0), (0.1, 0.22), (0.35, 0.4), (0.8, 0.15), (0.62, 0.55), (0.4, 1)),),
        (((0.7, 0.2), (0.5, 0.02), (0.3, 0.16), (0.42, 0.36), (0.68, 0.25)), ((0.68, 0.25), (0.68, 0.6), (0.66, 1))),
        (((0.85, 0.05), (0.35, 0.05), (0.15, 0.3), (0.45, 0.45), (0.8, 0.25)), ((0.85, 0.05), (0.78, 0.5), (0.74, 1))),
    ),
}  # fmt: skip


def load_drawn(cache_dir: Path, on_progress: Progress, cancelled: Cancelled) -> Digits:
    """Load the drawn digits from the cache, or draw them now; works without a cache, too. Raises DataCancelled."""
    folder = cache_dir / "drawn"
    path = folder / f"v{VERSION}-{TRAIN_SIZE}-{TEST_SIZE}.npz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", cancelled):
            digits = _read_cache(path)
            if digits is None:
                digits = _draw_all(on_progress, cancelled)
                with contextlib.suppress(OSError):  # a full cache: they are drawn again next time
                    _write_cache(digits, path)
            return digits
    except OSError:
        return _draw_all(on_progress, cancelled)


def _draw_all(on_progress: Progress, cancelled: Cancelled) -> Digits:
    images, labels = draw(TRAIN_SIZE + TEST_SIZE, SEED, on_progress, cancelled)
    train, test = slice(None, TRAIN_SIZE), slice(TRAIN_SIZE, None)
    return Digits(images[train], labels[train], images[test], labels[test], dataset="drawn", source=SOURCE)


def _read_cache(path: Path) -> Digits | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = [archive[name] for name in ("x_train", "y_train", "x_test", "y_test")]
    except Exception:  # missing or damaged: it is only a cache, so draw again
        return None
    shapes = [(TRAIN_SIZE, 28, 28), (TRAIN_SIZE,), (TEST_SIZE, 28, 28), (TEST_SIZE,)]
    if any(array.dtype != np.uint8 or array.shape != shape for array, shape in zip(arrays, shapes, strict=True)):
        return None
    return Digits(arrays[0], arrays[1], arrays[2], arrays[3], dataset="drawn", source=SOURCE)


def _write_cache(digits: Digits, path: Path) -> None:
    arrays: dict[str, Any] = {
        "x_train": digits.train_images,
        "y_train": digits.train_labels,
        "x_test": digits.test_images,
        "y_test": digits.test_labels,
    }
    write_atomically(path, lambda temp: np.savez(temp, **arrays))


def draw(
    count: int, seed: int, on_progress: Progress, cancelled: Cancelled
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Draw digits: images (count, 28, 28) and labels (count,), the same for the same seed. Raises DataCancelled."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count).astype(np.uint8)
    variants = random.integers(0, 1 << 30, count)
    images = np.zeros((count, 28, 28), np.uint8)
    done = 0
    for digit, shapes in STROKES.items():
        for number, strokes in enumerate(shapes):
            group = np.flatnonzero((labels == digit) & (variants % len(shapes) == number))
            for first in range(0, len(group), CHUNK):
                if cancelled():
                    raise DataCancelled
                chunk = group[first : first + CHUNK]
                images[chunk] = _render(strokes, len(chunk), random)
                done += len(chunk)
                on_progress(done * 784, count * 784, SOURCE)
    return images, labels


def _render(strokes: tuple[Points, ...], n: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw n samples of one variant: shape (n, 28, 28)."""
    counts = [len(stroke) for stroke in strokes]
    points = np.repeat(np.concatenate([np.array(stroke) for stroke in strokes])[None], n, axis=0) - 0.5
    shake = random.normal(0, SHAKE, points.shape)
    ends = np.cumsum(counts)
    for k, stroke in enumerate(strokes[1:], start=1):  # strokes that touch still touch
        if stroke[0] == strokes[k - 1][-1]:
            shake[:, ends[k - 1]] = shake[:, ends[k - 1] - 1]
    points = _distort(points + shake, random)
    starts, stops = [], []
    for k, size in enumerate(counts):
        curve = _curve(points[:, ends[k] - size : ends[k]])
        starts.append(curve[:, :-1])
        stops.append(curve[:, 1:])
    return _ink(np.concatenate(starts, axis=1), np.concatenate(stops, axis=1), random)


def _distort(points: npt.NDArray[np.float64], random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Bend, stretch, slant and rotate each sample of (n, points, 2) at random."""
    n = len(points)
    phase = random.uniform(0, 2 * np.pi, (n, 1, 2))
    bend = random.normal(0, BEND, (n, 1, 2))
    points = points + bend * np.sin(random.uniform(2.0, 7.0, (n, 1, 2)) * points[:, :, ::-1] + phase)
    aspect = np.exp(random.normal(-0.15, ASPECT, n))
    slant, turn = random.normal(0.2, SLANT, n), random.normal(0, TURN, n)
    x, y = points[..., 0] * aspect[:, None], points[..., 1]
    x = x - slant[:, None] * y
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    return np.stack((cos * x - sin * y, sin * x + cos * y), axis=-1)


def _curve(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sample a Catmull-Rom curve through the control points (n, k, 2); a stroke of two points is a line."""
    k = points.shape[1]
    if k == 2:
        return points
    padded = np.concatenate((2 * points[:, :1] - points[:, 1:2], points, 2 * points[:, -1:] - points[:, -2:-1]), axis=1)
    positions = np.linspace(0, k - 1, POINTS_PER_CURVE if k < 6 else 2 * POINTS_PER_CURVE)
    i = np.minimum(positions.astype(int), k - 2)
    t = (positions - i)[None, :, None]
    a, b, c, d = (padded[:, i + j] for j in range(4))
    curve: npt.NDArray[np.float64] = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    return curve


def _ink(
    starts: npt.NDArray[np.float64], stops: npt.NDArray[np.float64], random: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Draw segments (n, s, 2) as grey images (n, 28, 28), placed like MNIST's digits."""
    n = len(starts)
    radius = random.uniform(*RADIUS, n)
    both = np.concatenate((starts, stops), axis=1)
    low, high = both.min(axis=1), both.max(axis=1)
    scale = (20.0 - 2 * radius) / np.maximum((high - low).max(axis=1), 1e-6)
    length = np.linalg.norm(stops - starts, axis=-1, keepdims=True) + 1e-9
    mass = ((starts + stops) / 2 * length).sum(axis=1) / length.sum(axis=1)
    a = ((starts - mass[:, None]) * scale[:, None, None] + 13.5).astype(np.float32)
    b = ((stops - mass[:, None]) * scale[:, None, None] + 13.5).astype(np.float32)
    grid = np.arange(28, dtype=np.float32)
    x, y = grid[None, None, :], grid[None, :, None]
    nearest = np.full((n, 28, 28), 1e3, np.float32)
    for s in range(a.shape[1]):
        ax, ay = a[:, s, 0, None, None], a[:, s, 1, None, None]
        ux, uy = b[:, s, 0, None, None] - ax, b[:, s, 1, None, None] - ay
        squared = np.maximum(ux * ux + uy * uy, 1e-6)
        dx, dy = x - ax, y - ay
        t = np.clip((dx * (ux / squared)) + (dy * (uy / squared)), 0.0, 1.0)
        np.minimum(nearest, (dx - t * ux) ** 2 + (dy - t * uy) ** 2, out=nearest)
    depth = radius.astype(np.float32)[:, None, None] + 0.5 - np.sqrt(nearest)
    ink = np.clip(depth, 0.0, 1.0) * random.uniform(0.85, 1.0, (n, 1, 1)).astype(np.float32)
    grey: npt.NDArray[np.uint8] = (ink * 255).astype(np.uint8)
    return grey
