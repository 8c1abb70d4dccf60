"""The rows of INSERT VALUES: constants, brought to the types of the columns that they are for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from ssql.errors import InsertFailed, InvalidStatement
from ssql.functions import used_in
from ssql.planner import expr as e
from ssql.planner.bind_expr import Binder
from ssql.planner.coerce import converted
from ssql.planner.expr_text import text_of
from ssql.planner.options import DEFAULTS, Options
from ssql.planner.print_duckdb import sql_of
from ssql.planner.scope import Scope
from ssql.planner.steps import Statement
from ssql.sql.printer import print_expression
from ssql.sql.trees import span_of
from ssql.types import DATE, STRING, TIME, TIMESTAMP, Column, SqlType, duck_quote, quote

#: How text must be written where one of these is wanted.
_WRITTEN: dict[SqlType, str] = {
    TIMESTAMP: ". Timestamp format must be yyyy-mm-ddThh:mm:ss[.S]",
    TIME: ". Time format must be hh:mm:ss[.S]",
    DATE: ". Date format must be yyyy-mm-dd",
}


def plan_values(
    target: str, columns: Sequence[Column], rows: Sequence[Sequence[exp.Expr]], *, options: Options = DEFAULTS
) -> Statement:
    """A statement that yields the rows, in order, as `columns` of `target` (ROWTIME may be one of them, as BIGINT).

    Values are expressions without columns; implicit conversions apply. Raises SqlError with the place of the value.
    """
    binder = Binder(Scope(()), "VALUES", options=options)
    texts = [_row(binder, target, columns, row) for row in rows]
    names = ", ".join(duck_quote(c.name) for c in columns)
    text = f"SELECT * FROM (VALUES {', '.join(texts)}) AS given({names})"
    return Statement(text, None, tuple(sorted(used_in(text))))


def _row(binder: Binder, target: str, columns: Sequence[Column], row: Sequence[exp.Expr]) -> str:
    if len(row) != len(columns):
        wanted, given = ", ".join(c.name for c in columns), ", ".join(map(print_expression, row))
        raise InvalidStatement(
            f"Expected number columns and values to match: [{wanted}], [{given}]", span=span_of(row[-1])
        )
    return f"({', '.join(_value(binder, target, c, x) for c, x in zip(columns, row, strict=True))})"


def _value(binder: Binder, target: str, column: Column, node: exp.Expr) -> str:
    bound = binder.bind(node)
    found = converted(bound, column.type)
    if found is None:
        given = str(bound.value) if isinstance(bound, e.Literal) else text_of(bound)
        kind = str(bound.type).partition("(")[0].partition("<")[0]
        written = _WRITTEN.get(column.type, "") if bound.type == STRING else ""
        raise InsertFailed(
            target,
            f"Expected type {column.type} for field {quote(column.name)} but got {kind}({given}){written}",
            span=span_of(node),
            hint="Use CAST.",
        )
    # The cast keeps the types of all rows of VALUES equal where the text alone does not say them.
    return f"CAST({sql_of(found)} AS {column.type.duckdb})"
