"""Endpoints: queries with typed parameters, defined and called."""

from __future__ import annotations

from typing import Any

import pytest

from ssql.engine.api import PullResult, Session
from ssql.errors import SsqlError

from .conftest import Bench

SOURCES = """
    CREATE STREAM s (id STRING KEY, v INT, price DECIMAL(6, 2), at DATE, tags ARRAY<STRING>)
        WITH (kafka_topic='s', value_format='JSON', partitions=1);
    CREATE STREAM other (id BIGINT KEY, v INT) WITH (kafka_topic='other', value_format='JSON', partitions=1);
    CREATE TABLE t AS SELECT id, COUNT(*) AS n, SUM(v) AS total FROM s GROUP BY id;
    INSERT INTO s (id, v, price, at) VALUES ('a', 1, 1.5, '2024-01-31');
    INSERT INTO s (id, v, price, at) VALUES ('a', 2, 2.5, '2024-02-01');
    INSERT INTO s (id, v, price, at) VALUES ('b', -3, 0.01, NULL);
    INSERT INTO s (id, v, price, at) VALUES ('it''s $v $${v} -- /*', 4, 0.02, NULL);
"""


@pytest.fixture
def sources(bench: Bench) -> Bench:
    bench.run(SOURCES)
    bench.settle()
    return bench


def called(bench: Bench, name: str, /, **values: str) -> list[tuple[Any, ...]]:
    """The rows of a call, sorted."""
    call = bench.engine.call(name, values)
    answer = bench.engine.answer(call, Session(dict(call.properties), full_sql=True))
    assert isinstance(answer, PullResult)
    assert [c.name for c in answer.columns] == [c.name for c in call.endpoint.columns]
    return sorted(tuple(row.values()) for row in answer.rows.to_pylist())


def refused(bench: Bench, name: str, /, **values: str) -> SsqlError:
    with pytest.raises(SsqlError) as caught:
        bench.engine.call(name, values)
    assert caught.value.status in (400, 404)
    return caught.value


def types(bench: Bench, name: str) -> dict[str, str]:
    (endpoint,) = (e for e in bench.engine.endpoints() if e.name == name)
    return {p.name: str(p.type) for p in endpoint.parameters}


def test_a_call_answers_with_its_values(sources: Bench) -> None:
    sources.run("CREATE ENDPOINT totals AS SELECT id, total FROM t WHERE id = $id AND n >= $least;")
    assert called(sources, "totals", id="a", least="2") == [("a", 3)]
    assert called(sources, "totals", id="a", least="3") == []
    assert called(sources, "TOTALS", ID="b", Least="-1") == [("b", -3)]


@pytest.mark.parametrize(
    "value",
    [
        "it's $v ${v} -- /*",
        "x' OR '1'='1",
        "x' OR 1=1 --",
        "'; DROP TABLE t; --",
        "a' UNION SELECT 'q', 1 --",
        "$id",
        "${id}",
        "\\' OR 1=1 --",
        "/*",
    ],
)
def test_a_value_is_never_sql(sources: Bench, value: str) -> None:
    sources.run("CREATE ENDPOINT one AS SELECT id, v FROM s WHERE id = $id;")
    expected = [(value, 4)] if value.startswith("it's") else []
    assert called(sources, "one", id=value) == expected


@pytest.mark.parametrize("value", ["1 OR 1=1", "1;", "0x1", "1_0", "--1", "1e0", "", " 1", "2147483648", "nan", "٣"])
def test_a_number_is_a_number(sources: Bench, value: str) -> None:
    sources.run("CREATE ENDPOINT one AS SELECT id, v FROM s WHERE v = $v;")
    error = refused(sources, "one", v=value)
    assert error.code == "parameter_refused"
    assert f'parameter "v" cannot be "{value}"' in error.message


