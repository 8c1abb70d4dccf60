"""The worker: one thread that moves the dataflow in epochs, each committed as one transaction.

All running queries are one dataflow, `main`. A new query starts in a dataflow of its own on the side: it reads
the topics from where it is to begin, in epochs like any other, and is spliced into `main` at a boundary at which
it has seen just what `main` has seen. A query that fails or is paused is split off again, at the last commit.

    poll -> decode -> order by time -> operators in topological order -> encode -> ONE transaction: outputs, state
    runs, input positions -> publish the snapshots
"""

from __future__ import annotations

import logging
import threading
import time as clock
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa

from ssql.config import BATCH_MAX_ROWS, SERVICE_ID, Config
from ssql.errors import (
    InternalError,
    LogError,
    LogFenced,
    LogFull,
    LogUnavailable,
    QueryNotFound,
    RegistryUnavailable,
    SsqlError,
)
from ssql.log.api import Log, Writer
from ssql.planner.steps import QueryPlan
from ssql.runtime.api import (
    MAIN,
    Cut,
    Demand,
    Follower,
    Listener,
    Offsets,
    QueryState,
    QueryStatus,
    Reached,
    ReaderStart,
    Start,
    Throughput,
)
from ssql.runtime.dataflow import Dataflow, Outputs, Query, QueryFailure
from ssql.runtime.frontier import DataflowFrontier, Frontier, FrontierFile
from ssql.runtime.inputs import EpochInput, Inputs, SchemaAwaited, TopicPartition
from ssql.runtime.reject_files import RejectFiles
from ssql.runtime.rejects import Rejects
from ssql.runtime.relation_node import ArrangedTable, RelationNode
from ssql.runtime.state import StateFile, restore, state_topic
from ssql.runtime.statement import Session
from ssql.runtime.statistics import Statistics
from ssql.schemas.api import SchemaRegistry

LOGGER = logging.getLogger("ssql.worker")

#: How long (ms) an idle worker waits before it looks around; appends and calls wake it earlier.
IDLE_MS = 200.0
#: Waits (s) between tries of a commit that the log could not take.
RETRY_S = (0.05, 0.2, 0.5, 1.0, 2.0)
#: How long (s) a query that needs the schema registry stands aside before it is tried again.
REGISTRY_S = 0.5

T = TypeVar("T")

#: Where partitions are read from, and the offsets before which nothing is told.
_Starts = tuple[dict[TopicPartition, int], dict[TopicPartition, int]]


@dataclass
class _Flow:
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


@dataclass(frozen=True)
class _Progress:
    """What is committed: whether no query is catching up, and the next offsets of each running dataflow."""

    settled: bool
    positions: tuple[Mapping[TopicPartition, int], ...]

    def seen(self, offsets: Offsets) -> bool:
        return all(at >= offsets.get(tp, at) for positions in self.positions for tp, at in positions.items())


