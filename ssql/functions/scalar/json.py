"""Functions over JSON kept in text. Numbers keep their digits; what comes after the first value is not looked at."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from decimal import Decimal as PyDecimal
from functools import lru_cache
from math import isfinite
from typing import Any

from ssql.functions.registry import Args, scalar
from ssql.functions.text import double_text, shortened
from ssql.functions.udf import by_row
from ssql.types import BOOLEAN, BYTES, DOUBLE, STRING, Array, Decimal, Map, SqlType, Struct


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_refuse)


def parse(text: str) -> Any:
    """The first JSON value in `text`; raises ValueError if there is none."""
    try:
        value, _ = _DECODER.raw_decode(text.lstrip(" \t\r\n"))
    except (ValueError, RecursionError):
        raise ValueError(f"{shortened(text)} is not JSON") from None
    return value


def dump(value: Any) -> str:
    """A parsed value as JSON without blanks."""
    if isinstance(value, Number):
        # Digits are kept, the exponent is not: 1E2 is written as 100.
        return format(PyDecimal(value), "f") if "e" in value or "E" in value else str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quote(k)}:{dump(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    if isinstance(value, str):
        return _quote(value)
    return "null" if value is None else "true" if value else "false"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and not isinstance(value, Number) else dump(value)


_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\"([^\"]*)\"\]|\['([^']*)'\]")


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str, ...]:
    """The names and indexes of a path such as $.a.b[0]; raises ValueError."""
    at = 1 if path.startswith("$") else -1
    steps = []
    while 0 <= at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            at = -1
            break
        steps.append(next(g for g in found.groups() if g is not None))
        at = found.end()
    if at < 0:
        raise ValueError(f"{shortened(path)} is not a JSON path")
    return tuple(steps)


def _extract(text: str, path: str) -> str | None:
    value = parse(text)
    for step in _steps(path):
        if isinstance(value, list):
            if not step.isdigit() or int(step) >= len(value):
                return None
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return None
    return _text(value)


def _is_json(text: str | None) -> bool:
    if not text:
        return False
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _length(text: str) -> int | None:
    value = parse(text)
    return len(value) if isinstance(value, list) else None


def _contains(text: str | None, wanted: Any) -> bool:
    try:
        items = parse(text) if text is not None else None
    except ValueError:
        return False
    return isinstance(items, list) and any(_equal(i, wanted) for i in items)


def _equal(item: Any, wanted: Any) -> bool:
    if isinstance(item, Number):
        whole = not any(c in item for c in ".eE")
        if isinstance(wanted, bool):
            return False
        if isinstance(wanted, int):
            return whole and int(item) == wanted
        if isinstance(wanted, float):
            return not whole and float(item) == wanted
        return isinstance(wanted, PyDecimal) and not whole and PyDecimal(item) == wanted
    if item is None or wanted is None:
        return item is None and wanted is None
    return type(item) is type(wanted) and bool(item == wanted)


def _concat(*texts: str) -> str:
    values = [parse(t) for t in texts]
    out = values[0]
    for value in values[1:]:
        both = isinstance(out, dict) and isinstance(value, dict)
        out = out | value if both else _listed(out) + _listed(value)
    return dump(out)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _items(text: str) -> list[str] | None:
    value = parse(text)
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        return None
    return list(map(dump, value))


def _keys(text: str) -> list[str] | None:
    value = parse(text)
    return list(value) if isinstance(value, dict) else None


def _records(text: str) -> list[tuple[str, str]] | None:
    value = parse(text)
    return [(k, _text(v)) for k, v in value.items()] if isinstance(value, dict) else None


def _writer(t: SqlType) -> Callable[[Any], str]:
    """How a value of type `t` is written as JSON. Times are numbers, as Java's JSON writer has them."""
    inner = _plain_writer(t)
    return lambda v: "null" if v is None else inner(v)


