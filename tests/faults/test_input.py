"""Any input: bytes on the pipe, settings, words on the command line, keys, sizes, and terminals that can do less."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import example, given, settings, strategies as st
from rich.cells import cell_len
from textual.widgets import OptionList, Select

from engines.api import ConfigError, MachineHistory, RunHistory, TrainConfig, from_settings, parse, problem
from engines.messages.codec import ProtocolError, decode_command, decode_event, encode
from engines.messages.events import EVENTS, EvalCompleted
from engines.runs.seeds import SeedResults as Seeds
from engines.runs.summary import engine_summary
from engines.session.replay import FAR, Replay
from engines.supervision.streams import LineSplitter
from tests.conftest import INTS
from tests.support.recording import demo_events
from tests.support.run_events import life
from tests.support.terminal import ROOT, PixelTerminal, Terminal, all_exited, app_command
from tui import preferences
from tui.app import MnistApp
from tui.charts.braille import Axes, Series, draw
from tui.charts.scales import ERROR, LINEAR, LOG
from tui.charts.sparkline import progress_bar, sparkline
from tui.charts.viewport import Viewport
from tui.cli import (
    code,
    data,
    doctor,
    export as export_command,
    main,
    parity,
    presets,
    script,
    setup,
    train as train_command,
)
from tui.reports import card as report_card, comparison, export, run_summary
from tui.terminal import osc, textual_patches
from tui.widgets.card_view import figures_table
from tui.widgets.confusion_matrix import evaluated, matrices
from tui.widgets.curves import x_extent

FLOATS = st.floats(allow_nan=True, allow_infinity=True)
FIELDS = sorted(field.name for field in dataclasses.fields(TrainConfig))

# Settings

_PLAIN = st.none() | st.booleans() | st.integers() | FLOATS | st.text()
_ANYTHING = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@pytest.mark.fault("input", "settings: any value in any field (property)")
@example({"optimizer": ["adam"]})
@example({"learning_rate": 10**400})
@given(st.dictionaries(st.sampled_from([*FIELDS, "no_such_setting"]), _ANYTHING))
def test_any_settings_are_valid_or_refused_in_a_sentence(chosen: dict[str, Any]) -> None:
    try:
        config = from_settings(chosen)
    except ConfigError as error:
        assert str(error).endswith(".")
    else:
        assert all(problem(name, getattr(config, name)) is None for name in FIELDS)


@pytest.mark.fault("input", "settings: any text typed into any field (property)")
@given(st.sampled_from(FIELDS), st.text() | st.text("0123456789eE+-._, naif"))
def test_any_text_is_a_value_or_has_a_reason(name: str, text: str) -> None:
    try:
        value = parse(name, text)
    except ConfigError as error:
        assert str(error)
    else:
        assert problem(name, value) is None


_TOML = st.binary() | st.lists(
    st.tuples(st.sampled_from([*FIELDS, "framework", "theme", "notices"]), _ANYTHING).map(
        lambda it: f"{it[0]} = {json.dumps(it[1])}"
    )
).map(lambda lines: "\n".join(["[remembered]", *lines]).encode("utf-8", "surrogatepass"))


@pytest.mark.fault("input", "remembered.toml: any bytes, any values (property)")
@example(b"[remembered]\noptimizer = ['adam']")
@example(b"remembered = " + 5_000 * b"[")
@given(_TOML)
def test_any_remembered_settings_open_the_app(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / preferences.FILE
    path.write_bytes(content.removeprefix(b"[remembered]\n"))
    saved = preferences.load(path)
    assert preferences.notices(saved) in osc.NOTICES
    settings_, _ = preferences.valid_settings(saved)
    assert settings_.pop("framework", "both") in ("pytorch", "keras", "both")
    from_settings(settings_)


_WORD = st.sampled_from([*FIELDS, "theme", '"two words"', "a.b", '""', '"a=b"', "'é'"])
_SAVED = ("0x10", "true", "'x'", r'"\u007f"', "2.5")
_CONTENT = st.sampled_from(
    [
        "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "{a = 1}", "[1, 'x']", "inf", "nan", "1e400", *_SAVED,
    ]
)  # fmt: skip


@pytest.mark.fault(
    "input",
    "remembered.toml, and the old table of config.toml: what can't be saved is left out, the rest stays (property)",
)
@example(True, {"theme": "'x'", "a.b": "1979-05-27", '"two words"': "1", "learning_rate": "inf"})
@given(st.booleans(), st.dictionaries(_WORD, _CONTENT))
def test_settings_saved_again_are_loaded_again(
    tmp_path_factory: pytest.TempPathFactory, before: bool, lines: dict[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "kept" / preferences.FILE
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    content = "\n".join(f"{name} = {value}" for name, value in lines.items())
    (path.with_name("config.toml") if before else path).write_text(f"[remembered]\n{content}" if before else content)
    loaded = preferences.load(path)
    preferences.save(path, loaded)
    again = preferences.load(path)
    assert again == {name: value for name, value in loaded.items() if name in again}
    assert set(again) == {name for name in lines if name.isidentifier() and lines[name] in _SAVED}


# The pipe

_JSON = st.recursive(
    _PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "type", "engine", "seq"]), inner)
    ),
).map(json.dumps)


@pytest.mark.fault("input", "protocol: any bytes, any JSON (property)")
@example(100_000 * b"[")
@example(b'{"type":"Heartbeat","engine":"x","seq":' + 5_000 * b"9" + b"}")
@given(
    st.binary()
    | st.text().map(str.encode)
    | _JSON.map(str.encode)
    | st.sampled_from(sorted(EVENTS)).map(
        lambda name: json.dumps({"type": name, "engine": "keras", "t": "NaN", "layers": [[1]], "gpus": [{}]}).encode()
    )
)
def test_any_line_is_a_message_or_a_protocol_error(line: bytes) -> None:
    for decode in (decode_event, decode_command):
        try:
            decode(line)
        except ProtocolError as error:
            assert str(error)


@pytest.mark.fault("input", "lines: a stream has the same lines wherever it is cut (property)")
@given(st.lists(st.sampled_from([b"a", b"bc", b"\n", b"longer than five", b"\xff\x00"])), st.data())
def test_lines_do_not_depend_on_how_the_stream_is_cut(words: list[bytes], data: st.DataObject) -> None:
    stream, longest = b"".join(words), 5
    at = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    cut = LineSplitter(longest)
    *ended, unfinished = stream.split(b"\n")
    wanted = [line[:longest] for line in ended] + ([unfinished[:longest]] if len(unfinished) >= longest else [])
    assert [line for a, b in pairwise([0, *at, len(stream)]) for line in cut.feed(stream[a:b])] == wanted
    assert cut.remainder() == (unfinished if len(unfinished) < longest else b"")


# Events, and every pane drawn from them


def _any(field: str, hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the worst values that the field may hold."""
    if field == "confusion":
        return st.just((1,) * 100) | st.lists(INTS, min_size=100, max_size=100).map(tuple) | st.from_type(hint)
    if field == "device":
        return st.sampled_from(["cpu", "cuda:0", "cuda:7"]) | st.text()
    if field == "engine":
        return st.sampled_from(["pytorch", "keras"])
    return INTS if hint is int else FLOATS if hint is float else st.from_type(hint)


