"""Calls of endpoints are planned once: whatever the values are, the answer is that of the query with literals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql.engine.api import EndpointCall, PullResult, Session
from ssql.engine.prepared import Prepared
from ssql.errors import SsqlError

from .conftest import Bench

SOURCES = """
    CREATE TABLE facts (id STRING PRIMARY KEY, v INT, big BIGINT, price DECIMAL(6, 2), share DOUBLE, good BOOLEAN,
            day DATE, hour TIME, at TIMESTAMP)
        WITH (kafka_topic='facts', value_format='JSON', partitions=1);
    CREATE TABLE t AS SELECT * FROM facts;
    CREATE STREAM s (id STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);
    INSERT INTO facts VALUES ('a', 1, 1, 1.5, 0.5, TRUE, '2024-01-31', '10:00:00', '2024-01-31T10:00:00');
    INSERT INTO facts VALUES ('b', -3, 5000000000, 0.01, -0.0, FALSE, '2024-02-29', '23:59:59', '2024-02-29T23:59:59');
    INSERT INTO facts VALUES ('it''s', 0, -1, 9999.99, 1e300, TRUE, '1969-12-31', '00:00:00', '1970-01-01T00:00:00');
    INSERT INTO facts (id, v) VALUES ('n', 7);
    INSERT INTO s VALUES ('a', 1);
    INSERT INTO s VALUES ('b', 2);
