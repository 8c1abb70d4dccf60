"""Statements as the parser yields them: frozen, untyped, with their place in the text.

Expressions and queries inside are sqlglot trees; the span of a node is `span_of(node)` (in `ssql.sql.parser`).
Names are as stored: unquoted ones in upper case, quoted ones as written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlglot import exp

from ssql.errors import Span
from ssql.types import SqlType


@dataclass(frozen=True)
class Name:
    """An identifier with its place."""

    text: str
    span: Span
    quoted: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class TypeName:
    """A type as written where it names a custom type somewhere inside: resolved against the catalog later."""

    text: str
    span: Span


@dataclass(frozen=True)
class ColumnDef:
    """A declared column. `role`: what follows the type. `header`: the key of HEADER('k'), with role "header"."""

    name: Name
    type: SqlType | TypeName
    role: Literal["value", "key", "primary key", "headers", "header"] = "value"
    header: str | None = None


@dataclass(frozen=True)
class Property:
    """One WITH property: upper-cased name, literal value (text, number or boolean) and places."""

    name: str
    value: str | int | float | bool
    name_span: Span
    value_span: Span


Properties = Mapping[str, Property]


@dataclass(frozen=True)
class Statement:
    """Base of all statements. `span` is the statement in the script, without its semicolon; `text` is that part."""

    span: Span = field(kw_only=True)
    text: str = field(kw_only=True)


# --- queries -----------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """A length of time as written, and in ms."""

    amount: int
    unit: str

    @property
    def ms(self) -> int:
        unit = self.unit.rstrip("S") if self.unit != "MILLISECONDS" else "MILLISECOND"
        return (
            self.amount
            * {
                "MILLISECOND": 1,
                "SECOND": 1000,
                "MINUTE": 60_000,
                "HOUR": 3_600_000,
                "DAY": 86_400_000,
            }[unit]
        )


@dataclass(frozen=True)
class Window:
    kind: Literal["TUMBLING", "HOPPING", "SESSION"]
    size: Interval  # SESSION: the gap of inactivity
    span: Span
    advance: Interval | None = None
    retention: Interval | None = None
    grace: Interval | None = None


@dataclass(frozen=True)
class SourceRef:
    """A named source in FROM or JOIN; `alias` is its name when none is written."""

    name: Name
    alias: Name


@dataclass(frozen=True)
class SubqueryRef:
    """A query in FROM or JOIN."""

    query: Query
    alias: Name


@dataclass(frozen=True)
class Within:
    before: Interval
    after: Interval
    grace: Interval | None
    span: Span


@dataclass(frozen=True)
class Join:
    kind: Literal["INNER", "LEFT", "RIGHT", "FULL"]
    left: Relation
    right: Relation
    on: exp.Expression
    within: Within | None
    span: Span


Relation = SourceRef | SubqueryRef | Join


@dataclass(frozen=True)
class Star:
    """`*`, `source.*` (source) or `expr->*` (struct) in a projection."""

    span: Span
    source: Name | None = None
    struct: exp.Expression | None = None


@dataclass(frozen=True)
class SelectItem:
    expression: exp.Expression
    alias: Name | None
    span: Span


@dataclass(frozen=True)
class Query:
    """A SELECT. `emit` is None for a pull query. `order_by` pairs an expression with True for descending.

    `limit` is as written, negative ones too; `limit_span` is its place. `limit_by`, `offset_by`: the parameter that
    stands there instead.
    """

    items: tuple[SelectItem | Star, ...]
    source: Relation
    span: Span
    window: Window | None = None
    where: exp.Expression | None = None
    group_by: tuple[exp.Expression, ...] | None = None
    partition_by: tuple[exp.Expression, ...] | None = None
    having: exp.Expression | None = None
    emit: Literal["CHANGES", "FINAL"] | None = None
    distinct: bool = False
    order_by: tuple[tuple[exp.Expression, bool], ...] = ()
    limit: int | None = None
    offset: int | None = None
    limit_by: str | None = None
    offset_by: str | None = None
    limit_span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Select(Statement):
    """A query on its own: push with EMIT, else pull."""

    query: Query


# --- definitions -------------------------------------------------------------

Kind = Literal["STREAM", "TABLE"]


@dataclass(frozen=True)
class CreateSource(Statement):
    """CREATE [SOURCE] STREAM/TABLE over a topic."""

    kind: Kind
    name: Name
    columns: tuple[ColumnDef, ...]
    properties: Properties
    or_replace: bool = False
    if_not_exists: bool = False
    read_only: bool = False


@dataclass(frozen=True)
class CreateAs(Statement):
    """CREATE STREAM/TABLE ... AS SELECT."""

    kind: Kind
    name: Name
    properties: Properties
    query: Query
    or_replace: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True)
class InsertInto(Statement):
    """INSERT INTO stream SELECT ..."""

    target: Name
    properties: Properties
    query: Query


@dataclass(frozen=True)
class InsertValues(Statement):
    """INSERT INTO source (columns) VALUES (row), ...; one or more rows."""

    target: Name
    columns: tuple[Name, ...]
    rows: tuple[tuple[exp.Expression, ...], ...]


@dataclass(frozen=True)
class AlterSource(Statement):
    kind: Kind
    name: Name
    columns: tuple[ColumnDef, ...]


@dataclass(frozen=True)
class DropSource(Statement):
    kind: Kind
    name: Name
    if_exists: bool = False
    delete_topic: bool = False


@dataclass(frozen=True)
class CreateType(Statement):
    name: Name
    type: SqlType | TypeName
    if_not_exists: bool = False


@dataclass(frozen=True)
class DropType(Statement):
    name: Name
    if_exists: bool = False


@dataclass(frozen=True)
class CreateConnector(Statement):
    name: Name
    kind: Literal["SOURCE", "SINK"]
    properties: Properties
    if_not_exists: bool = False


@dataclass(frozen=True)
class DropConnector(Statement):
    name: Name
    if_exists: bool = False


@dataclass(frozen=True)
class ParameterDef:
    """A declared parameter of an endpoint. `default` is text, as a caller would write it; None is NULL."""

    name: Name
    type: SqlType | TypeName
    required: bool = True
    default: str | None = None


@dataclass(frozen=True)
class CreateEndpoint(Statement):
    """CREATE ENDPOINT ... AS query. The query stays text, whose parameters get values at each call; `query_span` is
    its place in the script."""

    name: Name
    parameters: tuple[ParameterDef, ...]
    query: str
    or_replace: bool = False
    if_not_exists: bool = False
    query_span: Span = field(default=Span(0, 0), compare=False)


@dataclass(frozen=True)
class DropEndpoint(Statement):
    name: Name
    if_exists: bool = False


# --- running queries ---------------------------------------------------------


@dataclass(frozen=True)
class ChangeQuery(Statement):
    """TERMINATE, PAUSE or RESUME; `query` None means ALL."""

    action: Literal["TERMINATE", "PAUSE", "RESUME"]
    query: Name | None


@dataclass(frozen=True)
class Explain(Statement):
    """EXPLAIN of a statement or of a running query."""

    query: Name | None
    statement: Statement | None


@dataclass(frozen=True)
class Print(Statement):
    topic: Name
    from_beginning: bool = False
    interval: int | None = None
    limit: int | None = None


# --- introspection and session -----------------------------------------------


@dataclass(frozen=True)
class Show(Statement):
    """SHOW/LIST of: PROPERTIES, TOPICS, STREAMS, TABLES, FUNCTIONS, TYPES, VARIABLES, QUERIES, CONNECTORS,
    CONNECTOR PLUGINS, ENDPOINTS. `all` for ALL TOPICS; `scope` SOURCE or SINK for connectors."""

    what: str
    extended: bool = False
    all: bool = False
    scope: str | None = None


@dataclass(frozen=True)
class Describe(Statement):
    """DESCRIBE of a source (`what` SOURCE), FUNCTION, CONNECTOR, ENDPOINT, or of all STREAMS or TABLES (no `name`)."""

    what: Literal["SOURCE", "FUNCTION", "CONNECTOR", "ENDPOINT", "STREAMS", "TABLES"]
    name: Name | None
    extended: bool = False


@dataclass(frozen=True)
class SetProperty(Statement):
    name: str
    value: str


@dataclass(frozen=True)
class UnsetProperty(Statement):
    name: str


@dataclass(frozen=True)
class AlterSystem(Statement):
    name: str
    value: str


@dataclass(frozen=True)
class Define(Statement):
    name: Name
    value: str


@dataclass(frozen=True)
class Undefine(Statement):
    name: Name


@dataclass(frozen=True)
class RunScript(Statement):
    path: str


@dataclass(frozen=True)
class AssertTopic(Statement):
    topic: Name
    exists: bool
    properties: Properties
    timeout: Interval | None = None


@dataclass(frozen=True)
class AssertSchema(Statement):
    exists: bool
    subject: str | None
    id: int | None
    timeout: Interval | None = None


@dataclass(frozen=True)
class AssertValues(Statement):
    """Test runner: the next records (`tombstone`: the next tombstones) of a source's topic."""

    source: Name
    columns: tuple[Name, ...]
    rows: tuple[tuple[exp.Expression, ...], ...]
    tombstone: bool = False


@dataclass(frozen=True)
class AssertedRow:
    """A row of an assertion. `deleted`: the values are those of the key of a row that is gone."""

    values: tuple[exp.Expression, ...]
    deleted: bool = False


@dataclass(frozen=True)
class AssertRows(Statement):
    """Test runner: all rows of a source at once; `rows` () is none at all.

    `what`: STREAM, TABLE: what it holds, in any order. CHANGES: the records since the assertion on it before this
    one, in order. ERRORS, LATE: the rows of SSQL_ERRORS and SSQL_LATE since then, in any order; they name no source.
    """

    what: Literal["STREAM", "TABLE", "CHANGES", "ERRORS", "LATE"]
    source: Name | None
    columns: tuple[Name, ...]
    rows: tuple[AssertedRow, ...]


@dataclass(frozen=True)
class AssertSource(Statement):
    """Test runner: the shape of a source."""

    kind: Kind
    name: Name
    columns: tuple[ColumnDef, ...]
    properties: Properties
