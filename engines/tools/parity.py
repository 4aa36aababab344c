"""The proof that the two engines are one experiment: the same questions to both, and the differences of their answers.

Both sit the same exam (`engines/worker/parity_probe.py`) in their own worker processes: seeded weights, seeded order, dropout off,
in fp32 and on the CPU, whatever GPU a run would take.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.messages.events import Event, ExamProgress
from engines.monitors.cgroups import split_cores, usable_core_ids
from engines.supervision.one_shot import Answer, run_once
from engines.supervision.registry import EngineSpec

EXPECTED_PARAMETERS = 1_199_882
LOGITS_BAR = 1e-5
WEIGHTS_BAR = 1e-2
"""Of the largest weight change in the layer.

Rounding decides which of two almost equal values a pooling window passes on, and with it where that window's gradient goes: on
a CPU with AVX2, PyTorch in fp32 differs by 4.3e-3 from itself in fp64, elsewhere by 1e-5. Another hyperparameter differs by more.
"""
LOSS_BARS = (1e-6, 1e-4, 1e-3)
"""At steps 1, 2 and 3: Adadelta's first steps are huge, so rounding differences grow fast before both converge."""
EPOCH_LOSS_BAR = 0.02
"""Relative."""

KNOWN_DIFFERENCES = (
    "What can't match: dropout's random masks and augmentation's draws, which each framework makes itself (off here); and the order"
    " in which floating-point sums are added up inside a kernel, which also decides between almost equal values of a pooling"
    " window. Those differences start near 1e-7, grow fast over Adadelta's huge first steps, and then both runs converge again: so"
    " the losses are compared step by step at first, and as a mean at the end."
)


@dataclass(frozen=True, slots=True)
class ParityRow:
    """One comparison."""

    part: str
    """Of the proof: "Asked", "Same question", "Same model", "Same answers", "Same step", "Same epoch"."""
    what: str
    value: str
    bar: str
    """Empty for a figure that nothing hangs on."""
    passed: bool


class ParityError(Exception):
    """The proof could not be made; the message says why."""


def prove(
    specs: Sequence[EngineSpec],
    *,
    cache_dir: Path,
    seed: int,
    data_dir: str,
    dataset: str,
    whole_epoch: bool,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
    cancelled: threading.Event | None = None,
) -> list[ParityRow]:
    """Let both engines sit the exam and compare; tells (engine, steps done, steps in all). Raises ParityError."""
    import numpy as np

    cancelled = cancelled or threading.Event()
    failed = threading.Event()
    wishes = [str(seed), data_dir, dataset, "yes" if whole_epoch else "no"]

    def hear(event: Event) -> None:
        if isinstance(event, ExamProgress):
            on_progress(event.engine, event.done, event.total)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(specs)) as pool:
        papers = [Path(folder) / f"{spec.name}.npz" for spec in specs]

        def sit(spec: EngineSpec, cores: Sequence[int], paper: Path) -> Answer:
            answer = run_once(
                spec,
                ["--exam", str(paper), *wishes],
                cache_dir=cache_dir,
                cores=cores,
                cancelled=lambda: cancelled.is_set() or failed.is_set(),
                on_event=hear,
            )
            if not paper.exists():
                failed.set()  # the other need not go on
            return answer

        try:
            answers = list(pool.map(sit, specs, split_cores(usable_core_ids(), len(specs)), papers))
        finally:
            failed.set()
        if cancelled.is_set():
            raise ParityError("The proof was cancelled.")
        failures = [answer.failure_reason for answer in answers if answer.failure]
        if failures:
            raise ParityError(" ".join(dict.fromkeys(failures)))
        for spec, answer, paper in zip(specs, answers, papers, strict=True):
            if answer.exited and not paper.exists():
                raise ParityError(f"{spec.title}: {answer.failure_reason}; `mnist-tui doctor` looks closer.")
        sheets = []
        for paper in papers:
            with np.load(paper, allow_pickle=False) as archive:
                sheets.append({name: archive[name] for name in archive.files})
    return compare(sheets[0], sheets[1])


