"""Plans of pull queries that may come again."""

from __future__ import annotations

import threading
from collections import OrderedDict

from ssql.catalog.catalog import Catalog
from ssql.planner.pull import PullPlan

#: Pull queries whose plan is kept.
_KEPT = 512


class PullPlans:
    """Plans of pull queries over kept tables by their text, for as long as nothing is defined anew."""

    def __init__(self) -> None:
        self._plans: OrderedDict[str, tuple[Catalog, PullPlan]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, text: str, catalog: Catalog) -> PullPlan | None:
        with self._lock:
            found = self._plans.get(text)
            if found is None or found[0] is not catalog:
                return None
            self._plans.move_to_end(text)
            return found[1]

    def put(self, text: str, catalog: Catalog, plan: PullPlan) -> None:
        with self._lock:
            self._plans[text] = (catalog, plan)
            if len(self._plans) > _KEPT:
                self._plans.popitem(last=False)
