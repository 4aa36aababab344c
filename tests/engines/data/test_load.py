"""Loading digits: finding copies, refusing damaged files, downloading with checksums, drawing."""

from __future__ import annotations

import errno
import fcntl
import functools
import gc
import gzip
import hashlib
import http.server
import os
import pwd
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from engines.data import DataCancelled, DataError, download, find_digits, load_digits, readers, synthetic
from engines.data.readers import read
from engines.data.sources import IDX_FILES
from engines.preset_configs import from_settings
from tests.support.digits import REAL_MNIST, random_digits, write_idx
from tui.digit_cache import DigitCache


@pytest.fixture
def few_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a hundred digits instead of 70,000, which takes seconds."""
    monkeypatch.setattr(synthetic, "TRAIN_SIZE", 80)
    monkeypatch.setattr(synthetic, "TEST_SIZE", 20)


@pytest.fixture
def mnist_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    write_idx(folder, *random_digits(30), "train")
    write_idx(folder, *random_digits(10), "t10k")
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_the_users_folder_is_read(mnist_folder: Path, cache: Path) -> None:
    digits = load_digits("auto", mnist_folder, cache_dir=cache)
    assert (digits.dataset, digits.source) == ("custom", str(mnist_folder)), "drawn digits in the format of MNIST"
    assert digits.train_images.shape == (30, 28, 28)
    assert digits.test_labels.shape == (10,)
    assert np.array_equal(digits.train_images, random_digits(30)[0])


def write_npz(path: Path, train: tuple[Any, Any], test: tuple[Any, Any]) -> None:
    """Write a data set in Keras' format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])


@pytest.mark.parametrize("zipped", [True, False], ids=[".gz", "plain"])
@pytest.mark.parametrize("folder", ["data", "home/data", "home/.cache/torch/datasets", "."])
def test_a_copy_in_a_usual_place_of_torchvision_is_found(
    folder: str, zipped: bool, tmp_path: Path, cache: Path
) -> None:
    train, test = random_digits(30), random_digits(10)
    write_idx(tmp_path / folder / "MNIST/raw", *train, "train", zipped=zipped)
    write_idx(tmp_path / folder / "MNIST/raw", *test, "t10k", zipped=zipped)
    assert [copy.origin for copy in find_digits(None, cache)] == ["torchvision"]
    assert np.array_equal(load_digits("mnist", cache_dir=cache).test_images, test[0])


