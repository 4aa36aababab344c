"""Every option of the app and of `mnist-tui train` has an effect, which a test here shows."""

from __future__ import annotations

import math
import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from engines.api import ENGINES, Device, Session, TrainConfig, TrainProgress, engine_spec
from engines.data import synthetic
from engines.experiment.recipe import epoch_order, order_sha256
from engines.messages.events import DataReady, EpochCompleted, EpochStarted, EvalCompleted, RunFinished, RunStarted
from engines.tools.hyperparameters import tabulate
from engines.version import __version__
from tests.support.digits import FIXED_DIGITS
from tests.support.engines import Worked
from tests.support.fake_supervisor import FakeSession
from tests.support.local_worker import LocalWorker
from tests.support.pilot import until
from tui.app import MnistApp
from tui.cli import arguments, main, train
from tui.terminal import display

COMMANDS = ("", "train")
"""The app, and training without it."""
Test = TypeVar("Test", bound=Callable[..., Any])
EFFECT_TESTS: dict[str, str] = {}
"""The test that shows the effect of an option, by option."""


def effect_of(*options: str) -> Callable[[Test], Test]:
    """Name a test as the one that shows the effect of these options."""

    def name(test: Test) -> Test:
        EFFECT_TESTS.update(dict.fromkeys(options, test.__name__))
        return test

    return name


