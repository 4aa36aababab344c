"""The proof that the two engines are one experiment: the same questions to both, and the differences of their answers.

Both sit the same exam (`engines/worker/exam.py`) in their own worker processes: seeded weights, seeded order, dropout off, fp32.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.events import Event, RunFailed
from engines.monitors.limits import split_cores, usable_core_ids
from engines.supervisor import EngineSpec, Supervisor

EXPECTED_PARAMETERS = 1_199_882
LOGITS_BAR = 1e-5
WEIGHTS_BAR = 1e-4
"""Of the largest weight change in the layer."""
LOSS_BARS = (1e-6, 1e-4, 1e-3)
"""At steps 1, 2 and 3: Adadelta's first steps are huge, so rounding differences grow fast before both converge."""
EPOCH_LOSS_BAR = 0.02
"""Relative."""

CANT_MATCH = (
    "Can't match: dropout's random masks (each framework draws its own; off here), and the order in which floating-point sums are"
    " added up, which differs between the convolution kernels. Such differences start near 1e-7 and grow along a run."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison."""

    what: str
    value: str
    bar: str
    passed: bool


class ParityError(Exception):
    """The proof could not be made; the message says why."""


def prove(
    specs: Sequence[EngineSpec], *, cache_dir: Path, seed: int, data_dir: str, dataset: str, whole_epoch: bool
) -> list[Row]:
    """Let both engines sit the exam and compare. Raises ParityError."""
    import numpy as np

    cores = split_cores(usable_core_ids(), len(specs))
    with tempfile.TemporaryDirectory() as folder:
        papers = [Path(folder) / f"{spec.name}.npz" for spec in specs]
        wishes = [str(seed), data_dir, dataset, "yes" if whole_epoch else "no"]
        failures: list[str] = []
        threads = [
            threading.Thread(target=_sit, args=(spec, share, [str(paper), *wishes], cache_dir, failures))
            for spec, share, paper in zip(specs, cores, papers, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise ParityError(" ".join(failures))
        answers = []
        for spec, paper in zip(specs, papers, strict=True):
            if not paper.exists():
                raise ParityError(f"{spec.title} ended without an answer; `mnist-tui doctor` looks closer.")
            with np.load(paper, allow_pickle=False) as archive:
                answers.append({name: archive[name] for name in archive.files})
    return compare(answers[0], answers[1])


def _sit(spec: EngineSpec, cores: tuple[int, ...], wishes: list[str], cache_dir: Path, failures: list[str]) -> None:
    def hear(event: Event) -> None:
        if isinstance(event, RunFailed):
            failures.append(f"{event.message} {event.hint}".strip())

    arguments = ["--exam", *wishes]
    Supervisor(spec, hear, cache_dir=cache_dir, cores=cores, threads=len(cores), arguments=arguments).run()


def compare(a: dict[str, Any], b: dict[str, Any]) -> list[Row]:
    """The rows of the proof, from two answer sheets as `sit` writes them."""
    import numpy as np

    rows = [
        _equal("digits SHA-256", a["digits_sha256"], b["digits_sha256"]),
        _equal("batch order SHA-256", a["order_sha256"], b["order_sha256"]),
    ]
    names = sorted(name.removeprefix("before.") for name in a if name.startswith("before."))
    total = [sum(int(sheet[f"before.{name}"].size) for name in names) for sheet in (a, b)]
    for name in names:
        sizes = [int(sheet[f"before.{name}"].size) for sheet in (a, b)]
        same = np.array_equal(a[f"before.{name}"], b[f"before.{name}"])
        rows.append(Row(f"{name}: parameters, first values", f"{sizes[0]:,} and {sizes[1]:,}", "equal", same))
    counted = total == [EXPECTED_PARAMETERS] * 2
    rows.append(Row("parameters in all", f"{total[0]:,} and {total[1]:,}", f"{EXPECTED_PARAMETERS:,}", counted))
    rows.append(_below("logits of 512 digits, max difference", np.abs(a["logits"] - b["logits"]).max(), LOGITS_BAR))
    for name in names:
        change = np.abs(a[f"after.{name}"] - a[f"before.{name}"]).max()
        difference = np.abs(a[f"after.{name}"] - b[f"after.{name}"]).max()
        share = difference / change if change else difference
        rows.append(_below(f"{name} after one step, difference / largest change", share, WEIGHTS_BAR))
    for step, bar in enumerate(LOSS_BARS):
        difference = abs(a["losses"][step] - b["losses"][step])
        rows.append(_below(f"loss at step {step + 1}, difference", difference, bar))
    if "epoch_loss" in a:
        relative = abs(a["epoch_loss"] - b["epoch_loss"]) / a["epoch_loss"]
        rows.append(_below("mean loss of one epoch, relative difference", relative, EPOCH_LOSS_BAR))
        right = [100 * float(np.mean(sheet["answers"] == sheet["labels"])) for sheet in (a, b)]
        rows.append(Row("test accuracy after it", f"{right[0]:.2f} % and {right[1]:.2f} %", "", True))
        rows.append(Row("test digits they disagree on", str(int((a["answers"] != b["answers"]).sum())), "", True))
    return rows


def _equal(what: str, a: Any, b: Any) -> Row:
    same = str(a) == str(b)
    return Row(what, str(a)[:16] if same else f"{str(a)[:16]} and {str(b)[:16]}", "equal", same)


def _below(what: str, value: float, bar: float) -> Row:
    return Row(what, f"{float(value):.1e}", f"≤ {bar:.0e}", bool(value <= bar))
