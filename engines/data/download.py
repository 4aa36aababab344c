"""Fetching MNIST once: mirrors in turn, published checksums, files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from engines.atomic_file import sync, unique_temp_path
from engines.data.dataset import DataCancelled, DataError
from engines.data.sources import IDX_FILES

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")

SIZES = (9_912_422, 28_881, 1_648_877, 4_542)
"""Bytes of the four .gz files, in the order of PARTS."""

MD5 = (
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "d53e105ee54ea40749a09fcbcd1e9432",
    "9fb629c4189551a2d022fa330f9573f3",
    "ec29112dd5afa0611ce80d1b7f02629c",
)
"""Checksums of the four .gz files as torchvision publishes them (torchvision/datasets/mnist.py)."""

CONNECT_SECONDS = 5.0
"""How long a mirror may stay silent."""
PATIENCE_SECONDS = 20.0
SLOWEST_BYTES_PER_SECOND = 2_000
"""A mirror that gives less than this of a file for longer than `PATIENCE_SECONDS` is as good as silent."""
PROGRESS_SECONDS = 0.05
POLL_SECONDS = 0.1

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM})
"""What no other mirror can help against: the folder."""

Progress = Callable[[int, int, str], None]
Cancelled = Callable[[], bool]


def download(folder: Path, on_progress: Progress, cancelled: Cancelled) -> None:
    """Put the four files into the folder.

    Raises DataError when no mirror gave them, OSError when the folder can't hold them, DataCancelled.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock", cancelled):
        missing = [i for i in range(len(IDX_FILES)) if not _is_whole(folder / f"{IDX_FILES[i]}.gz", MD5[i])]
        total = sum(SIZES[i] for i in missing)
        reasons: list[str] = []
        for mirror in mirrors():
            try:
                for i in list(missing):
                    done = total - sum(SIZES[j] for j in missing)
                    _fetch(mirror, i, folder, done, total, on_progress, cancelled)
                    missing.remove(i)
            except (OSError, ValueError, http.client.HTTPException, DataError) as error:
                if isinstance(error, OSError) and error.errno in NO_ROOM:
                    raise
                reasons.append(f"{mirror}: {_reason(error)}")
            if not missing:
                return
    raise DataError(
        f"MNIST could not be downloaded ({'; '.join(reasons)}).",
        "Connect to the internet, point --data-dir at a copy, or choose --dataset drawn.",
    )


def mirrors() -> tuple[str, ...]:
    """Where to ask, in order; MNIST_TUI_MIRRORS (comma-separated) replaces the list."""
    named = os.environ.get("MNIST_TUI_MIRRORS")
    if named is None:
        return MIRRORS
    return tuple(mirror.rstrip("/") + "/" for mirror in named.split(",") if mirror)


def _fetch(
    mirror: str, i: int, folder: Path, before: int, total: int, on_progress: Progress, cancelled: Cancelled
) -> None:
    name = f"{IDX_FILES[i]}.gz"
    part = unique_temp_path(folder / name)  # where there are no locks, another process may be fetching it, too
    digest, done, said = hashlib.md5(usedforsecurity=False), 0, 0.0
    began = time.monotonic()
    try:
        with contextlib.closing(_chunks(mirror + name)) as chunks, open(part, "wb") as file:
            for chunk in chunks:
                if cancelled():
                    raise DataCancelled
                took = time.monotonic() - began
                if took > PATIENCE_SECONDS and done < took * SLOWEST_BYTES_PER_SECOND:
                    raise DataError(f"{name} came too slowly")
                digest.update(chunk)
                file.write(chunk)
                done += len(chunk)
                if done > SIZES[i]:
                    break
                if chunk and time.monotonic() - said > PROGRESS_SECONDS:
                    said = time.monotonic()
                    on_progress(before + done, total, mirror)
            file.flush()
            sync(file.fileno())
        if done < SIZES[i]:
            raise DataError(f"{name} ended after {done:,} of {SIZES[i]:,} bytes")
        if digest.hexdigest() != MD5[i]:
            raise DataError(f"{name} is not the published file")
        os.replace(part, folder / name)
        on_progress(before + SIZES[i], total, mirror)
    finally:
        part.unlink(missing_ok=True)


def _chunks(url: str) -> Generator[bytes, None, None]:
    """What comes from there as it comes, and nothing as often as `POLL_SECONDS`, so that nobody waits without looking up.

    It is read in a thread: a timeout is for each call of a socket, not for a name server, nor for headers that come byte by byte.
    """
    came: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
    left = threading.Event()

    def read() -> None:
        try:
            with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer:
                while not left.is_set() and (chunk := answer.read1(1 << 16)):
                    came.put(chunk)
            came.put(None)
        except Exception as error:  # whatever it is, whoever waits has it
            came.put(error)

    threading.Thread(target=read, name="download", daemon=True).start()
    try:
        while True:
            try:
                its = came.get(timeout=POLL_SECONDS)
            except queue.Empty:
                its = b""
            if its is None:
                return
            if isinstance(its, Exception):
                raise its
            yield its
    finally:
        left.set()


def is_published(folder: Path) -> bool:
    """Whether the folder holds the four files as they were published: 30 ms of reading."""
    return all(_is_whole(folder / f"{part}.gz", md5) for part, md5 in zip(IDX_FILES, MD5, strict=True))


def _is_whole(path: Path, md5: str) -> bool:
    try:
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == md5
    except OSError:
        return False


def _reason(error: Exception) -> str:
    if isinstance(error, DataError):
        return error.message
    if isinstance(error, urllib.error.HTTPError):
        return f"answered {error.code}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__


@contextlib.contextmanager
def locked(path: Path, cancelled: Cancelled) -> Iterator[None]:
    """Only one process at a time; waiting can be cancelled. The lock ends with its process, however that ends.

    Where there are no locks, nobody waits.
    """
    import fcntl

    with open(path, "w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancelled():
                    raise DataCancelled from None
                time.sleep(POLL_SECONDS)
            except OSError:  # some network file systems know no locks
                break
        yield
