"""Bound expressions as text in ksqlDB's layout, for messages and EXPLAIN."""

from __future__ import annotations

from decimal import Decimal

from ssql.planner import expr as e
from ssql.types import quote


def text_of(node: e.Expr, *, qualified: bool = False) -> str:
    """`(F1 + F2)`, `ABS(ID)`; `qualified` puts the source before each column (`S.ID`)."""

    def show(part: e.Expr) -> str:
        return text_of(part, qualified=qualified)

    match node:
        case e.Column():
            return _column(node, qualified=qualified)
        case e.Parameter():
            return node.name.partition("=>")[0]
        case e.Given():
            return f"${node.name}"
        case e.Literal():
            return _literal(node)
        case e.Cast(implicit=True):
            return show(node.operand)
        case e.Cast():
            return f"CAST({show(node.operand)} AS {node.type})"
        case e.Call() | e.TableOf():
            return f"{node.name}({', '.join(map(show, node.args))})"
        case e.AggregateOf():
            distinct = "DISTINCT " if node.distinct else ""
            return f"{node.name}({distinct}{', '.join(map(show, node.args))})"
        case e.Lambda():
            names = ", ".join(n.partition("=>")[0] for n, _ in node.parameters)
            return f"({names}) => {show(node.body)}"
        case e.Arithmetic() | e.Comparison() | e.Logical():
            return f"({show(node.left)} {node.op} {show(node.right)})"
        case e.Negate():
            return f"-{show(node.operand)}"
        case e.Not():
            return f"(NOT {show(node.operand)})"
        case e.IsNull():
            return f"({show(node.operand)} IS NULL)"
        case e.InList():
            return f"({show(node.operand)} IN ({', '.join(map(show, node.items))}))"
        case e.Like():
            escape = "" if node.escape is None else f" ESCAPE '{node.escape}'"
            return f"({show(node.operand)} LIKE {show(node.pattern)}{escape})"
        case e.Case():
            whens = " ".join(f"WHEN {show(c)} THEN {show(v)}" for c, v in node.branches)
            default = "" if node.otherwise is None else f" ELSE {show(node.otherwise)}"
            return f"(CASE {whens}{default} END)"
        case e.Subscript():
            return f"{show(node.base)}[{show(node.index)}]"
        case e.Field():
            return f"{show(node.base)}->{node.name}"
        case e.ArrayOf():
            return f"ARRAY[{', '.join(map(show, node.items))}]"
        case e.MapOf():
            entries = zip(node.keys, node.values, strict=True)
            return f"MAP({', '.join(f'{show(k)}:={show(v)}' for k, v in entries)})"
        case e.StructOf():
            return f"STRUCT({', '.join(_fields(node, show))})"
    raise TypeError(type(node).__name__)


def _fields(node: e.StructOf, show: object) -> list[str]:
    assert callable(show)
    return [f"{name}:={show(v)}" for name, v in zip(struct_names(node), node.values, strict=True)]


def struct_names(node: e.StructOf) -> tuple[str, ...]:
    """The field names of a struct constructor."""
    from ssql.types import Struct

    assert isinstance(node.type, Struct)
    return tuple(name for name, _ in node.type.fields)


def _column(node: e.Column, *, qualified: bool) -> str:
    label = node.label or node.name
    return f"{node.source}.{label}" if qualified and node.source else label


def _literal(node: e.Literal) -> str:
    value = node.value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def name_list(names: list[str], *, last: str) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


__all__ = ["name_list", "quote", "struct_names", "text_of"]
