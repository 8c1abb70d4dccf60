"""Statements: text to the nodes of `statements.py`.

`parse_script` reads a whole script, `parse_statement` exactly one statement; `parse_type`, `resolve_type` and
`parse_schema` read types, `substitute` puts values for variables, `split_statements` tells complete statements from
the rest that a prompt still waits for, `span_of` is the place of an expression's node. All places are character
offsets into the script given. A text that is no SQL is a `SyntaxSqlError`, with its place and the script attached.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, TypedDict

from sqlglot import exp

from ssql.errors import Span, WrongKeyRole
from ssql.sql.cursor import Cursor, lexical_error
from ssql.sql.expressions import read_expression, read_number
from ssql.sql.lexer import KEYWORDS, NUMBERS, Kind, Token, split_statements, tokens
from ssql.sql.printer import print_expression
from ssql.sql.queries import not_supported, read_interval, read_query
from ssql.sql.statements import (
    AlterSource,
    AlterSystem,
    AssertedRow,
    AssertRows,
    AssertSchema,
    AssertSource,
    AssertTopic,
    AssertValues,
    ChangeQuery,
    ColumnDef,
    CreateAs,
    CreateConnector,
    CreateEndpoint,
    CreateSource,
    CreateType,
    Define,
    Describe,
    DropConnector,
    DropEndpoint,
    DropSource,
    DropType,
    Explain,
    InsertInto,
    InsertValues,
    Interval,
    Name,
    ParameterDef,
    Print,
    Properties,
    Property,
    RunScript,
    Select,
    SetProperty,
    Show,
    Statement,
    Undefine,
    UnsetProperty,
)
from ssql.sql.statements import (
    Kind as SourceKind,
)
from ssql.sql.trees import literal_value, span_of
from ssql.sql.type_syntax import parse_schema, parse_type, read_type, resolve_type
from ssql.sql.variables import Scope, substitute, substitute_part

__all__ = [
    "KEYWORDS",
    "Scope",
    "parse_schema",
    "parse_script",
    "parse_statement",
    "parse_type",
    "resolve_type",
    "span_of",
    "split_statements",
    "substitute",
]


def parse_script(
    text: str, variables: Mapping[str, str] | Scope | None = None, *, assertions: bool = False
) -> list[Statement]:
    """The statements of a script, in order. The last one may lack its semicolon.

    `assertions`: take the statements that only a test's script has, ASSERT VALUES, NULL VALUES, STREAM, TABLE, CHANGES,
    ERRORS and LATE.

    `variables` are the values for `${v}`; DEFINE and UNDEFINE count for the statements after them. Without it, nothing
    is substituted.
    """
    scope = variables if isinstance(variables, Scope) else Scope(variables or {}, enabled=variables is not None)
    statements = []
    for part in _parts(text):
        statement = _parse(text, part, scope.values, assertions)
        scope.follow(statement)
        statements.append(statement)
    return statements


def parse_statement(
    text: str, variables: Mapping[str, str] | None = None, *, assertions: bool = False, parameters: bool = False
) -> Statement:
    """The one statement of a text; `assertions` as for `parse_script`. `parameters`: `$x` may stand for a literal."""
    parts = list(_parts(text))
    if not parts:
        raise Cursor(_with_end([], len(text)), text).unexpected("a statement")
    if len(parts) > 1:
        start = next(tokens(text[parts[1].start :])).span.shift(parts[1].start)
        raise Cursor(_with_end([], 0), text).error("expected one statement, found another", start)
    return _parse(text, parts[0], variables, assertions, parameters=parameters)


def _parts(text: str) -> Iterator[Span]:
    """The places of the statements, without their semicolons. Empty ones are skipped."""
    first: Token | None = None
    last: Token | None = None
    for token in tokens(text):
        if token.kind is Kind.SYMBOL and token.raw == ";":
            if first and last:
                yield Span(first.start, last.end)
            first = last = None
        else:
            first, last = first or token, token
    if first and last:
        yield Span(first.start, last.end)


def _with_end(found: Sequence[Token], end: int) -> list[Token]:
    return [*found, Token(Kind.END, "", "", end, end)]


def _parse(
    script: str, part: Span, variables: Mapping[str, str] | None, assertions: bool, *, parameters: bool = False
) -> Statement:
    text = script[part.start : part.end]
    found = [Token(t.kind, t.value, t.raw, t.start + part.start, t.end + part.start) for t in tokens(text)]
    if variables is not None and "${" in text:
        result = substitute_part(script, part, variables)
        text = result.text
        found = []
        for token in tokens(text):
            place = result.original(token.start, token.end)
            found.append(Token(token.kind, token.value, token.raw, place.start, place.end))
    for token in found:
        if token.kind is Kind.BAD:
            raise lexical_error(token, script)
    cursor = Cursor(_with_end(found, part.end), script, parameters=parameters)
    try:
        return _Reader(cursor, part, text, assertions).whole()
    except RecursionError:
        raise cursor.error("the statement is nested too deeply", cursor.token.span) from None


_Rows = Literal["STREAM", "TABLE", "CHANGES", "ERRORS", "LATE"]
#: What only a test's script asserts.
_OF_TESTS = ("VALUES", "NULL", "STREAM", "TABLE", "CHANGES", "ERRORS", "LATE")


class _Place(TypedDict):
    span: Span
    text: str


class _Reader:
    """Reads one statement. `place` is what all its nodes carry; `assertions`: also a test's statements."""

    def __init__(self, cursor: Cursor, span: Span, text: str, assertions: bool) -> None:
        self.cursor = cursor
        self.assertions = assertions
        self.place: _Place = {"span": span, "text": text}

    def whole(self) -> Statement:
        statement = self.statement()
        if self.cursor.token.kind is not Kind.END:
            raise self.cursor.unexpected("end of statement")
        return statement

    def statement(self) -> Statement:
        cursor = self.cursor
        if cursor.is_word("SELECT"):
            return Select(read_query(cursor), **self.place)
        for word, read in STATEMENTS.items():
            if cursor.accept_words(word):
                return read(self)
        if cursor.is_word("WITH"):
            raise not_supported(cursor)
        raise cursor.unexpected("SELECT")

    # --- CREATE ------------------------------------------------------------------------------------------------------

    def create(self) -> Statement:
        cursor = self.cursor
        or_replace = cursor.accept_words("OR", "REPLACE")
        if not or_replace and cursor.accept_words("TYPE"):
            if_not_exists = cursor.accept_words("IF", "NOT", "EXISTS")
            name = cursor.name("the name of a type")
            cursor.expect_words("AS")
            return CreateType(name, read_type(cursor), if_not_exists, **self.place)
        if cursor.is_word("ENDPOINT"):
            cursor.advance()
            return self.endpoint(or_replace=or_replace)
        read_only = cursor.accept_words("SOURCE")
        if not or_replace:
            if cursor.accept_words("CONNECTOR"):
                if not read_only:
                    raise cursor.error(
                        "CREATE CONNECTOR needs SOURCE or SINK", cursor.last.span, "Write CREATE SOURCE CONNECTOR."
                    )
                return self.connector("SOURCE")
            if not read_only and cursor.accept_words("SINK"):
                cursor.expect_words("CONNECTOR")
                return self.connector("SINK")
        return self.source(self.kind(), or_replace=or_replace, read_only=read_only)

    def kind(self) -> SourceKind:
        return "STREAM" if self.cursor.one_of("STREAM", "TABLE") == "STREAM" else "TABLE"

    def connector(self, kind: Literal["SOURCE", "SINK"]) -> Statement:
        if_not_exists = self.cursor.accept_words("IF", "NOT", "EXISTS")
        name = self.cursor.name("the name of a connector")
        self.cursor.expect_words("WITH")
        return CreateConnector(name, kind, self.property_list(keep_case=True), if_not_exists, **self.place)

    def source(self, kind: SourceKind, *, or_replace: bool, read_only: bool) -> Statement:
        cursor = self.cursor
        if_not_exists = cursor.accept_words("IF", "NOT", "EXISTS")
        name = self.source_name()
        has_columns = cursor.is_symbol("(")
        columns = self.columns(kind)
        properties = self.properties()
        if not has_columns and not read_only and cursor.accept_words("AS"):
            return CreateAs(kind, name, properties, read_query(cursor), or_replace, if_not_exists, **self.place)
        if cursor.is_word("AS"):
            why = "a SOURCE has no AS SELECT" if read_only else "the columns of AS SELECT come from its query"
            raise cursor.error(why, cursor.token.span)
        return CreateSource(kind, name, columns, properties, or_replace, if_not_exists, read_only, **self.place)

    def source_name(self) -> Name:
        return self.cursor.name("the name of a stream or table")

    def columns(self, kind: SourceKind) -> tuple[ColumnDef, ...]:
        """The column list, when there is one."""
        if self.cursor.is_symbol("("):
            return self.cursor.listed(lambda: self.column(kind))
        self.cursor.wanted('"("')
        return ()

    def column(self, kind: SourceKind) -> ColumnDef:
        cursor = self.cursor
        name = cursor.name("a column name")
        type_ = read_type(cursor)
        for words, role, where in (
            (("PRIMARY", "KEY"), "primary key", "TABLE"),
            (("KEY",), "key", "STREAM"),
        ):
            if cursor.accept_words(*words):
                if kind != where:
                    raise WrongKeyRole(name.text, kind, span=cursor.span_from(name.span)).within(cursor.text)
                return ColumnDef(name, type_, role)  # type: ignore[arg-type]
        if cursor.accept_words("HEADERS"):
            return ColumnDef(name, type_, "headers")
        if cursor.accept_words("HEADER"):
            key = cursor.parenthesised(lambda: cursor.string("the key of a header"))
            return ColumnDef(name, type_, "header", key.value)
        return ColumnDef(name, type_)

    # --- endpoints ---------------------------------------------------------------------------------------------------

    def endpoint(self, *, or_replace: bool) -> Statement:
        cursor = self.cursor
        if_not_exists = cursor.accept_words("IF", "NOT", "EXISTS")
        name = cursor.name("the name of an endpoint")
        parameters: tuple[ParameterDef, ...] = ()
        if cursor.is_symbol("("):
            parameters = cursor.listed(self.parameter, may_be_empty=True)
        else:
            cursor.wanted('"("')
        cursor.expect_words("AS")
        first = cursor.token
        if first.kind is Kind.END:
            raise cursor.unexpected("a query")
        # What can be asked is not for this statement to say: whatever answers the query reads its text.
        start = next(itertools.islice(tokens(self.place["text"]), cursor.index, None)).start
        while cursor.token.kind is not Kind.END:
            cursor.advance()
        query = self.place["text"][start:]
        return CreateEndpoint(
            name, parameters, query, or_replace, if_not_exists, Span(first.start, cursor.last.end), **self.place
        )

    def parameter(self) -> ParameterDef:
        cursor = self.cursor
        if cursor.token.kind is not Kind.PARAMETER:
            raise cursor.unexpected("a parameter, as $x")
        token = cursor.advance()
        type_ = read_type(cursor)
        name = Name(token.raw[1:], token.span)
        if not cursor.accept_words("DEFAULT"):
            return ParameterDef(name, type_)
        if cursor.accept_words("NULL"):
            return ParameterDef(name, type_, required=False)
        value, _ = self.literal()
        sign = "-" if cursor.tokens[cursor.index - 2].raw == "-" else ""
        text = value if isinstance(value, str) else sign + cursor.last.raw
        return ParameterDef(name, type_, required=False, default=text)

    # --- WITH --------------------------------------------------------------------------------------------------------

    def properties(self) -> Properties:
        return self.property_list() if self.cursor.accept_words("WITH") else {}

    def property_list(self, *, keep_case: bool = False) -> Properties:
        """Connectors' properties keep their case, as Connect reads them; all others are upper-cased."""
        properties: dict[str, Property] = {}
        for found in self.cursor.listed(lambda: self.property(keep_case), may_be_empty=True):
            if found.name in properties:
                raise self.cursor.error(f'property "{found.name}" is given twice', found.name_span)
            properties[found.name] = found
        return properties

    def property(self, keep_case: bool) -> Property:
        cursor = self.cursor
        if cursor.token.kind is Kind.STRING:
            token = cursor.advance()
            name, span = token.value, token.span
        else:
            written = cursor.name("the name of a property", keep_case=True)
            name, span = written.text, written.span
        cursor.expect("=")
        value, value_span = self.literal()
        return Property(name if keep_case else name.upper(), value, span, value_span)

    def literal(self) -> tuple[str | int | float | bool, Span]:
        cursor = self.cursor
        token = cursor.token
        if token.kind is Kind.STRING:
            return cursor.advance().value, token.span
        if cursor.is_word("TRUE", "FALSE"):
            return cursor.advance().value == "TRUE", token.span
        if token.kind in NUMBERS or cursor.is_symbol("-"):
            node = read_number(cursor)
            value = literal_value(node)
            return (value if isinstance(value, int) else float(value)), span_of(node)
        raise cursor.unexpected("a literal")

    # --- INSERT ------------------------------------------------------------------------------------------------------

    def insert(self) -> Statement:
        cursor = self.cursor
        cursor.expect_words("INTO")
        target = self.source_name()
        if cursor.accept_words("WITH"):
            return InsertInto(target, self.property_list(), read_query(cursor), **self.place)
        if cursor.is_word("SELECT"):
            return InsertInto(target, {}, read_query(cursor), **self.place)
        names = self.names()
        if not cursor.accept_words("VALUES"):
            raise cursor.unexpected(*(() if names else ("SELECT",)))
        return InsertValues(target, names, self.rows(names), **self.place)

    def rows(self, names: tuple[Name, ...]) -> tuple[tuple[exp.Expression, ...], ...]:
        rows = self.cursor.several(self.row)
        return tuple(self.as_many(names, row) for row in rows)

    def as_many(self, names: tuple[Name, ...], row: tuple[exp.Expression, ...]) -> tuple[exp.Expression, ...]:
        """The row, which must have a value for each of the columns, where these are named."""
        if names and len(row) != len(names):
            span = Span(span_of(row[0]).start, span_of(row[-1]).end) if row else self.cursor.last.span
            wanted, given = ", ".join(n.text for n in names), ", ".join(map(print_expression, row))
            raise self.cursor.error(f"Expected number columns and values to match: [{wanted}], [{given}]", span)
        return row

    def names(self) -> tuple[Name, ...]:
        if self.cursor.is_symbol("("):
            return self.cursor.listed(lambda: self.cursor.name("a column name"), may_be_empty=True)
        self.cursor.wanted('"("')
        return ()

    def row(self) -> tuple[exp.Expression, ...]:
        return self.cursor.listed(lambda: read_expression(self.cursor), may_be_empty=True)

    # --- ALTER, DROP -------------------------------------------------------------------------------------------------

    def alter(self) -> Statement:
        cursor = self.cursor
        if cursor.accept_words("SYSTEM"):
            return AlterSystem(*self.setting(), **self.place)
        kind = self.kind()
        name = self.source_name()
        return AlterSource(kind, name, cursor.several(self.added_column), **self.place)

    def added_column(self) -> ColumnDef:
        self.cursor.expect_words("ADD")
        self.cursor.accept_words("COLUMN")
        return ColumnDef(self.cursor.name("a column name"), read_type(self.cursor))

    def drop(self) -> Statement:
        cursor = self.cursor
        if cursor.is_word("ENDPOINT"):
            cursor.advance()
            if_exists = cursor.accept_words("IF", "EXISTS")
            return DropEndpoint(cursor.name("the name of an endpoint"), if_exists, **self.place)
        what = cursor.one_of("STREAM", "TABLE", "TYPE", "CONNECTOR")
        if_exists = cursor.accept_words("IF", "EXISTS")
        name = cursor.name()
        if what == "TYPE":
            return DropType(name, if_exists, **self.place)
        if what == "CONNECTOR":
            return DropConnector(name, if_exists, **self.place)
        delete_topic = cursor.accept_words("DELETE", "TOPIC")
        return DropSource("STREAM" if what == "STREAM" else "TABLE", name, if_exists, delete_topic, **self.place)

    # --- queries and topics ------------------------------------------------------------------------------------------

    def change(self, action: Literal["TERMINATE", "PAUSE", "RESUME"]) -> Statement:
        query = None if self.cursor.accept_words("ALL") else self.cursor.name("the id of a query")
        return ChangeQuery(action, query, **self.place)

    def explain(self) -> Statement:
        cursor = self.cursor
        is_query = cursor.is_name() and cursor.peek().kind is Kind.END
        if is_query or cursor.token.kind is Kind.END:
            return Explain(cursor.name("a statement or the id of a query"), None, **self.place)
        outer = self.place
        _, first, *_ = tokens(outer["text"])
        span = Span(cursor.token.start, outer["span"].end)
        self.place = {"span": span, "text": outer["text"][first.start :]}
        statement = self.statement()
        self.place = outer
        return Explain(None, statement, **self.place)

    def print(self) -> Statement:
        cursor = self.cursor
        topic = self.topic()
        from_beginning = cursor.accept_words("FROM", "BEGINNING")
        interval = None
        if cursor.accept_words("INTERVAL") or cursor.accept_words("SAMPLE"):
            interval = cursor.count(cursor.last.value)
            if interval < 1:
                raise cursor.error("INTERVAL must be at least 1", cursor.last.span)
        limit = cursor.count("LIMIT") if cursor.accept_words("LIMIT") else None
        return Print(topic, from_beginning, interval, limit, **self.place)

    def topic(self) -> Name:
        """Topics are named as written, in quotes or not."""
        return self.text_or_name("the name of a topic")

    def text_or_name(self, what: str) -> Name:
        cursor = self.cursor
        if cursor.token.kind is Kind.STRING:
            token = cursor.advance()
            return Name(token.value, token.span, quoted=True)
        return cursor.name(what, keep_case=True)

    # --- introspection -----------------------------------------------------------------------------------------------

    def show(self) -> Statement:
        cursor = self.cursor
        if cursor.accept_words("ALL"):
            cursor.expect_words("TOPICS")
            return Show("TOPICS", extended=cursor.accept_words("EXTENDED"), all=True, **self.place)
        for scope in ("SOURCE", "SINK"):
            if cursor.accept_words(scope):
                cursor.expect_words("CONNECTORS")
                return Show("CONNECTORS", scope=scope, **self.place)
        if cursor.accept_words("CONNECTOR", "PLUGINS"):
            return Show("CONNECTOR PLUGINS", **self.place)
        what = cursor.one_of(
            *("TOPICS", "STREAMS", "TABLES", "QUERIES", "FUNCTIONS", "PROPERTIES", "TYPES", "VARIABLES", "CONNECTORS"),
            "ENDPOINTS",
        )
        extended = what in {"TOPICS", "STREAMS", "TABLES", "QUERIES"} and cursor.accept_words("EXTENDED")
        return Show(what, extended=extended, **self.place)

    def describe(self) -> Statement:
        cursor = self.cursor
        follows = cursor.peek()
        alone = follows.kind is Kind.END or cursor.is_word("EXTENDED", ahead=1)
        if alone and cursor.is_word("STREAMS", "TABLES"):
            what: Literal["STREAMS", "TABLES"] = "STREAMS" if cursor.advance().value == "STREAMS" else "TABLES"
            return Describe(what, None, cursor.accept_words("EXTENDED"), **self.place)
        if not alone and cursor.accept_words("FUNCTION"):
            return Describe("FUNCTION", cursor.name("the name of a function"), **self.place)
        if not alone and cursor.accept_words("CONNECTOR"):
            return Describe("CONNECTOR", cursor.name("the name of a connector"), **self.place)
        if not alone and cursor.accept_words("ENDPOINT"):
            return Describe("ENDPOINT", cursor.name("the name of an endpoint"), **self.place)
        name = self.source_name()
        return Describe("SOURCE", name, cursor.accept_words("EXTENDED"), **self.place)

    # --- session -----------------------------------------------------------------------------------------------------

    def setting(self) -> tuple[str, str]:
        name = self.cursor.string("the name of a setting in quotes")
        self.cursor.expect("=")
        return name.value, self.cursor.string("a value in quotes").value

    def set(self) -> Statement:
        return SetProperty(*self.setting(), **self.place)

    def unset(self) -> Statement:
        return UnsetProperty(self.cursor.string("the name of a setting in quotes").value, **self.place)

    def define(self) -> Statement:
        name = self.cursor.name("the name of a variable")
        self.cursor.expect("=")
        return Define(name, self.cursor.string("a value in quotes").value, **self.place)

    def undefine(self) -> Statement:
        return Undefine(self.cursor.name("the name of a variable"), **self.place)

    def run(self) -> Statement:
        self.cursor.expect_words("SCRIPT")
        return RunScript(self.cursor.string("the path of a file in quotes").value, **self.place)

    # --- assertions --------------------------------------------------------------------------------------------------

    def assertion(self) -> Statement:
        cursor = self.cursor
        exists = not cursor.accept_words("NOT", "EXISTS")
        if cursor.accept_words("TOPIC"):
            topic = self.topic()
            properties = self.properties()
            return AssertTopic(topic, exists, properties, self.timeout(), **self.place)
        if cursor.accept_words("SCHEMA"):
            subject = self.text_or_name("a subject").text if cursor.accept_words("SUBJECT") else None
            id_ = cursor.integer("the id of a schema") if cursor.accept_words("ID") else None
            if subject is None and id_ is None:
                raise cursor.unexpected()
            return AssertSchema(exists, subject, id_, self.timeout(), **self.place)
        if exists and not self.assertions and cursor.is_word(*_OF_TESTS):
            error = cursor.unexpected()
            error.hint = "A test's script asserts records and sources; read them with SELECT and DESCRIBE here."
            raise error
        if not exists:
            raise cursor.unexpected()
        if cursor.accept_words("NULL", "VALUES"):
            return self.assert_values("KEY", tombstone=True)
        if cursor.accept_words("VALUES"):
            return self.assert_values("VALUES", tombstone=False)
        if cursor.accept_words("CHANGES"):
            return self.assert_rows("CHANGES", self.source_name())
        if cursor.accept_words("ERRORS"):
            return self.assert_rows("ERRORS", None)
        if cursor.accept_words("LATE"):
            return self.assert_rows("LATE", None)
        kind = self.kind()
        name = self.source_name()
        if self.rows_follow():
            return self.assert_rows(kind, name)
        columns = self.columns(kind)
        return AssertSource(kind, name, columns, self.properties(), **self.place)

    def rows_follow(self) -> bool:
        """Whether an assertion on a source goes on with rows, and not with the columns of its definition."""
        cursor = self.cursor
        named = cursor.is_symbol("(") and cursor.is_name(1) and (cursor.is_symbol(",", 2) or cursor.is_symbol(")", 2))
        return named or cursor.is_word("VALUES", "IS")

    def assert_values(self, before_row: str, *, tombstone: bool) -> Statement:
        source = self.source_name()
        names = self.names()
        self.cursor.expect_words(before_row)
        return AssertValues(source, names, self.rows(names), tombstone, **self.place)

    def assert_rows(self, what: _Rows, source: Name | None) -> Statement:
        cursor = self.cursor
        if cursor.accept_words("IS", "EMPTY"):
            return AssertRows(what, source, (), (), **self.place)
        names = self.names()
        cursor.expect_words("VALUES")
        return AssertRows(what, source, names, cursor.several(lambda: self.asserted_row(what, names)), **self.place)

    def asserted_row(self, what: _Rows, names: tuple[Name, ...]) -> AssertedRow:
        if what == "CHANGES" and self.cursor.accept_words("DELETED"):
            return AssertedRow(self.row(), deleted=True)
        return AssertedRow(self.as_many(names, self.row()))

    def timeout(self) -> Interval | None:
        return read_interval(self.cursor) if self.cursor.accept_words("TIMEOUT") else None


#: By its first word, what reads a statement.
STATEMENTS: dict[str, Callable[[_Reader], Statement]] = {
    "CREATE": _Reader.create,
    "INSERT": _Reader.insert,
    "DROP": _Reader.drop,
    "ALTER": _Reader.alter,
    "DESCRIBE": _Reader.describe,
    "SHOW": _Reader.show,
    "LIST": _Reader.show,
    "EXPLAIN": _Reader.explain,
    "PRINT": _Reader.print,
    "TERMINATE": lambda reader: reader.change("TERMINATE"),
    "PAUSE": lambda reader: reader.change("PAUSE"),
    "RESUME": lambda reader: reader.change("RESUME"),
    "SET": _Reader.set,
    "UNSET": _Reader.unset,
    "DEFINE": _Reader.define,
    "UNDEFINE": _Reader.undefine,
    "RUN": _Reader.run,
    "ASSERT": _Reader.assertion,
}
