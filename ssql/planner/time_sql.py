"""Where a relation's TIMESTAMP column gives its rows' time: the statement that computes it."""

from __future__ import annotations

from ssql.errors import InvalidStatement
from ssql.functions import used_in
from ssql.functions.registry import resolve_scalar
from ssql.planner.print_duckdb import text_literal, tried
from ssql.planner.relation import Relation
from ssql.planner.steps import Statement
from ssql.types import BIGINT, STRING, TIMESTAMP, duck_quote


def time_statement(relation: Relation) -> Statement | None:
    """`SELECT ... AS _time FROM delta`, a row a row, in ms (NULL where the column gives no time), over the relation's
    columns; None where the record's own timestamp counts."""
    spec = relation.timestamp
    if spec is None:
        return None
    column = relation.schema.by_name.get(spec.column)
    if column is None:
        raise InvalidStatement(
            f"The TIMESTAMP column set in the WITH clause does not exist in the schema: '{spec.column}'"
        )
    name = duck_quote(column.name)
    if column.type == STRING and spec.format is not None:
        call = resolve_scalar("STRINGTOTIMESTAMP", [STRING, STRING])
        value = tried(call.render([name, text_literal(spec.format)]))
    elif column.type == TIMESTAMP:
        value = f"epoch_ms({name})"
    elif column.type == BIGINT:
        value = name
    else:
        raise InvalidStatement(
            f"Timestamp column, `{column.name}`, should be LONG(INT64), TIMESTAMP, or a String with a timestamp_format "
            "specified"
        )
    sql = f"SELECT {value} AS _time FROM delta"
    return Statement(sql, None, tuple(sorted(used_in(sql))))
