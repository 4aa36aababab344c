"""Compare two engines: whether their times are comparable, and which is more accurate."""

from __future__ import annotations

from collections.abc import Mapping

from engines.config import TITLES
from engines.preset_configs import for_engine
from engines.runs.history import RunHistory
from engines.runs.statistics import PairedAnswers, Verdict, judge_answers

NOT_COMPARABLE = "times not comparable"
BARELY_COMPARABLE = "times barely comparable"


def device_caveat(mode: str, devices: Mapping[str, str], jobs: int = 1) -> str:
    """Return why the times of engines on these devices are not comparable; empty when they are.

    Engines that run at once slow each other down where they share hardware, as do `jobs` that train at once; different devices are
    different machines. `devices` holds a comma list of device ids by engine.
    """
    caveat = _caveat_in_one_job(mode, devices)
    if jobs == 1 or caveat.endswith(NOT_COMPARABLE):
        return caveat
    own_gpus = all(device.startswith("cuda") for device in devices.values())
    return f"{jobs} runs at once, shared CPU: {BARELY_COMPARABLE if own_gpus else NOT_COMPARABLE}"


def _caveat_in_one_job(mode: str, devices: Mapping[str, str]) -> str:
    if len(devices) < 2:
        return ""
    lists = [device.split(",") for device in devices.values()]
    kinds = {ids[0].partition(":")[0] for ids in lists}
    if len(kinds) > 1:
        return f"{' and '.join(sorted(_device_kind(kind) for kind in kinds))}: {NOT_COMPARABLE}"
    counts = sorted({len(ids) for ids in lists})
    if len(counts) > 1:
        return f"{' and '.join(map(str, counts))} devices: {NOT_COMPARABLE}"
    separate = kinds != {"cpu"} and len(set().union(*lists)) == sum(counts) * len(lists)
    which = "two" if counts == [1] else "separate"
    if mode == "time-trial":
        return f"{which} GPUs: {BARELY_COMPARABLE}" if separate else ""
    if separate:
        return f"{which} GPUs, shared CPU: {BARELY_COMPARABLE}"
    return f"shared {_device_kind(*kinds)}: {NOT_COMPARABLE}"


def _device_kind(device: str) -> str:
    return "CPU" if device == "cpu" else "GPU"


def time_caveat(histories: Mapping[str, RunHistory]) -> str:
    """Return why the times of the current or last runs are not comparable; empty when they are."""
    runs = {engine: h for engine, h in histories.items() if h.config is not None}
    if any(
        map(_chooses_gpu, runs.values())
    ):  # each engine of a race may get a GPU of its own: wait until it has started
        return ""
    mode = next((h.config.mode for h in runs.values() if h.config), "race")
    jobs = max((h.jobs for h in runs.values()), default=1)
    return device_caveat(mode, {engine: device_of(h) for engine, h in runs.items()}, jobs)


def _chooses_gpu(history: RunHistory) -> bool:
    """Return whether an engine that has not started will choose among several GPUs."""
    gpus = [device for device in history.devices if device.usable and device.id != "cpu"]
    is_auto = history.config is not None and for_engine(history.config, history.engine).device == "auto"
    return history.started is None and is_auto and len(gpus) > 1


def device_of(history: RunHistory) -> str:
    """Return the device that an engine trains on, or will train on: "cpu", "cuda:N", or a comma list of such."""
    if history.started is not None:
        return history.started.device
    device = for_engine(history.config, history.engine).device if history.config else "auto"
    gpus = [candidate.id for candidate in history.devices if candidate.usable and candidate.id != "cpu"]
    if device == "all":
        return ",".join(gpus) or device
    return next(iter(gpus), "cpu") if device == "auto" else device


def verdict(histories: Mapping[str, RunHistory]) -> Verdict | None:
    """Return which engine is ahead on the test digits; None while they train, and when the two are not comparable."""
    pair = [h for h in histories.values() if h.tested and not h.running]
    if len(pair) != 2 or pair[0].config is None or pair[1].config is None:
        return None
    steps = {h.tested.global_step for h in pair if h.tested}
    if len(steps) > 1 or pair[0].config.seed != pair[1].config.seed:
        return None
    answers = compare_answers(*pair)
    first, second = (f"this {TITLES.get(h.engine, h.engine)} network" for h in pair)
    return judge_answers((first, second), answers) if answers is not None else None


def compare_answers(first: RunHistory, second: RunHistory) -> PairedAnswers | None:
    """Compare the answers to the test digits; None where the two were not tested on the same digits."""
    same_digits = first.data and second.data and first.data.sha256 == second.data.sha256
    if not first.tested or not second.tested or not same_digits:
        return None
    a, b = ({i: predicted for i, _, predicted in tested.mistakes} for tested in (first.tested, second.tested))
    return PairedAnswers(
        only_first=len(b.keys() - a.keys()),
        only_second=len(a.keys() - b.keys()),
        differ=sum(a.get(i) != b.get(i) for i in a.keys() | b.keys()),
    )
