"""A schema registry elsewhere that is not there: what needs it waits or is refused plainly, and all else goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from ssql.errors import RegistryUnavailable, SsqlError
from ssql.log.api import RECORD_SCHEMA
from ssql.log.embedded import EmbeddedLog
from ssql.runtime.progress import QueryState
from ssql.schemas.api import Definition
from ssql.schemas.embedded import EmbeddedRegistry
from tests.engine.conftest import WAIT_S, Bench
from tests.support.schema_registry import RegistryServer, registry_server

SOURCES = (
    "CREATE STREAM a (k INT KEY, v INT) WITH (kafka_topic='a', partitions=1, value_format='AVRO');"
    "CREATE STREAM j (k INT KEY, v INT) WITH (kafka_topic='j', partitions=1, value_format='JSON');"
)
#: Queries that read, write, and do neither by schemas.
QUERIES = (
    "CREATE TABLE reads WITH (value_format='JSON') AS SELECT k, SUM(v) AS c FROM a GROUP BY k;"
    "CREATE STREAM writes WITH (value_format='AVRO') AS SELECT k, v FROM j;"
    "CREATE TABLE free AS SELECT k, COUNT(*) AS c FROM j GROUP BY k;"
)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[EmbeddedRegistry, RegistryServer]]:
    log = EmbeddedLog(tmp_path / "registry")
    held = EmbeddedRegistry(log, "test_")
    with registry_server(held) as server:
        yield held, server
    log.close()


@pytest.fixture
def bench(make: Callable[..., Bench], registry: tuple[EmbeddedRegistry, RegistryServer]) -> Bench:
    return make(**{"schema.registry.url": registry[1].url})


def statuses(bench: Bench) -> dict[str, tuple[QueryState, str | None]]:
    return {s.query_id.split("_")[1]: (s.state, s.error) for s in bench.engine._core.worker.status()}


def until(bench: Bench, condition: Callable[[dict[str, tuple[QueryState, str | None]]], bool]) -> None:
    """Wait until the queries are as they should be."""
    deadline = time.monotonic() + WAIT_S
    while not condition(found := statuses(bench)):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def waits(bench: Bench, *names: str) -> None:
    """Wait until just these queries wait for the registry."""
    until(bench, lambda found: {n for n, (_, error) in found.items() if error} == set(names))


def runs(bench: Bench) -> None:
    until(bench, lambda found: all(state is QueryState.RUNNING and not error for state, error in found.values()))


def copy(bench: Bench, topic: str) -> None:
    """Append the last record of a topic once more, as another producer does."""
    batch = bench.engine._log.read(topic, 0, 0, 1000).batch
    last = batch.slice(batch.num_rows - 1).select(["key", "value", "timestamp", "headers"])
    bench.engine._log.append(topic, pa.RecordBatch.from_pylist(last.to_pylist(), schema=RECORD_SCHEMA), 0)


def pulled(bench: Bench, sql: str) -> list[tuple[object, ...]]:
    """Rows of a pull query as they are, whatever still waits."""
    result = bench.engine.query(sql, bench.session)
    return sorted(tuple(r.values()) for r in result.rows.to_pylist())  # type: ignore[union-attr]


def test_an_engine_opens_without_the_registry(bench: Bench, registry: tuple[EmbeddedRegistry, RegistryServer]) -> None:
    _, server = registry
    bench.run(SOURCES + QUERIES + "INSERT INTO a VALUES (1, 1);INSERT INTO j VALUES (1, 1);")
    bench.settle()
    server.fail(503)
    bench.reopen()
    copy(bench, "a")
    bench.run("INSERT INTO j VALUES (2, 2);")
    waits(bench, "READS", "WRITES")
    # What is there can be asked, and what needs nothing of the registry goes on.
    until(bench, lambda _: pulled(bench, "SELECT * FROM free;") == [(1, 1), (2, 1)])
    assert pulled(bench, "SELECT * FROM reads;") == [(1, 1)]
    for sql in (
        "INSERT INTO a VALUES (3, 3);",
        "CREATE STREAM b WITH (kafka_topic='a', value_format='AVRO');",
        "CREATE STREAM b WITH (value_format='AVRO') AS SELECT * FROM j;",
        "DROP STREAM writes DELETE TOPIC;",
    ):
        assert isinstance(bench.fails(sql), RegistryUnavailable), sql
    with pytest.raises(SsqlError, match="the schema registry"):
        bench.engine.query("SELECT * FROM a;", bench.session)
    bench.run("CREATE STREAM later AS SELECT * FROM j;")
    until(bench, lambda found: found["LATER"] == (QueryState.RUNNING, None))
    server.fail(None)
    runs(bench)
    assert bench.rows("SELECT * FROM reads;") == [(1, 2)]
    assert [key for key, _ in bench.topic("WRITES")] == [b"\0\0\0\1", b"\0\0\0\2"]
    assert bench.rows("SELECT * FROM a;") == [(1, 1), (1, 1)]


@pytest.mark.parametrize("restart", [False, True])
def test_a_registry_that_dies_is_waited_for(
    bench: Bench, registry: tuple[EmbeddedRegistry, RegistryServer], restart: bool
) -> None:
    held, server = registry
    bench.run(SOURCES + QUERIES + "INSERT INTO a VALUES (1, 1);INSERT INTO j VALUES (1, 1);")
    bench.settle()
    # Somebody writes with a schema that was not seen before, just before the registry dies.
    number = held.register(
        "a-value",
        Definition("AVRO", '{"type": "record", "name": "N", "fields": [{"name": "V", "type": "int"}]}'),
    )
    server.fail(503)
    row = {"key": b"\0\0\0\7", "value": b"\0" + number.to_bytes(4, "big") + b"\x02", "timestamp": 0, "headers": None}
    bench.engine._log.append("a", pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA), 0)
    bench.run("INSERT INTO j VALUES (1, 2);")
    waits(bench, "READS")
    until(bench, lambda _: pulled(bench, "SELECT * FROM free;") == [(1, 2)])
    # What is written with is known already.
    until(bench, lambda _: len(bench.topic("WRITES")) == 2)
    if restart:
        bench.reopen()
        waits(bench, "READS")
    copy(bench, "a")
    server.fail(None)
    runs(bench)
    assert bench.rows("SELECT * FROM reads;") == [(1, 1), (7, 2)]
    assert bench.rows("SELECT reason FROM ssql_errors;") == []


def test_a_chain_goes_on_where_it_stood(bench: Bench, registry: tuple[EmbeddedRegistry, RegistryServer]) -> None:
    """Each query of a chain is written and read once, whichever of them had to wait."""
    _, server = registry
    bench.run(
        SOURCES + "CREATE STREAM first WITH (value_format='AVRO') AS SELECT k, v + 1 AS v FROM j;"
        "CREATE STREAM second WITH (value_format='JSON') AS SELECT k, v + 1 AS v FROM first;"
        "CREATE TABLE third AS SELECT k, SUM(v) AS s, COUNT(*) AS c FROM second GROUP BY k;"
        "INSERT INTO j VALUES (1, 1);"
    )
    bench.settle()
    server.fail(503)
    bench.reopen()
    bench.run("INSERT INTO j VALUES (1, 10);INSERT INTO j VALUES (2, 20);")
    waits(bench, "FIRST")
    server.fail(None)
    bench.run("INSERT INTO j VALUES (2, 30);")
    runs(bench)
    assert bench.rows("SELECT * FROM third;") == [(1, 15, 2), (2, 54, 2)]
    assert len(bench.topic("FIRST")) == len(bench.topic("SECOND")) == 4


def test_a_push_query_is_told(bench: Bench, registry: tuple[EmbeddedRegistry, RegistryServer]) -> None:
    _, server = registry
    bench.run(SOURCES + "INSERT INTO a VALUES (1, 1);")
    server.fail(503)
    bench.reopen()
    push = bench.push("SELECT * FROM a EMIT CHANGES;")
    assert push.take(1, timeout_s=WAIT_S) is None
    assert "the schema registry failed: it answered 503" in str(push.error)