def _write_everything(histories: Mapping[str, RunHistory], machine: MachineHistory) -> None:
    """Write all that is not drawn on a pane: the card and its charts, a comparison, the summary, and results over seeds."""
    report, colors = report_card.report(histories, machine), defaultdict[str, str](lambda: "red")
    if report is not None:
        assert report_card.markdown(report)
        assert report_card.html(report, export.charts(histories))
        assert figures_table(report, colors, 80)
    assert isinstance(matrices(evaluated(histories), colors, 80, 20), list)
    assert comparison.lines(comparison.entries([("a run", histories)]))
    series = Seeds()
    for history in (*histories.values(), *histories.values()):
        json.dumps(engine_summary(history), allow_nan=False)
        series.add(history)
    assert isinstance(series.summary_lines(), list)


_RESULTS = [
    "RunRequested", "DataReady", "RunStarted", "TrainProgress", "EvalCompleted", "EpochCompleted", "RunFinished",
]  # fmt: skip


@cache
def _any_event(name: str) -> st.SearchStrategy[Any]:
    """Return a strategy for an event of this name: made once, because its making takes longer than an event's."""
    return st.builds(EVENTS[name], **{f: _any(f, h) for f, h in get_type_hints(EVENTS[name]).items()})


EVENT = st.sampled_from([*sorted(EVENTS), *(4 * _RESULTS)]).flatmap(_any_event)
"""Any event; those that results consist of come more often, because they mean something only together."""