@pytest.mark.parametrize("keras_home", ["", "elsewhere"])
def test_a_copy_in_the_users_keras_folder_is_found(
    keras_home: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KERAS_HOME, where it is set, is that folder instead of ~/.keras."""
    if keras_home:
        monkeypatch.setenv("KERAS_HOME", str(tmp_path / keras_home))
    test = random_digits(10)
    folder, other = tmp_path / (keras_home or "home/.keras"), tmp_path / ("home/.keras" if keras_home else "elsewhere")
    write_npz(folder / "datasets/mnist.npz", random_digits(30), test)
    write_npz(other / "datasets/mnist.npz", random_digits(20), test)
    assert [copy.origin for copy in find_digits(None, cache)] == ["keras"]
    assert len(load_digits("mnist", cache_dir=cache).train_labels) == 30


def test_the_same_digits_have_the_same_checksum_in_every_format(
    mnist_folder: Path, tmp_path: Path, cache: Path
) -> None:
    write_npz(tmp_path / "mnist.npz", random_digits(30), random_digits(10))
    assert (
        load_digits("mnist", mnist_folder, cache_dir=cache).sha256
        == load_digits("mnist", tmp_path / "mnist.npz", cache_dir=cache).sha256
    )


def test_the_option_wins_over_the_environment(
    mnist_folder: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_DATA", str(mnist_folder))
    assert load_digits(cache_dir=cache).source == str(mnist_folder)
    with pytest.raises(DataError, match="--data-dir"):
        load_digits(data_dir=tmp_path / "nothing", cache_dir=cache)


def test_no_other_copy_replaces_the_users_place(tmp_path: Path, cache: Path, few_drawn: None) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty") as caught:
        load_digits("auto", tmp_path / "empty", cache_dir=cache)
    assert "ubyte" in caught.value.hint


@pytest.mark.parametrize("by", ["--data-dir", "MNIST_TUI_DATA"])
@pytest.mark.parametrize("dataset", ["auto", "mnist"])
def test_a_damaged_copy_in_the_users_place_is_an_error(
    dataset: str, by: str, mnist_folder: Path, home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole copy in a usual place does not replace it, nor do drawn digits."""
    write_npz(home / ".keras/datasets/mnist.npz", random_digits(30), random_digits(10))
    path = mnist_folder / f"{IDX_FILES[2]}.gz"
    path.write_bytes(path.read_bytes()[:-100])
    if by == "MNIST_TUI_DATA":
        monkeypatch.setenv(by, str(mnist_folder))
    with pytest.raises(DataError, match=IDX_FILES[2]):
        load_digits(dataset, mnist_folder if by == "--data-dir" else None, cache_dir=cache)


def _forbid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder unreadable even for root, who runs the tests in a container."""
    folder.mkdir(parents=True, exist_ok=True)
    stat = os.stat

    def refuse(path: Any, **more: Any) -> os.stat_result:
        if str(path).startswith(f"{folder}/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **more)

    monkeypatch.setattr(os, "stat", refuse)


@pytest.mark.fault("data", "usual places of MNIST that can't be read: skipped")
@pytest.mark.parametrize("how", ["forbidden", "too long", "no home"])
def test_a_usual_place_that_can_not_be_read_is_skipped(
    how: str, home: Path, cache: Path, few_drawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "forbidden":
        _forbid(home / ".keras", monkeypatch)
    elif how == "too long":
        monkeypatch.setenv("KERAS_HOME", "long" * 2000)
    else:
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # a number without a name, as in many containers
    assert load_digits("auto", cache_dir=cache).dataset == "drawn"
    with pytest.raises(DataError, match="could not be downloaded"):
        load_digits("mnist", cache_dir=cache)


@pytest.mark.fault("data", "a place that the user named and that can't be read: reported with what to do")
@pytest.mark.parametrize(
    ("by", "place", "message"),
    [
        ("--data-dir", "forbidden", "forbidden, which can't be read: Permission denied"),
        ("--data-dir", "~nosuchuser/x", "~nosuchuser/x, which holds no complete MNIST"),
        ("--data-dir", "long" * 2000, "which can't be read: File name too long"),
        ("--data-dir", "a\0b", "which is no path"),
        ("MNIST_TUI_DATA", "~nosuchuser/x", "~nosuchuser/x, which holds no complete MNIST"),
    ],
    ids=["forbidden", "unknown user", "too long", "a zero byte", "unknown user, in the environment"],
)
def test_a_place_of_the_users_that_can_not_be_read_is_reported(
    by: str, place: str, message: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "forbidden":
        place = str(tmp_path / place)
        _forbid(Path(place), monkeypatch)
    if by == "MNIST_TUI_DATA":
        monkeypatch.setenv(by, place)
    option = place if by == "--data-dir" else ""
    with pytest.raises(DataError) as caught:
        load_digits("auto", Path(option) if option else None, cache_dir=cache)
    assert message in caught.value.message
    assert by in caught.value.message
    assert caught.value.hint
    with pytest.raises(DataError):  # as for the gallery of Results, and for Draw
        DigitCache(cache).load(from_settings({"data_dir": option}))


_DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda content: content[:-5],
    "cut in its header": lambda content: content[:6],
    "too long": lambda content: content + b"more",
    "wrong magic": lambda content: b"\0\0\x0d" + content[3:],
    "other dimensions": lambda content: content[:3] + bytes([4 - content[3]]) + content[4:],
    "wrong count": lambda content: content[:4] + b"\0\0\0\x1f" + content[8:],
    "absurd count": lambda content: content[:4] + b"\xff\xff\xff\xff" + content[8:],
    "other size, or no digit": lambda content: content[:8] + b"\0\0\0\x20" + content[12:],
    "a web page": lambda content: b"<!doctype html><title>403</title>",
    "nothing": lambda content: b"",
}


@pytest.mark.fault("data", "a file of the user's that is damaged: each of the four, plain and as .gz")
@pytest.mark.parametrize("zipped", [True, False], ids=[".gz", "plain"])
@pytest.mark.parametrize("how", _DAMAGES)
def test_a_damaged_file_of_the_users_is_named_and_unchanged(
    how: str, zipped: bool, tmp_path: Path, cache: Path
) -> None:
    folder = tmp_path / "mine"
    for part in IDX_FILES:
        write_idx(folder, *random_digits(30), "train", zipped=zipped)
        write_idx(folder, *random_digits(10), "t10k", zipped=zipped)
        path = folder / (f"{part}.gz" if zipped else part)
        content = _DAMAGES[how](gzip.decompress(path.read_bytes()) if zipped else path.read_bytes())
        before = gzip.compress(content) if zipped else content
        path.write_bytes(before)
        problem = "labels that are not 0 to 9" if how.startswith("other size") and "labels" in part else part
        with pytest.raises(DataError, match=problem) as caught:
            load_digits("auto", folder, cache_dir=cache)
        assert caught.value.hint
        assert path.read_bytes() == before


@pytest.mark.fault("data", "a .gz that is none")
def test_a_file_that_is_not_gzip_is_named(mnist_folder: Path, cache: Path) -> None:
    (mnist_folder / f"{IDX_FILES[3]}.gz").write_bytes(b"not gzip at all")
    with pytest.raises(DataError, match=IDX_FILES[3]):
        load_digits("mnist", mnist_folder, cache_dir=cache)


@pytest.mark.fault("data", "a gzip bomb")
def test_a_gzip_bomb_is_not_unpacked(mnist_folder: Path, cache: Path) -> None:
    path = mnist_folder / f"{IDX_FILES[1]}.gz"
    head = bytes((0, 0, 8, 1)) + (30).to_bytes(4, "big")
    path.write_bytes(gzip.compress(head + bytes(50_000_000)))
    with pytest.raises(DataError, match="longer"):
        load_digits("mnist", mnist_folder, cache_dir=cache)


@pytest.mark.fault("data", "labels that do not fit the images")
def test_labels_and_images_must_agree(mnist_folder: Path, cache: Path) -> None:
    write_idx(mnist_folder, random_digits(30)[0], random_digits(29)[1], "train")
    with pytest.raises(DataError, match="29 labels"):
        load_digits("mnist", mnist_folder, cache_dir=cache)


@pytest.mark.fault("data", "a label 10, in files and in an npz: refused")
@pytest.mark.parametrize("half", ["training", "test"])
@pytest.mark.parametrize("kind", ["idx", "npz"])
def test_a_label_beyond_9_is_refused(half: str, kind: str, tmp_path: Path, cache: Path) -> None:
    """An engine would fail at it in mid-run, or read beyond its logits."""
    train, test = random_digits(30), random_digits(10)
    labels = (train if half == "training" else test)[1]
    for label, accepted in ((9, True), (10, False)):
        labels[-1] = label
        place = tmp_path / str(label)
        if kind == "npz":
            write_npz(place / "mnist.npz", train, test)
        else:
            write_idx(place, *train, "train")
            write_idx(place, *test, "t10k")
        if accepted:
            assert load_digits("mnist", place, cache_dir=cache).dataset == "custom"
        else:
            with pytest.raises(DataError, match=f"{half} labels that are not 0 to 9"):
                load_digits("mnist", place, cache_dir=cache)


class _Evil:
    """An object that runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch unpickled",)


@pytest.mark.fault("data", "an npz of pickled objects that would run a command")
def test_pickles_in_an_npz_are_refused(tmp_path: Path, cache: Path) -> None:
    evil = np.array([_Evil()], dtype=object)
    np.savez(tmp_path / "mnist.npz", x_train=evil, y_train=evil, x_test=evil, y_test=evil)
    with pytest.raises(DataError):
        load_digits("mnist", tmp_path / "mnist.npz", cache_dir=cache)
    assert not Path("unpickled").exists()


@pytest.mark.fault("data", "a damaged copy in a usual place: skipped")
def test_a_damaged_copy_in_a_usual_place_is_skipped(home: Path, cache: Path, few_drawn: None) -> None:
    (home / ".keras/datasets").mkdir(parents=True)
    (home / ".keras/datasets/mnist.npz").write_bytes(b"PK\x03\x04 broken")
    assert load_digits("auto", cache_dir=cache).dataset == "drawn"
    assert (home / ".keras/datasets/mnist.npz").read_bytes() == b"PK\x03\x04 broken"


# Downloading


class _Mirror(http.server.SimpleHTTPRequestHandler):
    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class' name
        pass


@pytest.fixture
def mirror(mnist_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """Serve the small data set, and let its checksums be the published ones."""
    files = [mnist_folder / f"{part}.gz" for part in IDX_FILES]
    monkeypatch.setattr(download, "MD5", tuple(hashlib.md5(f.read_bytes()).hexdigest() for f in files))
    monkeypatch.setattr(download, "SIZES", tuple(f.stat().st_size for f in files))
    seen: list[str] = []
    handler = type("Mirror", (_Mirror,), {"requests": seen})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(mnist_folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setenv("MNIST_TUI_MIRRORS", url)
        yield url, seen
        server.shutdown()
        thread.join()


def test_a_download_is_cached_and_done_once(mirror: tuple[str, list[str]], cache: Path) -> None:
    progress: list[tuple[int, int, str]] = []
    digits = load_digits("auto", cache_dir=cache, on_progress=lambda *p: progress.append(p))
    assert digits.dataset == "mnist"
    assert progress[-1][0] == progress[-1][1] == sum(download.SIZES)
    assert len(mirror[1]) == 4
    assert load_digits("mnist", cache_dir=cache).sha256 == digits.sha256
    assert len(mirror[1]) == 4
    assert not list(cache.rglob("*.part*"))


@pytest.mark.fault("data", "mirrors that refuse, lack the file, or serve another: the next one is used")
def test_the_next_mirror_is_used_when_one_serves_something_else(
    mirror: tuple[str, list[str]], tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "mine" / "wrong"
    wrong.mkdir()
    for part in IDX_FILES:
        (wrong / f"{part}.gz").write_bytes(b"something else")
    monkeypatch.setenv("MNIST_TUI_MIRRORS", f"http://127.0.0.1:9/,{mirror[0]}nowhere/,{mirror[0]}wrong/,{mirror[0]}")
    assert load_digits("mnist", cache_dir=cache).dataset == "mnist"


@pytest.mark.fault("data", "a mirror whose files have the right size and the wrong checksum")
def test_a_file_of_the_right_size_and_a_wrong_checksum_is_refused(
    mirror: tuple[str, list[str]], mnist_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = mnist_folder / "forged"
    forged.mkdir()
    for part in IDX_FILES:
        content = bytearray((mnist_folder / f"{part}.gz").read_bytes())
        content[-1] ^= 1
        (forged / f"{part}.gz").write_bytes(content)
    monkeypatch.setenv("MNIST_TUI_MIRRORS", f"{mirror[0]}forged/")
    with pytest.raises(DataError, match="is not the published file"):
        load_digits("mnist", cache_dir=cache)
    assert not [path for path in cache.rglob("*") if path.is_file() and path.name != ".lock"]
    monkeypatch.setenv("MNIST_TUI_MIRRORS", f"{mirror[0]}forged/,{mirror[0]}")
    assert load_digits("mnist", cache_dir=cache).dataset == "mnist"


@pytest.mark.fault("data", "the app's own copy is damaged: downloaded again")
def test_a_damaged_cache_is_downloaded_again(mirror: tuple[str, list[str]], cache: Path) -> None:
    load_digits("mnist", cache_dir=cache)
    path = cache / "mnist" / f"{IDX_FILES[2]}.gz"
    path.write_bytes(path.read_bytes()[:100])
    assert load_digits("mnist", cache_dir=cache).dataset == "mnist"
    assert len(mirror[1]) == 5


@pytest.mark.fault("data", "other files in the app's own copy: downloaded again or ignored")
@pytest.mark.parametrize("how", ["another .gz", "a damaged plain file beside", "another plain file beside"])
def test_the_cache_is_only_read_as_it_was_downloaded(how: str, mirror: tuple[str, list[str]], cache: Path) -> None:
    digits = load_digits("mnist", cache_dir=cache)
    if how == "another .gz":
        write_idx(cache / "mnist", *random_digits(29), "t10k")
    else:
        write_idx(cache / "mnist", *random_digits(29), "t10k", zipped=False)
        if "damaged" in how:
            (cache / "mnist" / IDX_FILES[2]).write_bytes(b"damaged")
    assert load_digits("mnist", cache_dir=cache).sha256 == digits.sha256
    assert len(mirror[1]) == (6 if how == "another .gz" else 4)


@pytest.mark.fault("data", "no network")
def test_without_a_network_digits_are_drawn_and_labelled_so(cache: Path, few_drawn: None) -> None:
    digits = load_digits("auto", cache_dir=cache)
    assert (digits.dataset, digits.source) == ("drawn", synthetic.SOURCE)
    with pytest.raises(DataError, match="could not be downloaded") as caught:
        load_digits("mnist", cache_dir=cache)
    assert "--data-dir" in caught.value.hint


def test_a_download_can_be_cancelled(mirror: tuple[str, list[str]], cache: Path) -> None:
    with pytest.raises(DataCancelled):
        load_digits("auto", cache_dir=cache, cancelled=lambda: True)
    assert not list(cache.rglob("*.part*"))


class _BadMirror(http.server.BaseHTTPRequestHandler):
    """A mirror that misbehaves as the first part of the path says.

    "refuse" answers 404, "silent" sends nothing, "headers" sends them a byte at a time; "stall" sends ten bytes and then nothing,
    "reset" breaks the connection, "drip" sends a byte at a time, "longer" never stops; "redirect" leads to the good mirror, "loop"
    to itself.
    """

    good: str
    never = threading.Event()

    def do_GET(self) -> None:
        how = self.path.split("/")[1]
        if how in ("redirect", "loop"):
            self.send_response(302)
            self.send_header("Location", self.good + self.path.rpartition("/")[2] if how == "redirect" else self.path)
            self.end_headers()
            return
        if how == "silent":
            self.never.wait(3)
            return
        if how == "refuse":
            self.send_error(404)
            return
        self.send_response(200)
        if how == "headers":
            self.flush_headers()
            for _ in range(60):
                self.wfile.write(b"x")
                self.never.wait(0.05)
            return
        if how != "longer":
            self.send_header("Content-Length", "400")
        self.end_headers()
        self.wfile.write(b"0123456789")
        while how == "longer":
            self.wfile.write(b"x" * 1000)
        if how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        while how == "drip":
            self.wfile.write(b"x")
            self.never.wait(0.05)
        if how == "stall":
            self.never.wait(3)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class' name
        pass


@pytest.fixture
def bad_mirror(mirror: tuple[str, list[str]]) -> Iterator[str]:
    """Serve a mirror that misbehaves, beside the good one."""
    handler = type("BadMirror", (_BadMirror,), {"good": mirror[0]})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # connections break: that is the test
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.fault(
    "data", "a mirror that is silent, stalls, drips, resets, sends too much, redirects, or does so in a loop"
)
@pytest.mark.parametrize("how", ["silent", "headers", "stall", "drip", "reset", "longer", "redirect", "loop"])
def test_a_bad_mirror_is_given_up(
    how: str, bad_mirror: str, mirror: tuple[str, list[str]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(download, "SLOW_SECONDS", 0.3)
    monkeypatch.setenv("MNIST_TUI_MIRRORS", f"{bad_mirror}{how}/,{mirror[0]}")
    used: set[str] = set()
    start = time.monotonic()
    assert load_digits("mnist", cache_dir=cache, on_progress=lambda *p: used.add(p[2])).dataset == "mnist"
    assert time.monotonic() - start < 2.5, "and not when the mirror ends, after three seconds or never"
    assert len(mirror[1]) == 4
    assert how != "redirect" or f"{bad_mirror}redirect/" in used
    assert not list(cache.rglob("*.part*"))


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("how", ["refuse", "loop"])
def test_a_refused_download_leaves_no_connection_open(
    how: str, bad_mirror: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exception would hold it, until it is collected with everything that its traceback refers to."""
    monkeypatch.setenv("MNIST_TUI_MIRRORS", f"{bad_mirror}{how}/")
    gc.collect()
    with pytest.raises(DataError):
        load_digits("mnist", cache_dir=cache)
    gc.collect()  # pytest reports a warning of an open connection as this test's error


@pytest.mark.fault("data", "cancelled while a mirror is silent, stalls or drips: at once")
@pytest.mark.parametrize("how", ["silent", "headers", "stall", "drip"])
def test_a_download_can_be_cancelled_at_any_time(
    how: str, bad_mirror: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_MIRRORS", f"{bad_mirror}{how}/")
    start = time.monotonic()
    with pytest.raises(DataCancelled):
        load_digits("auto", cache_dir=cache, cancelled=lambda: time.monotonic() - start > 0.2)
    assert time.monotonic() - start < 1.5, "and not when the mirror ends, after three seconds or never"
    assert not list(cache.rglob("*.part*"))


@pytest.mark.fault("data", "a cache folder that can't be written, or is full")
@pytest.mark.parametrize("how", ["a file", "full", "read-only"])
def test_a_cache_that_can_not_be_used_is_reported_or_replaced(
    how: str, mirror: tuple[str, list[str]], cache: Path, few_drawn: None
) -> None:
    """Digits are drawn with "auto"; with "mnist", the message names the folder and what to do."""
    if how == "read-only":
        cache = Path("/proc/cache")  # where not even root may make a folder
    if how == "a file":
        cache.rmdir()
        cache.write_text("in the way")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        if how == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))  # no file may be larger, as on a full disk
        assert load_digits("auto", cache_dir=cache).dataset == "drawn"
        with pytest.raises(DataError, match="cache") as caught:
            load_digits("mnist", cache_dir=cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert "MNIST_TUI_CACHE_DIR" in caught.value.hint
    assert how != "full" or not list(cache.rglob("*.part*"))


_CHILD = """
import sys
from pathlib import Path
from engines.data import download, load_digits
download.MD5, download.SIZES = {md5!r}, {sizes!r}
print(load_digits("mnist", cache_dir=Path({cache!r})).sha256)
"""


@pytest.mark.fault("data", "three processes at once on one cache")
def test_several_processes_download_once_and_agree(mirror: tuple[str, list[str]], cache: Path) -> None:
    script = _CHILD.format(md5=download.MD5, sizes=download.SIZES, cache=str(cache))
    children = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {child.communicate(timeout=60)[0] for child in children}
    assert len(answers) == 1
    assert answers.pop().strip()
    assert len(mirror[1]) == 4


@pytest.mark.fault("data", "a cache on a file system without locks: used anyway")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_cache_without_locks_is_used(
    number: int, mirror: tuple[str, list[str]], cache: Path, few_drawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(number, os.strerror(number))))
    assert load_digits("auto", cache_dir=cache).dataset == "mnist"
    load_digits("drawn", cache_dir=cache)
    assert len(list(cache.rglob("*.npz"))) == 1


@pytest.mark.fault("data", "two at once on one cache without locks: both succeed")
def test_two_downloads_without_locks_both_succeed(
    mirror: tuple[str, list[str]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both start a file before either has it."""
    both = threading.Barrier(2, timeout=10)
    serve = _Mirror.do_GET
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))))
    monkeypatch.setattr(_Mirror, "do_GET", lambda handler: (both.wait(), serve(handler)))
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(load_digits, "mnist", cache_dir=cache) for _ in range(2)]
    assert len({answer.result().sha256 for answer in answers}) == 1
    assert not list(cache.rglob("*.part*"))


_DRAWING_CHILD = """
import sys
from pathlib import Path
from engines.data import load_digits, synthetic
synthetic.TRAIN_SIZE, synthetic.TEST_SIZE = 2000, 20
print(load_digits("drawn", cache_dir=Path(sys.argv[1])).sha256)
"""


@pytest.mark.fault("data", "two processes at once that draw into one cache")
def test_two_processes_draw_and_agree(cache: Path) -> None:
    command = [sys.executable, "-c", _DRAWING_CHILD, str(cache)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {child.communicate(timeout=60)[0] for child in children}
    assert len(answers) == 1
    assert len(answers.pop()) == 65
    assert sorted(path.name for path in (cache / "drawn").iterdir()) == [".lock", f"v{synthetic.VERSION}-2000-20.npz"]


# Drawing


def test_drawn_digits_depend_on_the_seed_alone() -> None:
    first, again, other = (synthetic.draw(200, seed, lambda *_: None, lambda: False) for seed in (1, 1, 2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_drawn_digits_are_placed_like_mnists() -> None:
    images, labels = synthetic.draw(500, 3, lambda *_: None, lambda: False)
    assert set(labels.tolist()) == set(range(10))
    weights = images.astype(float)
    mass = weights.sum(axis=(1, 2))
    grid = np.arange(28)
    x = (weights * grid[None, None, :]).sum(axis=(1, 2)) / mass
    y = (weights * grid[None, :, None]).sum(axis=(1, 2)) / mass
    assert np.abs(x - 13.5).max() < 1.5
    assert np.abs(y - 13.5).max() < 1.5
    assert (images.max(axis=(1, 2)) > 150).all()
    assert ((images[:, :2].max(axis=(1, 2)) < 50) | (mass > 0)).all()


def test_drawn_digits_are_cached_and_a_broken_cache_is_drawn_again(cache: Path, few_drawn: None) -> None:
    first = load_digits("drawn", cache_dir=cache)
    (cached,) = cache.rglob("*.npz")
    cached.write_bytes(cached.read_bytes()[:500])
    assert load_digits("drawn", cache_dir=cache).sha256 == first.sha256


def test_drawing_needs_no_cache(tmp_path: Path, few_drawn: None) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert load_digits("drawn", cache_dir=tmp_path / "file").dataset == "drawn"


def test_digits_with_one_changed_bit_are_custom(
    mnist_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here, the small folder counts as the published one."""
    monkeypatch.setattr(readers, "MNIST_SHA256", load_digits("mnist", mnist_folder, cache_dir=cache).sha256)
    assert load_digits("mnist", mnist_folder, cache_dir=cache).dataset == "mnist"
    images, labels = random_digits(10)
    images[3, 14, 14] ^= 1
    write_idx(mnist_folder, images, labels, "t10k")
    for dataset in ("auto", "mnist"):
        assert load_digits(dataset, mnist_folder, cache_dir=cache).dataset == "custom"


def test_limits_select_the_first_digits(mnist_folder: Path, cache: Path) -> None:
    digits = load_digits("mnist", mnist_folder, cache_dir=cache).limited(7, None)
    assert (len(digits.train_labels), len(digits.train_images), len(digits.test_labels)) == (7, 7, 10)


@pytest.mark.skipif(not REAL_MNIST, reason="MNIST_TUI_DATA names no copy of MNIST")
def test_the_real_files_are_read(cache: Path) -> None:
    digits = read(find_digits(Path(REAL_MNIST), cache)[0])
    assert (len(digits.train_labels), len(digits.test_labels)) == (60_000, 10_000)
    assert digits.sha256 == load_digits("mnist", Path(REAL_MNIST), cache_dir=cache).sha256
    assert digits.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert digits.dataset == "mnist", "bit for bit as published"
