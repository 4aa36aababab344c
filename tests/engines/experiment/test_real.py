"""Tests on real MNIST; skipped by name where MNIST_TUI_DATA names no copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engines.data.readers import read_idx
from engines.data.sources import IDX_FILES, find_digits
from engines.data.synthetic import SEED, TRAIN_SIZE, draw
from engines.messages.events import EpochStarted, RunFinished
from engines.messages.grammar import violations
from engines.preset_configs import from_settings
from tests.support.digits import REAL_MNIST, write_idx
from tests.support.engines import Worked

pytestmark = [
    pytest.mark.framework,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not REAL_MNIST, reason="MNIST_TUI_DATA names no copy of MNIST"),
]


def test_a_hundred_steps_on_real_digits_in_both(warm: Callable[[str], Worked]) -> None:
    """1,600 digits, 1,000 others to test; measured 86.3 to 88.1 % in PyTorch and 85.8 to 88.9 % in Keras, seeds 0, 1, 2."""
    workers = [warm("pytorch"), warm("keras")]
    sizes = {"batch_size": 16, "limit_train": 1_600, "limit_test": 1_000}
    for worker in workers:
        worker.start(from_settings({"epochs": 1, **sizes, "data_dir": REAL_MNIST}))
    for worker in workers:
        assert worker.wait_for(RunFinished, timeout=280).test_accuracy >= 0.82
        worker.finish()
        assert violations(worker.events) == []
    assert len({worker.of(EpochStarted)[0].order_sha256 for worker in workers}) == 1


@pytest.mark.slow
def test_the_drawn_digits_teach_to_read_real_ones(work: Callable[[str], Worked], tmp_path: Path) -> None:
    """Two epochs on drawn digits alone teach the reference to read at least 90 % of MNIST's (measured: 93.77 %)."""
    images, labels = draw(TRAIN_SIZE, SEED, lambda *_: None, lambda: False)
    write_idx(tmp_path / "mixed", images, labels, "train", zipped=False)
    real = find_digits(Path(REAL_MNIST), tmp_path)[0].path
    test_images = read_idx(real / f"{IDX_FILES[2]}.gz", dimensions=3)
    test_labels = read_idx(real / f"{IDX_FILES[3]}.gz", dimensions=1)
    write_idx(tmp_path / "mixed", test_images, test_labels, "t10k", zipped=False)
    worker = work("pytorch")
    worker.supervisor.threads = 2
    worker.start(from_settings({"epochs": 2, "data_dir": str(tmp_path / "mixed")}))
    assert worker.wait_for(RunFinished, timeout=280).test_accuracy >= 0.90
    worker.finish()
