"""Names: those that nothing has, those that are taken, those that could mean several things."""

from __future__ import annotations

from collections.abc import Iterable

from ssql.errors.base import BUILDING, LOOKING_UP, NODE_PLACE, Span, SqlError, nearest


class ColumnNotFound(SqlError):
    """No source of the query has that column.

    `clause` names the clause that it stands in: SELECT, WHERE, JOIN ON, ...; "" for none.
    """

    code = "column_not_found"
    ksql_place = NODE_PLACE

    def __init__(
        self, name: str, *, clause: str = "", span: Span | None = None, candidates: Iterable[str] = ()
    ) -> None:
        close = nearest(name.rpartition(".")[2], candidates)
        why = "cannot be resolved."
        if clause == "PARTITION BY":
            why += f" '{name}' must be a column in the source schema since PARTITION BY is applied on the input."
        super().__init__(
            f"{clause + ' column' if clause else 'Column'} '{name}' {why}",
            span=span,
            hint=f'Did you mean "{close}"?' if close else None,
        )


class UnknownInExpression(SqlError):
    """A column that is not there yet where the clause takes effect."""

    code = "column_not_found"

    def __init__(self, clause: str, name: str, *, span: Span | None = None) -> None:
        super().__init__(f"Error in {clause} expression: Unknown column {name}.", span=span)


class AmbiguousColumn(SqlError):
    """A column without its source, which several sources of the query have."""

    code = "ambiguous_column"
    ksql_place = NODE_PLACE
    step = LOOKING_UP

    def __init__(self, name: str, sources: Iterable[str], *, span: Span | None = None) -> None:
        *others, last = sorted(f"{s}.{name}" for s in sources)
        options = f"{', '.join(others)} or {last}" if others else last
        super().__init__(f"Column '{name}' is ambiguous. Could be {options}.", span=span)


class UnknownAlias(SqlError):
    """A qualifier that is no source of the query."""

    code = "source_not_found"
    step = BUILDING

    def __init__(self, name: str, known: Iterable[str], *, span: Span | None = None) -> None:
        sources = ", ".join(known)
        super().__init__(
            f"'{name}' is not a valid stream/table name or alias.",
            span=span,
            hint=f"The sources here are: {sources}." if sources else None,
        )


class SourceNotFound(SqlError):
    """There is no stream or table of that name.

    `kind`: STREAM or TABLE where a statement names the kind. `step`: a query looks its sources up as it is made.
    """

    code = "source_not_found"

    def __init__(
        self,
        name: str,
        *,
        span: Span | None = None,
        candidates: Iterable[str] = (),
        kind: str | None = None,
        step: str = "",
    ) -> None:
        close = nearest(name, candidates)
        what = f"{kind.capitalize()} {name}" if kind else name
        super().__init__(f"{what} does not exist.", span=span, hint=f'Did you mean "{close}"?' if close else None)
        self.step = step


class InsertTargetNotFound(SourceNotFound):
    """INSERT VALUES names a stream or table that is not there; one that differs in case is told."""

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        known = list(candidates)
        super().__init__(name, span=span, candidates=known)
        self.message = f"Cannot insert values into an unknown stream/table: `{name}`"
        other = next((c for c in known if c.upper() == name.upper()), None)
        if other is not None:
            self.message += (
                f'\nDid you mean "{other}"? Hint: wrap the source name in double quotes to make it case-sensitive.'
            )
            self.hint = None
        self.args = (self.message,)


class SourceExists(SqlError):
    """A stream or table of that name is there already."""

    code = "source_exists"

    def __init__(self, kind: str, name: str, *, there: str, span: Span | None = None) -> None:
        """`kind`: what was to be made; `there`: what has the name."""
        super().__init__(
            f"Cannot add {kind.lower()} '{name}': A {there.lower()} with the same name already exists",
            span=span,
            hint="Use CREATE OR REPLACE to change it, or IF NOT EXISTS to keep it.",
        )


class FunctionNotFound(SqlError):
    """No function has that name."""

    code = "function_not_found"

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(
            f"Can't find any functions with the name '{name}'",
            span=span,
            hint=f"Did you mean {close}?" if close else None,
        )


class TypeNotFound(SqlError):
    """A statement uses a type that is neither SQL's nor a custom one."""

    code = "type_not_found"
    step = BUILDING

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(
            f"Cannot resolve unknown type: {name}", span=span, hint=f"Did you mean {close}?" if close else None
        )


class CustomTypeNotFound(SqlError):
    """DROP TYPE names a custom type that is not there."""

    code = "type_not_found"

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(f"Type {name} does not exist.", span=span, hint=f"Did you mean {close}?" if close else None)


class VariableNotFound(SqlError):
    """A variable is used, and not defined."""

    code = "variable_not_found"

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(
            f'variable "{name}" is not defined',
            span=span,
            hint=f'Did you mean "{close}"?' if close else f"Define it first: DEFINE {name} = 'value';",
        )


class UnknownProperty(SqlError):
    """A property of WITH that the statement does not take."""

    code = "unknown_property"

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(
            f"Invalid config variable(s) in the WITH clause: {name}",
            span=span,
            hint=f"Did you mean {close}?" if close else None,
        )


class QueryNotFound(SqlError):
    """No query has that id."""

    code = "query_not_found"

    def __init__(self, query_id: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(query_id, candidates)
        hint = f"Did you mean {close}?" if close else None
        super().__init__(f'query "{query_id}" does not exist', span=span, hint=hint)


class TypeExists(SqlError):
    """A custom type of that name is there already."""

    code = "type_exists"

    def __init__(self, name: str, *, span: Span | None = None) -> None:
        super().__init__(f'a type named "{name}" already exists', span=span, hint="Use IF NOT EXISTS to keep it.")


class QueryExists(SqlError):
    """A query of that id is there already."""

    code = "query_exists"

    def __init__(self, query_id: str, *, span: Span | None = None) -> None:
        super().__init__(f'a query named "{query_id}" already exists', span=span, hint="Choose another QUERY_ID.")


class ConnectorExists(SqlError):
    """A connector of that name is there already."""

    code = "connector_exists"
    status = 409
    ksql_code = 40900

    def __init__(self, name: str, *, span: Span | None = None) -> None:
        super().__init__(f"Connector {name} already exists", span=span, hint="Use IF NOT EXISTS to keep it.")
