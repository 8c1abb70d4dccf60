"""Bound expressions and stateless chains of nodes as DuckDB's SQL.

A chain of filters, projections and table functions becomes one statement over `delta`. Its careful form yields the
same, with NULL where an expression fails on a row and the column's name in `_failed`; a filter that fails is not TRUE.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ssql.errors import InternalError
from ssql.functions import used_in
from ssql.functions.operators import arithmetic, cast, comparison, negate, subscript
from ssql.planner import expr as e
from ssql.planner.expr_text import struct_names
from ssql.planner.plan import Filter, FlatMap, Node, Project
from ssql.planner.steps import SYSTEM, Statement
from ssql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Decimal,
    Map,
    SqlType,
    duck_quote,
)

FAILED = "_failed"

#: What cannot fail on a row whose operands have not failed.
_SAFE = (
    *(e.Column, e.Parameter, e.Given, e.Literal, e.Comparison, e.Logical, e.Not, e.IsNull, e.Field, e.Case),
    e.StructOf,
)
#: DuckDB refuses TRY around functions that answer differently at each call.
_VOLATILE = re.compile(r"\b(random|uuid|gen_random_uuid|uuidv4|uuidv7|now|error|get_current_timestamp|today)\(")


def text_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def literal(value: e.Value, kind: SqlType | None) -> str:
    """A constant of a type."""
    if value is None:
        return "NULL" if kind is None else f"CAST(NULL AS {kind.duckdb})"
    if kind == BOOLEAN:
        return "TRUE" if value else "FALSE"
    if isinstance(value, bytes):
        return f"from_hex('{value.hex()}')"
    if kind == INTEGER:
        return str(value)
    if kind == STRING:
        return text_literal(str(value))
    if kind == DOUBLE:
        return f"CAST('{value!r}' AS DOUBLE)"
    if isinstance(kind, Decimal):
        return f"CAST('{value:f}' AS {kind.duckdb})"
    if kind in (BIGINT, DATE, TIME, TIMESTAMP):
        return f"CAST('{value}' AS {kind.duckdb})"
    raise InternalError(f"no literal of type {kind}")


def sql_of(x: e.Expr, *, strict: bool = False) -> str:
    """The expression as DuckDB's SQL over the columns of its node's input.

    What cannot be cast or divided for a row is NULL, and so is an element that cannot be computed of an array, a map or
    a struct, beside the others; `strict`: it raises, so that the row can be reported.
    """

    def inner(part: e.Expr) -> str:
        return sql_of(part, strict=strict)

    def element(part: e.Expr) -> str:
        return inner(part) if strict or not may_fail(part) else tried(inner(part))

    match x:
        case e.Column() | e.Parameter():
            return duck_quote(x.name)
        case e.Given():
            return f"CAST(${x.name} AS {_typed(x).duckdb})"
        case e.Literal():
            return literal(x.value, x.type)
        case e.Cast():
            operand = inner(x.operand)
            converted = cast(operand, x.operand.type, _typed(x), span=x.span)
            if not strict or not _may_not_convert(x):
                return converted
            reason = f"concat('cannot read \"', {operand}, '\" as {x.type}')"
            return _or_error(converted, f"{operand} IS NOT NULL AND {converted} IS NULL", reason)
        case e.Call():
            return x.call.render([inner(a) for a in x.args])
        case e.Lambda():
            return f"lambda {', '.join(duck_quote(n) for n, _ in x.parameters)}: {sql_of(x.body)}"
        case e.Arithmetic():
            op = "+" if x.op == "||" else x.op
            right = inner(x.right)
            computed = arithmetic(op, inner(x.left), x.left.type, right, x.right.type, span=x.span)[0]
            constant = isinstance(x.right, e.Literal) and x.right.value != 0
            if not strict or op not in "/%" or x.type == DOUBLE or constant:
                return computed
            return _or_error(computed, f"{right} = 0", "'division by zero'")
        case e.Negate():
            return negate(inner(x.operand), x.operand.type, span=x.span)[0]
        case e.Comparison():
            return comparison(x.op, inner(x.left), inner(x.right))
        case e.Logical():
            return f"({inner(x.left)} {x.op} {inner(x.right)})"
        case e.Not():
            return f"(NOT {inner(x.operand)})"
        case e.IsNull():
            return f"({inner(x.operand)} IS NULL)"
        case e.InList():
            return f"coalesce({inner(x.operand)} IN ({', '.join(map(inner, x.items))}), FALSE)"
        case e.Like():
            escape = "" if x.escape is None else f" ESCAPE {text_literal(x.escape)}"
            return f"coalesce({inner(x.operand)} LIKE {inner(x.pattern)}{escape}, FALSE)"
        case e.Case():
            whens = " ".join(f"WHEN {inner(c)} THEN {inner(v)}" for c, v in x.branches)
            otherwise = "NULL" if x.otherwise is None else inner(x.otherwise)
            return f"CASE {whens} ELSE {otherwise} END"
        case e.Subscript():
            assert x.base.type is not None
            return subscript(inner(x.base), x.base.type, inner(x.index), span=x.span)[0]
        case e.Field():
            return f"struct_extract({inner(x.base)}, {text_literal(x.name)})"
        case e.ArrayOf():
            return f"CAST([{', '.join(map(element, x.items))}] AS {_typed(x).duckdb})"
        case e.MapOf():
            return _map_sql(x, [inner(k) for k in x.keys], [element(v) for v in x.values])
        case e.StructOf():
            named = zip(struct_names(x), x.values, strict=True)
            return f"struct_pack({', '.join(f'{duck_quote(n)} := {element(v)}' for n, v in named)})"
        case e.TableOf():
            return x.call.render([inner(a) for a in x.args])
    raise InternalError(f"a {type(x).__name__} is left in a plan")


def _may_not_convert(x: e.Cast) -> bool:
    """Whether some value of the operand has no counterpart in the target type."""
    source, target = x.operand.type, x.type
    if source is None or isinstance(x.operand, e.Literal) or target == STRING:
        return False
    return source == STRING or (isinstance(target, Decimal) and source != target)


def _map_sql(x: e.MapOf, keys: Sequence[str], values: Sequence[str]) -> str:
    """A map of entries, of equal keys the last. A null key of text is `null`, as JSON has it: DuckDB has none."""
    t = _typed(x)
    assert isinstance(t, Map)
    literal = [k.value if isinstance(k, e.Literal) else None for k in x.keys]
    if None not in literal and len(set(literal)) == len(literal):
        return f"CAST(map([{', '.join(keys)}], [{', '.join(values)}]) AS {t.duckdb})"
    if t.key == STRING:
        keys = [f"coalesce({k}, 'null')" for k in keys]
    maps = [f"CAST(map([{k}], [{v}]) AS {t.duckdb})" for k, v in zip(keys, values, strict=True)]
    return maps[0] if len(maps) == 1 else f"map_concat({', '.join(maps)})"


def _or_error(sql: str, wrong: str, reason: str) -> str:
    return f"CASE WHEN {wrong} THEN error({reason}) ELSE {sql} END"


def _typed(x: e.Expr) -> SqlType:
    if x.type is None:
        raise InternalError("an expression without a type in a statement")
    return x.type


def may_fail(x: e.Expr) -> bool:
    return not all(isinstance(part, _SAFE) for part in x.walk())


def tried(sql: str) -> str:
    """The expression, NULL where it fails."""
    return sql if _VOLATILE.search(sql) else f"TRY({sql})"


def columns_sql(names: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{duck_quote(n)}" for n in names)


@dataclass(frozen=True)
class _Select:
    """A SELECT under construction. `outputs` None: the columns of `source` as they are."""

    source: str
    names: tuple[str, ...]
    careful: bool
    outputs: tuple[tuple[str, str], ...] | None = None
    where: tuple[str, ...] = ()
    failed: str | None = None

    def closed(self) -> str:
        outputs = self.outputs if self.outputs is not None else tuple((duck_quote(n), n) for n in self.names)
        listed = [sql if sql == duck_quote(n) else f"{sql} AS {duck_quote(n)}" for sql, n in outputs]
        listed += SYSTEM
        if self.careful:
            listed.append(f"{self.failed} AS {FAILED}" if self.failed else FAILED)
        where = f" WHERE {' AND '.join(self.where)}" if self.where else ""
        return f"SELECT {', '.join(listed)} FROM {self.source}{where}"

    def nested(self) -> _Select:
        names = self.names if self.outputs is None else tuple(n for _, n in self.outputs)
        return _Select(f"({self.closed()})", names, self.careful)

    def filter(self, predicate: e.Expr) -> _Select:
        if self.outputs is not None:
            return self.nested().filter(predicate)
        sql = sql_of(predicate, strict=not self.careful)
        if self.careful and may_fail(predicate):
            sql = f"{tried(sql)} IS TRUE"
        return replace(self, where=(*self.where, sql))

    def project(self, items: Sequence[tuple[str, e.Expr]]) -> _Select:
        if self.outputs is not None:
            return self.nested().project(items)
        outputs, failures = [], []
        for name, x in items:
            sql = sql_of(x, strict=not self.careful)
            if self.careful and may_fail(x):
                sql = tried(sql)
                failures.append(f"CASE WHEN {sql} IS NULL THEN {text_literal(name)} END")
            outputs.append((sql, name))
        failed = f"coalesce({', '.join([FAILED, *failures])})" if failures else None
        return replace(self, outputs=tuple(outputs), failed=failed)

    def flat_map(self, items: Sequence[tuple[str, e.TableOf]]) -> _Select:
        if self.outputs is not None:
            return self.nested().flat_map(items)
        lists = []
        for name, x in items:
            sql = tried(sql_of(x)) if self.careful else sql_of(x)
            lists.append((f"unnest({sql})", name))
        passed = tuple((duck_quote(n), n) for n in self.names)
        return replace(self, outputs=(*passed, *lists))


def chain_sql(nodes: Sequence[Node], names: tuple[str, ...], *, careful: bool, source: str = "delta") -> str:
    """A stateless chain, lowest node first, over a relation with the columns `names`."""
    if careful:
        source = f"(SELECT *, CAST(NULL AS VARCHAR) AS {FAILED} FROM {source})"
    select = _Select(source, names, careful)
    for node in nodes:
        match node:
            case Filter():
                select = select.filter(node.predicate)
            case Project():
                select = select.project([(i.name, i.expr) for i in node.items])
            case FlatMap():
                select = select.flat_map(node.items)
            case _:
                raise InternalError(f"a {type(node).__name__} in a stateless chain")
    return select.closed()


def chain_statement(nodes: Sequence[Node], names: tuple[str, ...]) -> Statement:
    """Filters, projections and table functions over a delta with the columns `names`, lowest node first."""
    plain = chain_sql(nodes, names, careful=False)
    fallible = any(may_fail(x) for node in nodes for x in _expressions(node))
    careful = chain_sql(nodes, names, careful=True) if fallible else None
    return Statement(plain, careful, tuple(sorted(used_in(plain))))


def _expressions(node: Node) -> list[e.Expr]:
    match node:
        case Filter():
            return [node.predicate]
        case Project():
            return [i.expr for i in node.items]
        case FlatMap():
            return [x for _, x in node.items]
    return []
