"""The sources that are there without being defined: read-only streams over what ssql writes itself."""

from __future__ import annotations

from ssql.catalog.catalog import Catalog, Source
from ssql.planner.relation import Relation
from ssql.planner.system_streams import errors_stream, late_stream


def system_relations(service_id: str) -> tuple[Relation, ...]:
    """`SSQL_ERRORS` and `SSQL_LATE`."""
    return errors_stream(service_id), late_stream(service_id)


def empty_catalog(service_id: str) -> Catalog:
    """The catalog before the first command: the system streams, and nothing else."""
    catalog = Catalog()
    for relation in system_relations(service_id):
        catalog = catalog.with_source(Source(relation, statement="", sequence=-1, origin="SYSTEM"))
    return catalog
