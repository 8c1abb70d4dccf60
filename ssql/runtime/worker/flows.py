"""The dataflows of a worker: the main one of all queries, and those on the side."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field

from ssql.config import BATCH_MAX_ROWS, SERVICE_ID, Config
from ssql.errors import QueryNotFound
from ssql.log.api import Log, Writer
from ssql.planner.steps import QueryPlan
from ssql.runtime.api import MAIN, Offsets
from ssql.runtime.dataflow import Dataflow, Query
from ssql.runtime.inputs import TopicPartition
from ssql.runtime.progress import Course, QueryState, Restoring, Subject, Trail
from ssql.runtime.rejects import Rejects
from ssql.runtime.statement import Session
from ssql.schemas.api import SchemaRegistry

#: How long (ms) an idle worker waits before it looks around; appends and calls wake it earlier.
IDLE_MS = 200.0
#: Waits (s) between tries of what the log could not do.
RETRY_S = (0.05, 0.2, 0.5, 1.0, 2.0)


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
    #: where its inputs end, as of the last commit, and what `seen` was in the last seconds
    ends: Offsets = field(default_factory=dict)
    trail: Trail[Offsets] = field(default_factory=Trail)
    #: whether it has much more to read than what comes all the time; and what `seen` was when that was last not so
    behind: bool = False
    level: Offsets = field(default_factory=dict)

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
        self.ends = self.dataflow.inputs.ends()
        self.trail.add(self.seen)
        if all(self.seen.get(tp, end) >= end for tp, end in self.quiet.items()):
            self.quiet = {}

    @property
    def state(self) -> QueryState:
        """That of its queries."""
        if self.paused:
            return QueryState.ERROR if self.failure is not None else QueryState.PAUSED
        return QueryState.RUNNING if self.name == MAIN else QueryState.CATCHING_UP

    def course(self) -> Course:
        """How far it is, for who asks in another thread."""
        return Course(self.state, self.seen, self.ends, self.reached, self.behind, self.trail.samples)


class Flows:
    """The dataflows by name, and what all of them share."""

    def __init__(self, log: Log, config: Config, schemas: SchemaRegistry | None, restoring: Restoring) -> None:
        self.log = log
        self.restoring = restoring
        self.schemas = schemas
        self.config = config
        self.service = config[SERVICE_ID]
        self.session = Session()
        self.rejects = Rejects()
        self.all: dict[str, Flow] = {}
        #: the names of the dataflows by their queries' ids
        self.of: dict[str, str] = {}
        #: what is told of queries that are followed in their progress, by id
        self.subjects: dict[str, Subject] = {}
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

    def begin(self, query: Query, begun: Offsets) -> None:
        """A query begins to catch up there."""
        sink = query.plan.sink
        topics = frozenset(scan.relation.topic for scan in query.scans)
        # A declared table that is kept has no sink: what it reads is what it keeps.
        name = sink.relation.name if sink is not None else ", ".join(scan.relation.name for scan in query.scans)
        self.subjects[query.id] = Subject(name, topics, begun, query.durable)

    def watch(self) -> None:
        """Look whether the main dataflow has fallen behind: all its queries catch up then, from where it last was not.

        It may have two epochs' rows to read before that counts, as these come and go where much is written.
        """
        main, idle = self.main, self.config[BATCH_MAX_ROWS]
        left = sum(main.ends.values()) - sum(main.seen.values())
        if not main.behind and left > 2 * idle:
            for query in main.dataflow.queries.values():
                self.begin(query, main.level)
        main.behind = left > (idle if main.behind else 2 * idle)
        if not main.behind:
            main.level = main.seen

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
