"""A small pipeline with every kind of state, and its story: what is defined and fed when.

The story can be taken up at any of its steps, so a run that is killed goes on where it was: what the client was told
is done is done, and a statement without an answer is given again. Rows are fed past the engine, each once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ssql.config import BATCH_MAX_ROWS, Config
from ssql.engine.api import PullResult, Session
from ssql.engine.engine import LocalEngine
from ssql.errors import QueryExists, SsqlError
from ssql.log.api import RECORD_SCHEMA, Log
from ssql.log.embedded import EmbeddedLog
from ssql.testing.mortal import Fate, Hook, Killed, MortalLog
from tests.crash.support import Partitions, in_order, records_of, same_last, same_records

WAIT_S = 60.0
EARLIEST: dict[str, object] = {"auto.offset.reset": "earliest"}

SOURCES = """
CREATE STREAM IF NOT EXISTS orders (id STRING KEY, item STRING, qty INT)
    WITH (kafka_topic='orders', value_format='JSON', partitions=2);
CREATE TABLE IF NOT EXISTS items (item STRING PRIMARY KEY, price INT, kind STRING)
    WITH (kafka_topic='items', value_format='JSON', partitions=2);
CREATE TABLE IF NOT EXISTS stock (item STRING PRIMARY KEY, there INT)
    WITH (kafka_topic='stock', value_format='JSON', partitions=2);
