"""Download MNIST once: from several mirrors in turn, with published checksums, each file atomically."""

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
"""Bytes of the four .gz files, in the order of IDX_FILES."""

MD5 = (
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "d53e105ee54ea40749a09fcbcd1e9432",
    "9fb629c4189551a2d022fa330f9573f3",
    "ec29112dd5afa0611ce80d1b7f02629c",
)
"""Checksums of the four .gz files as torchvision publishes them (torchvision/datasets/mnist.py)."""

CONNECT_SECONDS = 5.0
"""Longest silence of a mirror."""
SLOW_SECONDS = 20.0
MIN_BYTES_PER_SECOND = 2_000
"""A mirror that is slower than this after `SLOW_SECONDS` of a file is given up."""
PROGRESS_SECONDS = 0.05
POLL_SECONDS = 0.1

UNUSABLE_FOLDER = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM})
"""Errors of the folder, which another mirror can't help against."""

Progress = Callable[[int, int, str], None]
Cancelled = Callable[[], bool]


def download(folder: Path, on_progress: Progress, cancelled: Cancelled) -> None:
    """Download the four files into the folder.

    Raises DataError when no mirror has them, OSError when the folder can't hold them, DataCancelled.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock", cancelled):
        missing = [i for i in range(len(IDX_FILES)) if not _has_checksum(folder / f"{IDX_FILES[i]}.gz", MD5[i])]
        total = sum(SIZES[i] for i in missing)
        reasons: list[str] = []
        for mirror in mirrors():
            try:
                for i in list(missing):
                    done = total - sum(SIZES[j] for j in missing)
                    _fetch(mirror, i, folder, done, total, on_progress, cancelled)
                    missing.remove(i)
            except (OSError, ValueError, http.client.HTTPException, DataError) as error:
                if isinstance(error, OSError) and error.errno in UNUSABLE_FOLDER:
                    raise
                reasons.append(f"{mirror}: {_reason(error)}")
            if not missing:
                return
    raise DataError(
        f"MNIST could not be downloaded ({'; '.join(reasons)}).",
        "Connect to the internet, point --data-dir at a copy, or choose --dataset drawn.",
    )


def mirrors() -> tuple[str, ...]:
    """Return the mirrors in order; MNIST_TUI_MIRRORS (comma-separated) replaces the list."""
    custom = os.environ.get("MNIST_TUI_MIRRORS")
    if custom is None:
        return MIRRORS
    return tuple(mirror.rstrip("/") + "/" for mirror in custom.split(",") if mirror)


def _fetch(
    mirror: str, i: int, folder: Path, before: int, total: int, on_progress: Progress, cancelled: Cancelled
) -> None:
    """Download one file; `before` and `total` are bytes of the whole download, for the progress."""
    name = f"{IDX_FILES[i]}.gz"
    temp = unique_temp_path(folder / name)  # without locks, another process may download it at the same time
    digest, done, reported_t = hashlib.md5(usedforsecurity=False), 0, 0.0
    start_t = time.monotonic()
    try:
        with contextlib.closing(_chunks(mirror + name)) as chunks, open(temp, "wb") as file:
            for chunk in chunks:
                if cancelled():
                    raise DataCancelled
                elapsed = time.monotonic() - start_t
                if elapsed > SLOW_SECONDS and done < elapsed * MIN_BYTES_PER_SECOND:
                    raise DataError(f"{name} came too slowly")
                digest.update(chunk)
                file.write(chunk)
                done += len(chunk)
                if done > SIZES[i]:
                    break
                if chunk and time.monotonic() - reported_t > PROGRESS_SECONDS:
                    reported_t = time.monotonic()
                    on_progress(before + done, total, mirror)
            file.flush()
            sync(file.fileno())
        if done < SIZES[i]:
            raise DataError(f"{name} ended after {done:,} of {SIZES[i]:,} bytes")
        if digest.hexdigest() != MD5[i]:
            raise DataError(f"{name} is not the published file")
        os.replace(temp, folder / name)
        on_progress(before + SIZES[i], total, mirror)
    finally:
        temp.unlink(missing_ok=True)


def _chunks(url: str) -> Generator[bytes, None, None]:
    """Yield the response in chunks, and b"" every `POLL_SECONDS` without one, so that the caller can cancel or give up.

    A thread reads it, because a socket's timeout limits a single call, neither a name server nor headers that come byte by byte.
    """
    chunks: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
    closed = threading.Event()

    def read() -> None:
        try:
            with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as response:
                while not closed.is_set() and (chunk := response.read1(1 << 16)):
                    chunks.put(chunk)
            chunks.put(None)
        except Exception as error:  # raised again in the caller's thread
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
            chunks.put(error)

    threading.Thread(target=read, name="download", daemon=True).start()
    try:
        while True:
            try:
                item = chunks.get(timeout=POLL_SECONDS)
            except queue.Empty:
                item = b""
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        closed.set()


def is_published(folder: Path) -> bool:
    """Return whether the folder holds the four files as published; takes 30 ms."""
    return all(_has_checksum(folder / f"{name}.gz", md5) for name, md5 in zip(IDX_FILES, MD5, strict=True))


def _has_checksum(path: Path, md5: str) -> bool:
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
    """Hold the lock file `path`, which one process has at a time; it ends with its process. Raises DataCancelled while waiting.

    On a file system without locks, it is not waited for.
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
            except OSError:  # some network file systems have no locks
                break
        yield
