"""Records that cannot be processed: their neighbours are untouched, and each stands in SSQL_ERRORS or SSQL_LATE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest

from ssql.errors import RegistryUnavailable
from ssql.log.api import RECORD_SCHEMA, Fetch
from ssql.runtime.decode import RelationDecoder, Rows
from tests.engine.conftest import Bench

ERRORS = "SELECT query_id, topic, `PARTITION`, `OFFSET`, reason, key, value FROM ssql_errors;"


def append(bench: Bench, topic: str, records: list[tuple[bytes | None, bytes | None, int]]) -> None:
    rows = [{"key": k, "value": v, "timestamp": t, "headers": None} for k, v, t in records]
    bench.engine._log.append(topic, pa.RecordBatch.from_pylist(rows, schema=RECORD_SCHEMA), 0)


@dataclass(frozen=True)
class Bad:
    """A source and query, the record that is bad, and what its reason says."""

    name: str
    source: str
    query: str
    key: bytes | None
    value: bytes | None
    reason: str


STREAM = "CREATE STREAM s (k STRING KEY, n INT, t STRING) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
INT_KEY = "CREATE STREAM s (k INT KEY, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
TABLE = "CREATE TABLE s (k STRING PRIMARY KEY, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
ALL = "CREATE STREAM o AS SELECT * FROM s;"

RECORDS = [
    Bad("malformed JSON", STREAM, ALL, b"k", b'{"N": 1, ', "not valid JSON"),
    Bad("a wrong type", STREAM, ALL, b"k", b'{"N": "abc"}', 'cannot read "abc" as INT'),
    Bad("bytes that are no UTF-8", STREAM, ALL, b"k", b'{"T": "\xff\xfe"}', "not valid UTF-8"),
    Bad("a key that is no UTF-8", STREAM, ALL, b"\xff", b'{"N": 1}', "key: "),
    Bad("a key of the wrong length", INT_KEY, ALL, b"abc", b'{"N": 1}', "key: "),
    Bad("a table's null key", TABLE, "CREATE TABLE o AS SELECT * FROM s;", None, b'{"N": 1}', "the key is null"),
    Bad("a null group", STREAM, "CREATE TABLE o AS SELECT t, COUNT(*) FROM s GROUP BY t;", b"k", b'{"N": 1}', "null"),
    Bad(
        "an expression that fails",
        STREAM,
        "CREATE STREAM o AS SELECT k, CAST(t AS INT) AS i FROM s;",
        b"k",
        b'{"T": "x1"}',
        "x1",
    ),
]


@pytest.mark.parametrize("bad", RECORDS, ids=lambda b: b.name)
def test_a_bad_record_is_reported_and_harms_no_other(bench: Bench, bad: Bad) -> None:
    bench.run(bad.source + bad.query)
    good_key = (7).to_bytes(4, "big") if bad.source is INT_KEY else b"good"
    good = b'{"N": 5, "T": "8"}'
    append(bench, "s", [(good_key, good, 10), (bad.key, bad.value, 20), (good_key, good, 30)])
    ((query, topic, partition, offset, reason, key, value),) = bench.rows(ERRORS)
    assert query.startswith(("CSAS_O_", "CTAS_O_"))
    assert (topic, partition, offset, key, value) == ("s", 0, 1, bad.key, bad.value)
    assert bad.reason in reason
    written = [v for _, v in bench.topic("O") if v is not None]
    expected = 3 if bad.name == "an expression that fails" else 1 if "TABLE" in bad.query else 2
    assert len(written) == expected


def test_division_by_zero_gives_null_for_its_column_and_is_reported(bench: Bench) -> None:
    bench.run(STREAM + "CREATE STREAM o AS SELECT k, 10 / n AS q FROM s;")
    append(bench, "s", [(b"a", b'{"N": 2}', 1), (b"b", b'{"N": 0}', 2), (b"c", b'{"N": 5}', 3)])
    assert bench.rows("SELECT k, q FROM o;") == [("a", 5), ("b", None), ("c", 2)]
    ((_, _, _, offset, reason, _, _),) = bench.rows(ERRORS)
    assert offset == 1
    assert "zero" in reason


def test_a_predicate_that_fails_on_a_row_drops_and_reports_it(bench: Bench) -> None:
    bench.run(STREAM + "CREATE STREAM o AS SELECT k, t FROM s WHERE CAST(t AS INT) > 3;")
    append(bench, "s", [(b"a", b'{"T": "4"}', 1), (b"b", b'{"T": "no"}', 2), (b"c", b'{"T": "1"}', 3)])
    assert bench.rows("SELECT k FROM o;") == [("a",)]
    ((_, _, _, offset, _, key, _),) = bench.rows(ERRORS)
    assert (offset, key) == (1, b"b")


def test_late_rows_stand_in_the_late_stream(bench: Bench) -> None:
    bench.run(
        STREAM + "CREATE TABLE o AS SELECT k, COUNT(*) AS c FROM s "
        "WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 5 SECONDS) GROUP BY k;"
    )
    # The third row comes when stream time has passed the end of its window by the grace period, in the same batch.
    append(bench, "s", [(b"a", b'{"N": 1}', 1000), (b"a", b'{"N": 1}', 15_000), (b"a", b'{"N": 1}', 9_000)])
    assert bench.rows("SELECT k, windowstart, c FROM o;") == [("a", 0, 1), ("a", 10_000, 1)]
    late = bench.rows("SELECT topic, `OFFSET`, window_start, window_end, key, value FROM ssql_late;")
    assert late == [("s", 2, 0, 10_000, b"a", b'{"N": 1}')]
    assert bench.rows(ERRORS) == []


def test_one_bad_record_in_a_hundred_costs_only_itself(bench: Bench) -> None:
    bench.run(STREAM + "CREATE TABLE o AS SELECT k, COUNT(*) AS c, SUM(n) AS total FROM s GROUP BY k;")
    kinds: list[bytes] = [b"{", b'{"N": "x"}', b'{"T": "\xff"}', b"[1]", b'{"N": 99999999999}']
    records: list[tuple[bytes | None, bytes | None, int]] = []
    for n in range(20_000):
        value = kinds[n // 100 % len(kinds)] if n % 100 == 50 else b'{"N": %d}' % (n % 7)
        records.append((b"k%d" % (n % 10), value, n))
    append(bench, "s", records)
    good = [(n % 10, n % 7) for n in range(20_000) if n % 100 != 50]
    expected: dict[str, Any] = {}
    for key, number in good:
        count, total = expected.get(f"k{key}", (0, 0))
        expected[f"k{key}"] = (count + 1, total + number)
    assert bench.rows("SELECT * FROM o;") == sorted((k, *v) for k, v in expected.items())
    errors = bench.rows("SELECT `OFFSET`, value FROM ssql_errors;")
    assert sorted(errors) == [(n, records[n][1]) for n in range(50, 20_000, 100)]


def test_what_was_fetched_while_the_registry_was_away_is_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run(STREAM + "CREATE TABLE o AS SELECT k, COUNT(*) AS c FROM s GROUP BY k;")
    bench.settle()
    away = [True, True]
    decode = RelationDecoder.decode

    def unreliable(self: RelationDecoder, fetch: Fetch) -> Rows:
        if fetch.topic == "s" and away:
            away.pop()
            raise RegistryUnavailable("the registry does not answer")
        return decode(self, fetch)

    monkeypatch.setattr(RelationDecoder, "decode", unreliable)
    append(bench, "s", [(b"a", b'{"N": 1}', 1), (b"a", b'{"N": 2}', 2)])
    assert bench.rows("SELECT * FROM o;") == [("a", 2)]
    assert not away