@pytest.mark.fault("input", "events: any, in any order, applied and drawn on every pane (property)")
def test_any_events_in_any_order_are_drawn() -> None:
    shown = MnistApp(session=Replay(demo_events()[:10], clock=lambda: 0.0))
    test = shown.run_test(size=(120, 40))

    async def draw_now() -> None:
        shown.train_screen.show_frame({"pytorch", "keras"}, True)
        await pilot.pause()
        assert shown.is_running

    @settings(max_examples=60, deadline=None)
    @given(st.lists(EVENT, max_size=30), st.sampled_from(["", "o", "m", "X", "y", "left", "plus", "l"]))
    def anything(events: list[Any], key: str) -> None:
        shown.session.machine = MachineHistory()
        for engine in ("pytorch", "keras"):
            shown.session.histories[engine] = RunHistory(engine)
        for event in events:
            assert decode_event(encode(event))
            shown.session.machine.apply(event)
            shown.session.histories[event.engine].apply(event)
        _write_everything(shown.session.histories, shown.session.machine)
        if key:
            runner.run(pilot.press(key))
        runner.run(draw_now())
        assert all(run_summary.closing_lines(shown.session))

    with asyncio.Runner() as runner:
        pilot = runner.run(test.__aenter__())
        try:
            anything()
        finally:
            runner.run(test.__aexit__(None, None, None))


@pytest.mark.fault("input", "events: a run of any figures, drawn and written (property)")
@example(float("inf"), float("-inf"), (1,) * 100)
@example(1.7e308, 1.7e308, (1,) * 100)
@example(0.5, 0.5, (0,) * 100)
@example(0.5, 0.5, (1, 1))
@given(FLOATS, FLOATS, st.sampled_from([(-1,) * 100, (0,) * 100, (1,) * 100, (1, 1)]))
def test_a_run_of_any_figures_is_drawn_and_written(one: float, other: float, counts: tuple[int, ...]) -> None:
    events: list[Any] = []
    for engine in ("pytorch", "keras"):
        for event, figure in zip(life(), cycle([one, other]), strict=False):
            hints = get_type_hints(type(event)).items()
            values: dict[str, Any] = {name: figure for name, hint in hints if hint is float}
            if isinstance(event, EvalCompleted):
                values["confusion"] = counts
            events.append(dataclasses.replace(event, **values, engine=engine))
    histories = {engine: RunHistory(engine) for engine in ("pytorch", "keras")}
    for event in events:
        histories[event.engine].apply(event)
    _write_everything(histories, MachineHistory())
    for axis in ("step", "epoch", "time"):
        assert x_extent(histories.values(), Viewport(x_axis=axis))
    shown = Replay(events)
    shown.drain()
    assert shown.playback
    assert abs(shown.now()) < FAR
    assert all(run_summary.closing_lines(shown))


# Charts


@pytest.mark.fault("input", "charts: any floats at any size (property)")
@example([(0.0, 1.7e292)], 18, 9, LOG, False, "line")  # its axis would reach beyond the largest float
@example([(0.0, 0.0), (0.0, 2.75e306)], 18, 4, LINEAR, False, "line")
@example([(0.0, 0.0), (0.0, 1.7e308)], 18, 9, LINEAR, False, "line")
@example([(0.0, 1e308), (0.0, -7e307)], 18, 9, LINEAR, False, "line")
@given(
    st.lists(st.tuples(FLOATS, FLOATS), max_size=40),
    st.integers(0, 120),
    st.integers(0, 40),
    st.sampled_from([LINEAR, LOG, ERROR]),
    st.booleans(),
    st.sampled_from(["line", "points"]),
)
def test_charts_of_any_data_have_their_size(
    data: list[tuple[float, float]], width: int, height: int, scale: str, ascii_only: bool, kind: str
) -> None:
    xs, ys = [x for x, _ in data], [y for _, y in data]
    rows = draw(
        [Series("keras", xs, ys, kind=kind, dashed=True)], Axes(scale=scale), width, height, ascii_only=ascii_only
    )
    assert len(rows) == height
    assert all(sum(cell_len(text) for text, _ in row) == width for row in rows)


@pytest.mark.fault("input", "sparks: any floats at any width (property)")
@given(st.lists(st.none() | FLOATS, max_size=50), st.integers(0, 60), FLOATS, st.booleans())
def test_sparks_have_their_width(values: list[float | None], width: int, maximum: float, ascii_only: bool) -> None:
    assert cell_len(sparkline(values, width, maximum=maximum, ascii_only=ascii_only)) == width


