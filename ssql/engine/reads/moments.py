"""Text that stands for a moment: compared with ROWTIME or a window's bound it is a date-time, as in ksqlDB's SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ssql.engine.reads.text import Text
from ssql.engine.reads.tree import Tree
from ssql.errors import Span
from ssql.planner.relation import Relation
from ssql.planner.timestamps import partial_timestamp_ms

_MOMENTS = frozenset({"ROWTIME", "WINDOWSTART", "WINDOWEND"})


def changes(said: Tree, text: Text, relations: Mapping[str, Relation]) -> Iterator[tuple[Span, str]]:
    """Milliseconds in place of the (partial) date-times that such columns are compared with; other text stays.

    Columns of that name that files have are not meant.
    """
    ours = {named.alias.upper() for named in said.tables if named.path[-1].upper() in relations}
    for column, literal in said.compared:
        if column[-1].upper() not in _MOMENTS or literal.place is None:
            continue
        if not ours if len(column) == 1 else column[-2].upper() not in ours:
            continue
        ms = partial_timestamp_ms(literal.text)
        if ms is not None:
            yield text.span(literal.place.at, literal.place.length), str(ms)
