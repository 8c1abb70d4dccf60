"""The rows of INSERT VALUES: constants, brought to the types of the columns that they are for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from ssql.errors import InvalidStatement, TypeMismatch
from ssql.functions import used_in
from ssql.planner.bind_expr import Binder
from ssql.planner.coerce import converted
from ssql.planner.expr_text import text_of
from ssql.planner.options import DEFAULTS, Options
from ssql.planner.print_duckdb import sql_of
from ssql.planner.scope import Scope
from ssql.planner.steps import Statement
from ssql.sql.trees import span_of
from ssql.types import Column, duck_quote


def plan_values(
    columns: Sequence[Column], rows: Sequence[Sequence[exp.Expr]], *, options: Options = DEFAULTS
) -> Statement:
    """A statement that yields the rows, in order, as `columns` (ROWTIME may be one of them, as BIGINT).

    Values are expressions without columns; implicit conversions apply. Raises SqlError with the place of the value.
    """
    binder = Binder(Scope(()), "VALUES", options=options)
    texts = [_row(binder, columns, row) for row in rows]
    names = ", ".join(duck_quote(c.name) for c in columns)
    text = f"SELECT * FROM (VALUES {', '.join(texts)}) AS given({names})"
    return Statement(text, None, tuple(sorted(used_in(text))))


def _row(binder: Binder, columns: Sequence[Column], row: Sequence[exp.Expr]) -> str:
    if len(row) != len(columns):
        raise InvalidStatement(
            f"Expected number columns and values to match: {[c.name for c in columns]}, got {len(row)} values",
            span=span_of(row[-1]),
        )
    return f"({', '.join(_value(binder, c, x) for c, x in zip(columns, row, strict=True))})"


def _value(binder: Binder, column: Column, node: exp.Expr) -> str:
    bound = binder.bind(node)
    found = converted(bound, column.type)
    if found is None:
        raise TypeMismatch(
            f"column `{column.name}` is {column.type}, and {text_of(bound)} is {bound.type}",
            span=span_of(node),
            hint="Use CAST.",
        )
    # The cast keeps the types of all rows of VALUES equal where the text alone does not say them.
    return f"CAST({sql_of(found)} AS {column.type.duckdb})"
