"""Who follows queries, and what they are told when an epoch is committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from ssql.errors import LogUnavailable
from ssql.runtime.api import MAIN, Demand, Follower, Reached
from ssql.runtime.worker.commits import Commits
from ssql.runtime.worker.flows import Flow, Flows


class Followers:
    """The followers by their queries' ids. Used by the worker's thread."""

    def __init__(self, flows: Flows, commits: Commits) -> None:
        self._flows = flows
        self._commits = commits
        self._tick = 0
        self.all: dict[str, Follower] = {}

    def note_own(self, flow: Flow, written: set[str]) -> None:
        """Note where what was just written ends, where it is read here and followed."""
        queries = flow.dataflow.queries
        followed = {s.relation.topic for q in self.all if q in queries for s in queries[q].scans}
        for topic, partition in flow.dataflow.inputs.positions():
            if topic in written & followed:
                flow.own[topic, partition] = self._end(topic, partition)

    def _end(self, topic: str, partition: int) -> int:
        for attempt in range(1 << 30):
            try:
                return self._flows.log.written(topic, partition)
            except LogUnavailable as trouble:
                self._commits.wait_to_retry(attempt, trouble)
        raise AssertionError("not reached")

    def _reached(self, flow: Flow, topics: frozenset[str], quiet: bool) -> Reached:
        seen = {tp: at for tp, at in flow.seen.items() if tp[0] in topics}
        own = {tp: end for tp, end in flow.own.items() if end > seen.get(tp, end)}
        return Reached(seen, own, self._tick, quiet, not flow.quiet, flow.name == MAIN)

    def tell(
        self,
        flow: Flow,
        emitted: Mapping[str, pa.RecordBatch] | None = None,
        *,
        quiet: bool = False,
        only: Sequence[str] | None = None,
    ) -> list[tuple[str, Demand]]:
        """Tell the followers of a dataflow's queries (or of `only` these) how far it is, and what came; answers what
        they want other than more."""
        queries = flow.dataflow.queries
        told = [q for q in (self.all if only is None else only) if q in queries and q in self.all]
        wanted: list[tuple[str, Demand]] = []
        if not told:
            return wanted
        self._tick += 1
        places: dict[frozenset[str], Reached] = {}
        for query_id in told:
            topics = frozenset(scan.relation.topic for scan in queries[query_id].scans)
            reached = places.setdefault(topics, self._reached(flow, topics, quiet))
            rows = emitted.get(query_id) if emitted is not None else None
            demand = self.all[query_id].told(rows, reached)
            if demand is not Demand.MORE:
                wanted.append((query_id, demand))
        return wanted
