"""The oracle's side: a history as DuckDB tables, put in order and joined as-of in plain Python.

`s`, `r`: the streams' rows (`seq` their place in the merged order, `ts` their time). `t`, `u`: the tables as they are
in the end; `t_log`: all changes of `t`, with the row that each replaces. `sj`: each row of `s` with what `t` had for
its key at that moment (`there` whether it had a row). Windows: `in_windows` adds a table of rows and the windows that
took them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import duckdb
import pyarrow as pa

from tests.oracle.history import TABLES, Change, Cut, History

_ROW = {"seq": pa.int64(), "ts": pa.int64(), "k": pa.string()}
_TEXT, _INT, _DOUBLE = pa.string(), pa.int32(), pa.float64()
_STREAM = {"g": _TEXT, "v": _INT, "d": _DOUBLE}
_T = {"g": _TEXT, "w": _INT}


def merged(history: History, cut: Cut) -> list[Change]:
    """The changes in the order in which the engine takes them.

    Of what is there, the partition whose next record is the earliest goes first, a record being no earlier than those
    before it in its partition, and tables before streams at equal times. What is fed later comes later.
    """
    before, after = cut.of(history.changes)
    order: list[Change] = []
    greatest: dict[tuple[str, int], int] = defaultdict(int)
    for part in (before, *after):
        placed = []
        for change in part:
            at = (change.topic, change.partition(history.partitions))
            greatest[at] = max(greatest[at], change.time)
            placed.append((greatest[at], change.topic not in TABLES, change))
        order += [change for *_, change in sorted(placed, key=lambda p: p[:2])]
    return order


class Replay:
    """A history in DuckDB."""

    def __init__(self, history: History, cut: Cut) -> None:
        self._duckdb = duckdb.connect()
        self._order = merged(history, cut)
        streams: dict[str, list[tuple[Any, ...]]] = {"s": [], "r": []}
        tables: dict[str, dict[str, tuple[Any, ...]]] = {"t": {}, "u": {}}
        log: list[tuple[Any, ...]] = []
        joined: list[tuple[Any, ...]] = []
        for seq, change in enumerate(self._order):
            row = (seq, change.time, change.key, *(change.values or ()))
            if change.topic in TABLES:
                rows = tables[change.topic]
                if change.topic == "t":
                    log.append((*self._t(change, seq), *(rows.get(change.key, (None,) * 5)[3:])))
                rows.pop(change.key, None)
                if change.values is not None:
                    rows[change.key] = row
                continue
            streams[change.topic].append(row)
            if change.topic == "s":
                match = tables["t"].get(change.key)
                joined.append((*row, match is not None, *(match[3:] if match else (None, None))))
        for name, found in streams.items():
            self._table(name, _ROW | _STREAM, found)
        self._table("t", _ROW | _T, list(tables["t"].values()))
        self._table("u", _ROW | {"x": _INT}, list(tables["u"].values()))
        self._table("t_log", _ROW | {"live": pa.bool_(), "g": _TEXT, "w": _INT, "old_g": _TEXT, "old_w": _INT}, log)
        self._table("sj", _ROW | _STREAM | {"there": pa.bool_(), "tg": _TEXT, "w": _INT}, joined)

    @staticmethod
    def _t(change: Change, seq: int) -> tuple[Any, ...]:
        return (seq, change.time, change.key, change.values is not None, *(change.values or (None, None)))

    def _table(self, name: str, columns: dict[str, pa.DataType], rows: list[tuple[Any, ...]]) -> None:
        schema = pa.schema(list(columns.items()))
        arrays = [pa.array([r[i] for r in rows], f.type) for i, f in enumerate(schema)]
        self._duckdb.register("loaded", pa.table(arrays, schema=schema))
        self._duckdb.execute(f"CREATE TABLE {name} AS SELECT * FROM loaded")
        self._duckdb.unregister("loaded")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._duckdb.execute(sql).fetchall()

    def close(self) -> None:
        self._duckdb.close()

    def in_windows(self, sql: str, size_ms: int, advance_ms: int, grace_ms: int) -> list[tuple[Any, ...]]:
        """Adds the table `windowed`: the rows of `sql` (with `seq` and `ts`), once for each window that takes them.

        Row by row in order: a window whose end and grace the stream time has reached takes no more. Answers
        (row's place, window's start) of those that came too late.
        """
        source: pa.Table = self._duckdb.sql(f"SELECT * FROM ({sql}) ORDER BY seq").to_arrow_table()
        rows = source.to_pylist()
        taken: list[dict[str, Any]] = []
        late: list[tuple[Any, ...]] = []
        stream_time = 0
        for row in rows:
            stream_time = max(stream_time, row["ts"])
            for start in range(0, row["ts"] + 1, advance_ms):
                if start + size_ms <= row["ts"]:
                    continue
                if stream_time >= start + size_ms + grace_ms:
                    late.append((row["seq"], start))
                else:
                    taken.append(row | {"ws": start, "we": start + size_ms})
        schema = pa.schema([*source.schema, pa.field("ws", pa.int64()), pa.field("we", pa.int64())])
        self._duckdb.register("loaded", pa.Table.from_pylist(taken, schema=schema))
        self._duckdb.execute("CREATE OR REPLACE TABLE windowed AS SELECT * FROM loaded")
        self._duckdb.unregister("loaded")
        return late

    @property
    def order(self) -> list[Change]:
        return self._order
