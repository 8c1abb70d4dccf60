"""Signatures as text, and the matching of arguments against them.

`"REDUCE(ARRAY<T>, S, LAMBDA(S, T) => S) -> S"` becomes a `Signature` whose types may hold variables (T), the class of
all decimals (DECIMAL), or any type (ANY). `match` binds the variables to the types of a call's arguments: exactly, or
with ksqlDB's implicit widening INT -> BIGINT -> DECIMAL -> DOUBLE.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ssql.errors import InternalError
from ssql.functions.api import ArgType, LambdaType
from ssql.functions.widening import common_type, distance, widen_to_decimal
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Decimal,
    Map,
    SqlType,
    Struct,
)


@dataclass(frozen=True)
class Variable(SqlType):
    """A type to be bound by the arguments: T, K, V, S, R."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class AnyDecimal(SqlType):
    """DECIMAL of any precision and scale; several in one signature are brought to one common type."""

    def __str__(self) -> str:
        return "DECIMAL"


@dataclass(frozen=True)
class AnyType(SqlType):
    """An argument of whatever type, independent of all others."""

    def __str__(self) -> str:
        return "ANY"


@dataclass(frozen=True)
class LambdaPattern(SqlType):
    parameters: tuple[SqlType, ...]
    result: SqlType

    def __str__(self) -> str:
        return f"LAMBDA({', '.join(map(str, self.parameters))}) => {self.result}"


def _is_open(t: SqlType) -> bool:
    """Whether a type leaves something to the arguments."""
    match t:
        case Variable() | AnyType():
            return True
        case Array(element):
            return _is_open(element)
        case Map(key, value):
            return _is_open(key) or _is_open(value)
        case LambdaPattern(parameters, result):
            return any(map(_is_open, (*parameters, result)))
    return False


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    `variadic` takes none or more arguments, `literal` only a constant written in the statement, `unit` the text of a
    unit of time, which is written as a bare word.
    """

    type: SqlType
    variadic: bool = False
    literal: bool = False
    unit: bool = False

    def __str__(self) -> str:
        return (
            f"{'UNIT' if self.unit else self.type}{' literal' if self.literal else ''}{'...' if self.variadic else ''}"
        )


@dataclass(frozen=True)
class Signature:
    """A parsed signature; `result` is None where a function of the argument types gives it."""

    name: str
    parameters: tuple[Parameter, ...]
    result: SqlType

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.parameters))}) -> {self.result}"

    @property
    def specificity(self) -> tuple[bool, int, int, bool, int]:
        """Of two signatures that fit a call, ksqlDB takes the one with the greater of these: not variadic, more
        parameters, fewer types left open, no further arguments of any type, these further to the right."""
        variadic = [at for at, p in enumerate(self.parameters) if p.variadic]
        open_types = sum(_is_open(p.type) for p in self.parameters)
        any_more = any(p.variadic and isinstance(p.type, AnyType) for p in self.parameters)
        return not variadic, len(self.parameters), -open_types, not any_more, variadic[0] if variadic else -1

    def expand(self, count: int) -> tuple[Parameter, ...] | None:
        """The parameters for `count` arguments, or None when that many do not fit."""
        for at, parameter in enumerate(self.parameters):
            if parameter.variadic:
                repeat = count - len(self.parameters) + 1
                if repeat < 0:
                    return None
                return (*self.parameters[:at], *(parameter,) * repeat, *self.parameters[at + 1 :])
        return self.parameters if count == len(self.parameters) else None


_PRIMITIVES: dict[str, SqlType] = {
    "BOOLEAN": BOOLEAN,
    "INT": INTEGER,
    "INTEGER": INTEGER,
    "BIGINT": BIGINT,
    "DOUBLE": DOUBLE,
    "STRING": STRING,
    "BYTES": BYTES,
    "DATE": DATE,
    "TIME": TIME,
    "TIMESTAMP": TIMESTAMP,
    "DECIMAL": AnyDecimal(),
    "ANY": AnyType(),
}
_TOKEN = re.compile(r"\s*(->|=>|\.\.\.|[A-Za-z_][A-Za-z_0-9]*|[(),<>*])")


class _Reader:
    """Reads one signature text, token by token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _TOKEN.findall(text)
        if "".join(self.tokens) != text.replace(" ", ""):
            raise InternalError(f"cannot read the signature {text}")
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        if expected is not None and token != expected:
            raise InternalError(f"cannot read the signature {self.text}: {expected} expected")
        self.at += 1
        return token

    def accept(self, token: str) -> bool:
        if self.peek() != token:
            return False
        self.at += 1
        return True

    def type(self) -> SqlType:
        word = self.take()
        if word == "ARRAY":
            self.take("<")
            element = self.type()
            self.take(">")
            return Array(element)
        if word == "MAP":
            self.take("<")
            key = self.type()
            self.take(",")
            value = self.type()
            self.take(">")
            return Map(key, value)
        if word == "STRUCT":
            self.take("<")
            fields = [(self.take(), self.type())]
            while self.accept(","):
                fields.append((self.take(), self.type()))
            self.take(">")
            return Struct(tuple(fields))
        if word == "LAMBDA":
            self.take("(")
            parameters = [self.type()]
            while self.accept(","):
                parameters.append(self.type())
            self.take(")")
            self.take("=>")
            return LambdaPattern(tuple(parameters), self.type())
        if word in _PRIMITIVES:
            return _PRIMITIVES[word]
        if len(word) == 1:
            return Variable(word)
        raise InternalError(f"cannot read the signature {self.text}: no type {word}")

    def parameter(self) -> Parameter:
        if self.accept("UNIT"):
            return Parameter(STRING, unit=True)
        kind = self.type()
        literal = self.accept("literal")
        return Parameter(kind, variadic=self.accept("..."), literal=literal)

    def signature(self) -> Signature:
        name = self.take()
        self.take("(")
        parameters = []
        if self.peek() != ")":
            parameters.append(self.parameter())
            while self.accept(","):
                parameters.append(self.parameter())
        self.take(")")
        self.take("->")
        result = self.type()
        if self.peek():
            raise InternalError(f"cannot read the signature {self.text}: text after the result")
        return Signature(name, tuple(parameters), result)