"""
#: Filter; stream-table join; windows; table-table join; tables of derived streams and of derived tables.
QUERIES = (
    "CREATE STREAM IF NOT EXISTS big AS SELECT id, item, qty FROM orders WHERE qty > 1 EMIT CHANGES;",
    "CREATE TABLE IF NOT EXISTS by_minute AS SELECT item, COUNT(*) AS n, SUM(qty) AS total, "
    "EARLIEST_BY_OFFSET(id) AS first, LATEST_BY_OFFSET(id) AS latest FROM orders "
    "WINDOW TUMBLING (SIZE 1 MINUTE, RETENTION 1 DAY, GRACE PERIOD 10 SECONDS) GROUP BY item EMIT CHANGES;",
    "CREATE STREAM IF NOT EXISTS priced AS SELECT o.id AS id, o.item AS item, o.qty * i.price AS cost, i.kind AS kind "
    "FROM big o LEFT JOIN items i ON o.item = i.item PARTITION BY o.id EMIT CHANGES;",
    "CREATE TABLE IF NOT EXISTS on_shelf AS SELECT s.item AS item, s.there AS there, i.kind AS kind "
    "FROM stock s JOIN items i ON s.item = i.item EMIT CHANGES;",
    "CREATE TABLE IF NOT EXISTS by_kind AS SELECT kind, COUNT(*) AS n, SUM(cost) AS cost, "
    "COUNT_DISTINCT(item) AS items FROM priced WHERE kind IS NOT NULL GROUP BY kind EMIT CHANGES;",
    "CREATE TABLE IF NOT EXISTS shelf_kinds AS SELECT kind, COUNT(*) AS n, SUM(there) AS there FROM on_shelf "
    "GROUP BY kind EMIT CHANGES;",
    "CREATE STREAM IF NOT EXISTS extra AS SELECT id, 'gift' AS why FROM orders WHERE qty = 0 EMIT CHANGES;",
    "INSERT INTO extra WITH (QUERY_ID='BULK') SELECT id, 'bulk' AS why FROM orders WHERE qty = 3 EMIT CHANGES;",
)
#: Made when much is there already: it catches up.
LATER = (
    "CREATE TABLE IF NOT EXISTS spent AS SELECT item, SUM(cost) AS cost, COUNT(*) AS n FROM priced GROUP BY item "
    "EMIT CHANGES;"
)
#: In the place of what runs: another filter and one more column, of a stream, a table, an aggregate, and a source.
UPGRADES = (
    "CREATE OR REPLACE STREAM big AS SELECT id, item, qty, qty * 2 AS twice FROM orders WHERE qty > 0 EMIT CHANGES;",
    "CREATE OR REPLACE TABLE by_kind AS SELECT kind, COUNT(*) AS n, SUM(cost) AS cost, COUNT_DISTINCT(item) AS items, "
    "kind + '!' AS loud FROM priced WHERE kind <> 'a1' GROUP BY kind EMIT CHANGES;",
    "CREATE OR REPLACE TABLE items (item STRING PRIMARY KEY, price INT, kind STRING, colour STRING) "
    "WITH (kafka_topic='items', value_format='JSON', partitions=2);",
    "CREATE TABLE IF NOT EXISTS priciest AS SELECT item, price, colour FROM items WHERE price > 11 EMIT CHANGES;",
    "CREATE OR REPLACE TABLE priciest AS SELECT item, price, colour, kind FROM items WHERE price > 12 EMIT CHANGES;",
)
STREAM_TOPICS = ("BIG", "PRICED", "EXTRA")
TABLE_TOPICS = ("BY_MINUTE", "ON_SHELF", "BY_KIND", "SHELF_KINDS", "SPENT", "PRICIEST")

_ITEMS = ("tea", "jam", "oil", "rye", "fig")
#: Time (ms) of the first row.
_NOON = 1_700_000_000_000


def _batch(rows: list[tuple[str, dict[str, Any] | bytes | None, int]]) -> pa.RecordBatch:
    values = [json.dumps(v).encode() if isinstance(v, dict) else v for _, v, _ in rows]
    return pa.record_batch(
        [
            pa.array([k.encode() for k, _, _ in rows], pa.binary()),
            pa.array(values, pa.binary()),
            pa.array([t for *_, t in rows], pa.int64()),
            pa.nulls(len(rows), RECORD_SCHEMA.field("headers").type),
        ],
        schema=RECORD_SCHEMA,
    )


def orders(start: int, count: int, *, bad: bool = False) -> pa.RecordBatch:
    """Orders, a second apart; each third one comes late, by up to 80 s: some of these too late for their windows."""
    rows: list[tuple[str, dict[str, Any] | bytes | None, int]] = []
    for n in range(start, start + count):
        late = n * 37 % 81 * 1000 if n % 3 == 2 else 0
        order: dict[str, Any] = {"ITEM": _ITEMS[n * 7 % 5], "QTY": n * 11 % 4}
        rows.append((f"o{n}", order, _NOON + n * 1000 - late))
    if bad:
        rows.insert(count // 2, ("bad", b'{"ITEM": "tea", "QTY": ', _NOON + start * 1000))
    return _batch(rows)


def items(at: int, *, price: int, kind: str, gone: str | None = None) -> pa.RecordBatch:
    """All items, as of `at` seconds; one of them is no more."""
    known: list[tuple[str, dict[str, Any] | bytes | None, int]] = [
        (item, None if item == gone else {"PRICE": price + i, "KIND": kind + str(i % 2)}, _NOON + at * 1000)
        for i, item in enumerate(_ITEMS)
    ]
    return _batch(known)


def stock(at: int, there: int) -> pa.RecordBatch:
    return _batch([(item, {"THERE": there * i}, _NOON + at * 1000 + i) for i, item in enumerate(_ITEMS[1:])])


Step = Callable[["Run", LocalEngine], None]


def _say(*statements: str) -> Iterator[Step]:
    for statement in statements:
        yield lambda run, engine, sql=statement: run.say(engine, sql)  # type: ignore[misc]


def _settled(statements: Iterable[str]) -> Iterator[Step]:
    for statement in statements:
        yield from _say(statement)
        yield _settle


def _settle(run: Run, engine: LocalEngine) -> None:
    run.settle(engine)


def _feed(topic: str, batch: pa.RecordBatch) -> Iterator[Step]:
    """Rows for a topic; then wait until they are seen, so that what comes next comes next in every run."""
    yield lambda run, engine: run.feed(topic, batch)
    yield _settle


def _pause(query: str) -> Iterator[Step]:
    yield lambda run, engine: run.say(engine, f"PAUSE {query};")


def _resume(query: str) -> Iterator[Step]:
    yield lambda run, engine: run.say(engine, f"RESUME {query};")
    yield _settle


def story() -> list[Step]:
    """Definitions before and after there is something to read, updates and deletions, late and bad rows, a pause, and
    queries in the place of others."""
    return [
        *_say(*(s + ";" for s in SOURCES.split(";") if s.strip())),
        *_feed("items", items(0, price=10, kind="a")),
        *_feed("orders", orders(0, 30)),
        *_say(*QUERIES),
        _settle,
        *_feed("stock", stock(40, 3)),
        *_feed("orders", orders(45, 30, bad=True)),
        *_feed("items", items(80, price=20, kind="b", gone="oil")),
        *_feed("orders", orders(85, 40)),
        *_say(LATER),
        _settle,
        *_pause("CTAS_BY_KIND_7"),
        *_feed("orders", orders(125, 30)),
        *_resume("CTAS_BY_KIND_7"),
        *_feed("stock", stock(160, 5)),
        *_settled(UPGRADES),
        *_feed("items", items(165, price=30, kind="a")),
        *_feed("orders", orders(170, 20)),
    ]


@dataclass(frozen=True)
class Results:
    """What a run leaves: topics, the tables' rows, and what was rejected."""

    topics: dict[str, Partitions]
    tables: dict[str, list[str]]
    rejected: dict[str, list[str]]
    acts: list[str]
    lives: int


