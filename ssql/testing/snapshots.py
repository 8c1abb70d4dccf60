"""What queries have written by some point of a run, and whether two runs have written the same.

Compared is what must not depend on where epochs end, on the order in which rows of different keys come in, or on a
crash: the last value of each key of a table, with its time; the records of each key of a stream; what was rejected.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from ssql.planner.system_streams import ERRORS, LATE
from ssql.testing.bench import Bench
from ssql.testing.codec import TopicCodec
from ssql.testing.diff import counts, diff
from ssql.testing.records import Mismatch
from ssql.testing.rows import Row, in_any_order, in_order

#: Where a rejected record stood, which depends on how rows were spread.
_PLACES = ("PARTITION", "OFFSET")
#: How far (relatively) two sums of doubles may be apart: their order is not that of the rows.
_CLOSE = 1e-9


@dataclass(frozen=True)
class Written:
    """The records of one stream or table, in the order of their partitions."""

    name: str
    kind: str
    codec: TopicCodec
    batches: tuple[pa.RecordBatch, ...]

    @property
    def rejected(self) -> bool:
        return self.name in (ERRORS, LATE)

    def entries(self) -> list[tuple[bytes | None, bytes | None, int]]:
        """Key, value and time (ms) of the records; of a table of the last of each key, where it is not deleted."""
        found = []
        for batch in self.batches:
            columns = (batch.column(name).to_pylist() for name in ("key", "value", "timestamp"))
            found += list(zip(*columns, strict=True))
        if self.kind == "TABLE":
            found = [entry for entry in {entry[0]: entry for entry in found}.values() if entry[1] is not None]
        return found

    def columns(self) -> list[str]:
        """The names of what `rows` has."""
        if self.rejected:
            return ["RECORD"]
        return ["KEY", "WINDOW", *(c.name for c in self.codec.value.columns), "ROWTIME"]

    def rows(self) -> list[Row]:
        """As `entries`, in the values of their types."""
        if self.rejected:
            records = [msgspec.json.decode(value or b"{}") for _, value, _ in self.entries()]
            return [[{k: v for k, v in record.items() if k not in _PLACES}] for record in records]
        found = [record for batch in self.batches for record in self.codec.decode(batch)]
        if self.kind == "TABLE":
            last = {(r.data[0], r.window): r for r in found}
            found = [record for record in last.values() if record.data[1] is not None]
        rows: list[Row] = []
        for record in found:
            values = self.codec.value.row(record.data[1])
            cells = [values if isinstance(values, str) else values.get(c.name) for c in self.codec.value.columns]
            window = None if record.window is None else [record.window.start, record.window.end]
            rows.append([record.key, window, *cells, record.timestamp])
        return rows


#: By the name of the stream or table.
Snapshot = Mapping[str, Written]


def taken(bench: Bench) -> Snapshot:
    """What the queries have written by now."""
    found = {}
    bench.schemas.subjects()  # the registry knows them from now on: the log may be closed when records are compared
    for source in bench.catalog.sources.values():
        relation = source.relation
        if relation.derived or relation.name in (ERRORS, LATE):
            codec = TopicCodec(relation, bench.schemas)
            found[relation.name] = Written(relation.name, relation.kind, codec, tuple(bench.read(relation.topic)))
    return found


def compare(expected: Snapshot, found: Snapshot, *, order: bool) -> None:
    """Raise `Mismatch` for the first stream or table that differs. `order`: of a stream's records of one key too."""
    for name, wanted in expected.items():
        got = found.get(name)
        if got is None:
            raise Mismatch("end differs", f"{name} is not there")
        in_keys = order and wanted.kind == "STREAM" and not wanted.rejected
        if _same_bytes(wanted, got, in_keys=in_keys):
            continue
        left, right = wanted.rows(), got.rows()
        if in_keys:
            keys = list({repr(row[:2]): None for row in (*left, *right)})
            pairs = [p for key in keys for p in in_order(_of(left, key), _of(right, key), _alike)]
        else:
            pairs = in_any_order(left, right, _alike, _same_key)
        if not all(pair.same for pair in pairs):
            shown = diff(wanted.columns(), pairs, lambda _, one, other: _like(one, other))
            raise Mismatch("end differs", f"{wanted.kind.lower()} {name}: {counts(pairs)}", difference=shown)


def _same_bytes(one: Written, other: Written, *, in_keys: bool) -> bool:
    """Whether the records are the same as they stand: then nothing need be decoded."""
    left, right = one.entries(), other.entries()
    if in_keys:  # a stable sort leaves the records of a key in their order
        return sorted(left, key=_key) == sorted(right, key=_key)
    return sorted(map(repr, left)) == sorted(map(repr, right))


def _key(entry: tuple[bytes | None, bytes | None, int]) -> str:
    return repr(entry[0])


def _of(rows: Sequence[Row], key: str) -> list[Row]:
    return [row for row in rows if repr(row[:2]) == key]


def _same_key(one: Row, other: Row) -> bool:
    return len(one) > 1 and bool(one[:2] == other[:2])


def _alike(one: Row, other: Row) -> bool:
    return all(map(_like, one, other))


def _like(one: Any, other: Any) -> bool:
    """Whether two values are the same; of doubles, but for the last digits."""
    match one, other:
        case float(), float():
            return one == other or math.isclose(one, other, rel_tol=_CLOSE) or (math.isnan(one) and math.isnan(other))
        case dict(), dict():
            return one.keys() == other.keys() and all(_like(v, other[k]) for k, v in one.items())
        case list(), list():
            return len(one) == len(other) and all(map(_like, one, other))
        case _:
            return bool(one == other)