"""

#: Queries that are prepared: in ksqlDB's dialect,
PULLS = (
    "SELECT id, v FROM t WHERE id = $id AND v >= $v",
    "SELECT id FROM t WHERE id IN ($id, $text, 'a') AND v < 5",
    "SELECT id, v + $v AS sum, big - $big AS less FROM t WHERE big <> $big",
    "SELECT id, price, $price AS given FROM t WHERE price > $price OR price = $price",
    "SELECT id, share / $share AS part FROM t WHERE share <= $share",
    "SELECT id FROM t WHERE good = $good",
    "SELECT id, day FROM t WHERE day BETWEEN $day AND '2024-02-29' ORDER BY day",
    "SELECT id FROM t WHERE hour >= $hour ORDER BY id DESC",
    "SELECT id FROM t WHERE at < $at ORDER BY at, id LIMIT $count OFFSET $skip",
    "SELECT id FROM t WHERE id LIKE $text ORDER BY id LIMIT $count",
    "SELECT id FROM t WHERE $text IS NULL OR id = $text ORDER BY id",
    "SELECT UCASE($text) AS up, id || $text AS both, $at AS at, $good AS good FROM t ORDER BY id",
    "SELECT CASE WHEN v > $v THEN $text ELSE id END AS x FROM t ORDER BY x",
)
#: and in full SQL.
READS = (
    "SELECT id FROM (SELECT id FROM t ORDER BY id LIMIT $count OFFSET $skip) AS x WHERE id <> $id ORDER BY id",
    "SELECT good, COUNT(*) AS n, SUM(v * $v) AS total FROM t WHERE v IS NOT NULL GROUP BY good ORDER BY n, total",
    "SELECT id, rank() OVER (ORDER BY v) AS r FROM t WHERE v > $v ORDER BY id LIMIT $count OFFSET $skip",
    "SELECT a.id, b.v FROM t AS a JOIN s AS b ON a.id = b.id WHERE b.v <= $v ORDER BY a.id",
    "WITH w AS (SELECT id, price, day FROM t WHERE price >= $price) SELECT * FROM w WHERE day = $day OR id = $id",
    "SELECT id, $big AS big, $share AS share, $hour AS hour, $at AS at FROM t UNION ALL SELECT $id, 1, 2, $hour, $at",
    "SELECT id FROM t WHERE id IN (SELECT id FROM s WHERE v = $v) OR regexp_matches(id, $text) ORDER BY id",
    "SELECT count(*) FILTER (WHERE good = $good) AS n, list(id ORDER BY id) AS ids FROM t WHERE id <> $id",
)
#: Those that are not: key look-ups have a faster way, a function wants a literal, a log is read.
OTHERS = (
    "SELECT * FROM t WHERE id = $id",
    "SELECT id FROM s WHERE v = $v",
    "SELECT id, rank() OVER (ORDER BY v) AS r, day + $big AS later FROM t WHERE id = $id",
)
DECLARED = {
    "id": "STRING", "text": "STRING", "v": "INT", "big": "BIGINT", "price": "DECIMAL(6, 2)",
    "share": "DOUBLE", "good": "BOOLEAN", "day": "DATE", "hour": "TIME", "at": "TIMESTAMP", "count": "BIGINT",
    "skip": "BIGINT",
}  # fmt: skip
TEXTS = st.sampled_from(["a", "b", "it's", "%", "$P0", "n -- x", "Ä", ""]) | st.text(max_size=3)
VALUES: dict[str, st.SearchStrategy[str]] = {
    "id": TEXTS.filter(lambda t: "\0" not in t),
    "text": st.sampled_from(["a", "%", "_t%", "it's", ".*"]),
    "v": st.integers(-4, 8).map(str),
    "big": st.sampled_from(["1", "-1", "5000000000", "0"]),
    "price": st.decimals(-10, 10, places=2).map(str),
    "share": st.sampled_from(["0.5", "0", "-1e10", "1e300"]),
    "good": st.sampled_from(["true", "false"]),
    "day": st.dates().map(str),
    "hour": st.times().map(lambda t: t.isoformat("milliseconds")),
    "at": st.datetimes().map(lambda t: t.isoformat("T", "milliseconds")),
    "count": st.integers(-1, 5).map(str),
    "skip": st.integers(-1, 3).map(str),
}


def names_in(query: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"\$(\w+)", query)))


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    path: Path = tmp_path_factory.mktemp("prepared")
    bench = Bench(path)
    bench.run(SOURCES)
    for n, query in enumerate((*PULLS, *READS, *OTHERS)):
        declared = ", ".join(f"${name} {DECLARED[name]} DEFAULT NULL" for name in names_in(query))
        bench.run(f"CREATE ENDPOINT e{n} ({declared}) AS {query};")
    bench.settle()
    yield bench
    bench.engine.close()


def session_of(call: EndpointCall) -> Session:
    return Session(dict(call.properties), full_sql=True)


def told(bench: Bench, call: EndpointCall, *, prepared: bool) -> tuple[Any, ...]:
    """The answer of a call; or the error that it comes to."""
    engine = bench.engine
    try:
        answer = engine.answer(call, session_of(call)) if prepared else engine.query(call.sql, session_of(call))
    except SsqlError as error:
        return (type(error), error.message)
    assert isinstance(answer, PullResult)
    rows = [tuple(row.values()) for row in answer.rows.to_pylist()]
    return ([c.name for c in answer.columns], rows if "ORDER BY" in call.sql else sorted(rows, key=repr))


def prepared_of(bench: Bench, number: int) -> Prepared:
    (found,) = (
        plan
        for (name, *_), (catalog, plan) in bench.engine._core.prepared._plans.items()
        if name == f"E{number}" and catalog is bench.engine._core.catalog
    )
    return found


@settings(max_examples=100, deadline=None)
@given(number=st.integers(0, len(PULLS) + len(READS) + len(OTHERS) - 1), data=st.data())
def test_a_prepared_query_answers_as_with_literals(facts: Bench, number: int, data: st.DataObject) -> None:
    names = names_in((*PULLS, *READS, *OTHERS)[number])
    # NULL is no literal that LIMIT takes.
    has = [name for name in names if name in ("count", "skip") or data.draw(st.integers(0, 5))]
    given = {name: data.draw(VALUES[name], label=name) for name in has}
    call = facts.engine.call(f"e{number}", given)
    # As text, in which NaN is NaN.
    assert repr(told(facts, call, prepared=True)) == repr(told(facts, call, prepared=False))


@pytest.mark.parametrize("number", range(len(PULLS) + len(READS) + len(OTHERS)))
def test_what_can_be_is_prepared(facts: Bench, number: int) -> None:
    names = names_in((*PULLS, *READS, *OTHERS)[number])
    simple = {"share": "0.5", "good": "true", "day": "2024-01-31", "hour": "10:00:00", "at": "2024-01-31T10:00:00"}
    simple |= {"id": "q", "text": "a"}
    call = facts.engine.call(f"e{number}", {name: simple.get(name, "1") for name in names})
    answer = told(facts, call, prepared=True)
    assert answer == told(facts, call, prepared=False)
    assert isinstance(answer[0], list), answer
    columns = {c.name: c.type for c in call.endpoint.columns}
    assert columns == {c.name: c.type for c in facts.engine.answer(call, session_of(call)).columns}
    kind = type(prepared_of(facts, number)).__name__
    assert kind == ("_Pull" if number < len(PULLS) else "_Read" if number < len(PULLS) + len(READS) else "_Nothing")


def test_a_prepared_query_sees_what_comes_and_what_is_defined_anew(bench: Bench) -> None:
    bench.run(SOURCES)
    bench.settle()
    bench.run("CREATE ENDPOINT few AS SELECT id, v FROM t WHERE v < $v ORDER BY v;")
    bench.run("CREATE ENDPOINT ranked AS SELECT id, rank() OVER (ORDER BY v) AS r FROM t WHERE v < $v ORDER BY r;")

    def ask(name: str, v: int) -> list[tuple[Any, ...]]:
        _, rows = told(bench, bench.engine.call(name, {"v": str(v)}), prepared=True)
        return list(rows)

    assert ask("few", 1) == [("b", -3), ("it's", 0)]
    assert ask("ranked", 1) == [("b", 1), ("it's", 2)]
    bench.run("INSERT INTO facts (id, v) VALUES ('c', -9);")
    bench.settle()
    assert ask("few", 0) == [("c", -9), ("b", -3)]
    assert ask("ranked", 0) == [("c", 1), ("b", 2)]
    bench.run("CREATE OR REPLACE ENDPOINT few AS SELECT v FROM t WHERE v < $v ORDER BY v DESC;")
    assert ask("few", 0) == [(-3,), (-9,)]
    assert ask("ranked", -3) == [("c", 1)]
