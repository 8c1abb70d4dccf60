"""Scripts of several statements: one that will be refused is refused as a whole, and a good one is not."""

from __future__ import annotations

import pytest

from ssql.errors import AssertionNotMet, Forbidden, SourceInUse, SsqlError
from ssql.rights import Right
from tests.engine.conftest import Bench

STREAM = "CREATE STREAM s (id INT KEY, v STRING) WITH (kafka_topic='s', value_format='AVRO', partitions=1);"
COUNTS = "CREATE TABLE counts WITH (value_format='JSON') AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;"


def trace(bench: Bench) -> tuple[object, ...]:
    """All that a statement could have changed."""
    core = bench.engine._core
    topics = [(t.name, core.log.bounds(t.name, 0)) for t in sorted(core.log.topics(), key=lambda t: t.name)]
    return core.catalog, topics, core.schemas.subjects(), core.worker.status(), dict(bench.session.properties)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (STREAM + COUNTS + "DROP STREAM nope;", "source_not_found"),
        (STREAM + COUNTS + COUNTS, "source_exists"),
        (STREAM + COUNTS + "DROP STREAM s;", "source_in_use"),
        (STREAM + "CREATE TABLE t AS SELECT id, w FROM s GROUP BY id;", "column_not_found"),
        (STREAM + "INSERT INTO s VALUES (1, 'a'); INSERT INTO s VALUES (1);", "insert_failed"),
        (STREAM + COUNTS + "SHOW TABLES; TERMINATE NOPE;", "query_not_found"),
        (STREAM + "SET 'auto.offset.reset' = 'never';", "config_error"),
        (STREAM + "CREATE STREAM s2 (a INT) WITH (kafka_topic='s', value_format='JSON', partitions=2);", None),
        ("DROP TABLE kept DELETE TOPIC; CREATE TABLE kept (id INT PRIMARY KEY) WITH (kafka_topic='kept');", None),
        ("TERMINATE CTAS_KEPT_1; DROP TABLE kept; DESCRIBE kept;", "source_not_found"),
        ("PAUSE CTAS_KEPT_1; SELECT * FROM kept;", "wrong_endpoint"),
    ],
)
def test_a_script_that_will_be_refused_leaves_no_trace(bench: Bench, script: str, code: str | None) -> None:
    base = "CREATE STREAM base (id INT KEY, v INT) WITH (kafka_topic='base', value_format='AVRO', partitions=1);"
    bench.run(base)
    bench.run("CREATE TABLE kept AS SELECT id, COUNT(*) AS n FROM base GROUP BY id;")
    before = trace(bench)
    error = bench.fails(script)
    assert code in (None, error.code)
    assert error.entities == []
    assert trace(bench) == before


def test_statements_see_what_those_before_them_made(bench: Bench) -> None:
    """Topics, schemas that columns are inferred from, types, queries by id, settings and names that are free again."""
    entities = bench.run(
        STREAM
        + COUNTS
        + """
        CREATE TYPE pair AS STRUCT<a INT, b INT>;
        CREATE STREAM same (id INT KEY) WITH (kafka_topic='s', value_format='AVRO');
        CREATE STREAM pairs AS SELECT id, CAST(NULL AS pair) AS p, v FROM same;
        INSERT INTO s VALUES (1, 'a');
        TERMINATE CTAS_COUNTS_1;
        DROP TABLE counts DELETE TOPIC;
        CREATE TABLE counts WITH (partitions=3) AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;
        ALTER STREAM same ADD COLUMN w INT;
        INSERT INTO pairs SELECT id, CAST(NULL AS pair) AS p, v FROM s;
        DROP TYPE pair;
        CREATE TYPE pair AS STRING;
        DESCRIBE counts;
        """
    )
    described = entities[-1]["sourceDescription"]
    assert [f["name"] for f in described["fields"]] == ["ID", "N"]
    topic = bench.engine._core.log.topic("COUNTS")
    assert topic is not None
    assert topic.partitions == 3
    # The numbers of commands are those of the log: a rehearsal takes none.
    assert [e["commandSequenceNumber"] for e in entities if "commandSequenceNumber" in e] == list(range(12))


def test_what_fails_in_earnest_alone_leaves_what_was_before_it(bench: Bench) -> None:
    with pytest.raises(AssertionNotMet) as failed:
        bench.run(STREAM + "ASSERT TOPIC nothing TIMEOUT 0 SECONDS; DROP STREAM nothing;")
    assert [e["commandId"] for e in failed.value.entities] == ["stream/S/create"]


def test_a_push_query_goes_on_where_the_script_that_would_end_it_is_refused(bench: Bench) -> None:
    bench.run(STREAM)
    push = bench.push("SELECT * FROM s EMIT CHANGES;")
    for script in (f"TERMINATE {push.query_id}; DROP STREAM nope;", "DROP STREAM s; DROP STREAM s;"):
        with pytest.raises(SsqlError):
            bench.run(script)
        assert bench.engine.push_query(push.query_id) is not None
    push.close()


def test_rights_are_looked_at_before_anything_is_done(bench: Bench) -> None:
    bench.run(STREAM)
    bench.session.right = Right.WRITE
    with pytest.raises(Forbidden):
        bench.run("INSERT INTO s VALUES (1, 'a'); DROP STREAM s;")
    assert bench.engine._core.log.bounds("s", 0) == (0, 0)


def test_a_source_in_use_is_told_by_the_names_of_the_script(bench: Bench) -> None:
    error = bench.fails(STREAM + COUNTS + "DROP STREAM s;")
    assert isinstance(error, SourceInUse)
    assert "CTAS_COUNTS_1" in error.message or "COUNTS" in error.message


def test_a_script_may_describe_what_it_makes(bench: Bench) -> None:
    assert bench.run(STREAM + "DESCRIBE s EXTENDED;")
