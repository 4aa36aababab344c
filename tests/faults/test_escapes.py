"""Escape sequences in texts from outside never reach the terminal: from workers, files and names of folders."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from engines.api import EngineSpec, encode
from engines.messages.events import Device, LogLine, RunFailed, RunFinished
from tests.support.engines import SCRIPTED
from tests.support.run_events import life
from tests.support.terminal import Terminal
from tui import formatting
from tui.cli import arguments, main
from tui.reports import export

ESCAPES = "\x1b]2;owned\x07\x1b[31337hevil\x9b31337h\x1bPowned\x1b\\\x85\x1b[2J"
"""A title, two private modes (of seven and of eight bits), a device control string, a cleared screen, and the word "evil"."""
LEFT_OVER = re.compile(
    r"\x1b\](?!2;(?:mnist-tui[^\x00-\x1f\x7f-\x9f]*)?\x07|22;[a-z]*\x07)|\x1b\[31337|\x9b|\x1bP|\x85"
)
"""The parts of it that the app itself never writes to a terminal: its OSC are its own title, and Textual's mouse pointer."""
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")

_ENGINE = """
from tests.support.scripted_engine import *
from tests.support.scripted_engine import Engine as Honest

class Engine(Honest):
    def train_steps(self, first, last):
        if self.done <= 3 < self.done + last - first:
            print({evil!r}, "from the log", flush=True)
        if self.done <= 30 < self.done + last - first:
            raise RuntimeError({evil!r} + " from the error")
        return super().train_steps(first, last)

def framework():
    return "Frame" + {evil!r}

def devices():
    return Device(id="cpu", name={evil!r}), Device(id="cuda:0", name="GPU", usable=False, reason={evil!r})
"""


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineSpec:
    """Make an engine whose every text is an escape sequence."""
    module = tmp_path / "evil_engine.py"
    module.write_text(_ENGINE.format(evil=ESCAPES))
    monkeypatch.setenv("PYTHONPATH", str(SCRIPTED.parents[2]))
    return EngineSpec(name="pytorch", title="pytorch", module=str(module), python=sys.executable)


@pytest.mark.fault("screen", "any text as a plain line (property)")
@given(st.text(st.sampled_from("\x1b\x9b[];?0123m\x07\\\x90\x00\r\n\tahP\u202e\u2066\u2028\u200f") | st.characters()))
def test_plain_text_holds_no_control_characters(text: str) -> None:
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", formatting.to_plain_text(text))
    assert not re.search(r"\x1b(?!\[[0-9;]*m)", formatting.strip_control(text))
    assert not _DECEPTIVE.search(formatting.to_plain_text(text))


_APP = """
import sys
from pathlib import Path
from engines.api import EngineSpec, RunRequest
from tui.app import MnistApp
from tui.cli.app import print_summary
spec = EngineSpec(name="pytorch", title="pytorch", module={module!r}, python=sys.executable)
request = RunRequest(settings={{"epochs": 9, "batch_size": 64, "data_dir": {data!r}}})
app = MnistApp([spec], request, start=True, cache_dir=Path({folder!r}), runs_dir=Path({folder!r}) / {evil!r})
app.action_help = lambda: app.notify({evil!r} + "[/from] the side", title={evil!r})
code = app.run_guarded()
print_summary(app)
sys.exit(code)
"""


@pytest.mark.fault(
    "screen", "escape sequences in framework, device, folder, log, error and notification, on every pane"
)
def test_the_screen_shows_no_escape_sequences_of_a_worker(evil: EngineSpec, small_mnist: Path, tmp_path: Path) -> None:
    script = _APP.format(module=evil.module, data=str(small_mnist), folder=str(tmp_path), evil=ESCAPES.replace("/", ""))
    terminal = Terminal([sys.executable, "-c", script], tmp_path)
    terminal.wait_for("from the error")
    terminal.send("l")
    terminal.wait_for("from the log")
    terminal.send("?")
    terminal.wait_for("the side")
    terminal.send("e")
    terminal.wait_for("Save and start")
    terminal.send("\t\r")
    terminal.wait_for("can't be used")
    terminal.send("\x1b")
    terminal.wait_until(lambda: not any("can't be used" in line for line in terminal.screen.display), "chosen")
    terminal.send("\x1b")
    terminal.wait_until(lambda: not any("Save and start" in line for line in terminal.screen.display), "closed")
    terminal.send("q")
    assert terminal.wait_for_exit() == 0
    assert "evil" in terminal.written
    assert LEFT_OVER.findall(terminal.written) == []


