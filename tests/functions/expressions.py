"""A small reader of SQL expressions, so that the examples of the functions can be run as they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb

from ssql.functions import (
    install,
    is_volatile,
    lambda_parameters,
    resolve_scalar,
    takes_interval_unit,
    used_in,
)
from ssql.functions import operators as ops
from ssql.functions.api import ArgType, LambdaType
from ssql.functions.literals import quoted
from ssql.functions.signatures import parse
from ssql.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    STRING,
    Array,
    Decimal,
    Map,
    SqlType,
    Struct,
    duck_quote,
)

_TOKEN = re.compile(
    r"\s*(?P<string>'(?:[^']|'')*')|\s*(?P<double>\d+(?:\.\d+)?[eE][+-]?\d+)|\s*(?P<decimal>\d+\.\d+)|\s*(?P<int>\d+)"
    r"|\s*(?P<word>[A-Za-z_]\w*)|\s*(?P<op>:=|=>|<=|>=|<>|[-+*/%()\[\],<>=.])"
)
_BINARY = [("=", "<>", "<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%")]


@dataclass
class Bound:
    sql: str
    type: SqlType | None


class Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            assert found is not None, f"cannot read {text[at:]!r}"
            assert found.lastgroup is not None
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self.at = 0
        self.scope: dict[str, SqlType] = {}

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ("end", "")

    def accept(self, text: str) -> bool:
        if self.peek()[1].upper() == text and self.peek()[0] in ("op", "word"):
            self.at += 1
            return True
        return False

    def take(self, text: str) -> None:
        assert self.accept(text), (text, self.peek())

    def expression(self, level: int = 0) -> Bound:
        if level == len(_BINARY):
            return self.unary()
        left = self.expression(level + 1)
        while self.peek() in [("op", o) for o in _BINARY[level]]:
            op = self.peek()[1]
            self.at += 1
            right = self.expression(level + 1)
            if level == 0:
                left = Bound(ops.comparison(op, left.sql, right.sql), BOOLEAN)
            else:
                left = Bound(*ops.arithmetic(op, left.sql, left.type, right.sql, right.type))
        return left

    def unary(self) -> Bound:
        if self.accept("-"):
            kind, text = self.peek()
            if kind in ("int", "decimal", "double"):
                inner = self.primary()
                return Bound(
                    inner.sql.replace("CAST(", "CAST(-", 1) if "CAST(" in inner.sql else f"-{text}", inner.type
                )
            inner = self.unary()
            return Bound(*ops.negate(inner.sql, inner.type))
        return self.primary()

    def primary(self) -> Bound:
        kind, text = self.peek()
        self.at += 1
        if kind == "string":
            return Bound(text, STRING)
        if kind == "int":
            return Bound(text, INTEGER) if int(text) < 2**31 else Bound(text, BIGINT)
        if kind == "decimal":
            digits = text.replace(".", "").lstrip("0")
            scale = len(text.split(".")[1])
            decimal = Decimal(max(len(digits), scale), scale)
            return Bound(f"CAST({text} AS {decimal.duckdb})", decimal)
        if kind == "double":
            return Bound(f"CAST({text} AS DOUBLE)", DOUBLE)
        if text == "(":
            inner = self.expression()
            self.take(")")
            return inner
        assert kind == "word", text
        return self.word(text)

    def word(self, text: str) -> Bound:
        upper = text.upper()
        if text in self.scope:
            return Bound(duck_quote(text), self.scope[text])
        if upper in ("TRUE", "FALSE"):
            return Bound(upper, BOOLEAN)
        if upper == "NULL":
            return Bound("NULL", None)
        if upper == "ARRAY" and self.accept("["):
            items = self.several("]")
            element = ops.common_type([i.type for i in items]) or STRING
            return Bound("[" + ", ".join(ops.cast(i.sql, i.type, element) for i in items) + "]", Array(element))
        self.take("(")
        if upper == "CAST":
            inner = self.expression()
            self.take("AS")
            target = parse(f"F() -> {self.peek()[1]}").result
            self.at += 1
            self.take(")")
            return Bound(ops.cast(inner.sql, inner.type, target), target)
        if upper in ("MAP", "STRUCT"):
            return self.entries(upper)
        return self.call(upper)

    def several(self, end: str) -> list[Bound]:
        items: list[Bound] = []
        while not self.accept(end):
            items.append(self.expression())
            self.accept(",")
        return items

    def entries(self, kind: str) -> Bound:
        pairs: list[tuple[Bound | str, Bound]] = []
        while not self.accept(")"):
            key: Bound | str = self.expression() if kind == "MAP" else self.peek()[1]
            self.at += kind == "STRUCT"
            self.take(":=")
            pairs.append((key, self.expression()))
            self.accept(",")
        if kind == "STRUCT":
            fields = tuple((str(k), v.type or STRING) for k, v in pairs)
            sql = ", ".join(f"{duck_quote(str(k))} := {v.sql}" for k, v in pairs)
            return Bound(f"struct_pack({sql})", Struct(fields))
        value = ops.common_type([v.type for _, v in pairs]) or STRING
        keys = ", ".join(k.sql for k, _ in pairs if isinstance(k, Bound))
        return Bound(f"map([{keys}], [{', '.join(v.sql for _, v in pairs)}])", Map(STRING, value))

    def lambda_head(self) -> list[str] | None:
        if self.peek()[0] == "word" and self.peek(1)[1] == "=>":
            self.at += 2
            return [self.tokens[self.at - 2][1]]
        if self.peek()[1] == "(":
            names, ahead = [], 1
            while self.peek(ahead)[0] == "word":
                names.append(self.peek(ahead)[1])
                ahead += 2
            if names and self.peek(ahead - 1)[1] == ")" and self.peek(ahead)[1] == "=>":
                self.at += ahead + 1
                return names
        return None

    def call(self, name: str) -> Bound:
        args: list[ArgType] = []
        texts: list[str] = []
        lambdas: list[tuple[int, list[str], int]] = []
        while not self.accept(")"):
            head = self.lambda_head()
            if head is not None:
                lambdas.append((len(args), head, self.at))
                args.append(LambdaType(len(head)))
                texts.append("")
                self.skip()
            elif not args and takes_interval_unit(name) and self.peek()[0] == "word":
                args.append(STRING)
                texts.append(quoted(self.peek()[1]))
                self.at += 1
            else:
                bound = self.expression()
                args.append(bound.type)
                texts.append(bound.sql)
            self.accept(",")
        after = self.at
        for index, head, start in lambdas:
            outer = dict(self.scope)
            self.scope.update(zip(head, lambda_parameters(name, args, index), strict=True))
            self.at = start
            body = self.expression()
            args[index] = LambdaType(len(head), body.type)
            texts[index] = f"lambda {', '.join(map(duck_quote, head))}: {body.sql}"
            self.scope = outer
        self.at = after
        call = resolve_scalar(name, args)
        cast = [
            t if want is None else ops.cast(t, a, want)  # type: ignore[arg-type]
            for t, a, want in zip(texts, args, call.casts, strict=True)
        ]
        return Bound(call.render(cast), call.result)

    def skip(self) -> None:
        depth = 0
        while depth or self.peek()[1] not in (",", ")"):
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(self.peek()[1], 0)
            self.at += 1


def bind(text: str) -> Bound:
    return Reader(text).expression()


def evaluate(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """The value of an expression, as CAST(.. AS STRING) writes it; checks the type that was promised on the way."""
    bound = bind(text)
    volatile = any(is_volatile(w) for w in re.findall(r"\w+", text))
    value = bound.sql if volatile else f"TRY({bound.sql})"
    kind = bound.type or STRING
    shown = ops.cast("v", kind, STRING)
    install(connection, used_in(value) | used_in(shown))
    row = connection.execute(f"SELECT typeof(v), coalesce({shown}, 'NULL') FROM (SELECT {value} AS v)").fetchall()[0]
    promised = connection.execute(f"SELECT typeof(CAST(NULL AS {kind.duckdb}))").fetchall()[0]
    assert row[0] == promised[0], f"{text} is {row[0]}, not {promised[0]}"
    return str(row[1])
