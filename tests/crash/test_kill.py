"""The server is killed with SIGKILL, again and again, in the middle of the flights: nothing is lost, nothing repeated.

A run that is killed is compared with one that is not, over the same feed:

- each table, by pull query: row for row;
- each stream's output topic: record for record (key, value, timestamp), in order;
- each table's output topic: the last value of each key with its timestamp; and every change on the way must be one
  that the key goes through, in that order. Which of them are written differs between runs, killed or not: within an
  epoch a key's changes are consolidated to the last one, and each run cuts its epochs elsewhere.

Sums of DOUBLE (the weather's) are compared to nine digits: they too depend on where epochs end.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ssql_cli.demo import feed, source
from ssql_cli.demo.command import definitions
from ssql_cli.pieces import split

from ssql.log.api import Log
from ssql.log.embedded import EmbeddedLog
from tests.crash.server import Gone, Progress, Server, end_of, rows_of, spin
from tests.crash.support import Partitions, changes_of, records_of, same_last, same_records

#: Flights of the first weeks, half of which are there before the queries are.
FLIGHTS = 50_000
EARLY = 25_000
FEED_ROWS = 500
STREAMS = ("FLIGHTS_IN_FULL",)
#: Tables, and the column that counts up with every change of a key.
TABLES = {
    "DELAYS_BY_HOUR": "FLIGHTS",
    "SEATS_BY_MANUFACTURER": "FLIGHTS",
    "WORST_DELAYS": "FLIGHTS",
    "DESTINATIONS": "FLIGHTS",
    "CLIMATE": "HOURS",
}
INPUTS = ("flights", "airlines", "planes", "airports", "weather")
QUERIES = len(STREAMS) + len(TABLES)
#: Ways to choose the moment of a kill: while it starts and restores, or some commits later.
MOMENTS = ("start", "commits", "commits")


@dataclass
class Place:
    """Where one run works: its log, and the arguments of its server."""

    log: Log
    arguments: list[str]
    service: str
    prefix: str


@dataclass
class Outcome:
    """What a run leaves."""

    topics: dict[str, Partitions]
    tables: dict[str, list[str]]
    kills: list[str] = field(default_factory=list)


class Flights:
    """One run of the flights on one place; `chance` decides when the server is killed, that many times."""

    def __init__(self, place: Place, folder: Path, chance: random.Random | None = None, kills: int = 0) -> None:
        self._place = place
        self._said = folder / f"{place.prefix}said"
        self._chance = chance
        self._most = kills
        self._kills: list[str] = []
        self._progress = Progress(place.log, place.service)
        self._server = self._start()
        #: commits at which the next kill is due
        self._due: int | None = None

    def _start(self) -> Server:
        return Server(self._place.arguments, self._said)

    # --- kills ---------------------------------------------------------------

    def _plan(self) -> None:
        """Choose the next moment; a server that is to die while it starts is killed here, and started again."""
        self._due = None
        while self._chance is not None and len(self._kills) < self._most:
            if self._chance.choice(MOMENTS) == "commits":
                self._due = self._progress.commits + self._chance.randrange(1, 30)
                return
            delay_s = self._chance.uniform(0.0, 2.0)
            timer = threading.Timer(delay_s, self._server.kill)
            timer.start()
            timer.join()
            self._killed(f"{delay_s:.2f} s after its start")

    def _killed(self, when: str) -> None:
        self._kills.append(when)
        self._server = self._start()

    def _kill_if_due(self, wait_ms: float) -> None:
        self._server.alive()
        self._progress.look(wait_ms)
        if self._chance is not None and self._due is not None and self._progress.commits >= self._due:
            spin(self._chance.uniform(0.0, 0.02))
            self._server.kill()
            self._killed(f"after commit {self._progress.commits}")
            self._plan()

    # --- the story -------------------------------------------------------------

    def run(self) -> Outcome:
        """Define, feed, be killed, catch up, and answer."""
        files = source.find_files()
        statements = [piece.text for piece in split(definitions())]
        sources, queries = statements[:-QUERIES], statements[-QUERIES:]
        try:
            for statement in sources:
                self._say(statement)
            for table in source.tables(files):
                self._feed(table, table.rows.num_rows, lambda: None)
            flights = source.flights(files)
            self._feed(flights, EARLY, lambda: None)
            self._plan()
            for statement in queries:
                self._say(statement)
                self._kill_if_due(0.0)
            self._feed(flights, FLIGHTS, partial(self._kill_if_due, 5.0), start=EARLY)
            ends = {self._place.prefix + name: end_of(self._place.log, self._place.prefix + name) for name in INPUTS}
            while self._due is not None and not self._progress.has_seen(ends, QUERIES):
                self._kill_if_due(50.0)
            self._progress.wait(ends, QUERIES, self._server)
            # What the tables are is asked of a server that has them from the log alone.
            self._server.ready()
            self._server.stop()
            self._server = self._start()
            return self._outcome()
        finally:
            self._server.kill()
            self._progress.close()

    def _say(self, statement: str) -> None:
        """A statement, said again where the server died before it answered."""
        body = {
            "ksql": statement,
            "streamsProperties": {"auto.offset.reset": "earliest"},
            "sessionVariables": {"prefix": self._place.prefix},
        }
        while True:
            with suppress(Gone):
                self._server.ask("/ksql", body)
                return
            self._server.kill()
            self._killed("while it was asked")

    def _feed(self, rows: source.Source, stop: int, after_batch: Callable[[], None], *, start: int = 0) -> None:
        topic = self._place.prefix + rows.name
        step = FEED_ROWS if start else feed.BATCH_ROWS
        for _ in feed.feed(self._place.log, topic, rows, start=start, stop=stop, batch_rows=step):
            after_batch()

    def _outcome(self) -> Outcome:
        names = (*STREAMS, *TABLES)
        topics = {name: records_of(self._place.log, self._place.prefix + name) for name in names}
        tables = {
            name: sorted(map(repr, map(_rounded, rows_of(self._server.ask("/query-stream", {"sql": sql})))))
            for name in TABLES
            for sql in [f"SELECT *, ROWTIME FROM {name};"]
        }
        topics["CLIMATE"] = {
            number: [(k, v and json.dumps(_rounded(json.loads(v))).encode(), t) for k, v, t in rows]
            for number, rows in topics["CLIMATE"].items()
        }
        return Outcome(topics, tables, self._kills)


def _rounded(value: Any) -> Any:
    """A JSON value with its numbers of DOUBLE rounded to nine digits."""
    match value:
        case float():
            return round(value, 9)
        case list():
            return [_rounded(one) for one in value]
        case dict():
            return {key: _rounded(one) for key, one in value.items()}
    return value


def compare(expected: Outcome, found: Outcome) -> None:
    """Assert what the head of this file says."""
    for name in STREAMS:
        same_records(name, expected.topics[name], found.topics[name])
    for name, counts in TABLES.items():
        same_last(name, expected.topics[name], found.topics[name])
        assert expected.tables[name] == found.tables[name], name
        assert len(found.tables[name]) > 0
        by_count = {
            (key, json.loads(value)[counts]): (value, time)
            for key, changes in changes_of(expected.topics[name]).items()
            for value, time in changes
            if value is not None
        }
        for key, changes in changes_of(found.topics[name]).items():
            values = [json.loads(value or b"null") for value, _ in changes]
            numbers = [value[counts] for value in values]
            assert all(a < b for a, b in pairwise(numbers)), f"{name}: {key!r} goes {numbers}"
            for change, number in zip(changes, numbers, strict=True):
                assert by_count.get((key, number), change) == change, f"{name}: {key!r} at {number}"


def killed_and_not(make: Callable[[str], Place], folder: Path, kills: int) -> None:
    """Both runs, and their comparison. The seed that is printed decides where the server is killed, as far as a clock
    does not."""
    seed = int(os.environ.get("SSQL_TEST_SEED") or secrets.randbits(32))
    print(f"SSQL_TEST_SEED={seed}")
    expected = Flights(make("undisturbed"), folder).run()
    found = Flights(make("killed"), folder, random.Random(seed), kills).run()
    print(f"{len(found.kills)} kills: " + "; ".join(found.kills))
    assert len(found.kills) >= kills // 2
    assert sum(len(rows) for rows in expected.topics["FLIGHTS_IN_FULL"].values()) > FLIGHTS * 0.9
    compare(expected, found)


def config_file(folder: Path, name: str, **settings: object) -> str:
    file = folder / f"{name}.properties"
    file.write_text("".join(f"{key.replace('_', '.')}={value}\n" for key, value in settings.items()))
    return str(file)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    """A directory a run."""
    logs: list[Log] = []

    def make(name: str) -> Place:
        # Small epochs: many commits to be killed at; the run that is not killed has others.
        rows = 1000 if name == "killed" else 4000
        config = config_file(tmp_path, name, batch_max_rows=rows, output_topic_name_prefix=f"{name}-")
        logs.append(EmbeddedLog(tmp_path / name))
        return Place(logs[-1], ["--data", str(tmp_path / name), "--config", config], "default_", f"{name}-")

    yield make
    for log in logs:
        log.close()


@pytest.fixture
def on_kafka(kafka: str, tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    """Names of its own for each run, on one broker; they are deleted at the end."""
    from ssql.log.kafka import KafkaLog

    logs: list[Log] = []
    token = secrets.token_hex(4)

    def make(name: str) -> Place:
        prefix = f"kill-{token}-{name}-"
        rows = 1000 if name == "killed" else 4000
        config = config_file(tmp_path, name, batch_max_rows=rows, output_topic_name_prefix=prefix, service_id=prefix)
        logs.append(KafkaLog(kafka))
        return Place(logs[-1], ["--kafka", kafka, "--config", config], prefix, prefix)

    yield make
    for log in logs:
        for topic in log.topics():
            if f"kill-{token}" in topic.name:
                log.delete_topic(topic.name)
        log.close()


@pytest.mark.slow
def test_killed_on_the_embedded_log(embedded: Callable[[str], Place], tmp_path: Path) -> None:
    killed_and_not(embedded, tmp_path, kills=10)


@pytest.mark.slow
@pytest.mark.kafka
def test_killed_on_kafka(on_kafka: Callable[[str], Place], tmp_path: Path) -> None:
    killed_and_not(on_kafka, tmp_path, kills=6)