@pytest.mark.fault("screen", "escape sequences in a recording, replayed")
def test_a_replay_shows_no_escape_sequences(tmp_path: Path) -> None:
    lines: list[Any] = [replace(event, **_hostile_fields(event)) for event in life()]
    lines += [LogLine(engine="keras", seq=90, t=29.0, stream="stdout", text=ESCAPES)]
    (tmp_path / "events.jsonl").write_text("".join(encode(event) + "\n" for event in lines))
    script = "import sys; from tui.cli.main import main; sys.exit(main(sys.argv[1:]))"
    terminal = Terminal(
        [sys.executable, "-c", script, "replay", str(tmp_path / "events.jsonl"), "--speed", "max"], tmp_path
    )
    terminal.wait_until_finished(engines=1)
    terminal.send("l")
    terminal.wait_for("evil")
    terminal.send("q")
    assert terminal.wait_for_exit() == 0
    assert LEFT_OVER.findall(terminal.written) == []


def _hostile_fields(event: Any) -> dict[str, Any]:
    words = ("framework", "source", "device", "precision", "interpreter", "version")
    return {name: ESCAPES for name in words if hasattr(event, name)}


@pytest.mark.fault("lines", "escape sequences in framework, device, folder, error and recording, without the screen")
def test_lines_have_no_escape_sequences_of_a_worker(
    evil: EngineSpec,
    small_mnist: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arguments, "specs", lambda _: [evil])
    runs = tmp_path / ESCAPES.replace("/", "")
    train = ["train", "--epochs", "9", "--batch-size", "64", "--data-dir", str(small_mnist), "--runs-dir", str(runs)]
    assert main.main([*train]) == 1
    assert main.main([*train, "--seeds", "2"]) == 1
    assert main.main(["doctor", "--data-dir", str(small_mnist)]) == 0
    folders = list(runs.iterdir())
    assert len(folders) == 3
    for folder in folders:
        folder.rename(runs / (folder.name + ESCAPES))
    assert main.main(["runs", "--runs-dir", str(runs)]) == 0
    for folder in runs.iterdir():
        assert main.main(["export", str(folder)]) == 0
    assert main.main(["replay", "none" + ESCAPES]) == 2
    out, err = capsys.readouterr()
    for printed in (out, err):
        assert "evil" in printed
        assert CONTROL.findall(printed.replace("\r\n", "\n")) == []


@pytest.mark.fault("lines", "escape sequences in the summary after the app")
def test_the_summary_has_no_escape_sequences() -> None:
    from engines.session.replay import Replay
    from tui.reports.run_summary import closing_lines

    for end in (
        RunFailed(engine="keras", seq=99, t=31.0, kind="crashed", message=ESCAPES, hint=ESCAPES),
        RunFinished(
            engine="keras", seq=99, t=31.0, outcome=ESCAPES, test_accuracy=0.9, test_loss=0.1, best_epoch=1,
            train_seconds=1.0, wall_seconds=1.0,
        ),
    ):  # fmt: skip
        session = Replay([replace(event, **_hostile_fields(event)) for event in [*life()[:-1], end]], speed=1e9)
        session.drain()
        lines: list[str] = closing_lines(session)
        assert any("evil" in line for line in lines)
        assert CONTROL.findall("".join(lines)) == []


