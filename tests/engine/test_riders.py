"""What goes along with records beside their columns: headers, and that a stream's record has no value."""

from __future__ import annotations

import pyarrow as pa

from ssql.log.api import RECORD_SCHEMA
from tests.engine.conftest import WAIT_S, Bench

SOURCE = "CREATE STREAM s (k STRING KEY, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
PLAIN = "CREATE STREAM plain AS SELECT k, n, IFNULL(n, 7) AS m FROM s;"

Headers = list[dict[str, object]]
ONE: Headers = [{"key": "h", "value": b"1"}, {"key": "h", "value": None}]
OTHER: Headers = [{"key": "x", "value": b"3"}]


def append(bench: Bench, *records: tuple[bytes, bytes | None, Headers | None]) -> None:
    """Records as another producer writes them."""
    names = ("key", "value", "headers")
    rows = [dict(zip(names, record, strict=True)) | {"timestamp": 0} for record in records]
    bench.engine._log.append("s", pa.RecordBatch.from_pylist(rows, schema=RECORD_SCHEMA))
    bench.settle()


def headers_of(bench: Bench, topic: str) -> list[Headers | None]:
    found: list[Headers | None] = bench.engine._log.read(topic, 0, 0, 100).batch.column("headers").to_pylist()
    return found


def test_a_record_without_a_value_passes_projections_and_nothing_else(bench: Bench) -> None:
    bench.run(SOURCE + PLAIN)
    bench.run(
        "CREATE STREAM rekeyed WITH (partitions=1) AS SELECT n, k, n + 1 AS m FROM plain PARTITION BY n;"
        "CREATE STREAM kept AS SELECT k, n FROM plain WHERE k = 'a';"
        "CREATE TABLE counts AS SELECT k, COUNT(*) AS c FROM plain GROUP BY k;"
        "CREATE STREAM exploded AS SELECT k, EXPLODE(ARRAY[1, 2]) AS x FROM s;"
        "CREATE STREAM self AS SELECT a.k, b.n FROM s a JOIN plain b WITHIN 1 HOUR ON a.k = b.k;"
    )
    push = bench.push("SELECT k, m FROM plain EMIT CHANGES;")
    append(bench, (b"a", None, None), (b"a", b'{"n": 1}', None))
    shown = push.take(1, timeout_s=WAIT_S)
    push.close()
    assert shown is not None
    assert shown.column("M").to_pylist() == [1]
    assert bench.topic("PLAIN") == [(b"a", None), (b"a", b'{"N":1,"M":1}')]
    assert bench.topic("REKEYED") == [(None, None), (b"\0\0\0\1", b'{"K":"a","M":2}')]
    assert bench.topic("KEPT") == [(b"a", b'{"N":1}')]
    assert bench.rows("SELECT * FROM counts;") == [("a", 1)]
    assert [v for _, v in bench.topic("EXPLODED")] == [b'{"X":1}', b'{"X":2}']
    assert [v for _, v in bench.topic("SELF")] == [b'{"B_N":1}']


def test_a_query_that_needs_records_without_a_value_may_come_later(bench: Bench) -> None:
    bench.run(SOURCE + "CREATE STREAM kept AS SELECT k, n FROM s WHERE k = 'a';")
    append(bench, (b"a", b'{"n": 1}', None))
    bench.run("CREATE STREAM every AS SELECT k, n FROM s;")
    bench.settle()
    append(bench, (b"a", None, None))
    assert bench.topic("EVERY") == [(b"a", b'{"N":1}'), (b"a", None)]
    assert bench.topic("KEPT") == [(b"a", b'{"N":1}')]


def test_headers_ride_along_to_the_results(bench: Bench) -> None:
    bench.run(SOURCE + PLAIN)
    bench.run("CREATE STREAM again WITH (partitions=1) AS SELECT n, k, m FROM plain WHERE n > 1 PARTITION BY n;")
    append(bench, (b"a", b'{"n": 1}', ONE), (b"b", b'{"n": 2}', None), (b"c", b'{"n": 3}', OTHER))
    assert headers_of(bench, "PLAIN") == [ONE, None, OTHER]
    assert headers_of(bench, "AGAIN") == [None, OTHER]


def test_a_join_has_the_headers_of_the_record_that_came_last(bench: Bench) -> None:
    bench.run(
        "SET 'sql.extensions' = 'true';"
        + SOURCE
        + "CREATE STREAM pairs AS SELECT a.k, a.n, b.n FROM s a JOIN s b WITHIN 1 HOUR ON a.k = b.k;"
    )
    append(bench, (b"a", b'{"n": 1}', None), (b"a", b'{"n": 2}', ONE))
    assert headers_of(bench, "PAIRS") == [None, ONE, ONE, ONE]