class _Rows:
    """A listener as a follower: it is told rows alone."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def told(self, rows: pa.RecordBatch | None, reached: Reached) -> Demand:
        return Demand.MORE if rows is None or reached.quiet else self._listener(rows, None)

    def failed(self, reason: str) -> None:
        self._listener(None, reason)


class DataflowWorker:
    """See `ssql.runtime.api.Worker`."""

    def __init__(self, log: Log, config: Config, schemas: SchemaRegistry | None = None) -> None:
        self._log = log
        self._schemas = schemas
        self._config = config
        self._service = config[SERVICE_ID]
        self._session = Session()
        self._rejects = Rejects()
        self._statistics = Statistics()
        self._reject_files = RejectFiles(log, self._service)
        self._frontier_file = FrontierFile(log, self._service)
        self._frontier = Frontier()
        self._files: dict[str, StateFile] = {}
        self._followers: dict[str, Follower] = {}
        self._tick = 0
        self._flows: dict[str, _Flow] = {}
        self._flow_of: dict[str, str] = {}
        self._calls: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._lock = threading.Lock()
        self._progress = threading.Condition()
        self._stopping = False
        self._failed: SsqlError | None = None
        self._thread = threading.Thread(target=self._loop, name="ssql-worker", daemon=True)
        self._committer = ThreadPoolExecutor(1, "ssql-commit")
        self._cut = Cut({}, {}, self._frontier.epoch)
        self._noted = _Progress(True, ())
        self._subscriptions = 0
        self._main = self._new_flow(MAIN)
        self._frontier = self._settled_frontier()
        self._sides = self._frontier.sides
        self._dirty_frontier = False
        #: nodes that are no more, whose state the last frontier still names
        self._gone: list[RelationNode] = []

    # --- calls from other threads -----------------------------------------------

    def start(self) -> None:
        # The first transaction of a dataflow that is not filed yet may be open: nothing behind it would be seen.
        self._log.writer(f"{self._service}side-{self._sides + 1}").close()
        self._forget_strangers()
        for flow in list(self._flows.values()):
            if flow.name != MAIN and not flow.dataflow.queries:
                self._end_flow(flow)
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._stopping = True
            self._wake()
            self._thread.join()
        self._committer.shutdown()
        for flow in self._flows.values():
            if flow.writer is not None:
                flow.writer.close()
            flow.dataflow.close()
        self._session.close()

    def add(self, plans: Sequence[QueryPlan], *, start: Start) -> None:
        self._call(lambda: self._add(plans, start))

    def subscribe(self, plan: QueryPlan, listener: Listener, *, start: ReaderStart) -> None:
        self._call(lambda: self._follow(plan, _Rows(listener), lambda query: self._starts([query], start)))

    def follow(self, plan: QueryPlan, follower: Follower, *, begin: Offsets, quiet: Offsets) -> None:
        def places(query: Query) -> _Starts:
            earliest, _ = self._starts([query], "earliest")
            return {tp: max(at, begin.get(tp, at)) for tp, at in earliest.items()}, dict(quiet)

        self._call(lambda: self._follow(plan, follower, places))

    def _follow(self, plan: QueryPlan, follower: Follower, places: Callable[[Query], _Starts]) -> None:
        query = self._query(plan, durable=False)
        self._followers[plan.query_id] = follower
        try:
            self._begin_side([query], *places(query))
        except SsqlError:
            del self._followers[plan.query_id]
            raise

    def replace(self, plan: QueryPlan, *, paused: bool) -> None:
        self._call(lambda: self._replace(plan, paused))

    def drop(self, query_id: str, *, forget: bool = True) -> None:
        self._call(lambda: self._drop(query_id, forget))

    def pause(self, query_id: str) -> None:
        self._call(lambda: self._pause(query_id))

    def resume(self, query_id: str) -> None:
        self._call(lambda: self._resume(query_id))

    def status(self) -> Sequence[QueryStatus]:
        return self._call(self._status)

    def throughput(self) -> Mapping[str, Throughput]:
        return self._call(self._statistics.topics)

    def cut(self) -> Cut:
        return self._cut

    def wait_for(self, offsets: Offsets, timeout_s: float) -> bool:
        return self._wait(lambda: self._noted.seen(offsets), timeout_s)

    def caught_up(self, timeout_s: float) -> bool:
        ends = self._call(self._ends)
        return self._wait(lambda: self._noted.settled and not self._calls and self._noted.seen(ends), timeout_s)

    def _call(self, function: Callable[[], T]) -> T:
        """Run a function in the worker's thread, between epochs, and answer what it answers."""
        if not self._thread.is_alive():
            if self._failed is not None:
                raise self._failed
            return function()
        future: Future[T] = Future()
        with self._lock:
            self._calls.append((function, future))
        self._wake()
        return future.result()

    def _wake(self) -> None:
        self._main.dataflow.inputs.wake()

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        deadline = clock.monotonic() + timeout_s
        with self._progress:
            while not condition():
                left = deadline - clock.monotonic()
                if left <= 0 or self._failed is not None:
                    return False
                self._progress.wait(left)
        return True

    def _note(self) -> None:
        """Tell waiting threads how far all is: in one note, as dataflows may be half-way joined at any other time."""
        flows = [f for f in self._flows.values() if not f.paused]
        settled = all(f.name == MAIN for f in flows)
        with self._progress:
            self._noted = _Progress(settled, tuple(f.seen for f in flows if f.trouble is None))
            self._progress.notify_all()

    def _ends(self) -> dict[TopicPartition, int]:
        self._note()
        running = [f for f in self._flows.values() if not f.paused and f.trouble is None]
        read = {tp for f in running for tp in f.dataflow.inputs.positions()}
        return {tp: self._log.bounds(*tp)[1] for tp in read}

    # --- queries come and go (worker's thread) ------------------------------------

    def _settled_frontier(self) -> Frontier:
        """The last frontier, once no transaction of an earlier process may still change it.

        A writer that is opened waits for the last transaction of its name; which names there are, the frontier says.
        """
        while True:
            frontier = self._frontier_file.read()
            unopened = frontier.dataflows.keys() - self._flows.keys()
            if not unopened:
                return frontier
            for name in unopened:
                self._new_flow(name)

    def _new_side(self) -> _Flow:
        # Numbers are filed, and never used again: a topic may hold records of any former one.
        self._sides += 1
        return self._new_flow(f"side-{self._sides}")

    def _query(self, plan: QueryPlan, *, durable: bool) -> Query:
        return Query(plan, self._session, self._rejects, durable=durable, registry=self._schemas)

    def _new_flow(self, name: str, *, durable: bool = True) -> _Flow:
        writer_name = f"{self._service}{name}"
        dataflow = Dataflow(
            name,
            self._log,
            self._session,
            self._rejects,
            writer_name=writer_name,
            config=self._config,
            schemas=self._schemas,
        )
        flow = _Flow(dataflow, self._log.writer(writer_name) if durable else None)
        self._flows[name] = flow
        return flow

    def _add(self, plans: Sequence[QueryPlan], start: Start) -> None:
        known = {q: name for name, d in self._frontier.dataflows.items() for q in d.queries}
        fresh = [p for p in plans if p.query_id not in known]
        for name, filed in list(self._frontier.dataflows.items()):
            again = [p for p in plans if known.get(p.query_id) == name]
            if again:
                self._go_on(name, filed, again)
        if fresh:
            queries = [self._query(p, durable=True) for p in fresh]
            self._begin_side(queries, *self._starts(queries, start))

    def _go_on(self, name: str, filed: DataflowFrontier, plans: Sequence[QueryPlan]) -> None:
        """Queries that ran before: their state is read back, and they go on where they stopped."""
        flow = self._flows.get(name) or self._new_flow(name)
        queries = [self._query(p, durable=True) for p in plans]
        files: list[StateFile] = []
        for query in queries:
            files += [self._file(state_id, arrangement) for state_id, arrangement in query.states()]
            query.restore_memo(filed.memo.get(query.id, {}))
            self._flow_of[query.id] = name
        positions = {(t, p): o for t, p, o in filed.positions}
        flow.dataflow.inputs.next_seq = max(flow.dataflow.inputs.next_seq, filed.next_seq)
        # Whether a query is paused is for those to say who keep the definitions. One that failed is paused, unless
        # another plan has come in its place since.
        if filed.failure is not None and filed.failed in ("", plans[0].logical):
            flow.paused, flow.failure = True, filed.failure
        times = {(t, p): time for t, p, time in filed.reached}
        flow.seen, flow.reached = positions, times
        existing = set(flow.dataflow.relations)
        flow.dataflow.put(queries, {}, positions, times, skips=filed.skips)
        for relation, node in flow.dataflow.relations.items():
            if relation not in existing and node.arrangement is not None and relation in filed.relations:
                node.stream_time = filed.times.get(relation, node.stream_time)
                node.unknown = frozenset(filed.unknown.get(relation, ()))
                files.append(self._file(filed.relations[relation], node.arrangement))
                if node.lifetime_ms is not None:
                    node.arrangement.expire(node.stream_time - node.lifetime_ms)
        restore(self._log, files)
        for relation, node in flow.dataflow.relations.items():
            file = self._files.get(filed.relations.get(relation, ""))
            if file is not None and relation not in existing and node.relation.topic not in flow.dataflow.made():
                node.unknown |= file.missing
        self._publish()

    def _starts(self, queries: Sequence[Query], start: ReaderStart) -> _Starts:
        """Where queries begin to read, streams from `start` and tables from their beginning; and the offsets before
        which nothing is told."""
        positions: dict[TopicPartition, int] = {}
        quiet: dict[TopicPartition, int] = {}
        for query in queries:
            for scan in query.scans:
                topic = self._log.topic(scan.relation.topic)
                if topic is None:
                    continue
                for partition in range(topic.partitions):
                    begin, end = self._log.bounds(topic.name, partition)
                    early = start == "earliest" or scan.relation.kind == "TABLE"
                    positions[topic.name, partition] = begin if early else end
                    if early and start == "now":
                        quiet[topic.name, partition] = end
        return positions, quiet

    def _begin_side(
        self, queries: Sequence[Query], positions: dict[TopicPartition, int], quiet: dict[TopicPartition, int]
    ) -> None:
        """Start queries on the side, at these places."""
        if any(q.durable for q in queries):
            flow = self._new_side()
        else:
            self._subscriptions += 1
            flow = self._new_flow(f"subscription-{self._subscriptions}", durable=False)
        try:
            self._open(queries)
            flow.dataflow.put(queries, {}, positions, {})
        except SsqlError:
            self._end_flow(flow)
            raise
        flow.dataflow.inputs.next_seq = self._main.dataflow.inputs.next_seq
        flow.quiet = quiet
        flow.note()
        for query in queries:
            self._flow_of[query.id] = flow.name
            if query.durable:
                for state_id, arrangement in query.states():
                    self._log.delete_topic(self._file(state_id, arrangement).topic)  # of one given up half-way
        if any(q.durable for q in queries):
            self._file_relations(flow)
            self._dirty_frontier = True
            self._commit(flow, None, Outputs())
        self._tell(flow)
        self._join(flow)
        self._publish()

    def _open(self, queries: Sequence[Query]) -> None:
        for query in queries:
            try:
                query.open()
            except RegistryUnavailable:
                if self._thread.is_alive():
                    raise
                # A query that there was before this worker: it waits.

    def _file(self, state_id: str, arrangement: Any) -> StateFile:
        file = StateFile(self._log, state_topic(self._service, state_id), arrangement)
        self._files[state_id] = file
        return file

    def _state_id_of(self, node: RelationNode) -> str | None:
        return next((sid for sid, file in self._files.items() if file.arrangement is node.arrangement), None)

    def _file_relations(self, flow: _Flow) -> None:
        """Give tables that have become durable a state of their own, written whole at the next commit."""
        durable = {
            name
            for q in flow.dataflow.queries.values()
            if q.durable
            for name in [*(s.relation.name for s in q.scans), *([q.plan.sink.relation.name] if q.plan.sink else [])]
        }
        for name, node in flow.dataflow.relations.items():
            if node.arrangement is not None and name in durable and self._state_id_of(node) is None:
                file = self._file(f"table-{name}-{self._frontier.epoch}-{flow.name}", node.arrangement)
                self._log.delete_topic(file.topic)
                file.rewrite()

    def _forget_strangers(self) -> None:
        """Delete the state of queries that were dropped while this worker did not run."""
        prefix, kept = state_topic(self._service, ""), {file.topic for file in self._files.values()}
        for topic in self._log.topics():
            if topic.name.startswith(prefix) and topic.name not in kept:
                self._log.delete_topic(topic.name)

    def _forget_state(self, state_id: str) -> None:
        file = self._files.pop(state_id, None)
        if file is not None:
            self._log.delete_topic(file.topic)

    def _forget_node(self, node: RelationNode) -> None:
        state_id = self._state_id_of(node)
        if state_id is not None:
            self._forget_state(state_id)

    def _flow_with(self, query_id: str) -> _Flow:
        name = self._flow_of.get(query_id)
        if name is None:
            raise QueryNotFound(query_id, candidates=self._flow_of)
        return self._flows[name]

    def _replace(self, plan: QueryPlan, paused: bool) -> None:
        flow = self._flow_with(plan.query_id)
        query = self._query(plan, durable=True)
        try:
            self._open([query])
            old, gone = flow.dataflow.replace(query)
        except SsqlError:
            query.close()
            raise
        for state_id, arrangement in query.states():
            self._files[state_id].arrangement = arrangement
        old.close()
        flow.paused = paused
        flow.clear()
        self._gone += gone.values()
        self._file_relations(flow)
        self._dirty_frontier = True
        self._commit(flow, None, Outputs())
        self._publish()

    def _drop(self, query_id: str, forget: bool) -> None:
        flow = self._flow_with(query_id)
        query, gone = flow.dataflow.remove(query_id)
        del self._flow_of[query_id]
        self._followers.pop(query_id, None)
        self._statistics.forget(query_id)
        self._gone += gone.values()
        if query.durable:
            self._dirty_frontier = True
            self._commit(flow, None, Outputs())
        for state_id, _ in query.states():
            if forget:
                self._forget_state(state_id)
            else:
                self._files.pop(state_id, None)
        query.close()
        if flow.name != MAIN and not flow.dataflow.queries:
            self._end_flow(flow)
        self._publish()

    def _end_flow(self, flow: _Flow) -> None:
        del self._flows[flow.name]
        if flow.writer is not None:
            flow.writer.close()
        flow.dataflow.close()

    def _split(self, query_id: str) -> _Flow:
        """Move a query into a paused dataflow of its own, at the last commit, with the tables it reads as of then."""
        source = self._flow_with(query_id)
        if source.name != MAIN and len(source.dataflow.queries) == 1:
            source.dataflow.inputs.rewind(source.seen, source.reached)
            source.paused = True
            self._dirty_frontier |= source.writer is not None
            return source
        read = {scan.relation.topic for scan in source.dataflow.queries[query_id].scans}
        positions = source.seen | self._past_own(source, read)
        nodes = dict(source.dataflow.relations)
        query, gone = source.dataflow.remove(query_id)
        flow = self._new_side() if query.durable else self._new_flow(f"split-{query_id}", durable=False)
        copies: dict[str, RelationNode] = {}
        for name, node in nodes.items():
            copy = RelationNode(node.relation, node.needed, node.lifetime_ms)
            copy.stream_time, copy.unknown = node.stream_time, node.unknown
            if copy.arrangement is not None and node.arrangement is not None:
                copy.arrangement.current = copy.arrangement.committed = node.arrangement.committed
            copies[name] = copy
        flow.dataflow.put([query], copies, positions, source.reached)
        flow.dataflow.inputs.next_seq = source.dataflow.inputs.next_seq
        flow.paused = True
        flow.note()
        self._flow_of[query_id] = flow.name
        self._gone += gone.values()
        if query.durable:
            self._file_relations(flow)
            self._dirty_frontier = True
        return flow

    def _past_own(self, source: _Flow, topics: set[str]) -> dict[TopicPartition, int]:
        """Where another dataflow is to read on those of the topics that this one makes and reads: after its own
        records, which came from memory, up to the first record of somebody else."""
        made = source.dataflow.made() & topics
        places: dict[TopicPartition, int] = {}
        for (topic, partition), begin in source.seen.items():
            end = self._log.bounds(topic, partition)[1] if topic in made else begin
            if begin >= end:
                continue
            at = begin
            with closing(self._log.reader()) as reader:
                reader.assign(topic, partition, at, skip_writer=source.dataflow.writer_name)
                while at < end:
                    for fetch in reader.poll(1, IDLE_MS):
                        foreign = fetch.batch.num_rows > 0
                        at = fetch.batch.column("offset")[0].as_py() if foreign else fetch.next_offset
                        end = at if foreign else end
            places[topic, partition] = at
        return places

    def _pause(self, query_id: str) -> None:
        flow = self._split(query_id)
        self._commit(flow, None, Outputs())
        self._publish()

    def _resume(self, query_id: str) -> None:
        flow = self._flow_with(query_id)
        flow.paused = False
        flow.clear()
        if any(q.durable for q in flow.dataflow.queries.values()):
            self._dirty_frontier = True
            self._commit(flow, None, Outputs())

    def _status(self) -> list[QueryStatus]:
        found = []
        for query_id, name in self._flow_of.items():
            flow = self._flows[name]
            query = flow.dataflow.queries[query_id]
            state = QueryState.RUNNING if name == MAIN else QueryState.CATCHING_UP
            if flow.paused:
                state = QueryState.ERROR if flow.failure is not None else QueryState.PAUSED
            done, error = self._statistics.query(query.id), flow.failure or flow.trouble
            found.append(QueryStatus(query_id, state, error, done, flow.failed_ms, flow.internal))
        return found

    # --- splicing ----------------------------------------------------------------

    def _limits(self, flow: _Flow) -> dict[TopicPartition, int]:
        """How far a side dataflow may read: not past main, where both read a topic; first to where it is to tell."""
        mine = flow.dataflow.inputs.positions()
        limits = {tp: at for tp, at in self._main.dataflow.inputs.positions().items() if tp in mine}
        return limits | {tp: min(end, limits.get(tp, end)) for tp, end in flow.quiet.items()}

    def _waits(self, flow: _Flow) -> bool:
        """Whether a side dataflow merges several topics, of which one is still to be written by an earlier one.

        It goes on when that has joined main: of a topic that is half-written the rows would come too late in the
        merged order.
        """
        reads = {topic for topic, _ in flow.dataflow.inputs.positions()}
        written: set[str] = set()
        for other in self._flows.values():
            if other is flow:
                break
            if other.name != MAIN and not other.paused and other.trouble is None:
                sinks = (q.plan.sink for q in other.dataflow.queries.values())
                written |= {sink.relation.topic for sink in sinks if sink is not None}
        return bool(reads & written and reads - written)

    def _splice_if_even(self, flow: _Flow) -> bool:
        """Join a side dataflow to main if both have seen the same; between epochs only."""
        held = flow.paused or flow.quiet or flow.trouble is not None
        if flow.name == MAIN or held or self._waits(flow) or not self._even(flow):
            return False
        side, main = flow.dataflow, self._main.dataflow
        queries = list(side.queries.values())
        before = [*main.relations.values(), *side.relations.values()]
        positions = side.inputs.positions()
        try:
            main.put(queries, side.relations, positions, side.inputs.times())
        except SsqlError as refused:
            flow.paused, flow.failure = True, refused.message
            return False
        kept = {id(node) for node in main.relations.values()}
        left_over = [node for node in before if id(node) not in kept]
        main.inputs.next_seq = max(main.inputs.next_seq, side.inputs.next_seq)
        self._main.note()
        for query in queries:
            self._flow_of[query.id] = MAIN
        side.queries = {}
        side.relations = {}
        self._end_flow(flow)
        self._gone += left_over
        if any(q.durable for q in queries) or any(self._state_id_of(node) for node in left_over):
            self._file_relations(self._main)
            self._dirty_frontier = True
            self._commit(self._main, None, Outputs())
        self._publish()
        self._tell(self._main, only=[q.id for q in queries])
        return True

    def _even(self, flow: _Flow) -> bool:
        """Whether a side dataflow has seen just what main has seen.

        Where both read a topic, they stand at the same offset. What one of them writes itself must have been read to
        its end by both: from then on it comes from memory. A topic that main does not read yet is taken over where
        the side stands, when not more than an epoch is left of it.
        """
        main, side = self._main.dataflow, flow.dataflow
        made = main.made() | side.made()
        mine, theirs = side.inputs.positions(), main.inputs.positions()
        if any(at != theirs.get(tp, at) for tp, at in mine.items() if tp[0] not in made):
            return False
        ends = {tp: self._log.bounds(*tp)[1] for tp in mine.keys() | theirs.keys() if tp[0] in made}
        for dataflow, positions in ((side, mine), (main, theirs)):
            own = {tp: ends[tp] for tp, at in positions.items() if tp[0] in dataflow.made() and at < ends[tp]}
            dataflow.inputs.pass_over(own)
        mine, theirs = side.inputs.positions(), main.inputs.positions()
        left = {tp: self._log.bounds(*tp)[1] - at for tp, at in mine.items() if tp not in theirs and tp not in ends}
        return (
            all(at == theirs.get(tp, at) for tp, at in mine.items())
            and all(at >= ends[tp] for positions in (mine, theirs) for tp, at in positions.items() if tp in ends)
            and all(rows <= self._config[BATCH_MAX_ROWS] for rows in left.values())
        )

    # --- epochs --------------------------------------------------------------------

    def _loop(self) -> None:
        try:
            while not self._stopping:
                self._run_calls()
                sides = [f for f in self._flows.values() if f.name != MAIN and self._may_step(f)]
                moved = False
                for flow in sides:
                    moved |= self._step(flow, 0.0, self._limits(flow))
                    if flow.name in self._flows:
                        moved |= self._join(flow)
                wait = 0.0 if moved or self._calls else (2.0 if sides else IDLE_MS)
                self._step(self._main, wait, None)
                self._note()
        except SsqlError as failure:
            self._fail(failure)
        except BaseException as failure:
            LOGGER.exception("worker stopped")
            self._fail(InternalError(f"the worker stopped: {type(failure).__name__}"))
        finally:
            self._run_calls()

    def _may_step(self, flow: _Flow) -> bool:
        return not flow.paused and flow.retry_at <= clock.monotonic() and not self._waits(flow)

    def _join(self, flow: _Flow) -> bool:
        try:
            return self._splice_if_even(flow)
        except (LogUnavailable, SchemaAwaited) as trouble:
            LOGGER.warning("could not read the log, will try again: %s", trouble)
            return False

    def _fail(self, failure: SsqlError) -> None:
        LOGGER.error("worker stopped: %s", failure.message)
        self._failed = failure
        self._note()
        for follower in self._followers.values():
            follower.failed(failure.message)
        with self._lock:
            calls, self._calls = self._calls, []
        for _, future in calls:
            future.set_exception(failure)

    def _run_calls(self) -> None:
        while True:
            with self._lock:
                if not self._calls:
                    return
                function, future = self._calls.pop(0)
            try:
                answer = function()
            except Exception as failure:
                future.set_exception(failure)
                continue
            # Whoever called waits for what is so after the call, not for what was so before.
            self._note()
            future.set_result(answer)

    def _step(self, flow: _Flow, wait_ms: float, limits: Mapping[TopicPartition, int] | None) -> bool:
        """One epoch of a dataflow, if there is something to read."""
        try:
            epoch = flow.dataflow.inputs.take(wait_ms, limits)
        except LogFenced:
            raise
        except LogError as trouble:
            LOGGER.warning("could not read, will try again: %s", trouble.message)
            clock.sleep(RETRY_S[1])
            return False
        except SchemaAwaited as trouble:
            if self._await_registry(flow, flow.dataflow.users_of(trouble.relation), trouble.cause):
                self._commit(flow, None, Outputs())
                self._publish()
            return False
        quiet = bool(flow.quiet)
        if epoch is None:
            flow.trouble = None
            flow.note()
            if quiet and not flow.quiet:
                self._tell(flow)
            return False
        while flow.dataflow.queries:
            try:
                outputs = flow.dataflow.run(epoch)
                break
            except QueryFailure as failure:
                flow.dataflow.rollback()
                if not isinstance(failure.cause, RegistryUnavailable):
                    self._detach(failure)
                elif not self._await_registry(flow, [failure.query_id], failure.cause):
                    return False
                if flow.paused or flow.trouble is not None:
                    return True
        else:
            return True
        flow.trouble = None
        self._commit(flow, epoch, outputs)
        self._publish()
        self._tell(flow, dict(outputs.emitted), quiet=quiet)
        return True

    def _detach(self, failure: QueryFailure) -> None:
        cause = failure.cause
        reason = cause.message if isinstance(cause, SsqlError) else f"internal error: {type(cause).__name__}: {cause}"
        LOGGER.error("query %s stopped: %s", failure.query_id, reason, exc_info=cause)
        follower = self._followers.get(failure.query_id)
        flow = self._split(failure.query_id)
        flow.failure, flow.failed_ms = reason, int(clock.time() * 1000)
        flow.internal = not isinstance(cause, SsqlError) or isinstance(cause, InternalError)
        if follower is not None:
            follower.failed(reason)

    def _await_registry(self, flow: _Flow, query_ids: Sequence[str], away: RegistryUnavailable) -> bool:
        """Let queries that need the schema registry stand aside, each at the last commit, until it can be reached.

        A reader's query fails instead: who has asked for rows is told that these do not come. False where the log is
        not there to do it by: then all of the dataflow goes back to its last commit, to try again.
        """
        try:
            for query_id in query_ids:
                if not flow.dataflow.queries[query_id].durable:
                    self._detach(QueryFailure(query_id, away))
                    continue
                aside = self._split(query_id)
                if aside.trouble != away.message:
                    LOGGER.warning("query %s waits: %s", query_id, away.message)
                aside.paused, aside.trouble = False, away.message
                aside.retry_at = clock.monotonic() + REGISTRY_S
        except LogUnavailable as trouble:
            LOGGER.warning("could not hold a query back, will try again: %s", trouble.message)
            flow.dataflow.inputs.rewind(flow.seen, flow.reached)
            clock.sleep(RETRY_S[1])
            return False
        return True

    def _commit(self, flow: _Flow, epoch: EpochInput | None, outputs: Outputs) -> None:
        """One transaction: outputs, rejects, state runs, positions. Tries again while the log cannot take it."""
        durable = any(q.durable for q in flow.dataflow.queries.values())
        files = [f for f in self._files.values() if f.dirty]
        rejects = self._rejects.errors or self._rejects.late
        if durable or self._dirty_frontier or rejects:
            frontier = Frontier(self._frontier.epoch + 1, self._sides, self._filed_dataflows())
            for attempt in range(1 << 30):
                writer = self._writer(flow)
                try:
                    writer.begin()
                    for topic, records in outputs.records:
                        # What is read here as well is told apart from what others write to the topic.
                        writer.append(topic, records, mark=flow.dataflow.inputs.reads(topic))
                    self._reject_files.write(writer, self._rejects, epoch)
                    for file in files:
                        file.write(writer)
                    self._frontier_file.write(writer, frontier)
                    self._commit_beside_reading(writer, flow.dataflow.inputs)
                    break
                except LogFenced:
                    raise
                except LogFull as trouble:
                    writer.abort()
                    self._wait_to_retry(attempt, trouble)
                except LogError as trouble:
                    self._wait_to_retry(attempt, trouble)
                    # A broker that died may have committed all the same, and may not know the writer any more.
                    if self._was_committed(flow, frontier):
                        break
            self._frontier = frontier
            self._dirty_frontier = False
            self._frontier_file.committed()
            for file in files:
                file.committed()
            gone, self._gone = self._gone, []
            for node in gone:
                self._forget_node(node)
        for arrangement in flow.dataflow.arrangements():
            arrangement.commit()
        memory, queries = flow.dataflow.from_memory(), flow.dataflow.queries.values()
        self._statistics.note(epoch, outputs.records, memory, self._rejects.errors, queries)
        self._rejects.commit()
        self._note_own(flow, {topic for topic, _ in outputs.records})
        flow.note()

    def _commit_beside_reading(self, writer: Writer, inputs: Inputs) -> None:
        """Commit; in a backlog the next rows are read and decoded while the log is busy with that."""
        if not inputs.behind():
            writer.commit()
            return
        committed = self._committer.submit(writer.commit)
        committed.add_done_callback(lambda _: inputs.wake())
        try:
            while not committed.done() and inputs.read_ahead(IDLE_MS):
                pass
        finally:
            committed.result()

    def _writer(self, flow: _Flow) -> Writer:
        writer = flow.writer if flow.writer is not None else self._main.writer
        assert writer is not None
        return writer

    def _wait_to_retry(self, attempt: int, trouble: LogError) -> None:
        LOGGER.warning("could not commit, will try again: %s", trouble.message)
        if self._stopping:
            raise trouble
        clock.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])

    def _was_committed(self, flow: _Flow, frontier: Frontier) -> bool:
        """Whether a transaction that failed was committed after all: a new writer ends it, then the log tells."""
        owner = flow if flow.writer is not None else self._main
        self._writer(owner).close()
        owner.writer = None
        for attempt in range(1 << 30):
            try:
                if owner.writer is None:
                    owner.writer = self._log.writer(owner.dataflow.writer_name)
                return self._frontier_file.read().epoch >= frontier.epoch
            except LogFenced:
                raise
            except LogError as trouble:
                self._wait_to_retry(attempt, trouble)
        raise AssertionError("not reached")

    def _filed_dataflows(self) -> dict[str, DataflowFrontier]:
        filed = {}
        state_ids = {id(file.arrangement): sid for sid, file in self._files.items()}
        for name, flow in self._flows.items():
            queries = [q for q in flow.dataflow.queries.values() if q.durable]
            if not queries:
                continue
            nodes = flow.dataflow.relations
            filed[name] = DataflowFrontier(
                queries=[q.id for q in queries],
                relations={n: state_ids[id(r.arrangement)] for n, r in nodes.items() if id(r.arrangement) in state_ids},
                times={n: r.stream_time for n, r in nodes.items() if r.lifetime_ms is not None},
                unknown={n: sorted(r.unknown) for n, r in nodes.items() if r.unknown},
                positions=[(t, p, at) for (t, p), at in flow.dataflow.inputs.positions().items()],
                reached=[(t, p, at) for (t, p), at in flow.dataflow.inputs.times().items()],
                skips=sorted(flow.dataflow.inputs.skipped()),
                memo={q.id: m for q in queries if (m := q.memo())},
                next_seq=flow.dataflow.inputs.next_seq,
                paused=flow.paused,
                failure=flow.failure,
                failed=queries[0].plan.logical if flow.failure is not None else "",
            )
        return filed

    def _note_own(self, flow: _Flow, written: set[str]) -> None:
        """Note where what was just written ends, where it is read here and followed."""
        queries = flow.dataflow.queries
        followed = {s.relation.topic for q in self._followers if q in queries for s in queries[q].scans}
        for topic, partition in flow.dataflow.inputs.positions():
            if topic in written & followed:
                flow.own[topic, partition] = self._end(topic, partition)

    def _end(self, topic: str, partition: int) -> int:
        for attempt in range(1 << 30):
            try:
                return self._log.bounds(topic, partition)[1]
            except LogUnavailable as trouble:
                self._wait_to_retry(attempt, trouble)
        raise AssertionError("not reached")

    def _reached(self, flow: _Flow, topics: frozenset[str], quiet: bool) -> Reached:
        seen = {tp: at for tp, at in flow.seen.items() if tp[0] in topics}
        own = {tp: end for tp, end in flow.own.items() if end > seen.get(tp, end)}
        return Reached(seen, own, self._tick, quiet, not flow.quiet, flow.name == MAIN)

    def _tell(
        self,
        flow: _Flow,
        emitted: Mapping[str, pa.RecordBatch] | None = None,
        *,
        quiet: bool = False,
        only: Sequence[str] | None = None,
    ) -> None:
        """Tell the followers of a dataflow's queries (or of `only` these) how far it is, and what came."""
        queries = flow.dataflow.queries
        told = [q for q in (self._followers if only is None else only) if q in queries and q in self._followers]
        if not told:
            return
        self._tick += 1
        places: dict[frozenset[str], Reached] = {}
        for query_id in told:
            topics = frozenset(scan.relation.topic for scan in queries[query_id].scans)
            reached = places.setdefault(topics, self._reached(flow, topics, quiet))
            rows = emitted.get(query_id) if emitted is not None else None
            match self._followers[query_id].told(rows, reached):
                case Demand.WAIT:
                    # Aside, the others are not held up; and what it still has to read is kept by the log, not by us.
                    try:
                        self._split(query_id)
                    except LogUnavailable as trouble:
                        LOGGER.warning("could not hold a query back, will try again: %s", trouble.message)
                case Demand.DONE:
                    self._drop(query_id, forget=True)

    def _publish(self) -> None:
        tables: dict[str, ArrangedTable] = {}
        for flow in sorted(self._flows.values(), key=lambda f: f.name == MAIN):
            for name, node in flow.dataflow.relations.items():
                other = tables.get(name)
                if node.arrangement is None or (other is not None and other.wider_than(node.relation)):
                    continue
                complete = flow.name == MAIN and not node.unknown
                tables[name] = ArrangedTable(node.relation, node.arrangement.committed, complete=complete)
        self._cut = Cut(tables, self._main.seen, self._frontier.epoch)
