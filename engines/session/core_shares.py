"""The threads and the cores of each engine that trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engines.config import TrainConfig
from engines.monitors.cgroups import split_cores, usable_core_ids
from engines.session.jobs import ONLY_JOB, Job


def core_shares(
    configs: Mapping[str, TrainConfig], racing: Sequence[str], job: Job = ONLY_JOB
) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Return (threads, cores) for each engine of `configs`; all of `racing` share the usable cores equally, in each job.

    An engine with more threads than its share has cores may use all of them. Several jobs have the threads of one: the number of
    threads decides how a framework rounds its sums, so that another number would train other weights.
    """
    if not racing:
        return {}
    cores = usable_core_ids()
    shares = split_cores(cores, len(racing) * job.count)[job.number * len(racing) :]
    alone = len(split_cores(cores, len(racing))[0])
    out: dict[str, tuple[int, tuple[int, ...]]] = {}
    for engine, config in configs.items():
        own, threads = shares[racing.index(engine)], config.threads or alone
        out[engine] = (threads, own if threads <= len(own) else cores)
    return out
