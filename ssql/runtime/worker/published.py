"""What others see of the tables: one cut of all of them, made anew after each commit."""

from __future__ import annotations

from ssql.runtime.api import MAIN, Cut
from ssql.runtime.relation_node import ArrangedTable
from ssql.runtime.worker.commits import Commits
from ssql.runtime.worker.flows import Flows


class Published:
    """The last cut. Made in the worker's thread, read in any."""

    def __init__(self, flows: Flows, commits: Commits) -> None:
        self._flows = flows
        self._commits = commits
        self.cut = Cut({}, {}, commits.frontier.epoch)

    def renew(self) -> None:
        tables: dict[str, ArrangedTable] = {}
        for flow in sorted(self._flows.all.values(), key=lambda f: f.name == MAIN):
            for name, node in flow.dataflow.relations.items():
                other = tables.get(name)
                if node.arrangement is None or (other is not None and other.wider_than(node.relation)):
                    continue
                complete = flow.name == MAIN and not node.unknown
                tables[name] = ArrangedTable(node.relation, node.arrangement.committed, complete=complete)
        self.cut = Cut(tables, self._flows.main.seen, self._commits.frontier.epoch)
