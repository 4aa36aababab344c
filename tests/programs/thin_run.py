"""Write a saved run small, as a record that later versions must read: `python -m tests.programs.thin_run RUN TO`.

Its checkpoints keep their names, shapes, types and metadata, but of the network only a few channels and units; the other values
become zeros, which compress to 50 kB instead of 14 MB. Paths of this machine become relative.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from engines.experiment.arrays import load_arrays

CHANNELS, UNITS = 2, 8
"""Output channels of the second convolution and units of the first dense layer that stay."""


def thin(source: Path, target: Path) -> None:
    """Write the small form of a checkpoint."""
    arrays = load_arrays(source)
    for name, value in arrays.items():
        if value.ndim > 1:
            arrays[name] = np.where(kept(value.shape), value, np.zeros_like(value))
    np.savez_compressed(target, **arrays)


def kept(shape: tuple[int, ...]) -> Any:
    """Return 1 where the values of an array stay, else 0, in the layouts of both frameworks."""
    feature = np.arange(9216)
    of_channel = (feature % 64 < CHANNELS) | (
        feature // 144 < CHANNELS
    )  # height, width, channel; channel, height, width
    mask = np.ones(shape, np.uint8)
    match shape:
        case (3, 3, 32, 64):
            mask[..., CHANNELS:] = 0
        case (64, 32, 3, 3):
            mask[CHANNELS:] = 0
        case (9216, 128):
            mask[:] = np.outer(of_channel, np.arange(128) < UNITS)
        case (128, 9216):
            mask[:] = np.outer(np.arange(128) < UNITS, of_channel)
    return mask


def relative(text: str, run: Path) -> str:
    """Replace the folders of this machine in a record."""
    config = next(iter(json.loads((run / "config.json").read_text())["engines"].values()))
    for folder, name in ((config["data_dir"], "digits"), (str(run.parent), "runs"), (sys.executable, "python")):
        text = text.replace(folder, name) if folder else text
    return text


if __name__ == "__main__":
    run, to = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    to.mkdir(parents=True)
    for name in ("config.json", "events.jsonl", "summary.json"):
        (to / name).write_text(relative((run / name).read_text(), run))
    for checkpoint in sorted(run.glob("*.npz")):
        thin(checkpoint, to / checkpoint.name)