def test_the_sign_of_a_value_starts_no_comment(sources: Bench) -> None:
    sources.run("CREATE ENDPOINT minus ($by INT) AS SELECT id FROM s WHERE v -$by >= 6;")
    assert called(sources, "minus", by="-2") == [("it's $v ${v} -- /*",)]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("v = $x", "INTEGER"),
        ("s.v <> $x", "INTEGER"),
        ("$x < price", "DECIMAL(6, 2)"),
        ("at BETWEEN '2024-01-01' AND $x", "DATE"),
        ("v BETWEEN $x AND $x + 1", None),
        ("v NOT BETWEEN $x AND 5", "INTEGER"),
        ("id LIKE $x", "STRING"),
        ("id NOT LIKE $x", "STRING"),
        ("id IN ('a', $x)", "STRING"),
        ("id NOT IN ($x, 'b')", "STRING"),
        ("ROWTIME >= $x", "BIGINT"),
        ("(v = $x)", "INTEGER"),
        ("v = $x AND v < $X", "INTEGER"),
        ("v = $x AND id = $x", None),
        ("v + 1 = $x", None),
        ("ABS(v) = $x", None),
        ("v = $x + 1", None),
        ("tags = $x", "refused"),
        ("nothing = $x", None),
    ],
)
def test_types_follow_from_the_column(sources: Bench, where: str, expected: str | None) -> None:
    sql = f"CREATE ENDPOINT e AS SELECT id FROM s WHERE {where};"
    if expected is None:
        error = sources.fails(sql)
        assert (error.code, sources.marked(error).lower()) == ("parameter_type_needed", "$x")
    elif expected == "refused":
        assert sources.fails(sql).code == "invalid_parameter"
    else:
        sources.run(sql)
        assert types(sources, "E") == {"x": expected}


def test_declared_parameters_have_types_and_defaults(sources: Bench) -> None:
    sources.run(
        """CREATE ENDPOINT e ($least INT DEFAULT -5, $id STRING DEFAULT 'a', $at DATE DEFAULT NULL) AS
           SELECT id, v FROM s WHERE v > $least AND id = $id AND ($at IS NULL OR at = $at);"""
    )
    assert called(sources, "e") == [("a", 1), ("a", 2)]
    assert called(sources, "e", least="1") == [("a", 2)]
    assert called(sources, "e", at="2024-01-31") == [("a", 1)]
    assert refused(sources, "e", at="31.1.2024").message.endswith("expected a date as 2024-12-31 (DATE)")


def test_values_that_are_missing_unknown_or_double_are_refused(sources: Bench) -> None:
    sources.run("CREATE ENDPOINT one AS SELECT id, v FROM s WHERE id = $identity;")
    missing = refused(sources, "one")
    assert (missing.code, missing.message) == ("parameter_missing", 'parameter "identity" is missing')
    unknown = refused(sources, "one", identity="a", idntity="b")
    assert (unknown.code, unknown.hint) == ("parameter_unknown", 'Did you mean "identity"?')
    assert refused(sources, "one", identity="a", IDENTITY="b").code == "parameter_refused"
    nowhere = refused(sources, "on")
    assert (nowhere.status, nowhere.hint) == (404, 'Did you mean "ONE"?')


@pytest.mark.parametrize(
    ("sql", "code", "marked"),
    [
        ("CREATE ENDPOINT e AS SELECT idd FROM s WHERE v = $v;", "column_not_found", "idd"),
        ("CREATE ENDPOINT e ($v INT, $w INT) AS SELECT id FROM s WHERE v = $v;", "invalid_parameter", "$w"),
        ("CREATE ENDPOINT e ($v INT, $V INT) AS SELECT id FROM s WHERE v = $v;", "invalid_parameter", "$V"),
        ("CREATE ENDPOINT e ($v INT DEFAULT 'x') AS SELECT id FROM s WHERE v = $v;", "type_mismatch", "$v"),
        ("CREATE ENDPOINT e ($v ARRAY<INT>) AS SELECT id FROM s WHERE tags = $v;", "invalid_parameter", "$v"),
        ("CREATE ENDPOINT e AS SELECT id FROM nothing;", "source_not_found", None),
        ("CREATE ENDPOINT e AS DROP STREAM s;", "syntax_error", None),
        ("CREATE ENDPOINT e AS SELECT id FROM s WHERE id = $after EMIT CHANGES;", "invalid_parameter", None),
        ("DROP ENDPOINT e;", "endpoint_not_found", "e"),
        ("DESCRIBE ENDPOINT e;", "endpoint_not_found", "e"),
    ],
)
def test_what_cannot_be_an_endpoint(sources: Bench, sql: str, code: str, marked: str | None) -> None:
    error = sources.fails(sql)
    assert error.code == code
    if marked is not None:
        assert sources.marked(error) == marked
    assert not sources.engine.endpoints()


def test_a_value_has_the_type_of_its_parameter_whatever_it_is(sources: Bench) -> None:
    sources.run(
        "CREATE ENDPOINT typed ($d DECIMAL(6, 2), $n STRING DEFAULT NULL) AS SELECT id, $d AS d, $n AS n FROM t;"
    )
    call = sources.engine.call("typed", {"d": "-1.5"})
    answer = sources.engine.query(call.sql, Session(dict(call.properties), full_sql=True))
    assert [(c.name, str(c.type)) for c in answer.columns][1:] == [("D", "DECIMAL(6, 2)"), ("N", "STRING")]
    assert [(c.name, c.type) for c in answer.columns] == [(c.name, c.type) for c in call.endpoint.columns]


