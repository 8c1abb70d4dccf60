"""Declared tables that are kept: a SOURCE TABLE has a query of its own, which holds its rows by key for pull queries.

Such a query follows from the table's definition. It has no statement of its own and is not in the catalog: it comes and
goes with the table.
"""

from __future__ import annotations

from ssql.catalog.catalog import Catalog, Source
from ssql.planner.keep import keep
from ssql.runtime.api import Worker


def _is_kept(source: Source) -> bool:
    return source.relation.kind == "TABLE" and source.relation.read_only


def _query_id(source: Source) -> str:
    return f"CST_{source.name}_{source.sequence}"


def begin(worker: Worker, *sources: Source) -> None:
    """Keep those of the sources that are to be kept. What was kept before is read back."""
    plans = [keep(s.relation, query_id=_query_id(s)) for s in sources if _is_kept(s)]
    if plans:
        worker.add(plans, start="earliest")


def begin_all(worker: Worker, catalog: Catalog) -> None:
    begin(worker, *catalog.sources.values())


def end(worker: Worker, source: Source) -> None:
    """Keep a source that was dropped no longer."""
    if _is_kept(source):
        worker.drop(_query_id(source))
