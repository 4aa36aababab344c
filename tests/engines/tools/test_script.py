"""The stand-alone scripts: written for any settings as text, and run in processes that can't import this project."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engines.api import BACKENDS, ENGINES, TrainConfig, from_settings, read_start, render_script
from engines.data import load_digits
from engines.experiment import checkpoint
from engines.experiment.progress import Position
from engines.experiment.recipe import initial_weights, learning_rates
from engines.messages.events import EpochCompleted, RunFinished
from engines.tools.script_draft import Draft, Start
from engines.tools.source import script_file
from tests.support.engines import Worked
from tests.support.programs import output_of

Work = Callable[[str], Worked]
ROOT = Path(__file__).parents[3]
OTHERS: dict[str, Any] = {
    "preset": "quick", "mode": "time-trial", "device": "cuda:1", "pytorch_device": "cuda:2", "keras_device": "cuda:2",
    "keras_backend": "jax", "epochs": 3, "seed": 7, "seeds": 3, "batch_size": 32, "optimizer": "sgd", "learning_rate": 0.5,
    "schedule": "cosine", "rho": 0.9, "momentum": 0.5, "weight_decay": 0.1, "epsilon": 1e-6, "dropout": 0.1,
    "augment": "affine", "target_accuracy": 98.5, "patience": 4, "eval_every": 100, "precision": "bf16", "threads": 3,
    "dataset": "drawn", "data_dir": "/data", "limit_train": 6_000, "limit_test": 1_000, "validation": 500,
}  # fmt: skip
"""Another value of each setting that a script may honour."""
NEEDS = {"momentum": "sgd", "weight_decay": "adamw"}
"""The optimizers without which a setting has no effect."""
START = Start("/runs/a/pytorch.npz", 3, 1, 470, TrainConfig())
CONFIGS = [
    *({"optimizer": NEEDS.get(name, "adadelta"), name: value} for name, value in OTHERS.items() if name != "preset"),
    *({"optimizer": optimizer, "schedule": schedule} for optimizer in ("adam", "adamw") for schedule in ("constant", "one-cycle")),
    {"preset": "quick"}, {"preset": "best"}, {"preset": "library-defaults"}, {"precision": "tf32"},
    {"precision": "tf32", "keras_backend": "torch"}, {"device": "cpu"}, {"device": "cuda:0,cuda:1"},
    {"keras_backend": "torch", "threads": 2}, {"keras_backend": "jax", "threads": 2},
    {name: value for name, value in OTHERS.items() if name != "optimizer"},
]  # fmt: skip


def test_the_script_of_the_reference_is_the_file_itself() -> None:
    for engine in ENGINES:
        assert render_script(engine, TrainConfig()) == script_file(engine).read_text(encoding="utf-8")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_setting_is_in_the_script_or_in_a_comment(engine: str) -> None:
    """All settings but two: the other framework's own, and whether a diverged run stops, which the help says."""
    other = {"pytorch": {"keras_device", "keras_backend"}, "keras": {"pytorch_device"}}[engine]
    assert {*OTHERS, "stop_on_nan"} == {*TrainConfig.__dataclass_fields__}
    for name, value in OTHERS.items():
        before = {"optimizer": NEEDS.get(name, "adadelta")} if name != "optimizer" else {}
        scripts = [render_script(engine, from_settings(settings)) for settings in (before, {**before, name: value})]
        assert (scripts[0] == scripts[1]) is (name in other), name


