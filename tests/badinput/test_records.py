"""Bad records among good ones, in any mixture and cut into epochs: what comes out is as if they had not come.

One source is read by queries that each find other records bad; each bad record stands once in SSQL_ERRORS for the
queries that could not take it, and late ones in SSQL_LATE, also where the engine died half-way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssql.log.api import RECORD_SCHEMA
from ssql.schemas.api import Definition
from tests.oracle.history import Cut, cuts
from tests.oracle.running import Run

QUERIES = {
    "CSAS_ALL_ROWS_1": "CREATE STREAM all_rows AS SELECT * FROM s;",
    "CTAS_GROUPS_2": "CREATE TABLE groups AS SELECT g, COUNT(*) AS c, SUM(n) AS total FROM s GROUP BY g;",
    "CSAS_CASTS_3": "CREATE STREAM casts AS SELECT k, CAST(t AS INT) AS i, 60 / n AS q FROM s;",
    "CTAS_TIMED_4": "CREATE TABLE timed AS SELECT k, COUNT(*) AS c FROM s "
    "WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 5 SECONDS) GROUP BY k;",
}
EVERY = frozenset(QUERIES)


@dataclass(frozen=True)
class Kind:
    """A kind of record, and the queries that cannot take it as it is. `row`: g, n and t where it can be read at all."""

    key: bytes
    value: bytes
    bad_for: frozenset[str]
    row: tuple[str | None, int | None, str | None] | None


KEY = (7).to_bytes(4, "big")
KINDS = {
    "good": Kind(KEY, b'{"G":"x","N":5,"T":"8"}', frozenset(), ("x", 5, "8")),
    "good too": Kind(KEY, b'{"G":"y","N":-2,"T":" 9 "}', frozenset(), ("y", -2, " 9 ")),
    "null group": Kind(KEY, b'{"N":5}', frozenset({"CTAS_GROUPS_2"}), (None, 5, None)),
    "cast that fails": Kind(KEY, b'{"G":"x","N":1,"T":"eight"}', frozenset({"CSAS_CASTS_3"}), ("x", 1, "eight")),
    "division by zero": Kind(KEY, b'{"G":"y","N":0,"T":"1"}', frozenset({"CSAS_CASTS_3"}), ("y", 0, "1")),
    "malformed": Kind(KEY, b'{"G":"x","N":5', EVERY, None),
    "no object": Kind(KEY, b'["x", 5]', EVERY, None),
    "empty": Kind(KEY, b"", EVERY, None),
    "wrong type": Kind(KEY, b'{"G":"x","N":"five"}', EVERY, None),
    "out of range": Kind(KEY, b'{"G":"x","N":99999999999}', EVERY, None),
    "no UTF-8": Kind(KEY, b'{"G":"x","N":5,"T":"\xff\xfe"}', EVERY, None),
    "short key": Kind(b"abc", b'{"G":"x","N":5}', EVERY, None),
    "long key": Kind(b"abcde", b'{"G":"x","N":5}', EVERY, None),
}
SOURCE = "CREATE STREAM s (k INT KEY, g STRING, n INT, t STRING) WITH (kafka_topic='s', value_format='JSON');"

Record = tuple[str, int]  # the kind's name, and the time in ms

records = st.lists(
    st.tuples(st.sampled_from(list(KINDS)), st.sampled_from((1000, 2000, 9000, 12_000, 30_000))),
    min_size=1,
    max_size=30,
)


def batch(rows: Sequence[Record]) -> pa.RecordBatch:
    listed = [{"key": KINDS[k].key, "value": KINDS[k].value, "timestamp": t, "headers": None} for k, t in rows]
    return pa.RecordBatch.from_pylist(listed, schema=RECORD_SCHEMA)


def parts(rows: Sequence[Record], cut: Cut) -> Iterator[Sequence[Record]]:
    total, at = sum(cut.parts), 0
    for share in cut.parts:
        yield rows[len(rows) * at // total : len(rows) * (at + share) // total]
        at += share


def integer(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdigit() else None


def windows(rows: Sequence[Record]) -> tuple[Counter[int], list[int]]:
    """How many rows each window took, by its start, and the offsets of those that came too late."""
    counts: Counter[int] = Counter()
    late, stream_time = [], 0
    for offset, (kind, time) in enumerate(rows):
        if KINDS[kind].row is None:
            continue
        stream_time = max(stream_time, time)
        start = time // 10_000 * 10_000
        if stream_time >= start + 15_000:
            late.append(offset)
        else:
            counts[start] += 1
    return counts, late


def check(rows: Sequence[Record], cut: Cut) -> None:
    with TemporaryDirectory(prefix="ssql-badinput-") as directory:
        run = Run(Path(directory), 1, cut.max_rows)
        try:
            run.execute(SOURCE + "".join(QUERIES.values()))
            if cut.dies is not None:
                run.die(cut.dies)
            for part in parts(rows, cut):
                if part:
                    run.log.append("s", batch(part), 0)
                run.settle_or_rise()
            run.spare()
            compare(run, rows)
        finally:
            run.close()


def compare(run: Run, rows: Sequence[Record]) -> None:
    good = [row for kind, _ in rows if (row := KINDS[kind].row) is not None]
    assert [tuple(r.fields.values()) for r in run.records("ALL_ROWS")] == good
    groups: dict[str, list[int]] = defaultdict(list)
    for g, n, _ in good:
        if g is not None:
            groups[g].append(n or 0)
    assert sorted(run.pull("SELECT * FROM groups;")) == sorted((g, len(n), sum(n)) for g, n in groups.items())
    quotients = [(integer(t), int(60 / n) if n else None) for _, n, t in good]
    assert [tuple(r.fields.values()) for r in run.records("CASTS")] == quotients

    found: Counter[tuple[str, int, bytes, bytes]] = Counter()
    errors = "SELECT query_id, topic, `PARTITION`, `OFFSET`, reason, key, value FROM ssql_errors;"
    for queries, topic, partition, offset, reason, key, value in run.pull(errors):
        assert (topic, partition) == ("s", 0)
        assert reason
        found.update((query, offset, key, value) for query in queries.split(","))
    expected = [(q, i, KINDS[k].key, KINDS[k].value) for i, (k, _) in enumerate(rows) for q in KINDS[k].bad_for]
    assert found == Counter(expected)

    counts, late = windows(rows)
    assert sorted(run.pull("SELECT windowstart, c FROM timed;")) == sorted(counts.items())
    told = run.pull("SELECT query_id, `OFFSET`, key, value FROM ssql_late;")
    assert sorted(told) == [("CTAS_TIMED_4", i, KINDS[rows[i][0]].key, KINDS[rows[i][0]].value) for i in late]


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(records, cuts())
def test_bad_records_harm_no_good_ones(rows: list[Record], cut: Cut) -> None:
    check(rows, cut)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(records, cuts())
def test_bad_records_harm_no_good_ones_at_length(rows: list[Record], cut: Cut) -> None:
    check(rows, cut)


@pytest.mark.parametrize("size", [20_000, 70_000])
def test_a_large_batch_with_one_bad_record_in_a_hundred(tmp_path: Path, size: int) -> None:
    kinds = list(KINDS)
    rows = [(kinds[i // 100 % len(kinds)] if i % 100 == 50 else "good", 1000) for i in range(size)]
    run = Run(tmp_path, 1, 65536)
    try:
        run.execute(SOURCE + "".join(QUERIES.values()))
        run.log.append("s", batch(rows), 0)
        run.settle()
        read = {q.query_id: q.throughput.read.records for q in run.worker.status()}
        readable = sum(KINDS[k].row is not None for k, _ in rows)
        assert read == dict.fromkeys(QUERIES, readable)
        compare(run, rows)
    finally:
        run.close()


# --- single cases that need other sources ---------------------------------------------------------------------------

ERRORS = "SELECT query_id, topic, `OFFSET`, reason, key, value FROM ssql_errors;"
STREAM = "CREATE STREAM s (k STRING KEY, n INT, t STRING) WITH (kafka_topic='s', value_format='JSON');"
OTHER = "CREATE TABLE u (k STRING PRIMARY KEY, w INT) WITH (kafka_topic='u', value_format='JSON');"


@dataclass(frozen=True)
class Case:
    """A query over `s`, the value of its bad record, what the reason says, and the values written in all."""

    query: str
    value: bytes
    reason: str
    written: list[Any]


AVRO_ID = 1  # of the first schema in a registry
AVRO = '{"type": "record", "name": "R", "fields": [{"name": "N", "type": "int"}]}'
GOOD = b'{"N":5,"T":"a"}'
CASES = {
    "a value that the sink cannot encode": Case(
        f"CREATE STREAM o WITH (value_format='AVRO', value_schema_id={AVRO_ID}) AS SELECT k, n FROM s;",
        b'{"T":"a"}',
        "could not write the row: ",
        [b"\x00\x00\x00\x00\x01\x0a"] * 2,
    ),
    "a null join key": Case(
        "CREATE STREAM o AS SELECT s.t AS t, n, w FROM s LEFT JOIN u ON s.t = u.k;",
        b'{"N":1}',
        "the join key is null",
        [b'{"N":5,"W":null}'] * 2,
    ),
    "a value too large for its column": Case(
        "CREATE STREAM o AS SELECT k, CAST(n AS DECIMAL(3, 2)) AS d FROM s;",
        b'{"N":10,"T":"a"}',
        "DECIMAL(3, 2)",
        [b'{"D":5.00}', b'{"D":null}', b'{"D":5.00}'],
    ),
    "a modulus of zero": Case(
        "CREATE STREAM o AS SELECT k, 7 % n AS m FROM s;",
        b'{"N":0}',
        "zero",
        [b'{"M":2}', b'{"M":null}', b'{"M":2}'],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_row_is_reported_with_its_record(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    run = Run(tmp_path, 1, 65536)
    try:
        assert run.engine._core.schemas.register("elsewhere", Definition("AVRO", AVRO)) == AVRO_ID
        run.execute(STREAM + OTHER + case.query)
        listed = [{"key": b"k", "value": v, "timestamp": 1, "headers": None} for v in (GOOD, case.value, GOOD)]
        run.log.append("s", pa.RecordBatch.from_pylist(listed, schema=RECORD_SCHEMA), 0)
        run.settle()
        assert [r.value for r in run.records("O")] == case.written
        ((query, topic, offset, reason, key, value),) = run.pull(ERRORS)
        assert (query, topic, offset, key, value) == ("CSAS_O_2", "s", 1, b"k", case.value)
        assert case.reason in reason
    finally:
        run.close()


@pytest.mark.parametrize("expression", ["n / 0", "n % 0"])
def test_a_constant_divisor_of_zero_is_reported_too(tmp_path: Path, expression: str) -> None:
    run = Run(tmp_path, 1, 65536)
    try:
        run.execute(STREAM + f"CREATE STREAM o AS SELECT k, {expression} AS z FROM s;")
        listed = [{"key": b"k", "value": GOOD, "timestamp": 1, "headers": None}]
        run.log.append("s", pa.RecordBatch.from_pylist(listed, schema=RECORD_SCHEMA), 0)
        run.settle()
        assert [r.value for r in run.records("O")] == [b'{"Z":null}']
        assert [offset for _, _, offset, *_ in run.pull(ERRORS)] == [0]
    finally:
        run.close()
