"""What may take the place of what: each kind of operator, and what of it may change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ssql.errors import Span, UpgradeRefused
from ssql.formats.api import FormatSpec
from ssql.planner.relation import HeaderColumn, KeyWindow, TimestampSpec
from ssql.planner.steps import QueryPlan
from ssql.planner.upgrades import check_definition, check_query, same_query
from ssql.sql.type_syntax import parse_schema
from ssql.types import Schema
from tests.planner.harness import Catalog, catalog, planned

HERE = Span(3, 4)


def relations() -> Catalog:
    """The usual sources; `A` and `B` are over one topic, `B` in another format, `TA` and `TB` as well."""
    made = catalog().stream("A", "ID INT KEY, V BIGINT").table("TA", "ID INT PRIMARY KEY, V INT")
    made.relations["B"] = replace(made.relations["A"], name="B", value_format=FormatSpec("AVRO"))
    made.relations["C"] = replace(made.relations["A"], name="C")
    made.relations["D"] = replace(made.relations["A"], name="D", timestamp=TimestampSpec("V"))
    made.relations["TB"] = replace(made.relations["TA"], name="TB")
    return made


def plan(query: str) -> QueryPlan:
    """The query of a C*AS, whichever of the two it must be."""
    try:
        return planned(f"CREATE STREAM x AS {query}", relations())
    except Exception as wrong:
        if "Invalid result type" not in str(wrong):
            raise
        return planned(f"CREATE TABLE x AS {query}", relations())


def refusal(old: str, new: str) -> str | None:
    try:
        check_query(plan(old), plan(new), HERE)
    except UpgradeRefused as refused:
        return refused.message if refused.span == HERE and refused.hint else "refused without a place or a hint"
    return None


ALLOWED = [
    # projections and filters of streams and tables come, go and change
    ("SELECT id, v FROM s", "SELECT id, v, d, v + 1 AS w FROM s"),
    ("SELECT id, v FROM s", "SELECT * FROM s"),
    ("SELECT id, v FROM s", "SELECT id, v FROM s WHERE v > 1 AND name = 'a'"),
    ("SELECT id, v FROM s WHERE v > 1", "SELECT id, v FROM s WHERE d < 1"),
    ("SELECT id, v FROM s WHERE v > 1", "SELECT id, v FROM s"),
    ("SELECT * FROM t", "SELECT * FROM t WHERE v > 1"),
    ("SELECT * FROM t WHERE v > 1", "SELECT id, name, v, v + 1 AS w FROM t WHERE v < 1"),
    # below and above PARTITION BY too
    ("SELECT * FROM s PARTITION BY name", "SELECT * FROM s WHERE v > 0 PARTITION BY name"),
    ("SELECT id, v FROM s PARTITION BY v", "SELECT id, v, d FROM s PARTITION BY v"),
    ("SELECT id, v FROM s", "SELECT id, v FROM s PARTITION BY id"),  # which changes nothing
    # an aggregate's filters, as long as they read the same columns
    ("SELECT id, COUNT(*) AS c FROM s WHERE v > 1 GROUP BY id",
     "SELECT id, COUNT(*) AS c FROM s WHERE v < 1 GROUP BY id"),
    ("SELECT id, COUNT(v) AS c FROM s WHERE v > 1 GROUP BY id", "SELECT id, COUNT(v) AS c FROM s GROUP BY id"),
    ("SELECT id, COUNT(v) AS c FROM s GROUP BY id", "SELECT id, COUNT(v) AS c FROM s WHERE id > 1 GROUP BY id"),
    ("SELECT name, SUM(v) AS a FROM s GROUP BY name", "SELECT name, SUM(v) AS a, name + 'x' AS b FROM s GROUP BY name"),
    ("SELECT name, SUM(v) AS a FROM s GROUP BY name", "SELECT name, SUM(v) * 2 AS a FROM s GROUP BY name"),
    ("SELECT name, SUM(v + 1) AS a FROM s GROUP BY name", "SELECT name, SUM(v + 2) AS a FROM s GROUP BY name"),
    ("SELECT name, SUM(v) AS a FROM s GROUP BY name HAVING SUM(v) > 1",
     "SELECT name, SUM(v) AS a FROM s GROUP BY name HAVING SUM(v) > 2"),
    # another stream over the same topic, read in the same way
    ("SELECT * FROM a", "SELECT * FROM c"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), ALLOWED)
def test_a_query_may_change_what_keeps_no_rows(old: str, new: str) -> None:
    assert refusal(old, new) is None
    assert [s for s in state_ids(plan(old)) if "aggregate" in s] == [
        s for s in state_ids(plan(new)) if "aggregate" in s
    ]


def state_ids(query: QueryPlan) -> list[str]:
    return [step.id for step in query.steps]


AGGREGATE = "Query is not upgradeable. Plan step of type StreamAggregate must have matching"
JAVA = "class io.confluent.ksql.execution.plan"
REFUSED = [
    # what keeps rows, or multiplies them, cannot be replaced at all: not even by something that only adds a filter
    ("SELECT s.id, t.v FROM s JOIN t ON s.id = t.id", "SELECT s.id, t.v FROM s JOIN t ON s.id = t.id WHERE s.v > 0",
     "Upgrades not yet supported for StreamTableJoin"),
    ("SELECT s.id, s2.w FROM s JOIN s2 WITHIN 1 HOUR ON s.id = s2.id",
     "SELECT s.id, s2.w, s.v FROM s JOIN s2 WITHIN 1 HOUR ON s.id = s2.id",
     "Upgrades not yet supported for StreamStreamJoin"),
    ("SELECT t.id, t2.w FROM t JOIN t2 ON t.id = t2.id", "SELECT t.id, t2.w, t.v FROM t JOIN t2 ON t.id = t2.id",
     "Upgrades not yet supported for TableTableJoin"),
    ("SELECT t.id, t2.w FROM t JOIN t2 ON t.v = t2.id", "SELECT t.id, t2.w FROM t LEFT JOIN t2 ON t.v = t2.id",
     "Upgrades not yet supported for ForeignKeyTableTableJoin"),
    ("SELECT id, EXPLODE(a) AS e FROM s", "SELECT id, EXPLODE(a) AS e FROM s WHERE v > 0",
     "Upgrades not yet supported for StreamFlatMap"),
    ("SELECT id, COUNT(*) AS c FROM s WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY id",
     "SELECT id, COUNT(*) AS c FROM s WINDOW TUMBLING (SIZE 1 SECOND) WHERE v > 0 GROUP BY id",
     "Upgrades not yet supported for StreamWindowedAggregate"),
    ("SELECT id, COUNT(*) AS c FROM s WINDOW SESSION (1 SECOND) GROUP BY id",
     "SELECT id, COUNT(*) AS c, MAX(v) AS m FROM s WINDOW SESSION (1 SECOND) GROUP BY id",
     "Upgrades not yet supported for StreamWindowedAggregate"),
    ("SELECT id, COUNT(*) AS c FROM s WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY id EMIT FINAL",
     "SELECT id, COUNT(*) AS c FROM s WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY id",
     "Upgrades not yet supported for TableSuppress"),
    ("SELECT name, COUNT(*) AS c FROM t GROUP BY name", "SELECT name, COUNT(*) AS c FROM t WHERE v > 0 GROUP BY name",
     "Upgrades not yet supported for TableAggregate"),
    ("SELECT * FROM w", "SELECT * FROM w WHERE v > 0", "Upgrades not yet supported for WindowedStreamSource"),
    # nor can it come in the place of something else
    ("SELECT id, v FROM s", "SELECT v AS id, id AS v FROM s PARTITION BY v",
     "Upgrades not yet supported for StreamSelectKey"),
    ("SELECT id, v FROM s", "SELECT s.id AS id, t.v AS v FROM s JOIN t ON s.id = t.id",
     "Query is not upgradeable. Cannot change a non-join source into a join source."),
    ("SELECT id, v FROM s", "SELECT id, EXPLODE(a) AS v FROM s", "Upgrades not yet supported for StreamFlatMap"),
    ("SELECT id, v FROM t", "SELECT id, COUNT(*) AS v FROM s GROUP BY id",
     "Upgrades not yet supported for StreamAggregate"),
    ("SELECT id, COUNT(*) AS c FROM s GROUP BY id", "SELECT id, v AS c FROM t",
     f"{AGGREGATE} class. Values differ: {JAVA}.StreamAggregate vs. {JAVA}.TableSource"),
    # the source
    ("SELECT id, name FROM s", "SELECT id, name FROM s2",
     "Query is not upgradeable. Plan step of type StreamSource must have matching topicName. Values differ: s vs. s2"),
    ("SELECT id, name FROM t", "SELECT id, name FROM t2 WHERE id > 1",
     "Query is not upgradeable. Plan step of type TableSource must have matching topicName. Values differ: t vs. t2"),
    ("SELECT * FROM a", "SELECT * FROM b", "Plan step of type StreamSource must have matching formats. Values differ:"),
    ("SELECT * FROM a", "SELECT * FROM d", "must have matching timestampColumn. Values differ: Optional.empty vs. "
     "Optional[TimestampColumn{column=`V`, format=Optional.empty}]"),
    ("SELECT * FROM ta", "SELECT * FROM tb", "must keep the same tables. Values differ: ['TA'] vs. ['TB']"),
    # PARTITION BY
    ("SELECT name, v, d FROM s PARTITION BY name", "SELECT name, v, d FROM s PARTITION BY name, v",
     "Query is not upgradeable. Plan step of type StreamSelectKey must have matching keyExpressions. "
     "Values differ: [NAME] vs. [NAME, V]"),
    ("SELECT name, v FROM s PARTITION BY name", "SELECT id AS name, v FROM s",
     f"must have matching class. Values differ: {JAVA}.StreamSelectKey vs. {JAVA}.StreamSource"),
    # aggregates: their columns, their functions, their groups
    ("SELECT id, COUNT(*) AS c FROM s GROUP BY id", "SELECT id, COUNT(*) AS c FROM s WHERE v > 0 GROUP BY id",
     f"{AGGREGATE} columns not part of aggregate. Values differ: [`ID`, `ROWTIME`] vs. [`ID`, `ROWTIME`, `V`]"),
    ("SELECT id, COUNT(*) AS c FROM s WHERE v > 0 GROUP BY id", "SELECT id, COUNT(*) AS c FROM s GROUP BY id",
     f"{AGGREGATE} columns not part of aggregate. Values differ: [`ID`, `ROWTIME`, `V`] vs. [`ID`, `ROWTIME`]"),
    ("SELECT id, COUNT(v) AS c FROM s GROUP BY id", "SELECT COUNT(v) AS c, id FROM s GROUP BY id",
     f"{AGGREGATE} columns not part of aggregate. Values differ: [`ID`, `V`] vs. [`V`, `ID`]"),
    ("SELECT id, SUM(v) AS c FROM s GROUP BY id", "SELECT id, MAX(v) AS c FROM s GROUP BY id",
     f"{AGGREGATE} aggregate functions. Values differ: [SUM(V)] vs. [MAX(V)]"),
    ("SELECT id, COUNT(*) AS c FROM s GROUP BY id", "SELECT id, COUNT(*) AS c, COUNT(*) + 1 AS d FROM s GROUP BY id",
     f"{AGGREGATE} aggregate functions. Values differ: [COUNT(ROWTIME)] vs. [COUNT(ROWTIME), COUNT(ROWTIME)]"),
    ("SELECT id, SUM(v + 1) AS c, MAX(v + 2) AS d FROM s GROUP BY id",
     "SELECT id, SUM(v + 1) AS c, MAX(v + 1) AS d FROM s GROUP BY id",
     "[SUM(KSQL_INTERNAL_COL_2), MAX(KSQL_INTERNAL_COL_3)] vs. [SUM(KSQL_INTERNAL_COL_2), MAX(KSQL_INTERNAL_COL_2)]"),
    ("SELECT v, COUNT(d) AS c FROM s WHERE id > 0 GROUP BY v",
     "SELECT v + id AS v, COUNT(d) AS c FROM s GROUP BY v + id",
     f"{AGGREGATE} columns not part of aggregate. Values differ: [`V`, `D`, `ID`] vs. [`V`, `ID`, `D`]"),
    ("SELECT v * 2 AS k, COUNT(d) AS c FROM s GROUP BY v * 2", "SELECT v * 3 AS k, COUNT(d) AS c FROM s GROUP BY v * 3",
     "Query is not upgradeable. Plan step of type StreamGroupBy must have matching group by clause. "
     "Values differ: [(V * 2)] vs. [(V * 3)]"),
    ("SELECT id, SUM(v + 1) AS c FROM s GROUP BY id",
     "SELECT id, CAST(SUM(v + 1.5) AS INT) AS c FROM s GROUP BY id", "It must keep the same state. Values differ: "),
    # HAVING may change and go, and may not come, as in ksqlDB
    ("SELECT id, COUNT(v) AS c FROM s GROUP BY id", "SELECT id, COUNT(v) AS c FROM s GROUP BY id HAVING id > 1",
     f"{AGGREGATE} class. Values differ: {JAVA}.StreamAggregate vs. {JAVA}.TableFilter"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), REFUSED, ids=[f"{r[0]} -> {r[1]}" for r in REFUSED])
def test_a_query_may_not_change_what_keeps_rows(old: str, new: str, words: str) -> None:
    assert words in (refusal(old, new) or "allowed")


def test_the_same_query_is_known_whatever_it_keeps() -> None:
    for query in {r[0] for r in REFUSED}:
        assert same_query(plan(query), plan(query))
    assert not same_query(plan("SELECT id, v FROM s"), plan("SELECT id, v FROM s WHERE v > 0"))


# --- definitions -----------------------------------------------------------------------------------------------------

STREAM = catalog().relations["S"]


def changed(columns: str) -> Schema:
    return parse_schema(columns)


def test_value_columns_may_be_added_at_the_end() -> None:
    before = replace(STREAM, schema=changed("ID INT KEY, V INT"))
    check_definition(before, before, HERE)
    check_definition(before, replace(before, schema=changed("ID INT KEY, V INT, W STRING")), HERE)
    check_definition(before, replace(before, derived=True), HERE)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("ID INT KEY, W STRING, V INT", "The following columns are changed, missing or reordered: [`V` INTEGER]"),
        ("ID INT KEY, V BIGINT, W INT", "The following columns are changed, missing or reordered: [`V` INTEGER]"),
        ("ID INT KEY, W INT", "The following columns are changed, missing or reordered: [`V` INTEGER]"),
        ("K INT KEY, V INT", "Key columns must be identical. The following key columns are changed, missing or "
         "reordered: [`ID` INTEGER KEY]"),
        ("V INT", "Key columns must be identical. The following key columns are changed, missing or reordered: "
         "[`ID` INTEGER KEY]"),
        ("ID INT KEY, K INT KEY, V INT", "Key columns must be identical. The following key columns are changed, "
         "missing or reordered: [`K` INTEGER KEY]"),
    ],
)  # fmt: skip
def test_columns_stay(columns: str, words: str) -> None:
    before = replace(STREAM, schema=changed("ID INT KEY, V INT"))
    after = replace(before, schema=changed(columns))
    with pytest.raises(UpgradeRefused) as refused:
        check_definition(before, after, HERE)
    assert refused.value.message == (
        f"Cannot upgrade data source: DataSource '`S`' has schema = {before.schema} which is not upgradeable to "
        f"{after.schema}. ({words})"
    )


def test_all_that_differs_is_told_at_once() -> None:
    before = replace(STREAM, schema=changed("ID INT KEY, V INT"), timestamp=TimestampSpec("V"))
    after = replace(
        before, kind="TABLE", topic="o", value_format=FormatSpec("AVRO"), window=KeyWindow("TUMBLING", 10),
        timestamp=TimestampSpec("V", "yyyy"), schema=changed("ID INT KEY, V INT, W INT"),
    )  # fmt: skip
    with pytest.raises(UpgradeRefused) as refused:
        check_definition(before, after, HERE)
    lines = refused.value.message.split("\n\tAND ")
    assert (
        lines[0] == "Cannot upgrade data source: DataSource '`S`' has type = KSTREAM which is not upgradeable to KTABLE"
    )
    assert lines[1].startswith("DataSource '`S`' has topic = KsqlTopic{kafkaTopicName='s', keyFormat=KeyFormat{")
    assert "kafkaTopicName='o'" in lines[1]
    assert "window=Optional[WindowInfo{type=TUMBLING, size=Optional[10]}]" in lines[1]
    assert lines[2].startswith("DataSource '`S`' has timestampColumn = Optional[TimestampColumn{column=`V`")
    assert len(lines) == 3


def test_header_columns_stay_header_columns() -> None:
    before = replace(STREAM, schema=changed("ID INT KEY, H BYTES"), headers=(HeaderColumn("H", "k"),))
    with pytest.raises(UpgradeRefused, match="`H` BYTES HEADER"):
        check_definition(before, replace(before, headers=()), HERE)