@pytest.mark.parametrize("engine", ENGINES)
def test_scripts_are_clean_and_use_what_they_define(engine: str, small_mnist: Path, tmp_path: Path) -> None:
    for i, settings in enumerate([*CONFIGS, {"data_dir": str(small_mnist), "limit_train": 64}]):
        for start in (None, START):
            text = render_script(engine, from_settings(settings), start)
            (tmp_path / f"script_{i}_{start is None}.py").write_text(text, encoding="utf-8")
            tree = ast.parse(text)
            words = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
            constants = [word for word in words if word.isupper() and len(word) > 1]
            assert [word for word in constants if constants.count(word) < 2] == [], settings
            modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
            modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
            assert not [module for module in modules if str(module).split(".")[0] in ("engines", "tui")]
    rules = "--ignore=TID253"  # a framework is what a script is for
    command = [sys.executable, "-m", "ruff", "check", rules, "--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["plain", "it's", 'a "name"', "\u00fcber", "\U0001f600", os.fsdecode(b"\xff")])
def test_paths_are_written_as_python_reads_them(engine: str, name: str) -> None:
    start = Start(f"/runs/{name}/pytorch.npz", 1, 0, 0, TrainConfig())
    text = render_script(engine, from_settings({"data_dir": f"/{name}"}), start)
    paths = re.findall(r"^(?:DATA_DIR|WEIGHTS) = (.+)$", text, re.MULTILINE)
    assert [ast.literal_eval(path) for path in paths] == [f"/{name}", start.path]
    assert text.isascii()


@pytest.mark.parametrize("backend", BACKENDS)
def test_keras_script_turns_tf32_on_where_its_backend_does_not(backend: str) -> None:
    """TensorFlow and JAX multiply matrices in TF32 by default, PyTorch does not."""
    text = render_script("keras", from_settings({"precision": "tf32", "keras_backend": backend}))
    assert ('torch.set_float32_matmul_precision("high")\n' in text) is (backend == "torch")
    assert ("TF32 is what Keras" in text) is (backend != "torch")


def test_a_change_in_the_file_that_an_edit_needs_is_noticed() -> None:
    draft = Draft(script_file("keras").read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match="0 times"):
        draft.after("model = keras.Model()", "model.summary()")


# Accuracies and learning rates


@pytest.mark.parametrize("start", [None, START], ids=["callback", "loop"])
def test_keras_script_ends_at_exactly_its_target(start: Start | None) -> None:
    """Half of the accuracies of MNIST's 10,000 test digits are less than themselves once they are float32."""
    for correct in range(9_003, 10_000, 7):
        text = render_script("keras", from_settings({"epochs": 2, "target_accuracy": correct / 100}), start)
        assert epochs_trained(text, correct / 10_000) == 1, correct
    assert epochs_trained(text, (correct - 1) / 10_000) == 2


def epochs_trained(script: str, accuracy: float) -> int:
    """Return the epochs that the training of Keras' script lasts when each reaches this accuracy."""
    trained: list[int] = []
    model = SimpleNamespace(stop_training=False)

    def fit(*_: object, callbacks: Any = (), initial_epoch: int = 0, epochs: int, **__: object) -> SimpleNamespace:
        logs = {"val_accuracy": float(np.float32(accuracy))}
        for epoch in range(initial_epoch, epochs):
            trained.append(epoch)
            for callback in callbacks:
                callback.model = model
                callback.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        return SimpleNamespace(history={"val_accuracy": [logs["val_accuracy"]]})

    model.fit = fit
    digits = dict.fromkeys(("x_train", "y_train", "x_test", "y_test"), np.zeros(1))
    callbacks = SimpleNamespace(Callback=object)
    names = {"np": np, "model": model, "keras": SimpleNamespace(callbacks=callbacks), **digits}
    constants = re.findall(r"^[A-Z_]+ = [\w.]+$", script, re.MULTILINE)
    train = script.partition("# Train\n")[2].partition("# Evaluate\n")[0]
    exec("\n".join([*constants, train]), names)
    return len(trained)


RATES = """
import json, sys
engine, script, runs = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
imports, _, rest = script.partition("# Hyperparameters")
optimizer = rest.partition("# Optimizer")[2].partition("# Train")[0].partition("model.compile(")[0]
rates = []
for epochs, count in runs:
    names = {"EPOCHS": epochs, "BATCH_SIZE": 1, "LEARNING_RATE": 0.5, "MOMENTUM": 0.9}
    names |= {"loader": range(count), "x_train": range(count)}
    exec(imports, names)
    if engine == "pytorch":
        names["model"] = names["nn"].Linear(1, 1)
    exec(optimizer, names)
    rates.append([])
    for step in range(epochs * count):
        if engine == "keras":
            rates[-1].append(float(names["schedule"](step)))
        else:
            rates[-1].append(names["optimizer"].param_groups[0]["lr"])
            names["optimizer"].step()
            names["scheduler"].step()
print(json.dumps(rates))
"""


@pytest.mark.framework
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_scripts_have_the_learning_rates_of_the_app(engine: str, schedule: str) -> None:
    config = from_settings({"optimizer": "sgd", "schedule": schedule, "learning_rate": 0.5})
    runs = [(1, 1), (1, 2), (1, 7), (2, 5), (1, 50), (3, 125)]  # epochs, and steps of each
    rates = json.loads(output_of(engine, RATES, engine, render_script(engine, config), json.dumps(runs), code=True))
    for (epochs, steps), own in zip(runs, rates, strict=True):
        of_run = replace(config, epochs=epochs)
        expected = np.concatenate([learning_rates(of_run, epoch, steps) for epoch in range(1, epochs + 1)])
        np.testing.assert_allclose(own, expected, atol=1e-6, err_msg=f"{epochs} x {steps}")


# Runs

RECORD = """
import json, os, runpy, sys
os.chdir(os.path.dirname(sys.argv[2]))
sys.modules["engines"] = sys.modules["tui"] = None
losses = []
if sys.argv[1] == "pytorch":
    from torch.nn import functional
    cross_entropy = functional.cross_entropy
    def record(logits, labels, **options):
        loss = cross_entropy(logits, labels, **options)
        if not options:
            losses.append(loss.item())
        return loss
    functional.cross_entropy = record
else:
    import keras
    fit = keras.Sequential.fit
    def record(*arguments, **options):
        history = fit(*arguments, **options)
        losses.extend(history.history["loss"])
        return history
    keras.Sequential.fit = record
runpy.run_path(sys.argv[2], run_name="__main__")
print(json.dumps(losses))
"""


def run_script(engine: str, text: str, folder: Path) -> tuple[list[str], list[float]]:
    """Run a script in a process that can't import this project.

    Return the lines that it prints, and its training losses: PyTorch's of each step, Keras' of each epoch.
    """
    path = folder / "mnist.py"
    path.write_text(text, encoding="utf-8")
    *lines, losses = output_of(engine, RECORD, engine, str(path), code=True).splitlines()
    return lines, json.loads(losses)


class Stub:
    """The part of an engine that a checkpoint needs."""

    def __init__(self, seed: int) -> None:
        self.weights, self.state = lambda: initial_weights(seed), dict


@pytest.mark.framework
@pytest.mark.parametrize("engine", ENGINES)
def test_with_the_same_weights_and_no_dropout_the_first_losses_are_the_engine_s(
    engine: str, warm: Work, small_mnist: Path, tmp_path: Path
) -> None:
    """Two epochs of three steps, without the held-out digits: the second has another order of digits."""
    settings = {
        "seed": 5,
        "dropout": 0.0,
        "epochs": 2,
        "batch_size": 32,
        "limit_train": 128,
        "validation": 32,
    }
    config = from_settings({**settings, "data_dir": str(small_mnist), "limit_test": 50})
    worker = warm(engine)
    worker.start(config, "run", str(tmp_path / "run"))
    worker.wait_for(RunFinished)
    expected = [event.train_loss for event in worker.of(EpochCompleted)]
    worker.finish()
    unsaved: dict[str, Any] = {"epochs": 2, "data_dir": str(small_mnist), "limit_test": 50}
    assert replace(read_start(tmp_path / "run" / f"{engine}.npz").config, **unsaved) == config
    path = tmp_path / "start.npz"
    digits = load_digits("auto", small_mnist, cache_dir=tmp_path).limited(128, 50)
    checkpoint.save(path, Position(), config, digits, Stub(5))  # type: ignore[arg-type]
    _, losses = run_script(engine, render_script(engine, config, read_start(path)), tmp_path)
    means = losses if engine == "keras" else [float(np.mean(losses[:3])), float(np.mean(losses[3:]))]
    assert means[0] == pytest.approx(expected[0], abs=1e-5)
    assert means[1] == pytest.approx(expected[1], abs=1e-3)


@pytest.mark.framework
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({"preset": "quick", "epochs": 2, "limit_train": 320, "limit_test": 100}, 2),
        ({"preset": "best", "epochs": 4, "target_accuracy": 0.1, "patience": 2, "precision": "bf16", "threads": 1}, 1),
    ],
)
def test_scripts_train_with_other_settings(
    engine: str, settings: dict[str, Any], epochs: int, small_mnist: Path, tmp_path: Path
) -> None:
    config = from_settings({**settings, "device": "cpu", "data_dir": str(small_mnist)})
    lines, losses = run_script(engine, render_script(engine, config), tmp_path)
    assert "accuracy" in lines[-1]
    assert all(0 < loss < 10 for loss in losses)
    steps = -(-(config.limit_train or 640) // config.batch_size)
    assert len(losses) == (epochs if engine == "keras" else epochs * steps)
