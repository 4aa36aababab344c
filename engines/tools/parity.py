"""The proof that the two engines run one experiment: both do the same work, and their results are compared.

Each runs `engines/worker/parity_probe.py` in a worker process of its own: seeded weights, seeded order, dropout off, in fp32 and on
the CPU, whatever GPU a run would use.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.messages.events import Event, ExamProgress
from engines.monitors.cgroups import split_cores, usable_core_ids
from engines.supervision.one_shot import Answer, run_once
from engines.supervision.registry import EngineSpec

Results = Mapping[str, Any]
"""An engine's results by name: arrays, as the parity probe writes them."""

EXPECTED_PARAMETERS = 1_199_882
LOGITS_TOLERANCE = 1e-5
WEIGHTS_TOLERANCE = 1e-2
"""Largest difference of a layer's weights, as a fraction of that layer's largest weight change.

Rounding decides which of two almost equal values a pooling window passes on, and with it where that window's gradient goes: on
a CPU with AVX2, PyTorch in fp32 differs by 4.3e-3 from itself in fp64, elsewhere by 1e-5. Another hyperparameter differs by more.
"""
LOSS_TOLERANCES = (1e-6, 1e-4, 1e-3)
"""Tolerances at steps 1, 2 and 3: Adadelta's first steps are huge, so rounding differences grow fast before both converge."""
PARTINGS = (1e-5, 1e-4, 1e-3)
"""Differences of the loss for which the proof names the first step that has them."""
EPOCH_LOSS_TOLERANCE = 0.02
"""Largest relative difference of the epoch's mean loss."""

KNOWN_DIFFERENCES = (
    "Two things can't match: the random draws of dropout and augmentation, which each framework makes itself (both are off here);"
    " and the order in which a kernel adds up floating-point sums, which also decides between almost equal values in a pooling"
    " window. Those differences start near 1e-7, grow fast over Adadelta's huge first steps, and shrink as both runs converge."
    " So the losses are compared step by step at first, and as a mean at the end."
)


@dataclass(frozen=True, slots=True)
class ParityRow:
    """One comparison of the two engines, or a figure beside them."""

    part: str
    """The part of the proof: "Setup", "Same input", "Same model", "Same output", "Same step" or "Same epoch"."""
    what: str
    value: str
    tolerance: str
    """The condition that `value` must meet; empty for a figure that is not checked."""
    passed: bool


RECORDED_PROOF = Path(__file__).with_name("recorded_parity.json")
"""The rows of a proof as `mnist-tui parity --json` printed them; the first ones name the versions."""


class ParityError(Exception):
    """The proof could not be made; the message says why."""


def recorded_proof() -> list[ParityRow]:
    """Return the rows of the proof that is shipped."""
    return [ParityRow(**row) for row in json.loads(RECORDED_PROOF.read_text(encoding="utf-8"))["rows"]]


def prove(
    specs: Sequence[EngineSpec],
    *,
    cache_dir: Path,
    seed: int,
    data_dir: str,
    dataset: str,
    full_epoch: bool,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
    cancelled: threading.Event | None = None,
) -> list[ParityRow]:
    """Run the parity probe in both engines and compare the results. Raises ParityError.

    `on_progress` gets (engine, steps done, steps in all), in the engines' threads.
    """
    cancelled = cancelled or threading.Event()
    arguments = [str(seed), data_dir, dataset, "yes" if full_epoch else "no"]
    with tempfile.TemporaryDirectory() as folder:
        result_paths = [Path(folder) / f"{spec.name}.npz" for spec in specs]
        answers = _run_probes(specs, result_paths, arguments, cache_dir, on_progress, cancelled)
        if cancelled.is_set():
            raise ParityError("The proof was cancelled.")
        failures = [answer.failure_reason for answer in answers if answer.failure]
        if failures:
            raise ParityError(" ".join(dict.fromkeys(failures)))
        for spec, answer, path in zip(specs, answers, result_paths, strict=True):
            if answer.exited and not path.exists():
                advice = answer.hint or "`mnist-tui doctor` checks it in detail."
                raise ParityError(f"{spec.title}: {answer.exit_reason}. {advice}")
        first, second = map(_read_results, result_paths)
    return compare(first, second)


def _run_probes(
    specs: Sequence[EngineSpec],
    result_paths: Sequence[Path],
    arguments: Sequence[str],
    cache_dir: Path,
    on_progress: Callable[[str, int, int], None],
    cancelled: threading.Event,
) -> list[Answer]:
    """Run the probe in all engines at once, each on its own cores; one that fails stops the others."""
    failed = threading.Event()

    def on_event(event: Event) -> None:
        if isinstance(event, ExamProgress):
            on_progress(event.engine, event.done, event.total)

    def run(spec: EngineSpec, cores: Sequence[int], path: Path) -> Answer:
        answer = run_once(
            spec,
            ["--exam", str(path), *arguments],
            cache_dir=cache_dir,
            cores=cores,
            cancelled=lambda: cancelled.is_set() or failed.is_set(),
            on_event=on_event,
        )
        if not path.exists():
            failed.set()
        return answer

    with ThreadPoolExecutor(len(specs)) as pool:
        try:
            return list(pool.map(run, specs, split_cores(usable_core_ids(), len(specs)), result_paths))
        finally:
            failed.set()  # after an exception here, the pool must not wait for the workers


