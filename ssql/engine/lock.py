"""Who works in a directory: one process at a time, and the others can tell which.

The process that opens the embedded log of a directory holds an exclusive lock on a file in it, which holds its id and,
for a server, its address. The lock goes with the process, however that ends; the file may stay.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from ssql.errors import DirectoryInUse, FileUnreadable

FILE_NAME = "ssql.lock"
#: Seconds that a holder may take to say who it is (or a closing one to go) before the directory counts as in use.
PATIENCE_S = 2.0


@dataclass(frozen=True)
class Holder:
    """The process that holds a directory; `url` is set when it is a server that answers."""

    pid: int | None = None
    url: str | None = None

    def __str__(self) -> str:
        if self.url is not None:
            return f"the server at {self.url}"
        return f"process {self.pid}" if self.pid is not None else "another process"


class DirectoryLock:
    """Holds a directory until `release`, or the end of the process."""

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            DirectoryInUse: another process holds it.
            FileUnreadable: the directory cannot be made or written.
        """
        self.directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = os.open(directory / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as bad:
            raise FileUnreadable(str(directory), (bad.strerror or str(bad)).lower()) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(self._file)
            os.close(self._file)
            raise DirectoryInUse(str(directory), str(holder)) from None
        self.announce(None)

    def announce(self, url: str | None) -> None:
        """Say who holds the directory, and where it answers."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps({"pid": os.getpid(), "url": url}).encode(), 0)

    def release(self) -> None:
        os.ftruncate(self._file, 0)
        os.close(self._file)


def take_or_find(directory: Path, patience_s: float = PATIENCE_S) -> DirectoryLock | str:
    """The lock of a directory, or the address of the server that works in it.

    Raises:
        DirectoryInUse: a process that is no server holds it, and goes on to after `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return DirectoryLock(directory)
        except DirectoryInUse:
            url = holder_of(directory).url
            if url is not None:
                return url
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.05)


def holder_of(directory: Path) -> Holder:
    """What the lock file of a directory says; it may be of a process that is gone."""
    try:
        file = os.open(directory / FILE_NAME, os.O_RDONLY)
    except OSError:
        return Holder()
    try:
        return _read(file)
    finally:
        os.close(file)


def _read(file: int) -> Holder:
    try:
        said = json.loads(os.pread(file, 4096, 0))
        return Holder(said["pid"], said["url"])
    except (ValueError, KeyError, TypeError):
        return Holder()
