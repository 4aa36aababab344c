"""Two engines beside each other: may their times be compared, who is ahead, and what several seeds say together."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from engines.config import TITLES, for_engine, meets
from engines.gpu_selection import readings_of
from engines.messages.events import GpuReading
from engines.record import Value
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.statistics import PairedAnswers, Verdict, judge_answers, judge_seeds, mean, standard_deviation


def time_badge(mode: str, devices: Mapping[str, str]) -> str:
    """Why the times of these engines, each on its device, can't be compared; empty when they can.

    Two that run at once take from each other what they share; two devices are two machines.
    """
    if len(devices) < 2:
        return ""
    lists = [device.split(",") for device in devices.values()]
    kinds = {several[0].partition(":")[0] for several in lists}
    if len(kinds) > 1:
        return f"{' and '.join(sorted(_kind(kind) for kind in kinds))}: times not comparable"
    counts = sorted({len(several) for several in lists})
    if len(counts) > 1:
        return f"{' and '.join(map(str, counts))} devices: times not comparable"
    apart = kinds != {"cpu"} and len(set().union(*lists)) == sum(counts) * len(lists)
    which = "two" if counts == [1] else "separate"
    if mode == "time-trial":
        return f"{which} GPUs: times barely comparable" if apart else ""
    if apart:
        return f"{which} GPUs, shared CPU: times barely comparable"
    return f"shared {_kind(*kinds)}: times not comparable"


def _kind(device: str) -> str:
    return "CPU" if device == "cpu" else "GPU"


def badge(histories: Mapping[str, RunHistory]) -> str:
    """`time_badge` of what runs, or ran last."""
    runs = {engine: h for engine, h in histories.items() if h.config is not None}
    mode = next((h.config.mode for h in runs.values() if h.config), "race")
    return time_badge(mode, {engine: device_of(h) for engine, h in runs.items()})


def device_of(history: RunHistory) -> str:
    """Where it trains, or is going to: "cpu" or "cuda:N", or a comma list of such."""
    if history.started is not None:
        return history.started.device
    wanted = for_engine(history.config, history.engine).device if history.config else "auto"
    gpus = [device.id for device in history.devices if device.usable and device.id != "cpu"]
    if wanted == "all":
        return ",".join(gpus) or wanted
    return next(iter(gpus), "cpu") if wanted == "auto" else wanted


def verdict(histories: Mapping[str, RunHistory]) -> Verdict | None:
    """Who is ahead on the test digits; None while they train, and when the two are not comparable."""
    pair = [h for h in histories.values() if h.evaluations and not h.running]
    if len(pair) != 2 or pair[0].config is None or pair[1].config is None:
        return None
    a, b = (h.evaluations[-1] for h in pair)
    if a.global_step != b.global_step or pair[0].config.seed != pair[1].config.seed:
        return None
    answers = compare_answers(*pair)
    first, second = (f"this {TITLES.get(h.engine, h.engine)} network" for h in pair)
    return judge_answers((first, second), answers) if answers is not None else None


def compare_answers(first: RunHistory, second: RunHistory) -> PairedAnswers | None:
    """Compare the answers of the last evaluations; None where the two were not tested on the same digits."""
    same_digits = first.data and second.data and first.data.sha256 == second.data.sha256
    if not first.evaluations or not second.evaluations or not same_digits:
        return None
    a, b = ({i: predicted for i, _, predicted in h.evaluations[-1].mistakes} for h in (first, second))
    return PairedAnswers(
        only_first=len(b.keys() - a.keys()),
        only_second=len(a.keys() - b.keys()),
        differ=sum(a.get(i) != b.get(i) for i in a.keys() | b.keys()),
    )


def energy_joules(
    history: RunHistory, machine: MachineHistory, others: Collection[RunHistory], now: float | None = None
) -> tuple[float | None, str]:
    """What its GPUs took from the first step to its end, or to `now`, and why that is not known when it is not."""
    ended = history.ended_t if history.ended_t is not None else now
    if history.started is None or ended is None:
        return None, "the run has not ended"
    own = gpus_of(history, machine)
    if not own:
        kind = {"cpu": "a CPU's energy is not measured", "cuda": "the GPU's power is not known"}
        return None, kind.get(re.split("[:,]", history.started.device)[0], "the device's energy is not measured")
    began, indices = history.started.t, {one.index for one in own}
    for one in others:
        beside = one is not history and indices & {other.index for other in gpus_of(one, machine)}
        if beside and one.started and one.started.t < ended and (one.ended_t or ended) > began:
            return None, "the GPU was shared"
    if any(one.slices for one in own):
        return None, "a part of a GPU has no counter of its own"
    joules = [machine.gpus[index].energy_joules(began, ended) if index in machine.gpus else None for index in indices]
    known = [one for one in joules if one is not None]
    return (sum(known), "") if len(known) == len(own) else (None, "the GPU's power is not known")


def gpus_of(history: RunHistory, machine: MachineHistory) -> list[GpuReading]:
    """Those that it trains on, as the driver read them last; none on a CPU, and where the driver knows nothing of them."""
    if history.started is None or machine.usage is None:
        return []
    known = history.introduced.devices if history.introduced else ()
    return readings_of(history.started.device, known, machine.usage.gpus)


class Lead(Value, kw_only=False):
    """Who is ahead in a race. Places are compared by steps, gaps in seconds since each was asked for."""

    engine: str
    steps: int
    seconds: float
    """Ago that the leader stood where the other stands now."""
    changes: int
    """How often the lead has changed hands, by more than CLEAR_SECONDS each time."""


CLEAR_SECONDS = 0.2
"""A lead shorter than this has not changed hands: both report only some twenty times a second."""


def lead(a: RunHistory, b: RunHistory) -> Lead | None:
    """None before both have made a step."""
    import numpy as np

    if not (len(a.step_seconds) and len(b.step_seconds)):
        return None
    (steps_a, seconds_a), (steps_b, seconds_b) = (
        (np.array(h.step_seconds.xs), np.array(h.step_seconds.ys)) for h in (a, b)
    )
    both = np.union1d(steps_a, steps_b)
    both = both[(both <= min(steps_a[-1], steps_b[-1])) & (both >= max(steps_a[0], steps_b[0]))]
    behind = np.interp(both, steps_a, seconds_a) - np.interp(both, steps_b, seconds_b)  # above 0: b was there first
    clear = np.sign(behind[np.abs(behind) > CLEAR_SECONDS])
    changes = int(np.count_nonzero(np.diff(clear)))
    first, second = sorted((a, b), key=lambda h: (-h.global_step, h.step_seconds.last or (0.0, 0.0)))
    was_there = float(np.interp(second.global_step, first.step_seconds.xs, first.step_seconds.ys))
    last = second.step_seconds.last or (0.0, 0.0)
    return Lead(first.engine, first.global_step - second.global_step, max(last[1] - was_there, 0.0), changes)


def reached(history: RunHistory) -> bool:
    """Whether the run ended by itself, and well enough for its target."""
    ended = history.finished is not None and history.finished.outcome not in ("stopped", "diverged")
    best = max((one.accuracy for one in history.evaluations), default=0.0)
    return ended and meets(best, 100 * (history.target or 0.0))


class Result(Value, kw_only=False):
    """How one engine's run of one seed ended."""

    seed: int
    right: int
    """Of the n test digits."""
    n: int
    steps: int
    train_seconds: float


