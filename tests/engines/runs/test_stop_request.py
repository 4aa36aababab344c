"""Requests to stop a run of another process: who may make them, and what they leave behind."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from engines.runs import stop_request


def test_a_request_is_its_owners_alone_and_is_accepted_once(tmp_path: Path) -> None:
    assert not stop_request.accept_request(tmp_path)
    stop_request.request_stop(tmp_path)
    assert stat.S_IMODE((tmp_path / stop_request.NAME).stat().st_mode) == 0o600
    assert stop_request.is_pending(tmp_path)
    assert stop_request.accept_request(tmp_path)
    assert not stop_request.accept_request(tmp_path)
    assert [*tmp_path.glob("*stop*")] == []
    stop_request.request_stop(tmp_path)
    stop_request.withdraw_request(tmp_path)
    assert not stop_request.accept_request(tmp_path)


def test_what_another_user_or_a_link_left_there_is_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / stop_request.NAME
    path.symlink_to("/etc/passwd")
    assert not stop_request.accept_request(tmp_path)
    path.unlink()
    path.write_text("")
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    if path.stat().st_uid == 0:  # the tests' own user is root, whose requests always count
        os.chown(path, 12345, -1)
    assert not stop_request.accept_request(tmp_path)
    assert path.exists()
