"""Completion in bash, zsh and fish: the scripts, in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.terminal import Terminal
from tui.cli import completion, main

EXPECTED: dict[str, list[str]] = {
    "mnist-tui tra": ["train"],
    "mnist-tui --preset q": ["quick"],
    "mnist-tui train --pres": ["--preset"],
    "mnist-tui train --preset b": ["best"],
    "mnist-tui train --epochs 3 --optimizer adam": ["adam", "adamw"],
    "mnist-tui train --device ": ["auto", "cpu", "cuda:0", "cuda:17"],
    "mnist-tui train --resume 2026-": ["2026-02", "2026-01"],
    "mnist-tui replay ": ["2026-02", "2026-01", "demo"],
    "mnist-tui compare 2026-02 2026-01 d": ["demo"],
    "mnist-tui presets b": ["best"],
    "mnist-tui presets reference q": ["quick"],
    "mnist-tui bench st": ["startup"],
    "mnist-tui export demo --to h": ["html"],
    "mnist-tui script k": ["keras"],
    "mnist-tui completion f": ["fish"],
}
"""The completions of each line."""

PROGRAM = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$2" in
  runs) printf '%s\\n' 2026-02 2026-01 demo ;;
  devices) printf '%s\\n' auto cpu cuda:0 cuda:17 ;;
esac
"""
"""A program in place of ours that records how it is called, and knows two runs and two GPUs."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment for shells in which `mnist-tui` is PROGRAM."""
    (tmp_path / "mnist-tui").write_text(PROGRAM)
    (tmp_path / "mnist-tui").chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}


def saved_script(shell: str, folder: Path) -> Path:
    path = folder / f"completion.{shell}"
    path.write_text(completion.script(shell))
    return path


def output_of(*command: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert not done.stderr
    return done.stdout


BASH = """
source "$1"; shift
for line in "$@"; do
    read -ra COMP_WORDS <<< "$line"
    [[ $line == *' ' ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _mnist_tui
    echo "${COMPREPLY[*]}"
done
"""


def test_bash_completes(tmp_path: Path, environment: dict[str, str]) -> None:
    script = saved_script("bash", tmp_path)
    found = output_of("bash", "-c", BASH, "bash", str(script), *EXPECTED, environment=environment).split("\n")
    assert dict(zip(EXPECTED, found, strict=False)) == {line: " ".join(words) for line, words in EXPECTED.items()}
    calls = (tmp_path / "calls").read_text().split("\n")[:-1]
    assert sorted(calls) == ["completion devices"] + ["completion runs"] * 3, "any other tab press starts no program"


def test_bash_completes_words_with_colons_and_equals_signs(tmp_path: Path, environment: dict[str, str]) -> None:
    """Readline breaks words there, so that a real one has to show it."""
    script = saved_script("bash", tmp_path)
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], tmp_path, (160, 24), **environment, PS1="> ")
    try:
        terminal.wait_for(">")
        terminal.send(f"source {script}; clear\r")
        terminal.send(
            "mnist-tui --start --preset=qu\t--device=cuda:1\t--pytorch-device cuda:1\t--keras-device cu\t0 --keras-b\t"
        )
        terminal.wait_for(
            "--preset=quick --device=cuda:17 --pytorch-device cuda:17 --keras-device cuda:0 --keras-backend"
        )
    finally:
        terminal.close()


def test_zsh_completes(tmp_path: Path, environment: dict[str, str]) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("no zsh on this machine")
    script = saved_script("zsh", tmp_path)
    terminal = Terminal(["zsh", "-f", "-i"], tmp_path, (100, 24), **{**environment, "PS1": "> ", "HOME": str(tmp_path)})
    try:
        terminal.wait_for(">")
        terminal.send(f'autoload -Uz compinit; compinit -u -D; eval "$(<{script})"; clear\r')
        terminal.send("mnist-tui tra\t--pres\tq\t--device cuda:1\t--resume 2026-01\t--optimizer sg\t")
        terminal.wait_for("mnist-tui train --preset quick --device cuda:17 --resume 2026-01 --optimizer sgd")
    finally:
        terminal.close()


def test_fish_completes(tmp_path: Path, environment: dict[str, str]) -> None:
    if shutil.which("fish") is None:
        pytest.skip("no fish on this machine")
    script = saved_script("fish", tmp_path)
    program = f"source {script}; for line in $argv; complete -C $line; echo; end"
    found = output_of("fish", "--no-config", "-c", program, *EXPECTED, environment=environment).split("\n\n")
    words = ([line.partition("\t")[0] for line in lines.split("\n")] for lines in found)
    assert {line: sorted(some) for line, some in zip(EXPECTED, words, strict=False)} == {
        line: sorted(some) for line, some in EXPECTED.items()
    }


def test_it_lists_the_runs_and_devices_of_this_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("20260102T000000-seed0", "20260101T000000-seed0", "of-somebody-else"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        if "seed" in name:
            (tmp_path / "runs" / name / "events.jsonl").touch()
    assert main.main(["completion", "runs", "--runs-dir", str(tmp_path / "runs")]) == 0
    assert capsys.readouterr().out.split() == ["20260102T000000-seed0", "20260101T000000-seed0", "demo"]
    assert main.main(["completion", "runs", "--runs-dir", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out.split() == ["demo"]
    monkeypatch.setattr(os, "listdir", lambda folder: ["null", "nvidiactl", "nvidia0", "nvidia1", "nvidia2"])
    monkeypatch.setattr(sys, "platform", "linux")
    assert completion.device_names() == ["auto", "cpu", "cuda:0", "cuda:1", "cuda:2", "all"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    assert completion.device_names() == ["auto", "cpu", "cuda:0"]
