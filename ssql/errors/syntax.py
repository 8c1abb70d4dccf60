"""Texts that are no statement: what does not fit, and what could stand there."""

from __future__ import annotations

from collections.abc import Iterable

from ssql.errors.base import BUILDING, NODE_PLACE, PARSER_PLACE, Position, Span, SqlError, nearest


class SyntaxSqlError(SqlError):
    """The text is no SQL.

    `message` says what was expected, in the words of a prompt; ksqlDB's clients get its words.
    `found`: the token that does not fit, as written. `expected`: the few tokens that could stand there, as ksqlDB
    writes them; `missing`: the one that must. `reserved`: `found` is a reserved word where a name was expected.
    `statements`: the words that statements begin with, where one of these was expected.
    """

    code = "syntax_error"
    ksql_place = PARSER_PLACE

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        span: Span | None = None,
        found: str | None = None,
        expected: Iterable[str] = (),
        missing: str | None = None,
        reserved: bool = False,
        statements: Iterable[str] = (),
    ) -> None:
        super().__init__(message, hint=hint, span=span)
        self.found = found
        self.expected = tuple(expected)
        self.missing = missing
        self.reserved = reserved
        self.statements = tuple(statements)

    @property
    def ksql_message(self) -> str:
        at = self.position
        place = "" if at is None else self.ksql_place.format(line=at.line, column=at.column)
        return f"{self.step}{place}Syntax Error\n{self._detail(at)}"

    def _detail(self, at: Position | None) -> str:
        if self.found is None:
            return self.message
        if self.reserved:
            return (
                f'"{self.found}" is a reserved keyword and it can\'t be used as an identifier. '
                f"You can use it as an identifier by escaping it as '{self.found}' "
            )
        if self.statements:
            close = nearest(self.found, self.statements)
            return f"Unknown statement '{self.found}'" + (f"\nDid you mean '{close}'?" if close else "")
        if self.missing is not None:
            return f"missing {self.missing} at '{self.found}'"
        if self.expected:
            listed = ", ".join(self.expected)
            return f"Expecting {listed if len(self.expected) == 1 else '{' + listed + '}'}"
        where = "" if at is None else f" at line {at.line}:{at.column}"
        return f"Syntax error at or near '{self.found}'{where}\n{self.message}"


class WrongKeyRole(SqlError):
    """A stream's column is declared PRIMARY KEY, or a table's KEY."""

    code = "wrong_key_role"
    ksql_place = NODE_PLACE
    step = BUILDING

    def __init__(self, name: str, kind: str, *, span: Span | None = None) -> None:
        written, right = ("PRIMARY KEY", "KEY") if kind == "STREAM" else ("KEY", "PRIMARY KEY")
        super().__init__(
            f"Column `{name}` is a '{written}' column: please use '{right}' for {kind.lower()}s.", span=span
        )


class WholeNumberNeeded(SqlError):
    """LIMIT, INTERVAL or OFFSET is followed by a number with a fraction."""

    code = "syntax_error"
    step = BUILDING

    def __init__(self, command: str, *, span: Span | None = None) -> None:
        super().__init__(f"Value must be integer for command: {command}", span=span)


class InvalidLiteral(SqlError):
    """A number that no type holds."""

    code = "syntax_error"
    step = BUILDING

    def __init__(self, message: str, *, hint: str | None = None, span: Span | None = None) -> None:
        super().__init__(message, hint=hint, span=span)

    @property
    def ksql_message(self) -> str:
        # ksqlDB counts the columns of literals from 2.
        at = self.position
        place = "" if at is None else PARSER_PLACE.format(line=at.line, column=at.column + 1)
        return f"{self.step}{place}{self.message}"


class NotSupportedYet(SqlError):
    """The statement is understood, and not carried out yet."""

    code = "not_supported_yet"

    def __init__(self, what: str, *, span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(f"{what} is not supported yet", span=span, hint=hint)


class LiteralRequired(SqlError):
    """An argument of a function must be a constant, and is an expression.

    `given`: the argument as written.
    """

    code = "literal_required"

    def __init__(self, function: str, position: int, given: str, *, span: Span | None = None) -> None:
        super().__init__(
            f"Parameter {position} passed to function {function} must be a literal constant, "
            f"but was expression: '{given}'",
            span=span,
        )