def _plain_writer(t: SqlType) -> Callable[[Any], str]:
    if t == BOOLEAN:
        return lambda v: "true" if v else "false"
    if t == DOUBLE:
        return lambda v: double_text(v) if isfinite(v) else _quote(double_text(v))
    if t == STRING:
        return _quote
    if t == BYTES:
        return lambda v: f'"{base64.b64encode(v).decode()}"'
    if isinstance(t, Decimal):
        return lambda v: format(v, "f")
    if isinstance(t, Array):
        element = _writer(t.element)
        return lambda v: "[" + ",".join(map(element, v)) + "]"
    if isinstance(t, Map):
        item = _writer(t.value)
        return lambda v: "{" + ",".join(f"{_quote(str(k))}:{item(e)}" for k, e in v) + "}"
    if isinstance(t, Struct):
        fields = [(n, _quote(n), _writer(f)) for n, f in t.fields]
        return lambda v: "{" + ",".join(f"{q}:{w(v[n])}" for n, q, w in fields) + "}"
    return str


def _to_json(a: Args) -> str:
    return a.call("to_json", by_row(_writer(a.type(0)), STRING, nulls="pass"))


_J = "json"
scalar(
    "EXTRACTJSONFIELD(STRING, STRING) -> STRING",
    python=_extract,
    category=_J,
    doc="The value at a path such as $.a.b[0] in a JSON text: text as it is, all else as JSON; NULL if there is none.",
    examples={'EXTRACTJSONFIELD(\'{"a": {"b": [1, "x"]}}\', \'$.a.b[1]\')': "x"},
)
scalar(
    "IS_JSON_STRING(STRING) -> BOOLEAN",
    python=_is_json,
    nulls="pass",
    category=_J,
    doc="Whether a text is JSON.",
    examples={"IS_JSON_STRING('[1, 2]')": "true", "IS_JSON_STRING('abc')": "false"},
)
scalar(
    "JSON_ARRAY_LENGTH(STRING) -> INT",
    python=_length,
    category=_J,
    doc="How many elements a JSON array has; NULL for other JSON.",
    examples={"JSON_ARRAY_LENGTH('[1, [2]]')": "2"},
)
scalar(
    "JSON_ARRAY_CONTAINS(STRING, T) -> BOOLEAN",
    python=_contains,
    nulls="pass",
    category=_J,
    doc="Whether a JSON array has a value in it.",
    examples={"JSON_ARRAY_CONTAINS('[\"a\", 2]', 'a')": "true", "JSON_ARRAY_CONTAINS('[2.0]', 2)": "false"},
)
scalar(
    "JSON_CONCAT(STRING, STRING...) -> STRING",
    python=_concat,
    category=_J,
    doc="JSON objects merged, or JSON values of all sorts joined to one array.",
    examples={"JSON_CONCAT('{\"a\": 1}', '{\"b\": 2}')": '{"a":1,"b":2}', "JSON_CONCAT('[1]', '2')": "[1,2]"},
)
scalar(
    "JSON_ITEMS(STRING) -> ARRAY<STRING>",
    python=_items,
    category=_J,
    doc="The objects that a JSON array is made of, each as JSON; NULL if it holds anything else.",
    examples={'JSON_ITEMS(\'[{"a": 1}, {"b": 2}]\')': '[{"a":1}, {"b":2}]', "JSON_ITEMS('[1]')": "NULL"},
)
scalar(
    "JSON_KEYS(STRING) -> ARRAY<STRING>",
    python=_keys,
    category=_J,
    doc="The keys of a JSON object.",
    examples={'JSON_KEYS(\'{"a": 1, "b": 2}\')': "[a, b]"},
)
scalar(
    "JSON_RECORDS(STRING) -> MAP<STRING, STRING>",
    python=_records,
    category=_J,
    doc="The keys of a JSON object with their values: text as it is, all else as JSON.",
    examples={'JSON_RECORDS(\'{"a": 1, "b": "x"}\')': "{a=1, b=x}"},
)
scalar(
    "TO_JSON_STRING(T) -> STRING",
    duckdb=_to_json,
    category=_J,
    doc="Any value as JSON.",
    examples={"TO_JSON_STRING(STRUCT(A := 1, B := ARRAY['x', NULL]))": '{"A":1,"B":["x",null]}'},
)
