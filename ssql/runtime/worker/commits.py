"""Commits: one transaction an epoch, with outputs, rejects, changes of state and the positions of all inputs."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ssql.errors import LogError, LogFenced, LogFull
from ssql.log.api import Writer
from ssql.runtime.dataflow import Outputs
from ssql.runtime.frontier import DataflowFrontier, Frontier, FrontierFile
from ssql.runtime.inputs import EpochInput, Inputs
from ssql.runtime.reject_files import RejectFiles
from ssql.runtime.relation_node import RelationNode
from ssql.runtime.state import StateFile, state_topic
from ssql.runtime.statistics import Statistics
from ssql.runtime.worker.flows import IDLE_MS, Flow, Flows, pause

LOGGER = logging.getLogger("ssql.worker")


class Commits:
    """What is filed of the dataflows, and how: state by id, and the frontier. Used by the worker's thread."""

    def __init__(self, flows: Flows, statistics: Statistics) -> None:
        self._flows = flows
        self._statistics = statistics
        self._reject_files = RejectFiles(flows.log, flows.service)
        self._frontier_file = FrontierFile(flows.log, flows.service)
        self._committer = ThreadPoolExecutor(1, "ssql-commit")
        self.files: dict[str, StateFile] = {}
        #: whether the worker is to stop: no commit is tried again then
        self.stopping = False
        #: whether the frontier is to be filed at the next commit, whatever else there is
        self.dirty = False
        #: nodes that are no more, whose state the last frontier still names
        self.gone: list[RelationNode] = []
        self.frontier = self._settled()
        flows.sides = self.frontier.sides

    def close(self) -> None:
        self._committer.shutdown()

    def _settled(self) -> Frontier:
        """The last frontier, once no transaction of an earlier process may still change it.

        A writer that is opened waits for the last transaction of its name; which names there are, the frontier says.
        """
        while True:
            frontier = self._frontier_file.read()
            unopened = frontier.dataflows.keys() - self._flows.all.keys()
            if not unopened:
                return frontier
            for name in unopened:
                self._flows.new(name)

    def commit(self, flow: Flow, epoch: EpochInput | None, outputs: Outputs) -> None:
        """One transaction: outputs, rejects, state runs, positions. Tries again while the log cannot take it."""
        durable = any(q.durable for q in flow.dataflow.queries.values())
        files = [f for f in self.files.values() if f.dirty]
        rejects = self._flows.rejects.errors or self._flows.rejects.late
        if durable or self.dirty or rejects:
            frontier = Frontier(self.frontier.epoch + 1, self._flows.sides, self._filed_dataflows())
            for attempt in range(1 << 30):
                writer = self._writer(flow)
                try:
                    writer.begin()
                    for topic, records in outputs.records:
                        # What is read here as well is told apart from what others write to the topic.
                        writer.append(topic, records, mark=flow.dataflow.inputs.reads(topic))
                    self._reject_files.write(writer, self._flows.rejects, epoch)
                    for file in files:
                        file.write(writer)
                    self._frontier_file.write(writer, frontier)
                    self._commit_beside_reading(writer, flow.dataflow.inputs)
                    break
                except LogFenced:
                    raise
                except LogFull as trouble:
                    writer.abort()
                    self.wait_to_retry(attempt, trouble)
                except LogError as trouble:
                    self.wait_to_retry(attempt, trouble)
                    # A broker that died may have committed all the same, and may not know the writer any more.
                    if self._was_committed(flow, frontier):
                        break
            self.frontier = frontier
            self.dirty = False
            self._frontier_file.committed()
            for file in files:
                file.committed()
            gone, self.gone = self.gone, []
            for node in gone:
                self._forget_node(node)
        for arrangement in flow.dataflow.arrangements():
            arrangement.commit()
        memory, queries = flow.dataflow.from_memory(), flow.dataflow.queries.values()
        self._statistics.note(epoch, outputs.records, memory, self._flows.rejects.errors, queries)
        self._flows.rejects.commit()
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

    def _writer(self, flow: Flow) -> Writer:
        writer = flow.writer if flow.writer is not None else self._flows.main.writer
        assert writer is not None
        return writer

    def wait_to_retry(self, attempt: int, trouble: LogError) -> None:
        LOGGER.warning("could not commit, will try again: %s", trouble.message)
        if self.stopping:
            raise trouble
        pause(attempt)

    def _was_committed(self, flow: Flow, frontier: Frontier) -> bool:
        """Whether a transaction that failed was committed after all: a new writer ends it, then the log tells."""
        owner = flow if flow.writer is not None else self._flows.main
        self._writer(owner).close()
        owner.writer = None
        for attempt in range(1 << 30):
            try:
                if owner.writer is None:
                    owner.writer = self._flows.log.writer(owner.dataflow.writer_name)
                return self._frontier_file.read().epoch >= frontier.epoch
            except LogFenced:
                raise
            except LogError as trouble:
                self.wait_to_retry(attempt, trouble)
        raise AssertionError("not reached")

    def _filed_dataflows(self) -> dict[str, DataflowFrontier]:
        filed = {}
        state_ids = {id(file.arrangement): sid for sid, file in self.files.items()}
        for name, flow in self._flows.all.items():
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

    def file(self, state_id: str, arrangement: Any) -> StateFile:
        file = StateFile(self._flows.log, state_topic(self._flows.service, state_id), arrangement)
        self.files[state_id] = file
        return file

    def state_id_of(self, node: RelationNode) -> str | None:
        return next((sid for sid, file in self.files.items() if file.arrangement is node.arrangement), None)

    def file_relations(self, flow: Flow) -> None:
        """Give tables that have become durable a state of their own, written whole at the next commit."""
        durable = {
            name
            for q in flow.dataflow.queries.values()
            if q.durable
            for name in [*(s.relation.name for s in q.scans), *([q.plan.sink.relation.name] if q.plan.sink else [])]
        }
        for name, node in flow.dataflow.relations.items():
            if node.arrangement is not None and name in durable and self.state_id_of(node) is None:
                file = self.file(f"table-{name}-{self.frontier.epoch}-{flow.name}", node.arrangement)
                self._flows.log.delete_topic(file.topic)
                file.rewrite()

    def forget_strangers(self) -> None:
        """Delete the state of queries that were dropped while this worker did not run."""
        prefix, kept = state_topic(self._flows.service, ""), {file.topic for file in self.files.values()}
        for topic in self._flows.log.topics():
            if topic.name.startswith(prefix) and topic.name not in kept:
                self._flows.log.delete_topic(topic.name)

    def forget_state(self, state_id: str) -> None:
        file = self.files.pop(state_id, None)
        if file is not None:
            self._flows.log.delete_topic(file.topic)

    def _forget_node(self, node: RelationNode) -> None:
        state_id = self.state_id_of(node)
        if state_id is not None:
            self.forget_state(state_id)
