"""The command line as a shell sees it."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from engines.api import list_runs
from engines.messages.grammar import violations
from engines.runs.reader import read_events
from tui.cli import main


def run_command(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    code = "import sys; from tui.cli.main import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=timeout)


def test_version() -> None:
    from engines.version import __version__

    assert run_command("--version").stdout == f"mnist-tui {__version__}\n"


@pytest.mark.parametrize("command", list(main.COMMANDS))
def test_every_command_has_help(command: str) -> None:
    done = run_command(*([command] if command else []), "--help")
    assert done.returncode == 0
    assert "usage: mnist-tui" in done.stdout
    if not command:
        assert all(name in done.stdout for name in main.COMMANDS)


@pytest.mark.parametrize("command", main.COMMANDS)
def test_help_explains_every_option(command: str) -> None:
    parser = argparse.ArgumentParser(description="it")
    main.load(command).add_options(parser)
    assert [action.dest for action in parser._actions if not action.help] == []


@pytest.mark.parametrize("command", main.COMMANDS)
def test_help_reads_like_a_manual_page(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Usage is one line, examples come before options, help and exit codes last; all of it fits 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    text = main.make_parser(command, main.load(command)).format_help()
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert text.startswith(f"usage: mnist-tui {command}".rstrip() + " [options]")
    assert 0 < text.index("\nexamples:\n") < text.index("\n  --")
    last = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")][-1]
    assert last == ("other:" if command else "exit codes:")


@pytest.mark.parametrize(
    ("command", "ending"),
    [("stop", "[RUN]"), ("tour", "[FILE]"), ("replay", "RUN"), ("export", "RUN ..."), ("presets", "[PRESET ...]")],
)
def test_usage_marks_what_may_be_left_out(command: str, ending: str) -> None:
    assert main.make_parser(command, main.load(command)).usage == f"mnist-tui {command} [options] {ending}"


@pytest.mark.parametrize("command", main.COMMANDS)
def test_every_example_is_a_command_that_works(command: str) -> None:
    for example, _ in main.load(command).EXAMPLES:
        called = re.search(r"mnist-tui(.*)", example)
        assert called, example
        words = shlex.split(re.split(r" > | \| |\)", called[1].replace("RUN", "demo"))[0])
        name = words[0] if words and words[0] in main.COMMANDS else ""
        assert name == command or not command  # the app's help names others, too
        main.make_parser(name, main.load(name)).parse_args(words[1:] if name else words)


def test_a_replay_has_no_options_that_it_ignores(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["replay", "demo", "--plain"]) == 2
    assert "--plain" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frobnicate"], "no command"),
        (["train", "--epochs", "0"], "at least 1"),
        (["train", "--epochs", "many"], "whole number"),
        (["train", "--device", "gpu"], "cuda:N"),
        (["train", "--learning-rate", "nan"], "finite"),
        (["train", "--learning-rate", "0,001"], "'0,001' has a decimal comma: write 0.001"),
        (["bench", "--repeats", "1,5"], "whole number"),
        (["runs", "--filter", "acc>99,5"], "write 99.5"),
        (["train", "--framework", "jax"], "invalid choice"),
        (["train", "--no-such-flag"], "no-such-flag"),
        (["train", "--epoch", "3"], "--epoch"),
        (["replay"], "RUN"),
        (["replay", "nothing-of-that-name"], "mnist-tui runs"),
        (["replay", "x", "--speed", "fast"], "--speed"),
        (["replay", "demo", "--speed", "0,5"], "write 0.5"),
        (["export", "../../etc/passwd"], "no run"),
        (["export", str(Path(__file__).parent)], "cli holds no record of a run: it has no events.jsonl."),
        (["runs", "--filter", "state:blah"], "'blah' is no state. There are: completed, stopped,"),
        (["runs", "--runs-dir", "/nonexistent"], "There is no folder /nonexistent."),
        (["runs", "--runs-dir", __file__], f"There is no folder {__file__}."),
        (["--fps", "0"], "'0' is out of range, from 1 to 60"),
        (["watch", "--last", "--fps", "99999999"], "'99999999' is out of range, from 1 to 60"),
        (["code", "--width", "0"], "'0' is out of range, from 40 to 1000"),
        (["code", "--width", "99999999"], "from 40 to 1000"),
        ([], "terminal"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_code_2(arguments: list[str], says: str) -> None:
    done = run_command(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_trained_run_is_listed_and_exported(
    scripted: None, small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "kept"
    arguments = ["--epochs", "2", "--batch-size", "64", "--data-dir", str(small_mnist), "--runs-dir", str(runs)]
    assert main.main(["train", "--json", *arguments]) == 0
    capsys.readouterr()
    assert main.main(["runs", "--json", "--runs-dir", str(runs)]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert run["summary"]["keras"]["outcome"] == "completed"
    assert main.main(["runs", "--runs-dir", str(runs)]) == 0
    assert run["id"] in capsys.readouterr().out
    assert main.main(["export", run["id"], "--runs-dir", str(runs)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].startswith("engine,split,t,epoch,global_step,loss,accuracy")
    assert sum(",test," in row for row in rows) == 4
    events = list(read_events(runs / run["id"] / "events.jsonl"))
    assert violations(event for event in events if event.engine == "pytorch") == []
    with open(runs / run["id"] / "events.jsonl", "a") as file:
        file.write('{"type":"TrainProg')
    assert len(list(read_events(runs / run["id"] / "events.jsonl"))) == len(events)


def test_data_lists_and_loads_the_digits(small_mnist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["data", "--json", "--data-dir", str(small_mnist)]) == 0
    assert json.loads(capsys.readouterr().out)[0]["origin"] == "--data-dir"
    assert main.main(["data", "--fetch", "--json", "--data-dir", str(small_mnist)]) == 0
    assert json.loads(capsys.readouterr().out)["train_size"] == 640
    assert main.main(["data", "--fetch", "--data-dir", str(small_mnist)]) == 0
    assert "dataset     custom digits\n" in capsys.readouterr().out
    assert main.main(["data", "--fetch", "--dataset", "mnist", "--data-dir", "nowhere"]) == 1


def test_data_reports_a_named_place_without_digits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (
        ["--data-dir", "/nonexistent"],
        ["--data-dir", "/nonexistent", "--json"],
        ["--fetch", "--data-dir", "/nonexistent"],
    ):
        assert main.main(["data", *words]) == 1
        assert (
            "--data-dir names /nonexistent, which holds no complete MNIST. Expected: train" in capsys.readouterr().err
        )
    monkeypatch.setenv("MNIST_TUI_DATA", "/nonexistent")
    assert main.main(["data"]) == 1
    assert "MNIST_TUI_DATA names /nonexistent, which" in capsys.readouterr().err
    assert main.main(["data", "--fetch", "--dataset", "drawn"]) == 0
    assert "source      drawn by mnist-tui\n" in capsys.readouterr().out


def test_older_runs_than_those_listed_are_not_opened(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / f"run-{i}").mkdir()
        (tmp_path / f"run-{i}" / "config.json").write_text('{"schema": 1, "engines": {}}')
    newest_first = list_runs(tmp_path)
    assert [next(newest_first)["id"], next(newest_first)["id"]] == ["run-4", "run-3"]
    (tmp_path / "run-2" / "config.json").write_text("cut sh")
    assert [run["id"] for run in newest_first] == ["run-1", "run-0"]


def test_runs_lists_the_requested_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3):
        (tmp_path / f"run-{i}").mkdir()
        (tmp_path / f"run-{i}" / "config.json").write_text('{"schema": 1, "engines": {}}')
    for last, listed in (("2", 2), ("0", 3)):
        assert main.main(["runs", "--json", "--last", last, "--runs-dir", str(tmp_path)]) == 0
        assert len(json.loads(capsys.readouterr().out)) == listed
    assert main.main(["runs", "--last", "-1", "--runs-dir", str(tmp_path)]) == 2


def test_bench_prints_measurements(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["bench", "charts", "startup", "--repeats", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} >= {"--version", "first paint"}
    assert all(row["median"] > 0 for row in rows)
    assert main.main(["bench", "everything"]) == 2


def test_a_missing_run_names_the_command_that_lists_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["export", "nothing", "--runs-dir", "/else where"]) == 2
    assert "`mnist-tui runs --runs-dir '/else where'` lists them." in capsys.readouterr().err


@pytest.mark.fault(
    "app", "as few threads as a shared machine allows (ulimit -u): numpy starts none in the app's process"
)
def test_numpy_starts_no_threads_in_the_apps_process() -> None:
    """OpenBLAS starts one for each core, and ends the process by a signal where the system allows fewer."""
    code = (
        "import os; from tui.cli.main import main; main(['--version'])"
        "; import numpy; print(len(os.listdir('/proc/self/task')))"
    )
    own = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[1:] == ["1"], done.stderr
