"""One run of a test: its statements in order, its rows as an arrival gives them, its assertions in between.

INSERT VALUES is carried out by the engine, and its record is kept back until something must see it: so a run can
choose where epochs end and which partition a row is in. A row that names no ROWTIME has the time at which the test
began, and a millisecond more than the row before it: then every run of a test gives the same rows.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ssql.errors import SsqlError
from ssql.sql.parser import parse_statement
from ssql.sql.statements import (
    AssertRows,
    AssertSource,
    AssertValues,
    CreateSource,
    InsertValues,
)
from ssql.testing.arrivals import Arrival, Coming, Given
from ssql.testing.assertions import Asserting
from ssql.testing.bench import PARTITIONS, Bench, BenchLog, partitions_of
from ssql.testing.outputs import compare_outputs
from ssql.testing.records import Mismatch, Record
from ssql.testing.script import Input, Item, Output, SqlTest, Step
from ssql.testing.snapshots import Snapshot, taken

_WRITER = "test-input"
#: What the queries had written at an assertion (its file and line), or at the end ("").
Point = tuple[str, Snapshot]


@contextmanager
def bench_of(arrival: Arrival) -> Iterator[Bench]:
    """A fresh engine for a run."""
    with tempfile.TemporaryDirectory(prefix="ssql-test-", ignore_cleanup_errors=True) as directory:
        log = BenchLog(Path(directory), one_task=arrival.one_task)
        bench = Bench(log, arrival.settings, hook=arrival.hook)
        try:
            yield bench
        finally:
            bench.close()


@dataclass(frozen=True)
class Ended:
    """How a run ended: what there was at each of its assertions and at its end, and the error that ended it.

    `at`: the step that failed; the number of steps where none did.
    """

    snapshots: tuple[Point, ...]
    at: int
    error: Mismatch | SsqlError | None


@dataclass
class Play:
    """A run at some point. `assertions` off: they are points to look at, and nothing is compared there."""

    bench: Bench
    arrival: Arrival
    coming: Coming
    clock_ms: int
    assertions: bool = True
    _waiting: list[Given] = field(default_factory=list)
    _asserting: Asserting | None = None

    def go(self, test: SqlTest) -> Ended:
        """All steps, or those until an error."""
        snapshots: list[Point] = []
        for at, step in enumerate(test.steps):
            try:
                self._carry_out(step, snapshots)
            except (Mismatch, SsqlError) as error:
                return Ended(tuple(snapshots), at, error)
        try:
            self.settle()
        except (Mismatch, SsqlError) as error:
            return Ended(tuple(snapshots), len(test.steps), error)
        snapshots.append(("", taken(self.bench)))
        return Ended(tuple(snapshots), len(test.steps), None)

    def _carry_out(self, step: Step, snapshots: list[Point]) -> None:
        match step:
            case Item():
                try:
                    self.statement(step.text, snapshots, step.place)
                except SsqlError as error:
                    raise step.located(error.within(step.text)) from None
            case Input(records=records):
                self._records(records)
            case Output():
                self.settle()
                snapshots.append((step.place, taken(self.bench)))
                if self.assertions:
                    compare_outputs(self.bench, step.records, any_zero=step.any_zero)

    def statement(self, text: str, snapshots: list[Point], place: str = "") -> None:
        """Carry out one statement, or check one assertion."""
        statement = parse_statement(text, self._variables(), assertions=True)
        match statement:
            case InsertValues():
                self._insert(statement, text)
                if self.arrival.in_order:
                    self.settle()
            case AssertValues() | AssertRows() | AssertSource():
                self.settle()
                snapshots.append((place, taken(self.bench)))
                if self.assertions:
                    self._asserting = self._asserting or Asserting(self.bench)
                    self._asserting.check(statement)
            case _:
                self.settle()
                if isinstance(statement, CreateSource):
                    self._topic(statement)
                self.bench.execute(text)
                self.settle()

    def _variables(self) -> Mapping[str, str]:
        return {name.upper(): value for name, value in self.bench.session.variables.items()}

    def _topic(self, create: CreateSource) -> None:
        """A topic is there when a stream or table is declared over it."""
        declared = self.bench.declared(create)
        if declared is not None:
            name, partitions = partitions_of(create) or (declared.topic, PARTITIONS)
            self.bench.log.create_topic(name, partitions)

    # --- rows -----------------------------------------------------------------

    def _insert(self, statement: InsertValues, text: str) -> None:
        timed = any(name.text == "ROWTIME" for name in statement.columns)
        with self.bench.log.holding() as held:
            self.bench.execute(text)
        for topic, batch in held:
            for at in range(batch.num_rows):
                self._waiting.append(Given(topic, batch.slice(at, 1) if timed else self._dated(batch.slice(at, 1))))

    def _dated(self, row: pa.RecordBatch) -> pa.RecordBatch:
        """The row with the time of the test's clock, which goes on by a millisecond."""
        self.clock_ms += 1
        at = row.schema.get_field_index("timestamp")
        return row.set_column(at, row.schema.field(at), pa.array([self.clock_ms], pa.int64()))

    def _records(self, records: tuple[Record, ...]) -> None:
        for record in records:
            self.bench.log.create_topic(record.topic, PARTITIONS)
            self._waiting.append(Given(record.topic, self.bench.codec(record.topic).encode(record)))

    def settle(self) -> None:
        """Give the rows that are kept back, and wait until all queries have seen them."""
        waiting, self._waiting = self._waiting, []
        for transaction in self.arrival.transactions(self.coming, waiting) if waiting else ():
            writer = self.bench.log.writer(_WRITER)
            writer.begin()
            for given, partition in transaction:
                writer.append(given.topic, given.batch, partition)
            writer.commit()
            writer.close()
            self._wait()
        self._wait()

    def _wait(self) -> None:
        self.bench.settle()
        why = self.bench.failed_query()
        if why is not None:
            raise Mismatch("query failed", why)


@dataclass(frozen=True)
class Start:
    """What the runs of a test have in common. `clock_ms`: when each begins, for rows without a time."""

    seed: int
    clock_ms: int
    variables: Mapping[str, str] = field(default_factory=dict)


def carry_out(test: SqlTest, arrival: Arrival, start: Start, *, assertions: bool = True) -> Ended:
    """A run of a test on a fresh engine."""
    with bench_of(arrival) as bench:
        bench.session.variables.update(start.variables)
        coming = Coming(bench, random.Random(f"{start.seed} {arrival.name}"))
        return Play(bench, arrival, coming, start.clock_ms, assertions).go(test)
