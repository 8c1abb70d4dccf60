"""The command topic holds the catalog: replaying what was written gives what was there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssql.catalog.catalog import Catalog, PersistentQuery, Source
from ssql.catalog.changes import (
    Change,
    DropQuery,
    DropSource,
    DropType,
    PauseQuery,
    PutQuery,
    PutSetting,
    PutSource,
    PutType,
    apply,
    from_json,
    to_json,
)
from ssql.catalog.commands import FORMAT_VERSION, Command, CommandTopic
from ssql.catalog.system import empty_catalog
from ssql.errors import CommandsUnreadable
from ssql.formats.api import FormatSpec
from ssql.log.api import RECORD_SCHEMA, Log
from ssql.log.embedded import EmbeddedLog
from ssql.planner.relation import HeaderColumn, KeyWindow, Relation, TimestampSpec
from ssql.types import BIGINT, STRING, Array, Column, Decimal, Map, Struct, schema

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)


def relation(name: str = "S", **fields: object) -> Relation:
    columns = schema(Column("ID", BIGINT, key=True), Column("V", STRING))
    parts: dict[str, object] = {
        "kind": "STREAM",
        "schema": columns,
        "topic": name.lower(),
        "key_format": FormatSpec("KAFKA"),
        "value_format": FormatSpec("JSON"),
    }
    return Relation(name, **{**parts, **fields})  # type: ignore[arg-type]


RICH = relation(
    "`odd` name",
    kind="TABLE",
    schema=schema(
        Column("a`b", Struct((("x y", Array(Decimal(10, 2))), ("Z", Map(STRING, BIGINT)))), key=True),
        Column("from", Map(BIGINT, STRING)),
    ),
    value_format=FormatSpec("DELIMITED", {"delimiter": "\t"}, wrap=False),
    window=KeyWindow("HOPPING", 60_000),
    timestamp=TimestampSpec("from", "yyyy-MM-dd"),
    headers=(HeaderColumn("from", "k"), HeaderColumn("all")),
    read_only=True,
    derived=True,
)

QUERY = PersistentQuery(
    id="CSAS_T_3",
    statement="CREATE STREAM t AS SELECT * FROM s",
    sink="T",
    sequence=3,
    start="earliest",
    into=relation("T"),
    properties={"auto.offset.reset": "earliest"},
    reads={"S": relation()},
    types={"ADDR": Struct((("N", BIGINT),))},
    paused=True,
)

CHANGES: list[Change] = [
    PutSource(Source(RICH, "CREATE ...", 1)),
    PutSource(Source(relation("T"), "CREATE ... AS", 3, "QUERY", "CSAS_T_3")),
    PutQuery(QUERY),
    PauseQuery("CSAS_T_3", paused=False),
    DropQuery("CSAS_T_3"),
    DropSource("T"),
    PutType("ADDR", Struct((("N", Decimal(4, 1)),))),
    DropType("ADDR"),
    PutSetting("auto.offset.reset", "earliest"),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: type(c).__name__)
def test_a_change_survives_its_json(change: Change) -> None:
    assert from_json(msgspec.json.decode(msgspec.json.encode(to_json(change)))) == change


@given(NAMES, NAMES)
def test_any_name_survives(name: str, column: str) -> None:
    columns = schema(Column(column, Struct(((name, BIGINT),)), key=True))
    change = PutSource(Source(relation(name, schema=columns), name, 0))
    assert from_json(msgspec.json.decode(msgspec.json.encode(to_json(change)))) == change


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return EmbeddedLog(tmp_path)


def test_replay_gives_the_catalog_that_the_commands_made(log: Log) -> None:
    topic = CommandTopic(log, "svc")
    catalog = empty_catalog("svc")
    for number, change in enumerate(CHANGES):
        assert topic.next_sequence() == number
        topic.append(Command("text", (change,)))
        catalog = apply(catalog, [change])
        assert CommandTopic(log, "svc").replay(empty_catalog("svc")) == catalog
    log.close()


def test_commands_keep_statement_and_properties(log: Log) -> None:
    topic = CommandTopic(log, "svc")
    command = Command("CREATE TYPE a AS BIGINT", (PutType("A", BIGINT),), {"auto.offset.reset": "earliest"})
    topic.append(command)
    assert list(topic.commands()) == [command]
    log.close()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"not json", "damaged"),
        (b"{}", "damaged"),
        (b'{"version": %d, "statement": "", "properties": {}, "changes": []}' % (FORMAT_VERSION + 1), "newer"),
    ],
)
def test_what_cannot_be_read_stops_the_replay(log: Log, value: bytes, why: str) -> None:
    topic = CommandTopic(log, "svc")
    row = {"key": None, "value": value, "timestamp": 0, "headers": None}
    log.append(topic.name, pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA), 0)
    with pytest.raises(CommandsUnreadable, match=why):
        list(topic.commands())
    log.close()


def test_a_source_is_derived_exactly_while_a_query_writes_it() -> None:
    catalog = apply(Catalog(), [PutSource(Source(relation("T"), "", 0)), PutQuery(QUERY)])
    assert catalog.sources["T"].relation.derived
    after = catalog.without_query(QUERY.id)
    assert not after.sources["T"].relation.derived
    assert catalog.sources["T"].relation.derived  # the snapshot before is as it was


def test_readers_and_writers() -> None:
    catalog = apply(Catalog(), [PutSource(Source(relation("S"), "", 0)), PutQuery(QUERY)])
    assert catalog.readers("S") == ("CSAS_T_3",)
    assert catalog.writers("T") == ("CSAS_T_3",)
    assert catalog.readers("T") == catalog.writers("S") == ()