@pytest.mark.fault("input", "bars: any fraction at any width (property)")
@given(FLOATS, st.integers(0, 100), st.booleans())
def test_bars_have_their_width(fraction: float, width: int, ascii_only: bool) -> None:
    assert sum(map(cell_len, progress_bar(fraction, width, ascii_only=ascii_only))) == width


# The command line

_WORDS = st.one_of(
    st.sampled_from(
        [
            *main.COMMANDS,
            "--help",
            "--version",
            "--json",
            "--plain",
            "--start",
            "--debug",
            "--fps",
            "--resume",
            "--runs-dir",
            "--speed",
        ]
    ),
    st.sampled_from(FIELDS).map(lambda name: f"--{name.replace('_', '-')}"),
    st.integers().map(str),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.binary().map(
        lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    ),  # as Python reads arguments
)


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the work of every command, so that only the command line is tested."""
    from tui.bench import suite

    monkeypatch.setattr(train_command, "train", lambda *_, **__: 0)
    monkeypatch.setattr(presets, "print_tables", lambda *_, **__: None)
    monkeypatch.setattr(export_command, "_write", lambda *_, **__: 0)
    monkeypatch.setattr(suite, "measure", lambda *_, **__: 0)
    for command in (parity, doctor, script, code, setup, data):
        monkeypatch.setattr(command, "run", lambda _: 0)


@pytest.mark.fault("input", "command line: any words (property)")
@pytest.mark.usefixtures("no_work")
def test_any_command_line_runs_or_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from(list(main.COMMANDS)), st.lists(_WORDS, max_size=5))
    def any_words(command: str, words: list[str]) -> None:
        try:
            code = main.main([*([command] if command else []), *(word for word in words if word != "--debug")])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        assert code in (0, 2)
        assert "Traceback" not in out + err
        if code == 2:
            assert re.fullmatch(r"mnist-tui: [^\n]+\n", err), err

    any_words()


# Keys and sizes

_KEYS = [
    *(chr(code) for code in range(32, 127) if chr(code) != "q"), *"\t\r\x7f", "\x1b", "\x1b[F", "\x1b[H", "\x1b[Z",
    "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[1;2C", "\x1b[1;2D", "\x1b[5~", "\x1b[6~", "\x1bOP",
    "\x1b[<64;40;12M", "\x1b[<65;40;12M", "\x1b[<0;20;9M", "\x1b[<35;60;20M", "\x1b[200~pasted\x1b[201~",
    "\x1b[", "[/x]", "é", "漢", "\x13", "\x1a",
]  # fmt: skip
"""All keys but those that quit: every command's, the form's, the mouse's, broken sequences, other alphabets."""


@pytest.mark.fault("input", "random keys for some seconds while both train")
@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_random_keys_do_not_end_the_app(seconds: int, small_mnist: Path, tmp_path: Path) -> None:
    terminal = Terminal(app_command(small_mnist, tmp_path), tmp_path, MNIST_TUI_SCRIPT="slow")
    terminal.wait_for("training")
    dice, end = random.Random(seconds), time.monotonic() + seconds
    while time.monotonic() < end:
        terminal.send("".join(dice.choices(_KEYS, k=dice.randint(1, 6))))
        if dice.random() < 0.05:
            terminal.child.setwinsize(dice.randint(1, 60), dice.randint(1, 200))
        terminal.read()
        assert terminal.child.isalive(), terminal.written[-30_000:]
    terminal.child.setwinsize(40, 120)
    workers = terminal.processes()
    deadline = time.monotonic() + 20
    while terminal.child.isalive() and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            terminal.send("\x03")  # asks while something still trains, and confirms
        terminal.read()
    assert terminal.wait_for_exit() == 0, terminal.written[-30_000:]
    assert terminal.is_restored
    assert all_exited(workers)
    assert "Traceback" not in terminal.written


@pytest.mark.fault("input", "a page down in an open select of a terminal of one cell")
async def test_paging_in_a_list_without_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OptionList, "_move_page", OptionList._move_page)  # restored after the test
    textual_patches.fix_empty_option_list()
    shown = MnistApp(session=Replay([]))
    async with shown.run_test(size=(80, 24)) as pilot:
        select = Select([(str(i), i) for i in range(9)], value=3, allow_blank=False)
        await shown.screen.mount(select)
        select.expanded = True
        await pilot.pause()
        await pilot.resize_terminal(1, 1)
        overlay = select.query_one(OptionList)
        overlay._clear_caches()
        await shown.run_action("page_down", overlay)
        await shown.run_action("page_up", overlay)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        await shown.run_action("page_down", overlay)
        assert overlay.highlighted == 8


