"""Train three steps in two replicas of PyTorch on the CPU, and print each one's weights as a digest, and those of the start.

Each replica is a process of its own, as in a run; here both are forks, so that the weights of both can be read.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from engines.experiment import recipe
from engines.experiment.recipe import Weights
from engines.preset_configs import from_settings
from engines.pytorch.parallel import LOOPBACK, ReplicaEngine
from tests.support.digits import load_fixed_digits

BATCH_SIZE = 16


def digest(weights: Weights) -> str:
    return hashlib.sha256(b"".join(weights[name].tobytes() for name in sorted(weights))).hexdigest()


def train(rank: int, folder: Path) -> None:
    """Train as one of the replicas, and write the digest of its weights."""
    config = from_settings({"device": "cpu,cpu", "batch_size": BATCH_SIZE})
    digits, weights = load_fixed_digits(), recipe.initial_weights(0)
    engine = ReplicaEngine(config, digits, weights, rank, folder / "rendezvous")
    engine.start_epoch(np.arange(64), np.ones(4, np.float32))
    shares = [len(engine.share(step)[1]) for step in range(3)]
    engine.train_steps(0, 3)
    result = {"before": digest(weights), "after": digest(engine.weights()), "shares": shares}
    (folder / f"{rank}.json").write_text(json.dumps(result))


def main() -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = LOOPBACK
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if (other := os.fork()) == 0:
            try:
                train(1, folder)
            finally:
                os._exit(0)
        train(0, folder)
        os.waitpid(other, 0)
        print(json.dumps([json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]))


if __name__ == "__main__":
    main()
