"""The catalog: an immutable snapshot of all that is defined.

A change gives a new snapshot; readers keep the one they have, and need no locks. `Catalog` is what the planner sees
as `Relations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ssql.catalog.endpoints import Endpoint
from ssql.planner.relation import Relation
from ssql.types import SqlType

Origin = Literal["CREATE", "QUERY", "SYSTEM"]


@dataclass(frozen=True)
class Source:
    """A stream or a table.

    `statement`: the text that made it. `sequence`: the number of its command. `origin`: CREATE (plain), QUERY (the
    result of a C*AS, `query_id`), or SYSTEM (one of our own).
    """

    relation: Relation
    statement: str
    sequence: int
    origin: Origin = "CREATE"
    query_id: str | None = None

    @property
    def name(self) -> str:
        return self.relation.name


@dataclass(frozen=True)
class PersistentQuery:
    """A query that runs until it is terminated.

    `properties`: the per-query settings in force when it was made (text). `reads` and `into`: the relations as they
    were then, and `types` the custom types: a later ALTER changes neither what it selects nor what it writes.
    """

    id: str
    statement: str
    sink: str
    sequence: int
    start: Literal["earliest", "latest"]
    into: Relation
    properties: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, Relation] = field(default_factory=dict)
    types: Mapping[str, SqlType] = field(default_factory=dict)
    paused: bool = False


@dataclass(frozen=True)
class Catalog:
    """All sources, types, queries and endpoints, by name (as stored) and in the order they were made; and what
    ALTER SYSTEM set, as text by key."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    types: Mapping[str, SqlType] = field(default_factory=dict)
    queries: Mapping[str, PersistentQuery] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)

    # --- what the planner asks -----------------------------------------------

    def relation(self, name: str) -> Relation | None:
        found = self.sources.get(name)
        return found.relation if found else None

    def relation_names(self) -> Sequence[str]:
        return tuple(self.sources)

    # --- who uses what -------------------------------------------------------

    def readers(self, name: str) -> tuple[str, ...]:
        """The ids of the queries that read from a source."""
        return tuple(q.id for q in self.queries.values() if name in q.reads)

    def writers(self, name: str) -> tuple[str, ...]:
        """The ids of the queries that write into a source."""
        return tuple(q.id for q in self.queries.values() if q.sink == name)

    def fed_directly(self, name: str) -> tuple[str, ...]:
        """What CREATE ... AS makes of a source: while these are there, it cannot go."""
        made = (s for s in self.sources.values() if s.query_id in self.queries)
        return tuple(s.name for s in made if s.query_id and name in self.queries[s.query_id].reads)

    def asked_by(self, name: str) -> tuple[str, ...]:
        """The endpoints that read a source."""
        return tuple(e.name for e in self.endpoints.values() if name in e.reads)

    def fed_by(self, name: str) -> frozenset[str]:
        """A source, and all that queries fill from it, directly or through others."""
        found, waiting = {name}, [name]
        while waiting:
            at = waiting.pop()
            new = {q.sink for q in self.queries.values() if at in q.reads} - found
            found |= new
            waiting += new
        return frozenset(found)

    # --- changes -------------------------------------------------------------

    def with_source(self, source: Source) -> Catalog:
        return replace(self, sources={**self.sources, source.name: source})

    def without_source(self, name: str) -> Catalog:
        return replace(self, sources={k: v for k, v in self.sources.items() if k != name})

    def with_query(self, query: PersistentQuery) -> Catalog:
        return replace(self, queries={**self.queries, query.id: query})._mark_derived(query.sink)

    def without_query(self, query_id: str) -> Catalog:
        sink = self.queries[query_id].sink
        return replace(self, queries={k: v for k, v in self.queries.items() if k != query_id})._mark_derived(sink)

    def with_type(self, name: str, sql_type: SqlType) -> Catalog:
        return replace(self, types={**self.types, name: sql_type})

    def without_type(self, name: str) -> Catalog:
        return replace(self, types={k: v for k, v in self.types.items() if k != name})

    def with_setting(self, key: str, value: str) -> Catalog:
        return replace(self, settings={**self.settings, key: value})

    def with_endpoint(self, endpoint: Endpoint) -> Catalog:
        return replace(self, endpoints={**self.endpoints, endpoint.name: endpoint})

    def without_endpoint(self, name: str) -> Catalog:
        return replace(self, endpoints={k: v for k, v in self.endpoints.items() if k != name})

    def _mark_derived(self, name: str) -> Catalog:
        """Keep `derived` true: exactly while a query of ours writes the source."""
        source = self.sources.get(name)
        derived = any(q.sink == name for q in self.queries.values())
        if source is None or source.relation.derived == derived:
            return self
        return self.with_source(replace(source, relation=replace(source.relation, derived=derived)))
