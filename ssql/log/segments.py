"""Append-only files for the batches that are too large to lie in the index.

A segment file belongs to one writing process at a time (an advisory lock says so); what it holds is what the index
refers to. Bytes after the last batch that the index knows are what a crash or an abort left: the next append of the
same process overwrites them, and after a crash nobody reads them.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ssql.errors import LogError, LogFull
from ssql.log.records import crc_of

#: A segment that has reached this size is closed; the next batch begins a new one.
SEGMENT_BYTES = 64 << 20
#: Batches begin at multiples of this, so that Arrow's buffers stay aligned in a memory map.
_ALIGN = 64
#: Room (bytes) that is kept for the index to grow by while it frees space on a full disk.
_RESERVE_BYTES = 1 << 20
# Linux has better than what every system has.
_MAP_FLAGS = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
_data_sync = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class Location:
    """Where a batch lies: file name, position and length in bytes, crc32 of the bytes."""

    segment: str
    position: int
    length: int
    crc: int


class _Segment:
    """One open segment file; `end` is where the next batch goes."""

    def __init__(self, directory: Path) -> None:
        while True:
            self.name = f"{uuid.uuid4().hex}.seg"
            path = directory / self.name
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            # A sweep may have taken the file for a left-over before it was locked: then it has no name any more.
            if os.fstat(self.fd).st_nlink:
                break
            os.close(self.fd)
        self.end = 0
        _sync_directory(directory)

    def write(self, data: memoryview) -> Location:
        position = self.end
        written = 0
        while written < len(data):
            written += os.pwrite(self.fd, data[written:], position + written)
        self.end = -(-(position + len(data)) // _ALIGN) * _ALIGN
        return Location(self.name, position, len(data), crc_of(data))

    def close(self) -> None:
        os.close(self.fd)


class Segments:
    """The segment files of one directory. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(exist_ok=True)
        self._lock = threading.Lock()
        self._idle: list[_Segment] = []

    @contextmanager
    def writing(self) -> Iterator[SegmentTransaction]:
        """Append batches. If the block fails before `keep`, their room is used again."""
        transaction = SegmentTransaction(self._borrow)
        try:
            yield transaction
        except BaseException:
            transaction.rewind()
            raise
        finally:
            self._give_back(transaction.used)

    def _borrow(self) -> _Segment:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Segment(self._directory)

    def _give_back(self, used: Iterable[_Segment]) -> None:
        for segment in used:
            if segment.end >= SEGMENT_BYTES:
                segment.close()
            else:
                with self._lock:
                    self._idle.append(segment)

    def path(self, name: str) -> Path:
        return self._directory / name

    def read(self, location: Location, where: str) -> pa.Buffer:
        """The bytes of one batch, mapped and not copied; `where` names the batch in errors.

        Raises:
            FileNotFoundError: when the file was freed meanwhile.
            LogError: when the bytes are not those that were written.
        """
        path = self._directory / location.segment
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if os.fstat(fd).st_size < location.position + location.length:
                raise damaged(path, location.position, where, "the file is too short")
            page = location.position // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
            skip = location.position - page
            mapped = mmap.mmap(fd, skip + location.length, flags=_MAP_FLAGS, prot=mmap.PROT_READ, offset=page)
        finally:
            os.close(fd)
        data = pa.py_buffer(mapped).slice(skip, location.length)
        if crc_of(data) != location.crc:
            raise damaged(path, location.position, where, "the checksum does not match")
        return data

    def names(self) -> list[str]:
        return [name for name in os.listdir(self._directory) if name.endswith(".seg")]

    @contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Whether no process writes the file; while the block runs, none will."""
        try:
            fd = os.open(self._directory / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield False
            return
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(fd)

    def remove(self, name: str) -> None:
        (self._directory / name).unlink(missing_ok=True)

    def release_idle(self) -> None:
        """Close the files that nobody writes now, so that a sweep may free them."""
        with self._lock:
            idle, self._idle = self._idle, []
        for segment in idle:
            segment.close()

    close = release_idle


class SegmentTransaction:
    """The batches that one transaction puts into segment files."""

    def __init__(self, borrow: Callable[[], _Segment]) -> None:
        self._borrow = borrow
        self.used: list[_Segment] = []
        self._began: list[int] = []

    def write(self, data: pa.Buffer) -> Location:
        """Append one batch; it is durable after `sync`."""
        try:
            if not self.used or self.used[-1].end >= SEGMENT_BYTES:
                segment = self._borrow()
                self.used.append(segment)
                self._began.append(segment.end)
            return self.used[-1].write(memoryview(data))
        except OSError as failed:
            raise storage_error(failed) from failed

    def sync(self) -> None:
        try:
            for segment in self.used:
                _data_sync(segment.fd)
        except OSError as failed:
            raise storage_error(failed) from failed

    def keep(self) -> None:
        """From here on the index may refer to these batches, whatever happens to its commit."""
        self._began = [segment.end for segment in self.used]

    def rewind(self) -> None:
        for segment, end in zip(self.used, self._began, strict=True):
            segment.end = end
            # Room that a full disk needs; where it cannot be given back now, the next append overwrites it.
            with suppress(OSError):
                os.ftruncate(segment.fd, end)


class Reserve:
    """A file that does nothing but take up room, so that there is some when the disk is full."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self) -> None:
        """Take the room, if it is there."""
        with suppress(OSError):
            if self._path.exists() and self._path.stat().st_size == _RESERVE_BYTES:
                return
        try:
            self._path.write_bytes(bytes(_RESERVE_BYTES))
        except OSError:
            self.release()

    def release(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def storage_error(failed: OSError) -> LogError:
    """What an error of the file system means for a writer."""
    if failed.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return LogFull(
            "the disk of the log is full",
            hint="Free some space; what was not committed is tried again or can be sent again.",
        )
    return LogError(f"the log could not be written: {failed.strerror or failed}")


def damaged(path: Path, position: int, where: str, what: str) -> LogError:
    """Stored bytes are not those that were written; `where` is topic, partition and offset."""
    return LogError(
        f'the log is damaged: {where}: file "{path}", position {position}: {what}',
        hint="The bytes on disk are not those that were written: restore the directory from a copy.",
    )
