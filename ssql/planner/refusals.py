"""What ksqlDB refuses and ssql could carry out: refused too, so that a query means the same to both.

With the option `extensions` it is carried out. All that is here has a clear meaning; what has none is refused where it
is bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ssql.errors import FormatError, RefusedAsInKsqldb, Span
from ssql.formats.registry import format_named
from ssql.functions import is_table_aggregate
from ssql.planner import expr as e
from ssql.planner.expr_text import name_list
from ssql.planner.options import Options
from ssql.planner.relation import Relation
from ssql.types import INTEGER, Array, Column

#: ksqlDB's aggregate functions, by whether one plain value is all that they keep between rows.
_KEEP_A_VALUE = frozenset({"COUNT", "MAX", "MIN", "SUM", "SUM_LIST"})
_KEEP_MORE = frozenset(
    (
        *("ATTR", "AVG", "COLLECT_LIST", "COLLECT_SET", "CORRELATION", "COUNT_DISTINCT", "EARLIEST_BY_OFFSET"),
        *("HISTOGRAM", "LATEST_BY_OFFSET", "STDDEV_SAMP", "STDDEV_SAMPLE", "TOPK", "TOPKDISTINCT"),
    )
)


def refuse_kafka_values(options: Options, clause: str, sources: Iterable[tuple[str, Relation]], span: Span) -> None:
    """Refuse JOIN or GROUP BY (`clause`) over sources, named by their aliases, with values in the KAFKA format."""
    names = [alias for alias, relation in sources if relation.value_format.name == "KAFKA"]
    if names and not options.extensions:
        raise RefusedAsInKsqldb(
            f"Source(s) {', '.join(names)} are using the 'KAFKA' value format. "
            f"This format does not yet support {clause}.",
            span=span,
        )


def refuse_repeated(options: Options, relation: Relation, before: Sequence[Relation], span: Span) -> None:
    """Refuse a source that is joined with itself, or comes twice among several."""
    if options.extensions or all(relation.name != other.name for other in before):
        return
    if len(before) > 1:
        message = f"N-way joins do not support multiple occurrences of the same source. Source: '{relation.name}'."
    else:
        message = f"Can not join '{relation.name}' to '{relation.name}': self joins are not yet supported."
    raise RefusedAsInKsqldb(message, span=span)


def refuse_foreign_key_among_several(options: Options, shown: str, span: Span) -> None:
    """Refuse a foreign-key join one side of which is a join; `shown`: its condition."""
    if not options.extensions:
        raise RefusedAsInKsqldb(
            "Invalid join condition: foreign-key table-table joins are not supported as part of n-way joins. "
            f"Got {shown}.",
            span=span,
        )


def refuse_aggregates(options: Options, calls: Sequence[e.AggregateOf], source: Relation, *, over_table: bool) -> None:
    """Refuse ksqlDB's aggregates that cannot take a row back over a table, and those whose state the left-most
    source's value format cannot hold."""
    if options.extensions or not calls:
        return
    if over_table:
        names = dict.fromkeys(c.name for c in calls if _of_ksqldb(c) and not is_table_aggregate(c.name))
        if names:
            raise RefusedAsInKsqldb(
                f"The aggregation function{'s' if len(names) > 1 else ''} {name_list(list(names), last='and')} cannot "
                "be applied to a table source, only to a stream source.",
                span=calls[0].span,
            )
    larger = [c for c in calls if _of_ksqldb(c) and c.name in _KEEP_MORE]
    if larger and not _holds_arrays(source):
        raise RefusedAsInKsqldb(
            "One of the functions used in the statement has an intermediate type that the value format can not handle. "
            "Please remove the function or change the format.",
            span=larger[0].span,
        )


def _of_ksqldb(call: e.AggregateOf) -> bool:
    return call.name in _KEEP_A_VALUE | _KEEP_MORE and not call.distinct


def _holds_arrays(relation: Relation) -> bool:
    spec = relation.value_format
    try:
        format_named(spec.name).check(spec, (Column("STATE", Array(INTEGER)),), is_key=False)
    except FormatError:
        return False
    return True


def refuse_bounds_after_grouping(options: Options, name: str, span: Span) -> None:
    """Refuse a window's bound in HAVING."""
    if not options.extensions:
        raise RefusedAsInKsqldb(
            f"Window bounds column {name} can only be used in the SELECT clause of windowed aggregations and can not "
            "be passed to aggregate functions.\nSee https://github.com/confluentinc/ksql/issues/4397",
            span=span,
        )
