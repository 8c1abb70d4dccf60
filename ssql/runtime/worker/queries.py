"""Queries come and go: anew, or as they were filed; replaced, paused, dropped."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pyarrow as pa

from ssql.errors import LogUnavailable, RegistryUnavailable, SsqlError
from ssql.planner.steps import QueryPlan
from ssql.runtime.api import MAIN, Demand, Follower, QueryStatus, Start
from ssql.runtime.dataflow import Outputs, Query
from ssql.runtime.frontier import DataflowFrontier
from ssql.runtime.inputs import SchemaAwaited, TopicPartition
from ssql.runtime.state import StateFile, restore
from ssql.runtime.statistics import Statistics
from ssql.runtime.worker.commits import Commits
from ssql.runtime.worker.flows import Flow, Flows
from ssql.runtime.worker.followers import Followers
from ssql.runtime.worker.published import Published
from ssql.runtime.worker.splicing import Splicer

NOWHERE: Mapping[TopicPartition, int] = MappingProxyType({})

LOGGER = logging.getLogger("ssql.worker")


class Queries:
    """The queries that run, and what brings them there and away. Used by the worker's thread, or before it runs."""

    def __init__(
        self,
        flows: Flows,
        commits: Commits,
        followers: Followers,
        published: Published,
        statistics: Statistics,
    ) -> None:
        self._flows = flows
        self._commits = commits
        self._followers = followers
        self.splicer = Splicer(flows, commits)
        self._published = published
        self._statistics = statistics
        #: whether the worker's thread runs: until then queries are those that there were before
        self.running = False

    def add(self, plans: Sequence[QueryPlan], start: Start) -> None:
        known = {q: name for name, d in self._commits.frontier.dataflows.items() for q in d.queries}
        fresh = [p for p in plans if p.query_id not in known]
        for name, filed in list(self._commits.frontier.dataflows.items()):
            again = [p for p in plans if known.get(p.query_id) == name]
            if again:
                self._go_on(name, filed, again)
        if fresh:
            queries = [self._flows.query(p, durable=True) for p in fresh]
            self._begin_side(queries, self._starts(queries, start))

    def _go_on(self, name: str, filed: DataflowFrontier, plans: Sequence[QueryPlan]) -> None:
        """Queries that ran before: their state is read back, and they go on where they stopped."""
        flow = self._flows.all.get(name) or self._flows.new(name)
        queries = [self._flows.query(p, durable=True) for p in plans]
        files: list[StateFile] = []
        for query in queries:
            files += [self._commits.file(state_id, arrangement) for state_id, arrangement in query.states()]
            query.restore_memo(filed.memo.get(query.id, {}))
            self._flows.of[query.id] = name
        positions = {(t, p): o for t, p, o in filed.positions}
        flow.dataflow.inputs.next_seq = max(flow.dataflow.inputs.next_seq, filed.next_seq)
        # Whether a query is paused is for those to say who keep the definitions. One that failed is paused, unless
        # another plan has come in its place since.
        if filed.failure is not None and filed.failed in ("", plans[0].logical):
            flow.paused, flow.failure = True, filed.failure
        times = {(t, p): time for t, p, time in filed.reached}
        flow.seen, flow.reached, flow.level = positions, times, positions
        for query in queries:
            self._flows.begin(query, positions)
        existing = set(flow.dataflow.relations)
        flow.dataflow.put(queries, {}, positions, times, skips=filed.skips)
        for relation, node in flow.dataflow.relations.items():
            if relation not in existing and node.arrangement is not None and relation in filed.relations:
                node.stream_time = filed.times.get(relation, node.stream_time)
                node.unknown = frozenset(filed.unknown.get(relation, ()))
                files.append(self._commits.file(filed.relations[relation], node.arrangement))
                if node.lifetime_ms is not None:
                    node.arrangement.expire(node.stream_time - node.lifetime_ms)
        restore(self._flows.log, files, self._flows.restoring)
        for relation, node in flow.dataflow.relations.items():
            file = self._commits.files.get(filed.relations.get(relation, ""))
            if file is not None and relation not in existing and node.relation.topic not in flow.dataflow.made():
                node.unknown |= file.missing
        self._published.renew()

    def follow(
        self,
        plan: QueryPlan,
        follower: Follower,
        begin: Mapping[TopicPartition, int],
        quiet: Mapping[TopicPartition, int],
        own: Mapping[TopicPartition, int],
    ) -> None:
        query = self._flows.query(plan, durable=False)
        self._followers.all[plan.query_id] = follower
        try:
            earliest = self._starts([query], "earliest")
            positions = {tp: max(at, begin.get(tp, at)) for tp, at in earliest.items()}
            self._begin_side([query], positions, quiet, own)
        except SsqlError:
            del self._followers.all[plan.query_id]
            raise

    def _starts(self, queries: Sequence[Query], start: Start) -> dict[TopicPartition, int]:
        """Where queries begin to read, streams from `start` and tables from their beginning."""
        positions: dict[TopicPartition, int] = {}
        for query in queries:
            for scan in query.scans:
                topic = self._flows.log.topic(scan.relation.topic)
                if topic is None:
                    continue
                for partition in range(topic.partitions):
                    begin, end = self._flows.log.bounds(topic.name, partition)
                    early = start == "earliest" or scan.relation.kind == "TABLE"
                    positions[topic.name, partition] = begin if early else end
        return positions

    def _begin_side(
        self,
        queries: Sequence[Query],
        positions: dict[TopicPartition, int],
        quiet: Mapping[TopicPartition, int] = NOWHERE,
        own: Mapping[TopicPartition, int] = NOWHERE,
    ) -> None:
        """Start queries on the side, at these places; what comes before `quiet` is not told, and what main itself wrote
        to their topics before `own` is seen already."""
        flow = self._flows.new_side() if any(q.durable for q in queries) else self._flows.new_reader()
        try:
            self._open(queries)
            flow.dataflow.put(queries, {}, positions, {})
        except SsqlError:
            self._flows.end(flow)
            raise
        flow.dataflow.inputs.next_seq = self._flows.main.dataflow.inputs.next_seq
        if own:
            flow.dataflow.inputs.pass_own(own, self._flows.main.dataflow.writer_name)
        flow.quiet, flow.own = dict(quiet), dict(own)
        flow.note()
        for query in queries:
            self._flows.of[query.id] = flow.name
            self._flows.begin(query, flow.seen)
            if query.durable:
                for state_id, arrangement in query.states():
                    self._flows.log.delete_topic(
                        self._commits.file(state_id, arrangement).topic
                    )  # of one given up half-way
        if any(q.durable for q in queries):
            self._commits.file_relations(flow)
            self._commits.dirty = True
            self._commits.commit(flow, None, Outputs())
        self.tell(flow)
        self.join(flow)
        self._published.renew()

    def join(self, flow: Flow) -> bool:
        """Join a side dataflow to main if it can be done now; whether it was."""
        try:
            joined = self.splicer.join(flow)
        except (LogUnavailable, SchemaAwaited) as trouble:
            LOGGER.warning("could not read the log, will try again: %s", trouble)
            return False
        if joined:
            self._published.renew()
            self.tell(self._flows.main, only=joined)
        return bool(joined)

    def tell(
        self,
        flow: Flow,
        emitted: Mapping[str, pa.RecordBatch] | None = None,
        *,
        quiet: bool = False,
        only: Sequence[str] | None = None,
    ) -> None:
        """Tell the followers of a dataflow's queries (see `Followers.tell`), and do what they want."""
        for query_id, demand in self._followers.tell(flow, emitted, quiet=quiet, only=only):
            if demand is Demand.DONE:
                self.drop(query_id, forget=True)
                continue
            # Aside, the others are not held up; and what it still has to read is kept by the log, not by us.
            try:
                self.splicer.split(query_id)
            except LogUnavailable as trouble:
                LOGGER.warning("could not hold a query back, will try again: %s", trouble.message)

    def _open(self, queries: Sequence[Query]) -> None:
        for query in queries:
            try:
                query.open()
            except RegistryUnavailable:
                if self.running:
                    raise
                # A query that there was before this worker: it waits.

    def replace(self, plan: QueryPlan, paused: bool) -> None:
        flow = self._flows.having(plan.query_id)
        query = self._flows.query(plan, durable=True)
        try:
            self._open([query])
            old, gone = flow.dataflow.replace(query)
        except SsqlError:
            query.close()
            raise
        for state_id, arrangement in query.states():
            self._commits.files[state_id].arrangement = arrangement
        old.close()
        flow.paused = paused
        flow.clear()
        self._commits.gone += gone.values()
        self._commits.file_relations(flow)
        self._commits.dirty = True
        self._commits.commit(flow, None, Outputs())
        self._published.renew()

    def drop(self, query_id: str, forget: bool) -> None:
        flow = self._flows.having(query_id)
        query, gone = flow.dataflow.remove(query_id)
        del self._flows.of[query_id]
        del self._flows.subjects[query_id]
        self._followers.all.pop(query_id, None)
        self._statistics.forget(query_id)
        self._commits.gone += gone.values()
        if query.durable:
            self._commits.dirty = True
            self._commits.commit(flow, None, Outputs())
        for state_id, _ in query.states():
            if forget:
                self._commits.forget_state(state_id)
            else:
                self._commits.files.pop(state_id, None)
        query.close()
        if flow.name != MAIN and not flow.dataflow.queries:
            self._flows.end(flow)
        self._published.renew()

    def pause(self, query_id: str) -> None:
        flow = self.splicer.split(query_id)
        self._commits.commit(flow, None, Outputs())
        self._published.renew()

    def resume(self, query_id: str) -> None:
        flow = self._flows.having(query_id)
        flow.paused = False
        flow.clear()
        for query in flow.dataflow.queries.values():
            self._flows.begin(query, flow.seen)
        if any(q.durable for q in flow.dataflow.queries.values()):
            self._commits.dirty = True
            self._commits.commit(flow, None, Outputs())

    def status(self) -> list[QueryStatus]:
        found = []
        for query_id, name in self._flows.of.items():
            flow = self._flows.all[name]
            query = flow.dataflow.queries[query_id]
            done, error = self._statistics.query(query.id), flow.failure or flow.trouble
            found.append(QueryStatus(query_id, flow.state, error, done, flow.failed_ms, flow.internal))
        return found
