"""Plans of queries that may come again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from ssql.catalog.catalog import Catalog

T = TypeVar("T")

#: Queries whose plan is kept.
_KEPT = 512


class PullPlans(Generic[T]):
    """Plans of queries, by what they depend on, for as long as nothing is defined anew."""

    def __init__(self) -> None:
        self._plans: OrderedDict[Hashable, tuple[Catalog, T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, catalog: Catalog) -> T | None:
        with self._lock:
            found = self._plans.get(key)
            if found is None or found[0] is not catalog:
                return None
            self._plans.move_to_end(key)
            return found[1]

    def put(self, key: Hashable, catalog: Catalog, plan: T) -> None:
        with self._lock:
            self._plans[key] = (catalog, plan)
            if len(self._plans) > _KEPT:
                self._plans.popitem(last=False)