def nothing(number: int, what: str, when: str) -> None:
    """Befalls a log that is left alone."""


class Run:
    """One run of the story on a directory.

    `befalls(life)` is what happens to the log of each life; `between` is called before each step.
    """

    def __init__(
        self,
        path: Path,
        *,
        befalls: Callable[[int], Hook] = lambda _: nothing,
        between: Callable[[int, LocalEngine], None] = lambda *_: None,
        batch_rows: int = 8,
    ) -> None:
        self.path = path
        self.config = Config().with_values({BATCH_MAX_ROWS.key: batch_rows})
        self._befalls = befalls
        self._between = between
        self._log = EmbeddedLog(path)
        self._open: list[EmbeddedLog] = [self._log]
        self._life = 0
        self.acts: list[str] = []

    def say(self, engine: LocalEngine, sql: str) -> None:
        # INSERT INTO has no IF NOT EXISTS: said again, it may run already.
        with suppress(QueryExists):
            engine.execute(sql, Session(properties=EARLIEST))

    def feed(self, topic: str, batch: pa.RecordBatch) -> None:
        self._log.append(topic, batch)

    def settle(self, engine: LocalEngine) -> None:
        if not engine.caught_up(WAIT_S):
            engine.caught_up(0)  # tells what went wrong, where something did
            raise AssertionError("the queries do not catch up")

    def go(self) -> Results:
        """The whole story, through as many lives as it takes."""
        steps = story()
        at = 0
        try:
            while at < len(steps):
                at = self._live(steps, at)
            log = EmbeddedLog(self.path)
            self._open.append(log)
            with closing(LocalEngine(self.config, log)) as engine:
                self.settle(engine)
                return self._results(engine, log)
        finally:
            for log in self._open:
                log.close()

    def _live(self, steps: list[Step], at: int) -> int:
        """Open the engine and go on with the story until it ends, or the log dies; the step to go on with."""
        self._life += 1
        log = EmbeddedLog(self.path)
        self._open.append(log)
        fate = Fate(self._befalls(self._life), told=self.acts)
        engine: LocalEngine | None = None
        try:
            engine = LocalEngine(self.config, MortalLog(log, fate))
            while at < len(steps):
                self._between(at, engine)
                steps[at](self, engine)
                at += 1
        except (Killed, SsqlError):
            if not fate.dead:
                raise
        finally:
            # A dead log takes nothing more: this only lets go of what the process would have lost.
            if engine is not None:
                with suppress(Killed):
                    engine.close()
        return at

    def _results(self, engine: LocalEngine, log: Log) -> Results:
        topics = {name: records_of(log, name) for name in (*STREAM_TOPICS, *TABLE_TOPICS)}
        # Two queries write this one: each in its order, whatever that of both together is.
        extra = topics.pop("EXTRA")
        for why in (b"gift", b"bulk"):
            topics[f"EXTRA/{why.decode()}"] = {
                p: [r for r in rows if why in (r[1] or b"")] for p, rows in extra.items()
            }
        tables = {}
        for name in (*TABLE_TOPICS, "ITEMS", "STOCK"):
            answer = engine.query(f"SELECT * FROM {name};")
            assert isinstance(answer, PullResult)
            tables[name] = sorted(map(repr, answer.rows.to_pylist()))
        rejected = {
            stream: sorted(repr(value) for value in rejected_rows(log, f"_ssql_default__{stream}"))
            for stream in ("errors", "late")
        }
        return Results(topics, tables, rejected, self.acts, self._life)


def compare(expected: Results, finest: Results, found: Results) -> None:
    """Assert that a run has left what another one has.

    Streams: the same records in the same order. Tables: the same rows; the topic ends in the same value of each key,
    and goes there by changes that a run of an epoch a row (`finest`) goes through, in that order. What was rejected:
    the same rows, each once.
    """
    for name in expected.topics.keys() - set(TABLE_TOPICS):
        same_records(name, expected.topics[name], found.topics[name])
    for name in TABLE_TOPICS:
        same_last(name, expected.topics[name], found.topics[name])
        in_order(name, finest.topics[name], found.topics[name])
    for name, rows in expected.tables.items():
        assert found.tables[name] == rows, f"{name}: {found.tables[name]} not {rows}"
    assert found.rejected == expected.rejected


def rejected_rows(log: Log, topic: str) -> list[dict[str, Any]]:
    """The rows of the errors or the late stream."""
    return [json.loads(v) for rows in records_of(log, topic).values() for _, v, _ in rows if v is not None]
