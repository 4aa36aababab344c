"""The threads and the cores of each engine that trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engines.config import TrainConfig
from engines.monitors.cgroups import split_cores, usable_core_ids


def core_shares(configs: Mapping[str, TrainConfig], racing: Sequence[str]) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Return (threads, cores) for each engine of `configs`; all of `racing` share the usable cores equally.

    An engine with more threads than its share has cores may use all of them.
    """
    cores = usable_core_ids()
    shares = dict(zip(racing, split_cores(cores, len(racing)) if racing else (), strict=True))
    out: dict[str, tuple[int, tuple[int, ...]]] = {}
    for engine, config in configs.items():
        threads = config.threads or len(shares[engine])
        out[engine] = (threads, shares[engine] if threads <= len(shares[engine]) else cores)
    return out