def compare(a: dict[str, Any], b: dict[str, Any]) -> list[ParityRow]:
    """The rows of the proof, from two answer sheets as the exam writes them."""
    import numpy as np

    asked = [str(sheet["framework"]) for sheet in (a, b) if "framework" in sheet]
    rows = [
        *(ParityRow("Asked", framework, "", "", True) for framework in asked),
        ParityRow("Asked", "on the CPU, in fp32", "Adadelta, dropout off", "", True),
        _equal("Same question", "digits SHA-256", a["digits_sha256"], b["digits_sha256"]),
        _equal("Same question", "batch order SHA-256", a["order_sha256"], b["order_sha256"]),
    ]
    names = [name.removeprefix("before.") for name in a if name.startswith("before.")]
    layers = {
        name.partition(".")[0]: [one for one in names if one.startswith(name.partition(".")[0])] for name in names
    }
    for layer, tensors in layers.items():
        counts = [sum(int(sheet[f"before.{one}"].size) for one in tensors) for sheet in (a, b)]
        same = all(np.array_equal(a[f"before.{one}"], b[f"before.{one}"]) for one in tensors)
        value = f"{counts[0]:,} and {counts[1]:,}"
        rows.append(ParityRow("Same model", f"{layer}: parameters, first values", value, "equal", same))
    total = [sum(int(sheet[f"before.{name}"].size) for name in names) for sheet in (a, b)]
    counted = total == [EXPECTED_PARAMETERS] * 2
    value = f"{total[0]:,} and {total[1]:,}"
    rows.append(ParityRow("Same model", "parameters in all", value, f"{EXPECTED_PARAMETERS:,}", counted))
    difference = np.abs(a["logits"] - b["logits"]).max()
    rows.append(_below("Same answers", f"logits of {len(a['logits'])} digits, difference", difference, LOGITS_BAR))
    for step, bar in enumerate(LOSS_BARS):
        difference = abs(a["losses"][step] - b["losses"][step])
        rows.append(_below("Same step", f"loss at step {step + 1}, difference", difference, bar))
    for layer, tensors in layers.items():
        change = max(np.abs(a[f"after.{one}"] - a[f"before.{one}"]).max() for one in tensors)
        difference = max(np.abs(a[f"after.{one}"] - b[f"after.{one}"]).max() for one in tensors)
        what = f"{layer} after step 1, of its change"
        rows.append(_below("Same step", what, difference / change if change else difference, WEIGHTS_BAR))
    if "epoch_loss" in a:
        losses = [float(sheet["epoch_loss"]) for sheet in (a, b)]
        right = [100 * float(np.mean(sheet["answers"] == sheet["labels"])) for sheet in (a, b)]
        relative = abs(losses[0] - losses[1]) / losses[0]
        differ = int((a["answers"] != b["answers"]).sum())
        rows += [
            _below("Same epoch", "mean loss, relative difference", relative, EPOCH_LOSS_BAR),
            ParityRow(
                "Same epoch", "mean training loss of the epoch", f"{losses[0]:.4f} and {losses[1]:.4f}", "", True
            ),
            ParityRow("Same epoch", "test accuracy after it", f"{right[0]:.2f} % and {right[1]:.2f} %", "", True),
            ParityRow("Same epoch", "test digits answered differently", f"{differ} of {len(a['answers']):,}", "", True),
        ]
    return rows


def _equal(part: str, what: str, a: Any, b: Any) -> ParityRow:
    same = str(a) == str(b)
    return ParityRow(part, what, str(a)[:16] if same else f"{str(a)[:16]} and {str(b)[:16]}", "equal", same)


def _below(part: str, what: str, value: float, bar: float) -> ParityRow:
    return ParityRow(part, what, f"{float(value):.1e}", f"≤ {bar:.0e}", bool(value <= bar))
