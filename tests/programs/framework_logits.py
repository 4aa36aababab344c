"""Print, as JSON, the logits of an engine with the weights of the demo: `python -m tests.programs.framework_logits pytorch`."""

from __future__ import annotations

import json
import sys
from importlib import import_module

import numpy as np

from engines.data import Digits
from engines.data.synthetic import draw
from engines.experiment.checkpoint import load_model
from engines.preset_configs import from_settings
from engines.session.replay import DEMO

COUNT = 50


def digits() -> Digits:
    """Draw digits, the same for every engine."""
    images, labels = draw(COUNT, 3, lambda *_: None, lambda: False)
    return Digits(images[:8], labels[:8], images, labels, dataset="drawn", source="")


if __name__ == "__main__":
    engine = sys.argv[1]
    weights = load_model(DEMO.with_name(f"{engine}.npz"))[1]
    built = import_module(f"engines.{engine}.engine").Engine(from_settings({"device": "cpu"}), digits(), weights)
    print(json.dumps(np.asarray(built.evaluate(0, COUNT)).tolist()))