def test_an_endpoint_may_say_all_that_sql_can(sources: Bench) -> None:
    sources.run(
        """CREATE ENDPOINT top AS
           WITH large AS (SELECT id, total FROM t WHERE total >= $least)
           SELECT large.id, COUNT(*) AS n FROM large JOIN s ON s.id = large.id
           GROUP BY large.id ORDER BY n DESC, large.id LIMIT $count;"""
    )
    assert types(sources, "TOP") == {"least": "INTEGER", "count": "BIGINT"}
    assert sources.one("DESCRIBE ENDPOINT top;")["endpoint"]["reads"] == ["S", "T"]
    assert called(sources, "top", least="3", count="1") == [("a", 2)]
    assert len(called(sources, "top", least="3", count="5")) == 2


def test_a_followed_endpoint_is_a_query_that_goes_on(sources: Bench) -> None:
    sources.run("CREATE ENDPOINT changes AS SELECT id, v FROM s WHERE v > $least EMIT CHANGES;")
    call = sources.engine.call("changes", {"least": "1"})
    assert call.endpoint.follows
    assert [c.name for c in call.endpoint.columns] == ["ID", "V"]
    push = sources.engine.query(call.sql, Session({"auto.offset.reset": "earliest"}))
    assert not isinstance(push, PullResult)
    batch = push.take(timeout_s=10)
    assert batch is not None
    assert batch.column("V").to_pylist() == [2, 4]
    push.close()


def test_definitions_live_on_and_can_be_replaced_and_dropped(sources: Bench) -> None:
    sources.run("CREATE ENDPOINT one ($v INT DEFAULT 1) AS SELECT id, v FROM s WHERE v = $v;")
    before = sources.engine.endpoints()
    sources.reopen()
    assert sources.engine.endpoints() == before
    assert called(sources, "one") == [("a", 1)]
    assert sources.fails("CREATE ENDPOINT one AS SELECT id FROM s;").code == "endpoint_exists"
    (kept,) = sources.run("CREATE ENDPOINT IF NOT EXISTS one AS SELECT id FROM s;")
    assert kept["warnings"]
    assert sources.engine.endpoints() == before
    sources.run("CREATE OR REPLACE ENDPOINT one AS SELECT v FROM s WHERE id = $id;")
    assert called(sources, "one", id="b") == [(-3,)]
    sources.run("DROP ENDPOINT one; DROP ENDPOINT IF EXISTS one;")
    sources.reopen()
    assert not sources.engine.endpoints()


def test_a_source_in_use_is_not_dropped(sources: Bench) -> None:
    sources.run("CREATE ENDPOINT one AS SELECT v FROM other WHERE id = $id;")
    error = sources.fails("DROP STREAM other;")
    assert error.code == "source_in_use"
    assert "The following endpoints read from this source: [ONE]." in error.message
    sources.run("DROP ENDPOINT one; DROP STREAM other;")


def test_what_is_defined_can_be_seen(sources: Bench) -> None:
    sources.run("CREATE ENDPOINT one ($v INT DEFAULT 1) AS SELECT id, v FROM s WHERE v = $v;")
    listed = {
        "name": "ONE",
        "path": "/endpoints/one",
        "parameters": [{"name": "v", "type": "INTEGER", "required": False, "default": "1"}],
        "follows": False,
        "statement": "CREATE ENDPOINT one ($v INT DEFAULT 1) AS SELECT id, v FROM s WHERE v = $v;",
    }
    assert sources.one("SHOW ENDPOINTS;")["endpoints"] == [listed]
    described = sources.one("DESCRIBE ENDPOINT one;")["endpoint"]
    assert {key: described[key] for key in listed} == listed
    assert [f["name"] for f in described["fields"]] == ["ID", "V"]
    assert described["reads"] == ["S"]


def test_the_settings_of_its_maker_are_those_of_its_calls(sources: Bench) -> None:
    sources.run("SET 'auto.offset.reset' = 'latest'; CREATE ENDPOINT one AS SELECT id FROM s WHERE v = $v;")
    assert sources.engine.call("one", {"v": "1"}).properties["auto.offset.reset"] == "latest"


def test_variables_of_the_script_are_put_in_once(sources: Bench) -> None:
    sources.run("DEFINE least = '2'; CREATE ENDPOINT one AS SELECT id FROM s WHERE v >= ${least} AND id = $id;")
    assert called(sources, "one", id="a") == [("a",)]
