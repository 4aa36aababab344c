"""Moving pictures by `mnist-tui export`."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyte
import pytest

from engines.api import DEMO, ExportError
from tui.cli import main
from tui.screencast import asciicast, gif, recorder, replay as screencast_replay
from tui.terminal import display

SMALL = ("--size", "50x12", "--fps", "1", "--speed", "60")
"""Four frames of the demo."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return an empty folder, which is the current one, and restore the handlers of signals."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCONT)}
    yield here
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def with_font() -> None:
    try:
        gif.load_font()
    except ExportError as error:
        pytest.skip(str(error))


def export(*arguments: str, run: str = "demo") -> int:
    return main.main(["export", run, *arguments])


def header_of(path: Path) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(path.read_text(encoding="utf-8").split("\n", 1)[0])
    return header


def last_screen(path: Path) -> str:
    header, *events = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    screen = pyte.Screen(header["width"], header["height"])
    stream = pyte.Stream(screen)
    for _, _, data in events:
        stream.feed(data)
    return "\n".join(screen.display)


@pytest.mark.usefixtures("with_font")
def test_both_formats_are_written_into_the_current_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("cast", "gif"):
        assert export("--to", form, *SMALL) == 0
    assert capsys.readouterr().out == "demo.cast\ndemo.gif\n"
    assert sorted(path.name for path in folder.iterdir()) == ["demo.cast", "demo.gif"]
    header = header_of(folder / "demo.cast")
    assert (header["width"], header["height"], header["title"]) == (50, 12, "mnist-tui: demo")
    assert (folder / "demo.gif").read_bytes()[:6] == b"GIF89a"
    assert "finished" in last_screen(folder / "demo.cast")


def test_options_reach_the_film(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    real = recorder.record

    def record(app: Any, loop: Any, size: Any, seconds: float, **options: Any) -> Any:
        seen.update(size=size, seconds=seconds, fps=options["fps"], theme=app.theme, speed=app.session.speed)
        return real(app, loop, size, 0.5, **options)

    monkeypatch.setattr(screencast_replay, "record", record)
    assert export("--to", "cast", "--size", "60x20", "--speed", "20", "--fps", "4", "--theme", "mnist-light") == 0
    length = seen.pop("seconds")
    assert seen == {"size": (60, 20), "fps": 4, "theme": "mnist-light", "speed": 20}
    assert 8 < length < 9
    assert header_of(folder / "demo.cast")["width"] == 60


def test_a_pipe_is_written_to_and_not_replaced(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    reader = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert export("--to", "cast", "--out", "pipe", "--size", "20x8", "--fps", "1", "--speed", "1000") == 0
    assert os.read(reader, 13) == b'{"version": 2'
    os.close(reader)
    assert (folder / "pipe").is_fifo()


def test_several_runs_go_into_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        (folder / f"{name}.jsonl").write_bytes(DEMO.read_bytes())
    assert main.main(["export", "one.jsonl", "two.jsonl", "--to", "cast", "--out", "films", *SMALL]) == 0
    assert sorted(path.name for path in (folder / "films").iterdir()) == ["one.cast", "two.cast"]
    assert header_of(folder / "films" / "two.cast")["title"] == "mnist-tui: two"
    assert main.main(["export", "one.jsonl", "two.jsonl", "--to", "markdown", "--out", "films"]) == 0
    assert (folder / "films" / "one.md").is_file()
    capsys.readouterr()
    assert main.main(["export", "one.jsonl", "two.jsonl", "--to", "csv"]) == 0
    assert capsys.readouterr().out.count("engine,") == 2
    assert main.main(["export", "one.jsonl", "two.jsonl", "--to", "csv", "--out", "one.jsonl"]) == 1
    assert "not a folder for several runs" in capsys.readouterr().err


def test_an_unfinished_run(folder: Path) -> None:
    events = DEMO.read_text(encoding="utf-8").splitlines()
    (folder / "cut.jsonl").write_text("\n".join(events[: len(events) // 3]), encoding="utf-8")
    assert export("--to", "cast", *SMALL, run="cut.jsonl") == 0
    screen = last_screen(folder / "cut.cast")
    assert "training" in screen
    assert "finished" not in screen


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--size", "120"), 2, "'120' is no size, write 120x34"),
        (("--size", "9x9"), 2, "'9x9' is out of range, from 20x8 to 400x120"),
        (("--fps", "60"), 2, "'60' is out of range, from 1 to 50"),
        (("--speed", "0"), 2, "--speed must be more than 0"),
        (("--font", "no.ttf"), 1, "no.ttf is no font file that Pillow can draw with"),
        (("--to", "csv", "--speed", "2"), 2, "--speed is for --to cast and --to gif"),
        (("--out", "old.gif"), 1, "old.gif exists; --force overwrites it"),
        (("--out", "no folder/new.gif"), 1, "no folder: make it first"),
    ],
)
def test_what_can_not_be_done_is_said_before_the_work(
    folder: Path,
    arguments: tuple[str, ...],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(screencast_replay, "record")
    (folder / "old.gif").write_text("mine")
    assert export("--to", "gif", *arguments) == code
    assert message in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["old.gif"]


def test_an_empty_recording(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty.jsonl").write_text("")
    assert export("--to", "cast", run="empty.jsonl") == 1
    assert "empty.jsonl holds no run" in capsys.readouterr().err


def test_without_pillow(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A cast needs none."""
    import tui.screencast

    for name in ("gif", "fonts"):
        monkeypatch.delitem(sys.modules, f"tui.screencast.{name}", raising=False)
        monkeypatch.delattr(tui.screencast, name, raising=False)
    for name in ("PIL", "PIL.GifImagePlugin"):
        monkeypatch.setitem(sys.modules, name, None)
    assert export("--to", "gif", *SMALL) == 1
    assert (
        capsys.readouterr().err == "mnist-tui: A gif needs Pillow: install it with `pip install 'mnist-tui[export]'`.\n"
    )
    assert export("--to", "cast", *SMALL) == 0
    assert [path.name for path in folder.iterdir()] == ["demo.cast"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_app_runs_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def record(*arguments: Any, **options: Any) -> Any:
        options["on_frame"] = lambda done, total: os.kill(os.getpid(), number) if done == 2 else None
        return real(*arguments, **options)

    real = recorder.record
    monkeypatch.setattr(screencast_replay, "record", record)
    assert export("--to", "cast", *SMALL) == 128 + number
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("with_font")
@pytest.mark.parametrize("form", ["cast", "gif"])
def test_ctrl_c_while_the_file_is_written_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def interrupt(*_: object, **__: object) -> Any:
        raise KeyboardInterrupt

    module: Any = gif if form == "gif" else asciicast
    monkeypatch.setattr(module, "_encode" if form == "gif" else "_event", interrupt)
    assert export("--to", form, *SMALL) == 130
    assert list(folder.iterdir()) == []


def test_progress_is_shown_on_a_terminal(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(display, "can_rewrite", lambda stream: True)
    assert export("--to", "cast", *SMALL) == 0
    captured = capsys.readouterr()
    assert captured.err == "\rrecording: 4 of 4 frames\x1b[K\n"
    assert captured.out == "demo.cast\n"
