"""Opening the app and replays from the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from engines import paths
from engines.session.replay import DEMO
from tui import preferences
from tui.app import MnistApp
from tui.cli import main


def test_the_saved_theme_is_used_by_every_command(opened: list[MnistApp], tmp_path: Path) -> None:
    preferences.save(paths.config_file().with_name(preferences.FILE), {"theme": "mnist-light", "epochs": 3})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "events.jsonl").write_text(DEMO.read_text(encoding="utf-8"), encoding="utf-8")
    for command in ([], ["--resume", "run"], ["replay", "run"]):
        assert main.main(command) == 0
        assert main.main([*command, "--theme", "mnist-clear"]) == 0
    assert [app.theme for app in opened] == 3 * ["mnist-light", "mnist-clear"]
    assert [app.controller.request.settings.get("epochs") for app in opened] == [3, 3, None, None, None, None]


def test_a_replay_lists_the_runs_of_its_runs_dir(opened: list[MnistApp], tmp_path: Path) -> None:
    assert main.main(["replay", "demo", "--runs-dir", str(tmp_path / "elsewhere")]) == 0
    assert opened[0].runs_dir == tmp_path / "elsewhere"


def test_a_summary_into_a_closed_window_keeps_the_exit_code(environment: dict[str, str]) -> None:
    ours, theirs = os.openpty()
    os.close(ours)
    script = """
import sys
from types import SimpleNamespace
from tui.cli import app
from tui.reports import run_summary
run_summary.closing_lines = lambda *_: ["left"]
app.print_summary(SimpleNamespace(session=SimpleNamespace(drain=list)))
sys.exit(129)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=60, env=environment)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (129, "")