def _read_results(path: Path) -> Results:
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def compare(a: Results, b: Results) -> list[ParityRow]:
    """Compare the results of two engines; return the rows of the proof."""
    rows = [*_setup_rows(a, b), *_input_rows(a, b), *_model_rows(a, b), *_output_rows(a, b), *_step_rows(a, b)]
    return rows + (_epoch_rows(a, b) if "epoch_loss" in a else [])


def _setup_rows(a: Results, b: Results) -> list[ParityRow]:
    frameworks = [str(results["framework"]) for results in (a, b) if "framework" in results]
    return [
        *(_figure("Setup", framework, "") for framework in frameworks),
        _figure("Setup", "on the CPU, in fp32", "Adadelta, dropout off"),
    ]


def _input_rows(a: Results, b: Results) -> list[ParityRow]:
    return [
        _equal("Same input", "digits SHA-256", a["digits_sha256"], b["digits_sha256"]),
        _equal("Same input", "batch order SHA-256", a["order_sha256"], b["order_sha256"]),
    ]


def _model_rows(a: Results, b: Results) -> list[ParityRow]:
    import numpy as np

    rows, totals = [], [0, 0]
    for layer, tensors in _layers(a).items():
        counts = [sum(int(results[f"before.{name}"].size) for name in tensors) for results in (a, b)]
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        same = all(np.array_equal(a[f"before.{name}"], b[f"before.{name}"]) for name in tensors)
        value = f"{counts[0]:,} and {counts[1]:,}"
        rows.append(ParityRow("Same model", f"{layer}: parameters, first values", value, "equal", same))
    value, expected = f"{totals[0]:,} and {totals[1]:,}", f"{EXPECTED_PARAMETERS:,}"
    return [*rows, ParityRow("Same model", "parameters in all", value, expected, totals == [EXPECTED_PARAMETERS] * 2)]


def _output_rows(a: Results, b: Results) -> list[ParityRow]:
    import numpy as np

    difference = np.abs(a["logits"] - b["logits"]).max()
    what = f"logits of {len(a['logits'])} digits, difference"
    return [_at_most("Same output", what, difference, LOGITS_TOLERANCE)]


def _step_rows(a: Results, b: Results) -> list[ParityRow]:
    import numpy as np

    rows = []
    for step, tolerance in enumerate(LOSS_TOLERANCES):
        difference = abs(a["losses"][step] - b["losses"][step])
        rows.append(_at_most("Same step", f"loss at step {step + 1}, difference", difference, tolerance))
    partings = ", ".join(f"{parting:.0e}" for parting in PARTINGS)
    rows.append(
        _figure("Same step", f"losses apart by {partings} from step", ", ".join(_first_steps(a["losses"], b["losses"])))
    )
    for layer, tensors in _layers(a).items():
        change = max(np.abs(a[f"after.{name}"] - a[f"before.{name}"]).max() for name in tensors)
        difference = max(np.abs(a[f"after.{name}"] - b[f"after.{name}"]).max() for name in tensors)
        relative = difference / change if change else difference
        rows.append(_at_most("Same step", f"{layer} after step 1, of its change", relative, WEIGHTS_TOLERANCE))
    return rows


def _first_steps(a: Any, b: Any) -> list[str]:
    """Return, for each of PARTINGS, the first step whose losses differ by that, or that none of the compared steps does."""
    apart = [abs(float(x) - float(y)) for x, y in zip(a, b, strict=True)]
    firsts = (next((step for step, one in enumerate(apart, 1) if one >= parting), 0) for parting in PARTINGS)
    return [str(first) if first else f"after {len(apart)}" for first in firsts]


def _epoch_rows(a: Results, b: Results) -> list[ParityRow]:
    import numpy as np

    losses = [float(results["epoch_loss"]) for results in (a, b)]
    accuracies = [100 * float(np.mean(results["answers"] == results["labels"])) for results in (a, b)]
    relative = abs(losses[0] - losses[1]) / losses[0]
    differing = int((a["answers"] != b["answers"]).sum())
    return [
        _at_most("Same epoch", "mean loss, relative difference", relative, EPOCH_LOSS_TOLERANCE),
        _figure("Same epoch", "mean training loss of the epoch", f"{losses[0]:.4f} and {losses[1]:.4f}"),
        _figure("Same epoch", "test accuracy after it", f"{accuracies[0]:.2f} % and {accuracies[1]:.2f} %"),
        _figure("Same epoch", "test digits answered differently", f"{differing} of {len(a['answers']):,}"),
    ]


def _layers(results: Results) -> dict[str, list[str]]:
    """Return the names of the parameters by layer: {"conv1": ["conv1.kernel", "conv1.bias"], ...}."""
    layers: dict[str, list[str]] = {}
    for key in results:
        if key.startswith("before."):
            name = key.removeprefix("before.")
            layers.setdefault(name.partition(".")[0], []).append(name)
    return layers


def _figure(part: str, what: str, value: str) -> ParityRow:
    return ParityRow(part, what, value, "", True)


def _equal(part: str, what: str, a: Any, b: Any) -> ParityRow:
    same = str(a) == str(b)
    return ParityRow(part, what, str(a)[:16] if same else f"{str(a)[:16]} and {str(b)[:16]}", "equal", same)


def _at_most(part: str, what: str, value: float, tolerance: float) -> ParityRow:
    return ParityRow(part, what, f"{float(value):.1e}", f"≤ {tolerance:.0e}", bool(value <= tolerance))
