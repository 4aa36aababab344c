"""A command that can't write, or that the system refuses, ends with one plain sentence and exit code 1."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engines.api import DataError
from engines.atomic_file import write_atomically
from engines.config import TrainConfig
from engines.errors import reason
from engines.runs.directory import RunDirectory
from tui.cli import arguments, failures, main
from tui.reports import export

FULL = "mnist-tui: The output could not be written: No space left on device.\n"


@pytest.mark.fault("disk", "the output of a command goes to a full disk: one sentence, exit code 1")
@pytest.mark.parametrize(
    ("command", "buffered"),
    [
        *((command, True) for command in (
            "--help", "--version", "train --help", "runs", "runs --json", "data", "data --json", "code --no-hyperparameters",
            "code --json --no-hyperparameters", "doctor", "doctor --json", "compare demo", "compare demo --json", "export demo",
            "export demo --to markdown", "setup --dry-run", "script keras",
        )),
        ("runs", False),
        ("--help", False),
    ],
)  # fmt: skip
@pytest.mark.linux("/dev/full")
def test_output_to_a_full_disk_is_one_sentence(
    command: str, buffered: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(arguments, "specs", lambda _: [])
    with open("/dev/full", "w") as full:
        if not buffered:
            full.reconfigure(write_through=True)
        monkeypatch.setattr(sys, "stdout", full)
        assert main.main(command.split()) == 1
    assert capsys.readouterr().err == FULL


@pytest.mark.fault("disk", "a full disk, as a shell sees it: Python adds nothing when it ends")
@pytest.mark.linux("/dev/full")
def test_python_adds_no_message_of_its_own() -> None:
    code = "import sys; from tui.cli.main import main; sys.exit(main(['runs']))"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, env=buffered, text=True, timeout=60
        )
    assert (done.returncode, done.stderr) == (1, FULL)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/runs"), "/runs: Permission denied."),
        (OSError(errno.EBUSY, "Device or resource busy", "/a/.b.part-1", None, "/a/b"), "/a/b: Device or resource busy."),
        (OSError(errno.ENOSPC, "No space left on device"), "The output could not be written: No space left on device."),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory"), "No usable temporary directory."),
        (OSError("3 requested and 2 written"), "3 requested and 2 written."),
        (RuntimeError("one\ntwo"), "RuntimeError: one. Run it again with --debug for the details."),
    ],
)  # fmt: skip
def test_exceptions_are_described_in_plain_words(error: Exception, said: str) -> None:
    assert failures.describe(error) == said


def test_the_reason_of_numpys_long_advice_is_the_error_beneath() -> None:
    error = ImportError("\n\nIMPORTANT: PLEASE READ THIS FOR ADVICE ON HOW TO SOLVE THIS ISSUE!\n\nImporting failed.")
    error.__cause__ = ImportError("libscipy_openblas64_.so: failed to map segment from shared object")
    assert reason(error) == "ImportError: libscipy_openblas64_.so: failed to map segment from shared object"


def test_reasons_are_short() -> None:
    assert reason(OSError(errno.ENOSPC, "No space left on device", "/x")) == "No space left on device"
    assert reason(MemoryError()) == "MemoryError"
    assert reason(DataError("too long " * 100, "")).startswith("DataError: too long")
    assert len(reason(DataError("too long " * 100, ""))) < 400


@pytest.mark.fault("disk", "an export into /dev/full: one sentence, exit code 1")
@pytest.mark.linux("/dev/full")
def test_an_export_to_a_full_device_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["export", "demo", "--out", "/dev/full"]) == 1
    assert capsys.readouterr().err == "mnist-tui: /dev/full: No space left on device.\n"
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.fault("disk", "an export into the current folder, which was deleted: the sentence says so")
def test_an_export_into_a_deleted_folder_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for form in ("csv", "tensorboard"):
        assert main.main(["export", "demo", "--to", form, "--out", "new"]) == 1
        assert capsys.readouterr().err == "mnist-tui: The current folder was deleted: change into another one.\n"


def test_an_export_to_a_pipe_is_written_through_it(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    export.write_text("content", pipe, force=True)
    assert pipe.is_fifo()
    reader.join(10)
    assert read == ["content"]


def test_an_export_to_a_link_is_written_to_its_target(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "file.csv")
    export.write_text("content", tmp_path / "link.csv", force=False)
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "file.csv").read_text() == "content"


@pytest.mark.linux("/dev/full")
def test_an_export_of_files_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["export", "demo", "--to", "tensorboard", "--out", "/dev/full"]) == 1
    assert capsys.readouterr().err == "mnist-tui: /dev/full is not a folder; name one, or a new one.\n"


@pytest.mark.fault("disk", "a file system without fsync (FUSE, 9p): the run is saved; one whose fsync fails: it is not")
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EIO])
def test_a_run_is_saved_where_fsync_is_not_supported(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    directory = RunDirectory(tmp_path / "run", {"pytorch": TrainConfig()})
    if number == errno.EIO:
        assert os.strerror(number) in directory.problem
        with pytest.raises(OSError, match="error"):
            write_atomically(tmp_path / "file", lambda part: part.write_text("content"))
        assert not (tmp_path / "file").exists()
    else:
        assert directory.problem == ""
        write_atomically(tmp_path / "file", lambda part: part.write_text("content"))
        assert (tmp_path / "file").read_text() == "content"