def options_of(command: str) -> set[str]:
    """Return all options of a command; of a switch that can be turned off, both forms."""
    parser = main.make_parser(command, main.load(command))
    return {option for action in parser._actions for option in action.option_strings if option.startswith("--")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_an_effect_test(command: str) -> None:
    options = options_of(command) - {"--help"}
    assert {"--epochs", "--no-stop-on-nan", "--debug"} <= options
    assert sorted(options - EFFECT_TESTS.keys()) == []
    assert {name for name in EFFECT_TESTS.values() if name not in globals()} == set()


def test_every_effect_test_is_of_an_option() -> None:
    assert sorted(EFFECT_TESTS.keys() - options_of("") - options_of("train")) == []


def parse(command: str, *words: str) -> Namespace:
    """Parse the words of a command."""
    return main.make_parser(command, main.load(command)).parse_args(words)


def config_of(command: str, *words: str) -> TrainConfig:
    """Return the config that the words of a command ask for."""
    return arguments.request(parse(command, *words)).config


# The settings in the training loop

BASE = ("--batch-size", "16", "--data-dir", str(FIXED_DIGITS), "--device", "cpu", "--epochs", "1")
"""Four steps of an epoch; an option of the test comes later, and wins."""
GPUS = [Device(id=f"cuda:{i}", name="fake GPU", gpu=str(i)) for i in range(2)]
Measure = Callable[[list[Any]], Any]


def of(events: list[Any], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def started(name: str) -> Measure:
    """Return a measure of a field of RunStarted."""
    return lambda events: getattr(of(events, RunStarted)[0], name)


def data(name: str) -> Measure:
    """Return a measure of a field of DataReady."""
    return lambda events: getattr(of(events, DataReady)[0], name)


def rates(events: list[Any]) -> list[float]:
    return [round(event.learning_rate, 4) for event in of(events, TrainProgress)]


def outcome(events: list[Any]) -> str:
    return str(of(events, RunFinished)[0].outcome)


IN_THE_LOOP: dict[str, tuple[tuple[str, ...], Measure, Any]] = {
    "--preset": (("quick",), lambda events: started("config")(events).optimizer, "adam"),
    "--device": (("cuda:1",), started("device"), "cuda:1"),
    "--pytorch-device": (("cuda:1",), started("device"), "cuda:1"),
    "--epochs": (("3",), lambda events: len(of(events, EpochCompleted)), 3),
    "--seed": (
        ("5",),
        lambda events: of(events, EpochStarted)[0].order_sha256,
        order_sha256(epoch_order(5, 1, 64)),
    ),
    "--batch-size": (("8",), started("steps_per_epoch"), 8),
    "--learning-rate": (("0.5",), rates, [0.5] * 4),
    "--schedule": (("cosine",), rates, [1.0, 0.8536, 0.5, 0.1464]),
    "--target-accuracy": (("40",), outcome, "target-reached"),
    "--patience": (("1", "--epochs", "5"), outcome, "no-progress"),
    "--eval-every": (("3",), lambda events: [event.global_step for event in of(events, EvalCompleted)], [3, 4]),
    "--precision": (("bf16",), started("precision"), "bf16"),
    "--validation": (("16",), data("validation_size"), 16),
    "--dataset": (("drawn",), data("dataset"), "drawn"),
    "--limit-train": (("32",), data("train_size"), 32),
    "--limit-test": (("8",), data("test_size"), 8),
}
"""The value of an option with further words, what is measured in the run's events, and what is expected with the option."""


@effect_of(*IN_THE_LOOP)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", IN_THE_LOOP)
def test_a_setting_has_an_effect_in_the_training_loop(
    option: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "TRAIN_SIZE", 64)
    monkeypatch.setattr(synthetic, "TEST_SIZE", 32)
    value, measure, expected = IN_THE_LOOP[option]
    without, with_option = (
        measure(LocalWorker(monkeypatch, GPUS).train(config_of(command, *BASE, *words)))
        for words in ((), (option, *value))
    )
    assert with_option == expected != without


@effect_of("--data-dir")
@pytest.mark.parametrize("command", COMMANDS)
def test_digits_are_read_from_the_folder(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FIXED_DIGITS, tmp_path / "mine")
    config = config_of(command, *BASE, "--data-dir", str(tmp_path / "mine"))
    assert data("source")(LocalWorker(monkeypatch).train(config)) == str(tmp_path / "mine")


@effect_of("--keras-device")
@pytest.mark.parametrize("command", COMMANDS)
def test_the_device_of_one_framework_is_not_that_of_the_other(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for option in ("--keras-device", "--pytorch-device"):
        config = config_of(command, *BASE, option, "cuda:1")
        for engine in ENGINES:
            device = started("device")(LocalWorker(monkeypatch, GPUS, engine).train(config))
            assert device == ("cuda:1" if engine in option else "cpu")


@effect_of("--stop-on-nan", "--no-stop-on-nan")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_loss_that_is_no_number_ends_the_run_unless_told_otherwise(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both forms win over what was used last."""
    saved = {"stop_on_nan": False}
    for words, expected in (((), "completed"), (("--stop-on-nan",), "diverged"), (("--no-stop-on-nan",), "completed")):
        worker = LocalWorker(monkeypatch)
        worker.loss = lambda step: math.nan
        config = arguments.request(parse(command, *BASE, *words), saved).config
        assert outcome(worker.train(config)) == expected
    worker = LocalWorker(monkeypatch)
    worker.loss = lambda step: math.nan
    assert outcome(worker.train(config_of(command, *BASE))) == "diverged"


# The settings of a session


def session_of(command: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> FakeSession:
    """Start a session of fake workers with what the words ask for."""
    fake = FakeSession(monkeypatch, None)
    fake.session.start(dict.fromkeys(ENGINES, config_of(command, *words)))
    return fake


IN_THE_SESSION: dict[str, tuple[str, Callable[[FakeSession], Any], Any]] = {
    "--mode": ("time-trial", lambda fake: fake.sent, [("pytorch", 0)]),
    "--seeds": ("3", lambda fake: fake.session.seed_results.seeds, 3),
    "--threads": ("1", lambda fake: fake.worker("pytorch").threads, 1),
    "--keras-backend": ("jax", lambda fake: fake.worker("keras").spec.module, "engines.keras_jax.engine"),
}


@effect_of(*IN_THE_SESSION)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", IN_THE_SESSION)
def test_a_setting_has_an_effect_in_the_session(option: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, measure, expected = IN_THE_SESSION[option]
    without, with_option = (measure(session_of(command, monkeypatch, *words)) for words in ((), (option, value)))
    assert with_option == expected != without


# The settings of the frameworks

IN_BOTH_LIBRARIES = {
    "--optimizer": (("adam",), "optimizer.class", "adam"),
    "--rho": (("0.5",), "optimizer.rho", 0.5),
    "--momentum": (("0.5", "--optimizer", "sgd"), "optimizer.momentum", 0.5),
    "--weight-decay": (("0.5", "--optimizer", "adamw"), "optimizer.weight_decay", 0.5),
    "--epsilon": (("0.5",), "optimizer.epsilon", 0.5),
    "--dropout": (("0.125",), "dropout2.rate", 0.25),
}


@effect_of(*IN_BOTH_LIBRARIES)
@pytest.mark.framework
def test_a_hyperparameter_reaches_both_libraries(tmp_path: Path) -> None:
    """The libraries themselves report the values of the optimizer and the layers that the engines build."""
    configs = {option: config_of("train", option, *words) for option, (words, _, _) in IN_BOTH_LIBRARIES.items()}
    assert configs == {option: config_of("", option, *words) for option, (words, _, _) in IN_BOTH_LIBRARIES.items()}
    tables = tabulate([engine_spec(engine) for engine in ENGINES], configs, tmp_path)
    for option, (_, name, expected) in IN_BOTH_LIBRARIES.items():
        (row,) = [row for row in tables[option] if row.name == name]
        assert row.values == dict.fromkeys(ENGINES, expected), option


@effect_of("--augment")
@pytest.mark.framework
@pytest.mark.parametrize("engine", ENGINES)
def test_augmentation_changes_what_a_framework_trains(engine: str, warm: Callable[[str], Worked]) -> None:
    """The first step alone tells: its digits are others, its weights are the same."""
    worker = warm(engine)
    losses = []
    for i, words in enumerate([(), ("--augment", "affine")]):
        worker.start(config_of("train", *BASE, "--dropout", "0", *words), f"run-{i}")
        worker.wait_for(RunFinished)
        losses.append(next(event.loss for event in worker.of(TrainProgress) if event.run_id == f"run-{i}"))
    worker.finish()
    assert losses[0] != pytest.approx(losses[1], rel=1e-4)


# The options of the commands


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """Collect what the commands ask to train, instead of training it."""
    calls: list[SimpleNamespace] = []

    def record(specs: Any, request: Any, runs_dir: Any, **more: Any) -> int:
        calls.append(SimpleNamespace(specs=specs, request=request, runs_dir=runs_dir, **more))
        return 0

    monkeypatch.setattr(train, "train", record)
    return calls


@effect_of("--framework")
def test_only_the_chosen_framework_trains(trained: list[SimpleNamespace], opened: list[MnistApp]) -> None:
    for words, engines in (
        ([], ENGINES),
        (["--framework", "keras"], ("keras",)),
        (["--framework", "pytorch"], ("pytorch",)),
    ):
        for command in (["train"], ["--plain"]):
            assert main.main([*command, *words]) == 0
            assert tuple(spec.name for spec in trained[-1].specs) == engines
        assert main.main(words) == 0
        assert tuple(opened[-1].controller.configs()) == engines


@effect_of("--pytorch-python", "--keras-python")
def test_the_interpreter_of_a_framework_is_the_named_one(
    trained: list[SimpleNamespace], opened: list[MnistApp], tmp_path: Path
) -> None:
    """It wins over the environment's, the settings file's and the app's own."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    for engine in ENGINES:
        option, python = f"--{engine}-python", str(tmp_path / "bin" / "python")
        assert main.main(["train", option, python]) == 0
        assert main.main(["--plain", option, python]) == 0
        assert main.main([option, python]) == 0
        for specs in (trained[-2].specs, trained[-1].specs, opened[-1].specs):
            for spec in specs:
                named = spec.name == engine
                assert spec.python == (python if named else sys.executable)
                assert (spec.python_source == option) is named


@effect_of("--runs-dir")
def test_runs_are_saved_in_the_named_folder(
    trained: list[SimpleNamespace], opened: list[MnistApp], tmp_path: Path
) -> None:
    for words, folder in (([], tmp_path / "data" / "runs"), (["--runs-dir", "mine"], tmp_path / "mine")):
        assert main.main(["train", *words]) == 0
        assert main.main(["--plain", *words]) == 0
        assert main.main(words) == 0
        assert [call.runs_dir for call in trained[-2:]] == [str(folder)] * 2
        assert opened[-1].runs_dir == folder


@effect_of("--json", "--plain")
def test_the_form_of_the_output_is_the_chosen_one(
    trained: list[SimpleNamespace], opened: list[MnistApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bars are drawn on a terminal only. The app with --plain is `mnist-tui train --plain`."""
    monkeypatch.setattr(display, "can_rewrite", lambda stream: True)
    forms = []
    for words in (["train"], ["train", "--plain"], ["train", "--json"], ["--plain"]):
        assert main.main(words) == 0
        forms.append((trained[-1].json_lines, trained[-1].bars))
    assert forms == [(False, True), (False, False), (True, True), (False, False)]
    assert opened == []
    monkeypatch.setattr(display, "can_rewrite", lambda stream: False)
    assert main.main(["train"]) == 0
    assert not trained[-1].bars


@effect_of("--jobs")
def test_seeds_train_in_as_many_jobs_as_are_named(trained: list[SimpleNamespace]) -> None:
    for words, jobs in (([], 1), (["--jobs", "1"], 1), (["--jobs", "3"], 3), (["--jobs", "auto"], None)):
        assert main.main(["train", "--seeds", "4", *words]) == 0
        assert trained[-1].jobs == jobs
    assert main.main(["--plain"]) == 0
    assert "jobs" not in vars(trained[-1])


@effect_of("--captions")
def test_captions_are_shown_on_request(trained: list[SimpleNamespace], opened: list[MnistApp]) -> None:
    for words, on in (([], False), (["--captions"], True)):
        assert main.main(["train", *words]) == main.main(["--plain", *words]) == main.main(words) == 0
        assert [call.captions for call in trained[-2:]] == [on] * 2
        assert opened[-1].caption == ("" if on else None)


@effect_of("--on-end")
def test_the_command_for_the_end_of_a_run_is_passed_on(trained: list[SimpleNamespace], opened: list[MnistApp]) -> None:
    """Without the option, there is none; tests/tui/test_on_end.py runs one."""
    for words, command in (([], ""), (["--on-end", "mail me"], "mail me")):
        assert main.main(["train", *words]) == main.main(["--plain", *words]) == main.main(words) == 0
        assert [call.on_end for call in trained[-2:]] == [command] * 2
        on_end = opened[-1].on_end
        assert (on_end.command if on_end is not None else "") == command


@effect_of("--detach")
def test_a_run_is_detached_on_request(trained: list[SimpleNamespace], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only then is it told when it has begun; tests/tui/cli/test_detach.py detaches a real one."""

    def run_detached(run: Callable[[Any], int], runs_dir: Path) -> int:
        return 7 + run("begun")

    monkeypatch.setattr(train, "run_detached", run_detached)
    assert [main.main(["train"]), main.main(["train", "--detach"])] == [0, 7]
    assert [vars(call).get("on_begin") for call in trained] == [None, "begun"]


@effect_of("--debug")
@pytest.mark.parametrize("command", [["train"], []])
def test_a_failure_has_a_traceback_only_for_debugging(
    command: list[str], capsys: pytest.CaptureFixture[str], opened: list[MnistApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **more: object) -> int:
        raise RuntimeError("a fault of the program")

    monkeypatch.setattr(train, "train", fail)
    monkeypatch.setattr(MnistApp, "run_guarded", fail)
    assert main.main(command) == 1
    assert capsys.readouterr().err == (
        "mnist-tui: RuntimeError: a fault of the program. Run it again with --debug for the details.\n"
    )
    with pytest.raises(RuntimeError, match="a fault of the program"):
        main.main([*command, "--debug"])


@effect_of("--version")
def test_the_version_is_printed_and_nothing_opened(capsys: pytest.CaptureFixture[str], opened: list[MnistApp]) -> None:
    for words in (["--version"], ["--start", "--version"]):
        assert main.main(words) == 0
        assert capsys.readouterr().out == f"mnist-tui {__version__}\n"
    assert opened == []


# The options of the app's screen


@effect_of("--fps", "--slow")
@pytest.mark.parametrize(
    ("words", "period"),
    [([], 0.1), (["--fps", "25"], 0.04), (["--slow"], 0.5), (["--slow", "--fps", "25"], 0.5)],
)
async def test_frames_are_drawn_as_often_as_chosen(
    words: list[str], period: float, opened: list[MnistApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --slow, also in fewer colours."""
    monkeypatch.setenv("TEXTUAL_COLOR_SYSTEM", "")
    monkeypatch.delenv("TEXTUAL_COLOR_SYSTEM")
    assert main.main(words) == 0
    assert os.environ.get("TEXTUAL_COLOR_SYSTEM") == ("256" if "--slow" in words else None)
    (app,) = opened
    intervals: list[float] = []
    monkeypatch.setattr(app, "set_interval", lambda seconds, *_, **__: intervals.append(seconds))
    monkeypatch.setattr(Session, "start_workers", lambda *_: None)
    async with app.run_test():
        assert intervals[0] == period


@effect_of("--ascii", "--theme")
def test_characters_and_colours_are_the_chosen_ones(opened: list[MnistApp], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    assert main.main([]) == main.main(["--ascii", "--theme", "mnist-light"]) == 0
    assert [app.ascii_only for app in opened] == [False, True]
    assert [app.theme == "mnist-light" for app in opened] == [False, True]


@effect_of("--no-mouse")
def test_the_mouse_is_left_to_the_terminal_on_request(opened: list[MnistApp], monkeypatch: pytest.MonkeyPatch) -> None:
    for words in ([], ["replay", "demo"], ["tour"]):
        assert main.main(words) == main.main([*words, "--no-mouse"]) == 0
    assert [app.uses_mouse for app in opened] == [True, False] * 3
    assert ["--no-mouse" in app._cli_options() for app in opened[:2]] == [False, True]
    assert [app.opens_gpu_wall for app in opened] == [True] * 2 + [False] * 4, (
        "by itself only where a run can be started"
    )


@effect_of("--start", "--resume")
@pytest.mark.parametrize("words", [[], ["--start"], ["--resume", "older"]], ids=["neither", "start", "resume"])
async def test_the_app_starts_or_resumes_at_once(
    words: list[str], opened: list[MnistApp], trained: list[SimpleNamespace], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    calls: list[tuple[Any, ...]] = []
    older = tmp_path / "older"
    shutil.copytree(FIXED_DIGITS.with_name("checkpoint-2"), older)
    monkeypatch.setattr(Session, "start_workers", lambda _, configs: calls.append(("wait",)))
    monkeypatch.setattr(
        Session, "start", lambda _, configs: calls.append(("start", {c.epochs for c in configs.values()}))
    )

    def resume_run(_: Session, folder: Path, changes: Any, engines: Any) -> str:
        calls.append(("resume", folder, dict(changes)))
        return ""

    monkeypatch.setattr(Session, "resume_run", resume_run)
    assert main.main([*words, "--epochs", "7"]) == 0
    (app,) = opened
    async with app.run_test() as pilot:
        await until(pilot, lambda: bool(calls))
    expected = {"": ("wait",), "--start": ("start", {7}), "--resume": ("resume", older, {"epochs": 7})}
    assert calls == [expected[words[0] if words else ""]]
    assert app.opens_gpu_wall == (not words), "a run that was asked for stays in sight"
    if "--resume" in words:
        for command in (["train"], ["--plain"]):
            assert main.main([*command, *words, "--epochs", "7"]) == 0
            assert (trained[-1].resume, dict(trained[-1].request.settings)) == (older, {"epochs": 7})
