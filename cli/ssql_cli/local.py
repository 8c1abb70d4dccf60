"""The backend that is an engine in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ssql.config import DATA_DIR, FILES_DIRECTORY, KAFKA_BOOTSTRAP, Config
from ssql.engine.api import Engine, PullResult, PushQuery, Session
from ssql.server.rows import render_rows
from ssql.types import Column
from ssql_cli.backend import Answer, AnswerColumn, Entity, Lines, Row

if TYPE_CHECKING:
    from ssql.engine.lock import DirectoryLock
    from ssql.engine.opening import Opening
    from ssql.engine.progress import Progress

#: Rows that are turned into Python values at a time.
SLICE_ROWS = 10_000
#: Seconds after which a push query without rows gives a sign of life: what Ctrl-C may have to wait.
PATIENCE_S = 0.2

#: Numbers with a point keep the digits that the REST API would send.
_ROWS = msgspec.json.Decoder(list[list[Any]], float_hook=Decimal)


class LocalBackend:
    """An engine of its own, closed with the backend; `lock` is released then."""

    def __init__(
        self,
        config: Config,
        variables: Mapping[str, str] | None = None,
        *,
        engine: Engine | None = None,
        lock: DirectoryLock | None = None,
        opening: Opening | None = None,
    ) -> None:
        if engine is None:
            from ssql.engine.engine import LocalEngine

            engine = LocalEngine(_with_files(config), opening=opening)
        self.engine = engine
        self.session = Session(variables=dict(variables or {}), full_sql=True)
        self.place = config[KAFKA_BOOTSTRAP] or config[DATA_DIR]
        self._lock = lock

    @property
    def properties(self) -> Mapping[str, object]:
        return self.session.properties

    @property
    def variables(self) -> Mapping[str, str]:
        return self.session.variables

    def execute(self, text: str) -> list[Entity]:
        return self.engine.execute(text, self.session)

    def query(self, sql: str) -> Answer:
        result = self.engine.query(sql, self.session)
        return _Pulled(result) if isinstance(result, PullResult) else _Pushed(result)

    def print_topic(self, sql: str) -> Lines:
        result = self.engine.query(sql, self.session)
        assert not isinstance(result, PullResult), "PRINT is a push query"
        return _Printed(result)

    def progress(self) -> Progress:
        return self.engine.progress()

    def close(self) -> None:
        try:
            self.engine.close()
        finally:
            if self._lock is not None:
                self._lock.release()
                self._lock = None


def _with_files(config: Config) -> Config:
    """Who works with an engine of their own may read the files where they are, unless the settings say otherwise."""
    return config if FILES_DIRECTORY.key in config.values else config.with_values({FILES_DIRECTORY.key: Path.cwd()})


class _Pulled:
    """The rows of a pull query: all there already."""

    live = False

    def __init__(self, result: PullResult) -> None:
        self._result = result
        self.columns = answer_columns(result.columns)
        self.final_message: str | None = None

    def __iter__(self) -> Iterator[list[Row]]:
        for batch in self._result.rows.combine_chunks().to_batches(max_chunksize=SLICE_ROWS):
            yield rows_of(batch, self._result.columns)

    def batches(self) -> list[pa.RecordBatch]:
        """The rows as they are, for who writes columns."""
        found: list[pa.RecordBatch] = self._result.rows.to_batches(max_chunksize=SLICE_ROWS)
        return found

    def stop(self) -> None:
        """The rows are all there."""

    def close(self) -> None:
        """Nothing runs."""


class _Pushed:
    """The rows of a push query, as they come."""

    live = True

    def __init__(self, query: PushQuery) -> None:
        self._query = query
        self.columns = answer_columns(query.columns)

    def __iter__(self) -> Iterator[list[Row]]:
        while (batch := self._query.take(SLICE_ROWS, PATIENCE_S)) is not None:
            yield rows_of(batch, self._query.columns)
        if self._query.error is not None:
            raise self._query.error

    @property
    def final_message(self) -> str | None:
        return self._query.final_message

    def stop(self) -> None:
        self._query.close()

    def close(self) -> None:
        self._query.close()


class _Printed:
    """The lines of a PRINT, as they come."""

    def __init__(self, query: PushQuery) -> None:
        self._query = query

    def __iter__(self) -> Iterator[list[str]]:
        while (batch := self._query.take(SLICE_ROWS, PATIENCE_S)) is not None:
            yield batch.column(0).to_pylist()
        if self._query.error is not None:
            raise self._query.error

    def stop(self) -> None:
        self._query.close()

    def close(self) -> None:
        self._query.close()


def answer_columns(columns: Sequence[Column]) -> tuple[AnswerColumn, ...]:
    """The columns of an answer as the rest of the command sees them."""
    return tuple(AnswerColumn(c.name, str(c.type)) for c in columns)


def rows_of(batch: pa.RecordBatch, columns: Sequence[Column]) -> list[Row]:
    """The rows of a batch in the values that the REST API gives them; `_diff`, if there, follows the columns."""
    if batch.num_rows == 0:
        return []
    values = batch.columns[: len(columns)]
    if batch.num_columns == len(columns):
        return [Row(row) for row in _ROWS.decode(_json(render_rows(values, columns, "[", "],")))]
    deleted = pc.less(batch.column(len(columns)), 0)
    text = _json(render_rows(values, columns, "[", "],", deleted, "],"))
    return [Row(row, gone) for row, gone in zip(_ROWS.decode(text), deleted.to_pylist(), strict=True)]


def _json(elements: bytes) -> bytes:
    return b"[" + bytes(elements)[:-1] + b"]"
