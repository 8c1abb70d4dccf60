"""What the tests of `ssql.sql` share: trees without places, and the conformance statements."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlglot import exp

from ssql.errors import Span
from ssql.sql.statements import Statement
from ssql.sql.trees import without_parens

CONFORMANCE = Path(__file__).resolve().parents[3] / "shared" / "conformance"


def bare(value: Any) -> Any:
    """A statement (or a part of one) as plain values, without places, text and parentheses: what must survive."""
    match value:
        case Span():
            return None
        case exp.Boolean():
            return bool(value.this)
        case exp.Expr():
            node = without_parens(value)
            return type(node).__name__, {key: bare(arg) for key, arg in node.args.items() if arg or arg == ""}
        case list():
            return list(map(bare, value))
        case tuple():
            return tuple(map(bare, value))
        case dict():
            return {key: bare(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        names = (f.name for f in dataclasses.fields(value) if not (isinstance(value, Statement) and f.name == "text"))
        return type(value).__name__, {name: bare(getattr(value, name)) for name in names}
    return value


def expressions(value: Any) -> Iterator[exp.Expr]:
    """Every expression node anywhere in a statement."""
    if isinstance(value, exp.Expr):
        yield from value.walk()
    elif isinstance(value, tuple):
        for item in value:
            yield from expressions(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from expressions(getattr(value, field.name))


def cases() -> Iterator[dict[str, Any]]:
    """The conformance cases; none where they are not there."""
    for path in sorted(CONFORMANCE.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)