def parse(text: str) -> Signature:
    """The signature that `text` writes, e.g. "ROUND(DOUBLE, INT) -> DOUBLE"."""
    return _Reader(text).signature()


@dataclass(frozen=True)
class Match:
    """A call that fits: the types the arguments are to have, what the variables stand for, and how far it was."""

    types: tuple[SqlType | LambdaType, ...]
    bindings: dict[str, SqlType]
    cost: int


_DECIMAL = "DECIMAL"  # the name under which AnyDecimal is bound


class _Unifier:
    """Binds variables while the arguments are gone through; `implicit` allows widening."""

    def __init__(self, *, implicit: bool) -> None:
        self.implicit = implicit
        self.bindings: dict[str, SqlType] = {}

    def bind(self, name: str, given: SqlType) -> bool:
        bound = self.bindings.get(name)
        if bound is None or bound == given:
            self.bindings[name] = given
            return True
        if not self.implicit:
            return False
        wider = common_type([bound, given])
        if wider is None:
            return False
        self.bindings[name] = wider
        return True

    def fits(self, pattern: SqlType, given: ArgType) -> bool:
        if given is None:
            return not isinstance(pattern, LambdaPattern)
        if isinstance(pattern, LambdaPattern):
            if not isinstance(given, LambdaType) or given.arity != len(pattern.parameters):
                return False
            return given.result is None or self.fits(pattern.result, given.result)
        if isinstance(given, LambdaType):
            return False
        if isinstance(pattern, AnyType):
            return True
        if isinstance(pattern, Variable):
            return self.bind(pattern.name, given)
        if isinstance(pattern, AnyDecimal):
            decimal = given if isinstance(given, Decimal) else widen_to_decimal(given) if self.implicit else None
            if decimal is None:
                return False
            bound = self.bindings.get(_DECIMAL)
            wider = decimal if bound is None else common_type([bound, decimal])
            if wider is None:
                return False
            self.bindings[_DECIMAL] = wider
            return True
        if isinstance(pattern, Array):
            return isinstance(given, Array) and self.fits(pattern.element, given.element)
        if isinstance(pattern, Map):
            return (
                isinstance(given, Map) and self.fits(pattern.key, given.key) and self.fits(pattern.value, given.value)
            )
        return pattern == given or (self.implicit and distance(given, pattern) is not None)


def substitute(pattern: SqlType, bindings: dict[str, SqlType]) -> SqlType:
    """`pattern` with its variables replaced; one that nothing has bound (only NULLs were given) is STRING."""
    if isinstance(pattern, Variable):
        return bindings.get(pattern.name, STRING)
    if isinstance(pattern, AnyDecimal):
        return bindings.get(_DECIMAL, Decimal(38, 0))
    if isinstance(pattern, AnyType):
        return STRING
    if isinstance(pattern, Array):
        return Array(substitute(pattern.element, bindings))
    if isinstance(pattern, Map):
        return Map(substitute(pattern.key, bindings), substitute(pattern.value, bindings))
    if isinstance(pattern, Struct):
        return Struct(tuple((n, substitute(t, bindings)) for n, t in pattern.fields))
    return pattern


def match(parameters: Sequence[Parameter], args: Sequence[ArgType], *, implicit: bool) -> Match | None:
    """How `args` fit `parameters` (one each), or None."""
    unifier = _Unifier(implicit=implicit)
    if not all(unifier.fits(p.type, a) for p, a in zip(parameters, args, strict=True)):
        return None
    types: list[SqlType | LambdaType] = []
    cost = 0
    for parameter, given in zip(parameters, args, strict=True):
        if isinstance(given, LambdaType):
            types.append(given)
            continue
        if isinstance(parameter.type, AnyType):
            types.append(given if given is not None else STRING)
            continue
        target = substitute(parameter.type, unifier.bindings)
        if given is not None:
            far = distance(given, target)
            if far is None:
                return None
            cost += far
        types.append(target)
    return Match(tuple(types), unifier.bindings, cost)
