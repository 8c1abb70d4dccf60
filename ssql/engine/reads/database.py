"""The DuckDB that reads run in: no files but those of one directory, no network, no settings to change, within limits.

One database for all reads of an engine, in memory; each read has a cursor of its own, on which its relations are
registered: no read sees another's. DuckDB holds the walls itself, also where the check of a text would miss something.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from ssql.config import FILES_DIRECTORY, PULL_MEMORY_BYTES, Config
from ssql.engine.reads.answers import as_declared, columns_of, conversion, sql_type
from ssql.engine.reads.files import prefix_of, root_of
from ssql.engine.waiter import WAITER
from ssql.errors import ReadTooLarge
from ssql.functions import install
from ssql.functions.macros import Macro, macro
from ssql.sql.lexer import quote_text
from ssql.types import Column

#: What may be written to disk for one byte of memory, where memory does not do.
_SPILL = 8

#: How long (s) until what is to end is told so again.
_AGAIN_S = 0.05

#: Rows of an answer that are taken at a time.
_BATCH_ROWS = 100_000

_FUNCTIONS = (
    "SELECT upper(function_name), len(parameters), varargs IS NOT NULL FROM duckdb_functions() "
    "WHERE function_type = 'scalar'"
)
_LOCKED = (
    "SET allow_community_extensions = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)

#: What DuckDB makes of a Ctrl-C.
_BY_CTRL_C = "Query interrupted"


class Failed(Exception):
    """DuckDB could not bind or run a statement; `placed`: the place that it gives is one in the statement's text."""

    def __init__(self, error: duckdb.Error, *, placed: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.placed = placed


@dataclass(frozen=True)
class Answer:
    columns: tuple[Column, ...]
    rows: pa.Table


class ReadDatabase:
    """Opened with the first read. Thread-safe."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._spill: str | None = None
        self._macros: dict[str, Macro | None] = {}
        self._builtin: dict[str, list[tuple[int, bool]]] = {}

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of one's own to the database; whoever asks closes it."""
        with self._lock:
            if self._connection is None:
                self._connection = self._open()
            return self._connection.cursor()

    def _open(self) -> duckdb.DuckDBPyConnection:
        self._spill = tempfile.mkdtemp(prefix="ssql-reads-")
        memory = self._config[PULL_MEMORY_BYTES]
        settings: dict[str, Any] = {
            "errors_as_json": True,
            # As in ksqlDB: whole numbers divide to whole numbers, and by zero to NULL.
            "error_on_division_by_zero": False,
            "integer_division": True,
            "max_temp_directory_size": f"{memory * _SPILL}B",
            "memory_limit": f"{memory}B",
            "python_enable_replacements": False,
            "temp_directory": self._spill,
        }
        connection = duckdb.connect(config=settings)
        root = root_of(self._config[FILES_DIRECTORY])
        if root is not None:
            connection.execute(f"SET allowed_directories = [{quote_text(prefix_of(root))}]")
        connection.execute("SET TimeZone = 'UTC'")
        for statement in _LOCKED:
            connection.execute(statement)
        return connection

    def macro(self, name: str) -> Macro | None:
        """The macro by which queries call a function of the registry, made when it is first asked for; None for a
        function that is DuckDB's."""
        with self._lock:
            if self._connection is None:
                self._connection = self._open()
            if name not in self._macros:
                found = self._macros[name] = macro(name, self._has)
                if found is not None:
                    install(self._connection, found.udfs)
                    self._connection.execute(found.statement)
            return self._macros[name]

    def _has(self, name: str, count: int) -> bool:
        """Whether DuckDB has a function of this name with so many arguments."""
        assert self._connection is not None
        if not self._builtin:
            for function, least, more in self._connection.execute(_FUNCTIONS).fetchall():
                self._builtin.setdefault(function, []).append((least, more))
        return any(count == least or (more and count > least) for least, more in self._builtin.get(name, ()))

    def tree(self, text: str) -> dict[str, Any]:
        """DuckDB's tree of a text's SELECT statements, or what is wrong with it."""
        cursor = self.cursor()
        try:
            row = cursor.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
        finally:
            cursor.close()
        assert row is not None
        found: dict[str, Any] = json.loads(row[0])
        return found

    def run(self, text: str, relations: Mapping[str, pa.Table], timeout_s: float | None) -> Answer:
        """The rows of a SELECT over relations.

        Raises:
            Failed: as DuckDB says it; with an InterruptException when it took longer than `timeout_s`.
            ReadTooLarge: the rows take more memory than a query may have.
            KeyboardInterrupt: Ctrl-C, while DuckDB computed.
        """
        cursor = self.cursor()
        placed = True
        try:
            for name, rows in relations.items():
                cursor.register(name, rows)
            with interrupted(cursor, timeout_s):
                found = bound(cursor, text)
                types = [sql_type(of) for of in found.types]
                columns = columns_of(found.columns, types)
                converted = [conversion(n, of, t) for n, (of, t) in enumerate(zip(found.types, types, strict=True), 1)]
                if any(expression.startswith("CAST") for expression in converted):
                    placed, found = False, found.project(", ".join(converted))
                rows = _collected(found.to_arrow_reader(_BATCH_ROWS), self._config[PULL_MEMORY_BYTES])
        except duckdb.Error as error:
            raise Failed(error, placed=placed) from None
        except RuntimeError as stopped:
            if str(stopped) == _BY_CTRL_C:
                raise KeyboardInterrupt from None
            raise
        finally:
            cursor.close()
        return Answer(columns, as_declared(rows, columns))

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            if self._spill is not None:
                shutil.rmtree(self._spill, ignore_errors=True)


def _collected(reader: pa.RecordBatchReader, most: int) -> pa.Table:
    """The rows of a reader, of `most` so many bytes."""
    batches: list[pa.RecordBatch] = []
    size = 0
    try:
        for batch in reader:
            size += batch.nbytes
            if size > most:
                raise ReadTooLarge
            batches.append(batch)
    except OSError as told:
        raise _as_raised(str(told)) from None
    finally:
        reader.close()
    return pa.Table.from_batches(batches, schema=reader.schema)


def _as_raised(said: str) -> duckdb.Error:
    """DuckDB's error, which Arrow passes on as text: `Out of Memory Error: {...}`."""
    kind = said.partition(" Error: ")[0].title().replace(" ", "")
    error: type[duckdb.Error] = getattr(duckdb, f"{kind}Exception", duckdb.Error)
    return error(said)


def bound(cursor: duckdb.DuckDBPyConnection, text: str) -> Any:
    """The relation of a SELECT, not run yet."""
    try:
        return cursor.sql(text)
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        # Told here without places and names; said again by the other way in, they are there.
        cursor.execute(text)
        raise


class _Ending:
    """Ends what a cursor runs: more than once, as DuckDB forgets an interruption when it begins to run."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._over = threading.Event()
        self._lock = threading.Lock()

    def begin(self) -> None:
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        """Returns when it is over."""
        while not self._over.is_set():
            with self._lock:  # not what the cursor runs next
                if not self._over.is_set():
                    self._cursor.interrupt()
            self._over.wait(_AGAIN_S)

    def over(self) -> None:
        with self._lock:
            self._over.set()


@contextmanager
def interrupted(cursor: duckdb.DuckDBPyConnection, timeout_s: float | None) -> Iterator[None]:
    """Within it, what the cursor runs is ended after a time, and when nobody waits for it any more."""
    ending, waiter = _Ending(cursor), WAITER.get()
    timer = None if timeout_s is None else threading.Timer(max(timeout_s, 0.0), ending.run)
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        with waiter.for_them(ending.begin) if waiter is not None else nullcontext():
            yield
    finally:
        ending.over()
        if timer is not None:
            timer.cancel()
