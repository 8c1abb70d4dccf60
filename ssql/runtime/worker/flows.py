"""The dataflows of a worker: the main one of all queries, and those on the side."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field

from ssql.config import SERVICE_ID, Config
from ssql.errors import QueryNotFound
from ssql.log.api import Log, Writer
from ssql.planner.steps import QueryPlan
from ssql.runtime.api import MAIN
from ssql.runtime.dataflow import Dataflow, Query
from ssql.runtime.inputs import TopicPartition
from ssql.runtime.rejects import Rejects
from ssql.runtime.statement import Session
from ssql.schemas.api import SchemaRegistry

#: How long (ms) an idle worker waits before it looks around; appends and calls wake it earlier.
IDLE_MS = 200.0
#: Waits (s) between tries of what the log could not do.
RETRY_S = (0.05, 0.2, 0.5, 1.0, 2.0)

#: Where partitions are read from, and the offsets before which nothing is told.
Starts = tuple[dict[TopicPartition, int], dict[TopicPartition, int]]


def pause(attempt: int) -> None:
    """Wait before what the log could not do is tried again, the longer the more often that was so."""
    clock.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])


@dataclass
class Flow:
    """A dataflow and what the worker knows beside it."""

    dataflow: Dataflow
    #: what commits its epochs; a subscription has none of its own
    writer: Writer | None
    paused: bool = False
    failure: str | None = None
    #: why it stands still, and when (s) it is tried again
    trouble: str | None = None
    retry_at: float = 0.0
    #: of a subscription: the offsets before which nothing is told; it goes no further until all are reached
    quiet: dict[TopicPartition, int] = field(default_factory=dict)
    failed_ms: int = 0
    internal: bool = False
    #: the next offsets and the times reached as of the last commit: what others may go by
    seen: dict[TopicPartition, int] = field(default_factory=dict)
    reached: dict[TopicPartition, int] = field(default_factory=dict)
    #: where what it wrote to topics that it reads ends, as of the last commit; known where it has followers
    own: dict[TopicPartition, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.dataflow.name

    def clear(self) -> None:
        """What was wrong with it is no more, or is to be tried again."""
        self.failure, self.failed_ms, self.internal = None, 0, False
        self.trouble, self.retry_at = None, 0.0

    def note(self) -> None:
        """What its inputs have processed is committed."""
        self.seen, self.reached = self.dataflow.inputs.positions(), self.dataflow.inputs.times()
        if all(self.seen.get(tp, end) >= end for tp, end in self.quiet.items()):
            self.quiet = {}


class Flows:
    """The dataflows by name, and what all of them share."""

    def __init__(self, log: Log, config: Config, schemas: SchemaRegistry | None) -> None:
        self.log = log
        self.schemas = schemas
        self.config = config
        self.service = config[SERVICE_ID]
        self.session = Session()
        self.rejects = Rejects()
        self.all: dict[str, Flow] = {}
        #: the names of the dataflows by their queries' ids
        self.of: dict[str, str] = {}
        #: how many were ever begun on the side, of queries that are filed and of readers'
        self.sides = 0
        self.readers = 0
        self.main = self.new(MAIN)

    def new_side(self) -> Flow:
        # Numbers are filed, and never used again: a topic may hold records of any former one.
        self.sides += 1
        return self.new(f"side-{self.sides}")

    def new(self, name: str, *, durable: bool = True) -> Flow:
        writer_name = f"{self.service}{name}"
        dataflow = Dataflow(
            name,
            self.log,
            self.session,
            self.rejects,
            writer_name=writer_name,
            config=self.config,
            schemas=self.schemas,
        )
        flow = Flow(dataflow, self.log.writer(writer_name) if durable else None)
        self.all[name] = flow
        return flow

    def having(self, query_id: str) -> Flow:
        """The one that a query is part of. Raises `QueryNotFound`."""
        name = self.of.get(query_id)
        if name is None:
            raise QueryNotFound(query_id, candidates=self.of)
        return self.all[name]

    def end(self, flow: Flow) -> None:
        del self.all[flow.name]
        if flow.writer is not None:
            flow.writer.close()
        flow.dataflow.close()

    def query(self, plan: QueryPlan, *, durable: bool) -> Query:
        return Query(plan, self.session, self.rejects, durable=durable, registry=self.schemas)

    def new_reader(self) -> Flow:
        """One for the query of a reader, which leaves no trace in the log."""
        self.readers += 1
        return self.new(f"subscription-{self.readers}", durable=False)

    def close(self) -> None:
        for flow in self.all.values():
            if flow.writer is not None:
                flow.writer.close()
            flow.dataflow.close()
        self.session.close()
