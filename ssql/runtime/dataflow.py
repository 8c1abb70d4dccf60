"""The dataflow: queries and relations as one graph, and what one epoch does to it.

Relations and queries alternate: a query reads the deltas of relations, and what it writes is part of the delta of
another relation in the same epoch. Every node runs after those that it reads from, so all of them show the same prefix
of the inputs when the epoch ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import pyarrow as pa

from ssql.config import BATCH_MAX_MS, BATCH_MAX_ROWS, Config
from ssql.errors import BadRecord, InvalidStatement, SsqlError
from ssql.log.api import Log
from ssql.planner.relation import Relation
from ssql.planner.steps import QueryPlan, Scan, Sink, Statement
from ssql.runtime.arrangement import Arrangement
from ssql.runtime.decode import VOID, RelationDecoder, relation_columns
from ssql.runtime.delta import Delta, delta_schema
from ssql.runtime.echo import Echo, Rows, echo, together
from ssql.runtime.inputs import EpochInput, Inputs, TopicPartition
from ssql.runtime.operators import emit, sink
from ssql.runtime.operators.base import Context, Operator, Stateful, make_operator
from ssql.runtime.rejects import Reject, Rejects
from ssql.runtime.relation_node import RelationNode
from ssql.runtime.riders import NO_MARKS, NO_RIDERS, Marks, Riders
from ssql.runtime.statement import Session
from ssql.schemas.api import SchemaRegistry


class QueryFailure(Exception):
    """A query could not do its part of an epoch: it is to be detached, and the epoch run again without it."""

    def __init__(self, query_id: str, cause: Exception) -> None:
        super().__init__(f"{query_id}: {cause}")
        self.query_id = query_id
        self.cause = cause


class Query:
    """A planned query and the operators that run it. Its state does not depend on the dataflow that it is part of."""

    def __init__(
        self,
        plan: QueryPlan,
        session: Session,
        rejects: Rejects,
        *,
        durable: bool,
        registry: SchemaRegistry | None = None,
    ) -> None:
        self.plan = plan
        self.durable = durable
        self.operators: dict[str, Operator] = {}
        self.rows_in = self.rows_out = 0
        schemas: dict[str, pa.Schema] = {}
        for step in plan.steps:
            schemas[step.id] = delta_schema(step.schema)
            if not isinstance(step, Scan):
                inputs = tuple(schemas[i] for i in step.inputs)
                context = Context(plan.query_id, inputs, session, rejects, registry)
                self.operators[step.id] = make_operator(step, context)
        self._stateful = {name: op for name, op in self.operators.items() if isinstance(op, Stateful)}

    @property
    def id(self) -> str:
        return self.plan.query_id

    @property
    def scans(self) -> Iterator[Scan]:
        return (s for s in self.plan.steps if isinstance(s, Scan))

    @property
    def end(self) -> Operator:
        return self.operators[self.plan.steps[-1].id]

    def run(
        self,
        relations: Mapping[str, Delta],
        riders: Riders = NO_RIDERS,
        marks: Mapping[str, Marks] = MappingProxyType({}),
    ) -> Delta:
        """The query's output for the relations' deltas. `riders`, `marks`: what their records bring beside rows."""
        if isinstance(self.end, sink.Sink):
            read = [s.relation.name for s in self.scans]
            self.end.begin(riders, marks.get(read[0], NO_MARKS) if len(read) == 1 else NO_MARKS)
        results: dict[str, Delta] = {}
        for step in self.plan.steps:
            if isinstance(step, Scan):
                name = step.relation.name
                delta = relations[name]
                void = marks[name].is_void(delta) if name in marks and not step.void else None
                if void is not None:
                    delta = delta.filter(~void)
                self.rows_in += len(delta)
                results[step.id] = Delta(delta.batch.select(delta_schema(step.schema).names))
                continue
            inputs = [results[i] for i in step.inputs]
            if any(len(d) for d in inputs):
                results[step.id] = self.operators[step.id].on_deltas(*inputs)
            else:
                results[step.id] = Delta.empty(delta_schema(step.schema))
        out = results[self.plan.steps[-1].id]
        self.rows_out += len(out)
        return out

    def open(self) -> None:
        """Make ready what is otherwise made when the first rows come: what is wrong with it is told now."""
        for operator in self.operators.values():
            operator.open()

    def states(self) -> Iterator[tuple[str, Arrangement]]:
        """Arrangements by state id."""
        for step_id, operator in self._stateful.items():
            for name, arrangement in operator.arrangements().items():
                yield f"{self.id}/{step_id}/{name}", arrangement

    def go_on_from(self, old: Query) -> None:
        """Take over the state of a query that keeps the same rows. Between epochs only."""
        states = dict(old.states())
        for state_id, arrangement in self.states():
            arrangement.current = arrangement.committed = replace(states[state_id].committed, layout=arrangement.layout)
        self.restore_memo(old.memo())
        self.rows_in, self.rows_out = old.rows_in, old.rows_out

    def memo(self) -> dict[str, dict[str, int]]:
        return {step_id: dict(m) for step_id, op in self._stateful.items() if (m := op.memo())}

    def restore_memo(self, memo: Mapping[str, Mapping[str, int]]) -> None:
        for step_id, operator in self._stateful.items():
            operator.restore_memo(memo.get(step_id, {}))

    def close(self) -> None:
        for operator in self.operators.values():
            operator.close()


@dataclass
class Outputs:
    """What an epoch made: records by topic, rows for listeners by query, rejects located."""

    records: list[tuple[str, pa.RecordBatch]] = field(default_factory=list)
    emitted: list[tuple[str, pa.RecordBatch]] = field(default_factory=list)


class Dataflow:
    """A graph of queries over relations, with inputs of its own. Single-threaded."""

    def __init__(
        self,
        name: str,
        log: Log,
        session: Session,
        rejects: Rejects,
        *,
        writer_name: str,
        config: Config,
        schemas: SchemaRegistry | None = None,
    ) -> None:
        self.name = name
        self.writer_name = writer_name
        self.log = log
        self.session = session
        self.rejects = rejects
        self.schemas = schemas
        self.inputs = Inputs(log, config[BATCH_MAX_ROWS], config[BATCH_MAX_MS])
        self.relations: dict[str, RelationNode] = {}
        self.queries: dict[str, Query] = {}
        self._order: list[RelationNode | Query] = []
        self._decoders: dict[str, RelationDecoder] = {}
        self._over_topic: dict[str, list[str]] = {}
        self._memo: dict[str, dict[str, dict[str, int]]] = {}
        self._from_memory: frozenset[str] | None = None  # of the queries that there are now

    # --- the graph -------------------------------------------------------------

    def put(
        self,
        queries: Iterable[Query],
        nodes: Mapping[str, RelationNode],
        positions: Mapping[TopicPartition, int],
        times: Mapping[TopicPartition, int],
        *,
        skips: Collection[str] = (),
    ) -> None:
        """Add queries. Relations that are new here come from `nodes` where it has them (with their state), else empty.

        Topics that are new here are read from `positions` on, `times` being those that were reached there.

        What this dataflow writes to a topic that it also reads comes from memory: such records are passed over in the
        topic. `skips`: topics of which that was so before a restart.

        Raises `InvalidStatement` when queries would feed each other in a circle; nothing is changed then.
        """
        added = list(queries)
        before = dict(self.queries)
        self._from_memory = None
        self.queries |= {q.id: q for q in added}  # one of an id that is here takes its place
        try:
            names = self._wanted()
            relations = self._named_relations()
            order = _topological({name: relations[name] for name in names}, self.queries.values())
        except SsqlError:
            self.queries = before
            raise
        made = self.made()
        for name in names:
            node = self._node(relations[name], nodes.get(name))
            fresh = self.relations.get(name) is not node
            self.relations[name] = node
            if fresh or (node.relation.topic in made and node.relation.topic not in self.inputs.skipped()):
                self._read(node, positions, times, skips)
        self._arrange(order)

    def _arrange(self, order: Sequence[str | Query]) -> None:
        self._order = [self.relations[n] if isinstance(n, str) else n for n in order]
        self._over_topic = {}
        for name, node in self.relations.items():
            self._over_topic.setdefault(node.relation.topic, []).append(name)

    def _node(self, relation: Relation, offered: RelationNode | None) -> RelationNode:
        """The relation's node: the one that is here, else the one offered, else an empty one. One that has not the
        columns that queries need is made wider; of a table with the rows of both."""
        needed, mine = self._needed(relation.name), self.relations.get(relation.name)
        node = mine or offered
        if node is None:
            return RelationNode(relation, needed, self._lifetime(relation.name))
        donor = offered if mine is not None else None
        if needed <= node.needed and (donor is None or not node.unknown & needed - donor.unknown):
            return node
        known = {VOID, *(c.name for c in relation_columns(relation))}
        node = node.wider(relation, (needed | node.needed) & known, donor)
        if relation.topic in self.made():  # what we write ourselves has no more than what we kept of it
            node.unknown = frozenset()
        return node

    def replace(self, query: Query) -> tuple[Query, dict[str, RelationNode]]:
        """Put a query in the place of the one of its id, which it goes on from; answers that one and the nodes that
        went with it. Between epochs only.

        Raises `InvalidStatement` when queries would feed each other in a circle; nothing is changed then.
        """
        old, before = self.queries[query.id], dict(self.relations)
        query.go_on_from(old)
        self.put([query], {}, {}, {})
        self._leave_unwanted()
        return old, {name: node for name, node in before.items() if self.relations.get(name) is not node}

    def remove(self, query_id: str) -> tuple[Query, dict[str, RelationNode]]:
        """Take a query out; relations that nothing else needs go with it."""
        query = self.queries.pop(query_id)
        return query, self._leave_unwanted()

    def _leave_unwanted(self) -> dict[str, RelationNode]:
        self._from_memory = None
        wanted = set(self._wanted())
        gone = {name: node for name, node in self.relations.items() if name not in wanted}
        for name, node in gone.items():
            del self.relations[name], self._decoders[name]
            self.inputs.forget(node.relation)
        order = _topological({n: node.relation for n, node in self.relations.items()}, self.queries.values())
        self._arrange(order)
        return gone

    def _wanted(self) -> list[str]:
        """Relations that are read here, and tables that are written here: these can be asked."""
        names = {s.relation.name: None for q in self.queries.values() for s in q.scans}
        for query in self.queries.values():
            target = query.plan.sink
            if target is not None and target.relation.kind == "TABLE":
                names[target.relation.name] = None
        return list(names)

    def _named_relations(self) -> dict[str, Relation]:
        """By name. Queries may know a relation by fewer columns than it has by now: columns are only ever added."""
        found: dict[str, Relation] = {}
        for query in self.queries.values():
            target = query.plan.sink
            for relation in (*(s.relation for s in query.scans), *([target.relation] if target is not None else [])):
                known = found.get(relation.name)
                if known is None or len(known.schema.columns) < len(relation.schema.columns):
                    found[relation.name] = relation
        return found

    def _needed(self, name: str) -> frozenset[str]:
        """The columns that queries read of a relation; of a table all, and ROWTIME."""
        relation = self._named_relations()[name]
        if relation.kind == "TABLE":
            bounds = ("WINDOWSTART", "WINDOWEND") if relation.window is not None else ()
            pseudo = {
                c for q in self.queries.values() for s in q.scans if s.relation.name == name for c in s.schema.names
            }
            return frozenset((*relation.schema.names, *bounds, "ROWTIME")) | pseudo
        scans = [s for q in self.queries.values() for s in q.scans if s.relation.name == name]
        void = {VOID} if any(s.void for s in scans) else set()
        return frozenset(c for s in scans for c in s.schema.names) | void

    def _lifetime(self, name: str) -> int | None:
        sinks = [t for q in self.queries.values() if (t := q.plan.sink) is not None and t.relation.name == name]
        return sinks[0].lifetime_ms if sinks else None

    def _time(self, name: str) -> Statement | None:
        return next((s.time for q in self.queries.values() for s in q.scans if s.relation.name == name), None)

    def made(self) -> set[str]:
        """The topics that queries of this dataflow write."""
        return {t.relation.topic for q in self.queries.values() if (t := q.plan.sink) is not None}

    def from_memory(self) -> frozenset[str]:
        """The topics of which queries get the rows as they are written."""
        if self._from_memory is None:
            read = {s.relation.topic for q in self.queries.values() for s in q.scans}
            self._from_memory = frozenset(read & self.made())
        return self._from_memory

    def _read(
        self,
        node: RelationNode,
        positions: Mapping[TopicPartition, int],
        times: Mapping[TopicPartition, int],
        skips: Collection[str],
    ) -> None:
        relation = node.relation
        decoder = RelationDecoder(relation, node.needed, self._time(relation.name), self.session, self.schemas)
        self._decoders[relation.name] = decoder
        own = relation.topic in self.made() or relation.topic in skips
        self.inputs.read(relation, decoder, positions, times, skip_writer=self.writer_name if own else None)

    # --- an epoch --------------------------------------------------------------

    def run(self, epoch: EpochInput) -> Outputs:
        """Run every node once. Raises `QueryFailure`; then `rollback` makes it as if the epoch had not begun."""
        self._memo = {q.id: q.memo() for q in self.queries.values()}
        for reject in epoch.rejects:
            self._refuse(reject)
        written: dict[str, list[Delta]] = {}
        deltas: dict[str, Delta] = {}
        outputs = Outputs()
        riders = Riders(epoch.located)
        marks: dict[str, Marks] = {}
        written_marks: dict[str, list[Marks]] = {}
        echoed: dict[str, list[Rows]] = {}
        for node in self._order:
            if isinstance(node, RelationNode):
                name = node.relation.name
                try:
                    read = together([epoch.rows.get(name), *echoed.get(name, ())])
                    deltas[name] = node.advance(read, written.get(name, ()))
                except Exception as failure:
                    raise QueryFailure(self.users_of(name)[0], failure) from failure
                if node.relation.kind == "STREAM":
                    mine = riders.marks(node.relation.topic, epoch.rows.get(name))
                    marks[name] = Marks.together([mine, *written_marks.get(name, ())])
                continue
            end = node.end
            try:
                out = node.run(deltas, riders, marks)
                if isinstance(end, sink.Sink) and (target := end.step.relation.name) in self.relations:
                    rows, made = end.as_read(out)
                    written.setdefault(target, []).append(rows)
                    written_marks.setdefault(target, []).append(made)
                if isinstance(end, sink.Sink) and end.records is not None:
                    for name, heard in self._echoes(end, end.records, out):
                        echoed.setdefault(name, []).append(heard.rows)
                        written_marks.setdefault(name, []).append(heard.marks)
            except Exception as failure:
                raise QueryFailure(node.id, failure) from failure
            if isinstance(end, sink.Sink):
                if end.records is not None:
                    outputs.records.append((end.step.relation.topic, end.records))
                    end.records = None
            elif isinstance(end, emit.Emit) and len(out):
                outputs.emitted.append((node.id, out.batch))
        self.rejects.errors += [self._attributed(r) for r in epoch.rejects]
        return outputs

    def _echoes(self, end: sink.Sink, records: pa.RecordBatch, rows: Delta) -> Iterator[tuple[str, Echo]]:
        """What a query writes, for the other relations over its topic."""
        target = end.step.relation
        for name in self._over_topic.get(target.topic, ()):
            if name != target.name:
                heard = echo(self._decoders[name], target.topic, records, rows.seq)
                readers = ",".join(sorted(q.id for q in self.queries.values() if name in q.plan.reads))
                bad = [Reject(readers, f"could not read the record: {why}", seq) for seq, why in heard.bad]
                self.rejects.errors += bad
                yield name, heard

    def users_of(self, name: str) -> list[str]:
        """The queries that a relation is here for: its readers, and its writers where it can be asked."""
        readers = [q.id for q in self.queries.values() if any(s.relation.name == name for s in q.scans)]
        writers = [q.id for q in self.queries.values() if (t := q.plan.sink) is not None and t.relation.name == name]
        return list(dict.fromkeys([*readers, *writers]))

    def _refuse(self, reject: Reject) -> None:
        """Raise for a query that is to fail at such a record."""
        for query in self.queries.values():
            if reject.fault in query.plan.fatal and any(s.relation.name == reject.relation for s in query.scans):
                assert reject.position is not None
                topic, partition, offset, *_ = reject.position
                timeless = reject.fault == "timeless"
                raise QueryFailure(query.id, BadRecord(topic, partition, offset, reject.reason, timestamp=timeless))

    def _attributed(self, reject: Reject) -> Reject:
        """A record that could not be read is reported once, for the queries that read its topic."""
        topic = reject.position.topic if reject.position is not None else ""
        readers = sorted({q.id for q in self.queries.values() for s in q.scans if s.relation.topic == topic})
        return Reject(",".join(readers), f"could not read the record: {reject.reason}", reject.seq, reject.position)

    def arrangements(self) -> Iterator[Arrangement]:
        for node in self.relations.values():
            if node.arrangement is not None:
                yield node.arrangement
        for query in self.queries.values():
            for _, arrangement in query.states():
                yield arrangement

    def rollback(self) -> None:
        for arrangement in self.arrangements():
            arrangement.rollback()
        for query in self.queries.values():
            query.restore_memo(self._memo.get(query.id, {}))
        self.rejects.clear()

    def close(self) -> None:
        self.inputs.close()


def _topological(relations: Mapping[str, Relation], queries: Iterable[Query]) -> list[str | Query]:
    """Relations (by name) and queries, each after what it reads from; a relation after all that write its topic."""
    everything = list(queries)
    writers: dict[str, list[Query]] = {}
    for query in everything:
        target: Sink | None = query.plan.sink
        if target is not None:
            writers.setdefault(target.relation.topic, []).append(query)
    done: dict[str | Query, bool] = {}
    order: list[str | Query] = []

    def visit(node: str | Query) -> None:
        if node in done:
            if not done[node]:
                name = node if isinstance(node, str) else node.id
                raise InvalidStatement(f'queries would feed "{name}" from itself')
            return
        done[node] = False
        if isinstance(node, str):
            for writer in writers.get(relations[node].topic, ()):
                visit(writer)
        else:
            for scan in node.scans:
                if scan.relation.name in relations:
                    visit(scan.relation.name)
        done[node] = True
        order.append(node)

    for name in relations:
        visit(name)
    for query in everything:
        visit(query)
    return order
