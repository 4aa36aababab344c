"""Measure how often networks of one framework that differ by rounding alone are called ahead of each other.

`python -m tests.programs.same_framework [RUNS]` trains PyTorch against itself on MNIST: one epoch on 12,800 digits, dropout off,
one seed. From run to run only the first weights change, by a part in ten million. The figures in `ONE_RUN_CAVEAT` come from it.
"""

from __future__ import annotations

import itertools
import sys

import numpy as np

from engines import paths
from engines.config import TrainConfig
from engines.data import load_digits
from engines.experiment import recipe
from engines.pytorch.engine import Engine, set_threads
from engines.runs.statistics import ALPHA, PairedAnswers

SEED, TRAIN_SIZE = 5, 12_800


def train(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Train the network with that number; return its answers to the test digits (n,), and the labels."""
    config = TrainConfig(seed=SEED, dropout=0.0, device="cpu", epochs=1)
    digits = load_digits("mnist", cache_dir=paths.cache_dir()).limited(TRAIN_SIZE, None)
    random = np.random.default_rng(number)
    weights = {
        name: (value * (1 + 1e-7 * random.standard_normal(value.shape))).astype(np.float32)
        for name, value in recipe.initial_weights(SEED).items()
    }
    engine = Engine(config, digits, weights)
    steps = TRAIN_SIZE // config.batch_size
    engine.start_epoch(recipe.epoch_order(SEED, 1, TRAIN_SIZE), recipe.learning_rates(config, 1, steps))
    engine.train_steps(0, steps)
    n = len(digits.test_labels)
    return np.concatenate([engine.evaluate(i, i + 500) for i in range(0, n, 500)]).argmax(axis=1), digits.test_labels


def compare(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> PairedAnswers:
    """Compare the answers of two networks."""
    a, b = first == labels, second == labels
    return PairedAnswers(
        only_first=int((a & ~b).sum()), only_second=int((b & ~a).sum()), differ=int((first != second).sum())
    )


def main(runs: int) -> None:
    set_threads(1)
    answers = []
    for number in range(runs):
        predicted, labels = train(number)
        answers.append(predicted)
        print(f"run {number + 1} of {runs}: {100 * (predicted == labels).mean():.2f} %", flush=True)
        pairs = [compare(a, b, labels) for a, b in itertools.combinations(answers, 2)]
        ahead = sum(pair.p_value < ALPHA for pair in pairs)
        if pairs:
            print(f"ahead in {ahead} of {len(pairs)} pairs, {100 * ahead / len(pairs):.1f} %", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