ALL_ESCAPES = ESCAPES + "\r\u202elive\u2066\u200f\u2028\ud800 \x1b]52;c;AAAA\x07"
"""More escapes: a line written over, writing from right to left, half a character, and a text for the clipboard."""
_DECEPTIVE = re.compile(r"[\u200e\u200f\u061c\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def _hostile_run(runs: Path) -> Path:
    """Write a saved run whose every text is an escape sequence, its name and its folder's included."""
    folder = runs / f"20260101-000000-{ESCAPES.replace('/', '')}\u202e"
    folder.mkdir(parents=True)
    events = [
        replace(event, engine=engine, **_all_hostile_fields(event, ALL_ESCAPES))
        for engine in ("pytorch", "keras")
        for event in life()
    ]
    (folder / "events.jsonl").write_text("".join(encode(event) + "\n" for event in events))
    config = {"preset": ALL_ESCAPES, "seed": 0, "keras_backend": ALL_ESCAPES}
    results = {
        "outcome": ALL_ESCAPES,
        "test_accuracy": 0.9,
        "wall_seconds": 1.0,
        "device": ALL_ESCAPES,
        "dataset": ALL_ESCAPES,
    }
    files = {
        "config.json": {
            "created": ALL_ESCAPES,
            "series": ALL_ESCAPES,
            "resumed": ALL_ESCAPES,
            "engines": dict.fromkeys(("pytorch", "keras"), config),
        },
        "summary.json": dict.fromkeys(("pytorch", "keras"), results),
        "about.json": {"name": ALL_ESCAPES, "note": ALL_ESCAPES, "baseline": True},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def _all_hostile_fields(event: Any, word: str) -> dict[str, Any]:
    names = ("framework", "source", "dataset", "device", "precision", "interpreter", "version", "build", "run_id")
    fields: dict[str, Any] = {name: word for name in names if hasattr(event, name)}
    if hasattr(event, "config"):
        fields["config"] = replace(event.config, preset=word, mode=word, device=word)
    if hasattr(event, "devices"):
        fields["devices"] = (Device(id=word, name=word + " too"),)
    return fields


def _control_characters(text: str) -> list[str]:
    """Return the characters of a text for people that people can't read."""
    return CONTROL.findall(text) + _DECEPTIVE.findall(text)


@pytest.mark.fault(
    "lines", "escape sequences in a saved run's name, note, folder and record: listed, compared, exported"
)
def test_a_saved_run_is_printed_without_escape_sequences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _hostile_run(tmp_path / "runs")
    place = ["--runs-dir", str(tmp_path / "runs")]
    other = shutil.copytree(folder, tmp_path / "other")
    printed = {}
    for command in (
        ["runs", *place], ["runs", "--json", *place], ["runs", "--prune", "0", *place],
        ["compare", str(folder), str(other)], ["compare", str(folder), str(other), "--json"],
        *(["export", str(folder), "--to", form] for form in export.TEXTS),
        ["export", str(folder), "--to", "tensorboard", "--out", str(tmp_path / "files")],
    ):  # fmt: skip
        assert main.main(command) == 0
        printed[" ".join(command[:1] + command[2:])] = "".join(capsys.readouterr())
    assert main.main(["export", str(folder), "--to", "onnx", "--out", str(tmp_path / "files")]) == 1
    printed["onnx"] = "".join(capsys.readouterr())
    assert {what: _control_characters(text) for what, text in printed.items() if _control_characters(text)} == {}
    for form in ("csv", "markdown", "html"):
        assert "evil" in printed[f"export --to {form}"], form
    export.write_all(folder)
    texts = {path.name: path.read_text() for path in (folder / export.FOLDER).glob("results.*")}
    assert {name: _control_characters(text) for name, text in texts.items()} == {
        f"results.{end}": [] for end in ("csv", "html", "json", "md")
    }


@pytest.mark.fault("lines", "escape sequences in a saved run's name, folder and record: played from its asciicast")
def test_an_asciicast_has_no_sequences_but_its_own(tmp_path: Path) -> None:
    folder, path = _hostile_run(tmp_path / "runs"), tmp_path / "run.cast"
    assert main.main(["export", str(folder), "--to", "cast", "--size", "120x40", "--fps", "1", "--out", str(path)]) == 0
    header, *events = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    written = re.sub(r"\x1b\[[?\d;]*[mHJhl]", "", "".join(data for _, _, data in events))
    assert _control_characters(header["title"] + written) == []
    assert "evil" in header["title"] + written


_REPLAY = """
import sys
from pathlib import Path
from engines.api import read_events
from tui.app import MnistApp
from engines.session.replay import Replay
app = MnistApp(session=Replay(list(read_events(Path({recording!r}))), speed=1e9), runs_dir=Path({runs!r}))
sys.exit(app.run_guarded())
"""


@pytest.mark.fault(
    "screen", "escape sequences in a saved run's name, note, folder and record: Runs, Results, Draw and dialogs"
)
def test_a_saved_run_is_shown_without_escape_sequences(tmp_path: Path) -> None:
    folder = _hostile_run(tmp_path / "runs")
    script = _REPLAY.format(recording=str(folder / "events.jsonl"), runs=str(folder.parent))
    terminal = Terminal([sys.executable, "-c", script], tmp_path)
    terminal.wait_until_finished()
    terminal.send("5")
    terminal.wait_for("1 run")
    terminal.wait_for("evil")
    terminal.send("\x1bOQ")  # F2
    terminal.wait_for("enter Save")
    assert not any("[31337h" in line for line in terminal.screen.display), "no name shows the rest of a sequence"
    terminal.send("\x1b")
    terminal.wait_until(lambda: not any("enter Save" in line for line in terminal.screen.display), "closed")
    terminal.send("\x1b[3~")  # delete
    terminal.wait_until(lambda: not folder.exists(), "in the trash")
    terminal.send("u")
    terminal.wait_until(folder.exists, "brought back")
    terminal.send("w")
    terminal.wait_for("Written")
    terminal.send("4")
    terminal.wait_for("[Card]")
    terminal.send("[")
    terminal.wait_for("kept run")
    terminal.send("w")
    terminal.wait_until(lambda: (folder / export.FOLDER / "results.svg").exists(), "written")
    terminal.send("3")
    terminal.wait_for("What they see")
    terminal.send("q")
    assert terminal.wait_for_exit() == 0
    assert LEFT_OVER.findall(terminal.written) == []
    assert _DECEPTIVE.findall(terminal.written) == []
    assert {end: _control_characters((folder / export.FOLDER / f"results.{end}").read_text()) for end in ("md", "html", "svg")} == {
        "md": [], "html": [], "svg": [],
    }  # fmt: skip
