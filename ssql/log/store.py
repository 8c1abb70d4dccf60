"""The index of the embedded log: an SQLite database in WAL mode, synced at every commit.

It holds the topics, the bounds of their partitions, the epochs of the writers, and one row a stored batch, with the
bytes of small batches in it. All that must happen at once happens in one of its transactions.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssql.errors import InternalError, LogError, LogUnavailable
from ssql.log.segments import storage_error

#: Raised when the tables change in a way that older code cannot read.
FORMAT = 1
#: How long (s) a transaction waits for another process's.
BUSY_TIMEOUT_S = 30.0

_TABLES = f"""
CREATE TABLE topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    partitions INTEGER NOT NULL,
    replicas INTEGER NOT NULL,
    config TEXT NOT NULL
);
CREATE TABLE bounds (
    topic INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    first INTEGER NOT NULL DEFAULT 0,
    past INTEGER NOT NULL DEFAULT 0,
    cleaned INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE writers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL);
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    base INTEGER NOT NULL,
    next INTEGER NOT NULL,
    writer INTEGER,
    newest INTEGER NOT NULL,
    shape INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    segment TEXT,
    position INTEGER,
    length INTEGER NOT NULL,
    data BLOB
);
CREATE UNIQUE INDEX batches_in_order ON batches (topic, partition, next);
CREATE INDEX batches_by_segment ON batches (segment) WHERE segment IS NOT NULL;
CREATE TABLE about (cluster_id TEXT NOT NULL);
INSERT INTO about VALUES (lower(hex(randomblob(11))));
PRAGMA user_version = {FORMAT};
"""


class Store:
    """The database file of one directory, and the connections to it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def connect(self) -> sqlite3.Connection:
        """A new connection, in autocommit mode; used by one thread at a time."""
        with storage(self._path):
            connection = sqlite3.connect(
                self._path,
                timeout=BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=64,
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            # Larger than SQLite's 4 MB: batches lie in the rows, and each checkpoint costs two more syncs.
            connection.execute("PRAGMA wal_autocheckpoint = 4000")
            connection.execute("PRAGMA journal_size_limit = 67108864")
        return connection

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Create the tables if they are not there.

        Raises:
            LogError: when a newer ssql made them.
        """
        with transaction(connection, self._path):
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version == 0:
                for statement in _TABLES.split(";\n"):
                    connection.execute(statement)
            elif version != FORMAT:
                raise LogError(
                    f'the log in "{self._path.parent}" has format {version}, and this version reads format {FORMAT}',
                    hint="Use the version of ssql that wrote it.",
                )


@contextmanager
def storage(path: Path | str) -> Iterator[None]:
    """Errors of SQLite and of the file system as errors of the log."""
    try:
        yield
    except sqlite3.Error as failed:
        raise _translated(failed, path) from failed
    except OSError as failed:
        raise storage_error(failed) from failed


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path | str, mode: str = "IMMEDIATE") -> Iterator[None]:
    """One transaction: committed when the block ends well, else rolled back. `DEFERRED` is enough to read."""
    with storage(path):
        connection.execute(f"BEGIN {mode}")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _translated(failed: sqlite3.Error, path: Path | str) -> LogError | InternalError:
    code = getattr(failed, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return storage_error(OSError(28, os.strerror(28)))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LogUnavailable("the log is held by another process", hint="Try again.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LogError(f'the log is damaged: file "{path}": {failed}', hint="Restore the directory from a copy.")
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return LogError(f'the log could not be used: file "{path}": {failed}')
    return InternalError(f"the index of the log: {failed}")