_WIDTHS = [1, 3, 10, 20, 59, 80, 110, 300]
_HEIGHTS = [1, 2, 3, 5, 14, 22, 31, 100]
SIZES = sorted({*((w, h) for w in _WIDTHS for h in (1, 24, 60)), *((w, h) for h in _HEIGHTS for w in (1, 80))})


@pytest.mark.fault("input", "every size of terminal, from 1 by 1 to 300 by 100, with charts, logs, form and help")
async def test_every_terminal_size_is_drawn() -> None:
    shown = MnistApp(session=Replay(demo_events(), speed=1e9))
    async with shown.run_test(size=(120, 40)) as pilot:
        shown.draw_frame()
        for i, (width, height) in enumerate(SIZES):
            await pilot.resize_terminal(width, height)
            if i % 5 == 0:
                await pilot.press(("l", "question_mark", "escape", "o", "m", "slash", "escape", "o")[i // 5])
            shown.train_screen.show_frame({"pytorch", "keras"}, True)
            await pilot.pause()
            assert shown.is_running
            assert (shown.size.width, shown.size.height) == (width, height)


# Terminals that can do less

_CLI = """
import sys
from tests.support.engines import scripted_spec
from tui.cli import arguments, main
import engines.api
arguments.specs = lambda given: [scripted_spec(name) for name in engines.api.FRAMEWORK_CHOICES[given.framework or "both"]]
engines.api.engine_spec = lambda name, python="": scripted_spec(name)
sys.exit(main.main(sys.argv[1:]))
"""
COMMAND = [sys.executable, "-c", _CLI]
COLORS = re.compile(r"\x1b\[[0-9;]*?(?:[34][1-7]|9[1-7]|10[1-7]|[34]8;5;\d+|[34]8;2;(\d+);(\d+);(\d+))[0-9;]*m")


@pytest.fixture
def train(small_mnist: Path) -> list[str]:
    """Return the options of a short run."""
    return ["--epochs", "2", "--batch-size", "64", "--data-dir", str(small_mnist)]


def piped(*arguments: str, before: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command without any terminal."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [*before, *COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=env,
        timeout=120,
        check=False,
    )


@pytest.mark.fault("input", "no terminal at all")
def test_no_terminal(train: list[str]) -> None:
    refused = piped()
    assert refused.returncode == 2
    assert b"mnist-tui train" in refused.stderr
    done = piped("--start", *train)
    assert done.returncode == 0
    assert done.stdout.decode().count("completed") == 2
    assert b"\x1b" not in done.stdout + done.stderr


@pytest.mark.fault("input", "TERM=dumb")
def test_a_dumb_terminal(train: list[str], tmp_path: Path) -> None:
    refused = Terminal(COMMAND, tmp_path, TERM="dumb")
    assert refused.wait_for_exit(20) == 2
    assert "mnist-tui train" in refused.written
    for arguments in (["--start", *train], ["train", *train]):
        done = Terminal([*COMMAND, *arguments], tmp_path, TERM="dumb")
        assert done.wait_for_exit(40) == 0
        assert done.written.count("completed") == 2
        assert "\x1b" not in done.written


C_LOCALE: dict[str, Any] = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.fault("input", "no UTF-8: lines")
def test_lines_without_utf8(train: list[str]) -> None:
    done = piped("train", *train, **C_LOCALE)
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert done.stdout.decode().count("completed") == 2
    assert b"Error" not in done.stderr
    assert piped("presets", "--help", **C_LOCALE).returncode == 0
    assert piped("doctor", **C_LOCALE).returncode == 0
    assert piped("runs", **C_LOCALE).returncode == 0


@pytest.mark.fault("input", "no UTF-8: the screen is drawn in ASCII")
def test_the_screen_without_utf8(train: list[str], tmp_path: Path) -> None:
    terminal = Terminal([*COMMAND, "--start", *train], tmp_path, **C_LOCALE)
    terminal.wait_until_finished()
    terminal.send("l")
    terminal.send("?")
    terminal.wait_for("These keys")
    terminal.send("?")
    terminal.wait_until(lambda: not any("These keys" in line for line in terminal.screen.display), "closed")
    terminal.send("q")
    assert terminal.wait_for_exit() == 0
    assert "\\u" not in terminal.written
    assert sorted({c for c in terminal.written if not c.isascii()}) == []


@pytest.mark.fault("input", "NO_COLOR")
def test_no_color(train: list[str], tmp_path: Path) -> None:
    for arguments in (["--start", *train], ["train", *train]):
        terminal = Terminal([*COMMAND, *arguments], tmp_path, NO_COLOR="1", COLORTERM="truecolor")
        if arguments[0] == "--start":
            terminal.wait_until_finished()
            terminal.send("q")
        assert terminal.wait_for_exit(40) == 0
        colored = [match for match in COLORS.finditer(terminal.written) if not match[1] or len(set(match.groups())) > 1]
        assert [match.group() for match in colored] == []  # greys are no colours


@pytest.mark.fault("input", "one core for everything")
def test_one_core(train: list[str]) -> None:
    if shutil.which("taskset") is None:
        pytest.skip("no taskset on this machine")
    core = str(min(os.sched_getaffinity(0)))
    done = piped("train", *train, before=("taskset", "-c", core))
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().count("completed") == 2


@pytest.fixture
def one_core() -> Iterator[Path]:
    """Make a control group, of version 2 or 1, whose quota is one core's time."""
    tops = {"cpu.max": Path("/sys/fs/cgroup"), "cpu.cfs_quota_us": Path("/sys/fs/cgroup/cpu")}
    for quota, top in tops.items():
        group = top / f"mnist-tui-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / quota).exists():
                (group / quota).write_text("100000 100000" if quota == "cpu.max" else "100000")
                yield group
                return
        finally:
            group.rmdir()
    pytest.skip("no control group can be made here")


@pytest.mark.fault("input", "a control group of one core: no engine takes two threads")
def test_a_control_group_of_one_core(one_core: Path, train: list[str]) -> None:
    inside = ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(one_core))
    done = piped("train", "--json", "--framework", "pytorch", *train, before=inside)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["num_threads"] for event in events if event["type"] == "RunStarted"} == {1}