@dataclass(slots=True)
class Series:
    """The results of several seeds, engine by engine."""

    results: dict[str, list[Result]] = field(default_factory=dict)
    ended: int = 0
    missed: int = 0
    """Runs that failed, were stopped, or did not reach their target."""

    def take(self, history: RunHistory) -> None:
        """Count a run that ended; one that was stopped or diverged says nothing of its engine's other seeds."""
        self.ended += 1
        self.missed += not reached(history)
        ended = history.finished
        if (
            ended is None
            or ended.outcome in ("stopped", "diverged")
            or history.test_interval is None
            or history.config is None
        ):
            return
        last = history.evaluations[-1]
        n = sum(last.confusion)
        one = Result(history.config.seed, n - len(last.mistakes), n, last.global_step, ended.train_seconds)
        self.results.setdefault(history.engine, []).append(one)
        self.results = {engine: self.results[engine] for engine in sorted(self.results, key=_shown_order)}

    def lines(self) -> list[str]:
        """For people: each engine's mean and standard deviation, and the verdict over the seeds that both finished."""
        import statistics  # not before the first paint

        out = []
        for engine, results in self.results.items():
            if len(results) > 1:
                accuracies = [100 * one.right / one.n for one in results]
                seconds = [one.train_seconds for one in results]
                out.append(
                    f"{TITLES.get(engine, engine)} over {len(results)} seeds: test accuracy {mean(accuracies):.3f} ±"
                    f" {standard_deviation(accuracies):.3f} % (median {statistics.median(accuracies):.2f}, {min(accuracies):.2f} to"
                    f" {max(accuracies):.2f}), training {mean(seconds):.1f} ± {standard_deviation(seconds):.1f} s"
                )
        said = self.verdict()
        return [*out, f"{said.text} ({said.why})"] if said else out

    def verdict(self) -> Verdict | None:
        """Over the seeds that both trained equally long; None for fewer than two."""
        if len(self.results) != 2:
            return None
        (a, first), (b, second) = ((TITLES.get(e, e), {one.seed: one for one in r}) for e, r in self.results.items())
        both = first.keys() & second.keys()
        seeds = sorted(seed for seed in both if first[seed].steps == second[seed].steps)
        if len(seeds) < 2 or len({r[seed].n for r in (first, second) for seed in seeds}) != 1:
            return None
        right = [first[seed].right for seed in seeds], [second[seed].right for seed in seeds]
        return judge_seeds((a, b), right, first[seeds[0]].n)


def _shown_order(engine: str) -> int:
    return list(TITLES).index(engine) if engine in TITLES else len(TITLES)
