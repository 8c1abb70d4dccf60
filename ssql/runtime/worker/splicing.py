"""Splicing: how dataflows on the side join the main one, and how queries are split off it again.

A query on the side is spliced in at a boundary at which it has seen just what the main dataflow has seen. One that is
to stand still is split off at the last commit.
"""

from __future__ import annotations

from contextlib import closing

from ssql.config import BATCH_MAX_ROWS
from ssql.errors import SsqlError
from ssql.runtime.api import MAIN
from ssql.runtime.dataflow import Outputs
from ssql.runtime.inputs import Bounds, TopicPartition
from ssql.runtime.relation_node import RelationNode
from ssql.runtime.worker.commits import Commits
from ssql.runtime.worker.flows import IDLE_MS, Flow, Flows


class Splicer:
    """Moves queries between dataflows, between epochs only. Used by the worker's thread."""

    def __init__(self, flows: Flows, commits: Commits) -> None:
        self._flows = flows
        self._commits = commits

    def bounds(self, flow: Flow) -> Bounds:
        """How far a side dataflow may read: not past main, where both read a topic; first to where it is to tell."""
        mine = flow.dataflow.inputs.positions()
        limits = {tp: at for tp, at in self._flows.main.dataflow.inputs.positions().items() if tp in mine}
        return Bounds(limits, flow.quiet)

    def waits(self, flow: Flow) -> bool:
        """Whether a side dataflow merges several topics, of which one is still to be written by an earlier one.

        It goes on when that has joined main: of a topic that is half-written the rows would come too late in the
        merged order.
        """
        reads = {topic for topic, _ in flow.dataflow.inputs.positions()}
        written: set[str] = set()
        for other in self._flows.all.values():
            if other is flow:
                break
            if other.name != MAIN and not other.paused and other.trouble is None:
                sinks = (q.plan.sink for q in other.dataflow.queries.values())
                written |= {sink.relation.topic for sink in sinks if sink is not None}
        return bool(reads & written and reads - written)

    def join(self, flow: Flow) -> list[str]:
        """Join a side dataflow to main if both have seen the same; answers the queries that came with it."""
        held = flow.paused or flow.quiet or flow.trouble is not None
        if flow.name == MAIN or held or self.waits(flow) or not self._even(flow):
            return []
        side, main = flow.dataflow, self._flows.main.dataflow
        queries = list(side.queries.values())
        before = [*main.relations.values(), *side.relations.values()]
        positions = side.inputs.positions()
        try:
            main.put(queries, side.relations, positions, side.inputs.times())
        except SsqlError as refused:
            flow.paused, flow.failure = True, refused.message
            return []
        kept = {id(node) for node in main.relations.values()}
        left_over = [node for node in before if id(node) not in kept]
        main.inputs.next_seq = max(main.inputs.next_seq, side.inputs.next_seq)
        self._flows.main.note()
        for query in queries:
            self._flows.of[query.id] = MAIN
        side.queries = {}
        side.relations = {}
        self._flows.end(flow)
        self._commits.gone += left_over
        if any(q.durable for q in queries) or any(self._commits.state_id_of(node) for node in left_over):
            self._commits.file_relations(self._flows.main)
            self._commits.dirty = True
            self._commits.commit(self._flows.main, None, Outputs())
        return [query.id for query in queries]

    def _even(self, flow: Flow) -> bool:
        """Whether a side dataflow has seen just what main has seen.

        Where both read a topic, they stand at the same offset. What one of them writes itself must have been read to
        its end by both: from then on it comes from memory. A topic that main does not read yet is taken over where
        the side stands, when not more than an epoch is left of it.
        """
        main, side = self._flows.main.dataflow, flow.dataflow
        made = main.made() | side.made()
        mine, theirs = side.inputs.positions(), main.inputs.positions()
        if any(at != theirs.get(tp, at) for tp, at in mine.items() if tp[0] not in made):
            return False
        ends = {tp: self._flows.log.written(*tp) for tp in mine.keys() | theirs.keys() if tp[0] in made}
        for dataflow, positions in ((side, mine), (main, theirs)):
            own = {tp: ends[tp] for tp, at in positions.items() if tp[0] in dataflow.made() and at < ends[tp]}
            dataflow.inputs.pass_over(own)
        mine, theirs = side.inputs.positions(), main.inputs.positions()
        left = {
            tp: self._flows.log.bounds(*tp)[1] - at for tp, at in mine.items() if tp not in theirs and tp not in ends
        }
        return (
            all(at == theirs.get(tp, at) for tp, at in mine.items())
            and all(at >= ends[tp] for positions in (mine, theirs) for tp, at in positions.items() if tp in ends)
            and all(rows <= self._flows.config[BATCH_MAX_ROWS] for rows in left.values())
        )

    def split(self, query_id: str) -> Flow:
        """Move a query into a paused dataflow of its own, at the last commit, with the tables it reads as of then."""
        source = self._flows.having(query_id)
        if source.name != MAIN and len(source.dataflow.queries) == 1:
            source.dataflow.inputs.rewind(source.seen, source.reached)
            source.paused = True
            self._commits.dirty |= source.writer is not None
            return source
        read = {scan.relation.topic for scan in source.dataflow.queries[query_id].scans}
        positions, own = dict(source.seen), dict[TopicPartition, int]()
        if source.dataflow.queries[query_id].durable:
            positions |= self._past_own(source, read)
        else:
            made = source.dataflow.made() & read
            own = {tp: self._flows.log.written(*tp) for tp in source.seen if tp[0] in made}
        nodes = dict(source.dataflow.relations)
        query, gone = source.dataflow.remove(query_id)
        flow = self._flows.new_side() if query.durable else self._flows.new(f"split-{query_id}", durable=False)
        copies: dict[str, RelationNode] = {}
        for name, node in nodes.items():
            copy = RelationNode(node.relation, node.needed, node.lifetime_ms)
            copy.stream_time, copy.unknown = node.stream_time, node.unknown
            if copy.arrangement is not None and node.arrangement is not None:
                copy.arrangement.current = copy.arrangement.committed = node.arrangement.committed
            copies[name] = copy
        flow.dataflow.put([query], copies, positions, source.reached)
        flow.own = own
        flow.dataflow.inputs.pass_own(own, source.dataflow.writer_name)
        flow.dataflow.inputs.next_seq = source.dataflow.inputs.next_seq
        flow.paused = True
        flow.note()
        self._flows.of[query_id] = flow.name
        self._commits.gone += gone.values()
        if query.durable:
            self._commits.file_relations(flow)
            self._commits.dirty = True
        return flow

    def _past_own(self, source: Flow, topics: set[str]) -> dict[TopicPartition, int]:
        """Where a query that is filed, with its offsets alone, is to read on those of the topics that this one makes
        and reads: after its own records, which came from memory, up to the first record of somebody else."""
        made = source.dataflow.made() & topics
        places: dict[TopicPartition, int] = {}
        for (topic, partition), begin in source.seen.items():
            end = self._flows.log.written(topic, partition) if topic in made else begin
            if begin >= end:
                continue
            at = begin
            with closing(self._flows.log.reader()) as reader:
                reader.assign(topic, partition, at, skip_writer=source.dataflow.writer_name)
                while at < end:
                    for fetch in reader.poll(1, IDLE_MS):
                        foreign = fetch.batch.num_rows > 0
                        at = fetch.batch.column("offset")[0].as_py() if foreign else fetch.next_offset
                        end = at if foreign else end
            places[topic, partition] = at
        return places