@pytest.mark.fault("input", "a terminal that reports the mouse in pixels: the pen follows them, not cells")
def test_the_pen_follows_pixels_where_the_terminal_reports_them(tmp_path: Path, small_mnist: Path) -> None:
    """Draw dots at the left and at the right edge of a cell: each has more ink on its own side."""
    terminal = PixelTerminal(app_command(small_mnist, tmp_path), tmp_path, (80, 24), COLORTERM="truecolor")
    try:
        terminal.wait_for("training")
        terminal.wait_until(lambda: "\x1b[?1016h" in terminal.written, "asked for pixels")
        terminal.send("3")
        terminal.wait_for("Draw a digit")
        column = next(line.index("Draw a digit") for line in terminal.screen.display if "Draw a digit" in line)
        cell, row = column + 12, 9

        def ink() -> list[int]:
            """Return how far both halves of the cells beside it are from the colour of the paper."""
            line, paper = terminal.screen.buffer[row], terminal.screen.buffer[row + 8][cell].bg

            def far(color: str) -> int:
                return sum(abs(a - b) for a, b in zip(bytes.fromhex(color), bytes.fromhex(paper), strict=True))

            return [far(line[x].fg) + far(line[x].bg) for x in (cell - 1, cell + 1)]

        for place, more in ((0.05, 0), (0.95, 1)):
            terminal.send("\x7f")
            terminal.wait_until(lambda: ink() == [0, 0], "blank")
            terminal.send_mouse(0, cell + place, row + 0.5)
            terminal.send_mouse(0, cell + place, row + 0.5, up=True)
            terminal.wait_until(lambda more=more: ink()[more] > ink()[1 - more], "more ink on one side")  # type: ignore[misc]
    finally:
        terminal.close()


@pytest.mark.fault("input", "a terminal that reports its size as 0 pixels: the mouse goes by cells")
def test_the_mouse_works_where_the_terminal_reports_zero_pixels(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PixelTerminal, "CELL", (0, 0))
    terminal = PixelTerminal(app_command(small_mnist, tmp_path), tmp_path, (80, 24))
    try:
        terminal.wait_for("training")
        terminal.wait_until(lambda: "\x1b[?1016h" in terminal.written, "asked for pixels")
        column = terminal.screen.display[0].index("3") + 1
        terminal.send(f"\x1b[<0;{column};1M\x1b[<0;{column};1m")
        terminal.wait_for("Draw a digit")
    finally:
        terminal.close()
