"""The functions of the registry as DuckDB macros, for queries that DuckDB binds itself.

In such a query the types of arguments are DuckDB's to know: a macro has an overload for each signature, and one that
leaves the rest to DuckDB's own function where there is one of that name. A macro is never named as a function of
DuckDB's, since a macro's text calls those.

Left to DuckDB: functions that take a DECIMAL of any size (ROUND, TRUNC, ABS, ...), as a macro cannot say that;
functions of lambdas, whose DuckDB forms have other names; and aggregate functions, most of which DuckDB has by the same
name (`RENAMED` has the others).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from ssql.errors import SqlError
from ssql.functions.registry import REGISTRY, Args, Function, ScalarEntry, rendered
from ssql.functions.signatures import (
    AnyDecimal,
    AnyType,
    LambdaPattern,
    Parameter,
    Variable,
    match,
    substitute,
)
from ssql.functions.udf import used_in
from ssql.types import BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Array, Map, SqlType

#: How a call of a function that DuckDB has under another name begins there; the text ends where arguments do.
RENAMED = {
    "COLLECT_LIST": "LIST(",
    "COLLECT_SET": "LIST(DISTINCT ",
    "CORRELATION": "CORR(",
    "COUNT_DISTINCT": "COUNT(DISTINCT ",
    "EXPLODE": "UNNEST(",
    "PERCENTILE": "QUANTILE_CONT(",
    "TOPK": "MAX(",
    "TRANSFORM": "LIST_TRANSFORM(",
}
#: DuckDB wants the delimiter to be a constant, which a macro's parameter is not. Its own leaves nulls out.
_DELIMITED = "ARRAY_TO_STRING("
#: Functions that have no meaning where rows come in no order, or that DuckDB cannot say; and what does instead.
ABSENT = {
    "ATTR": "CASE WHEN COUNT(DISTINCT x) = 1 THEN ANY_VALUE(x) END",
    "CUBE_EXPLODE": "GROUP BY CUBE",
    "EARLIEST_BY_OFFSET": "ARG_MIN(x, ROWTIME)",
    "LATEST_BY_OFFSET": "ARG_MAX(x, ROWTIME)",
    "STDDEV_SAMPLE": "STDDEV_SAMP(x)",
    "SUM_LIST": "SUM(LIST_SUM(x))",
    "TOPKDISTINCT": "LIST(DISTINCT x)",
}

#: What an open type is tried with; and, to see whether the text depends on it, these.
_PROBES: tuple[SqlType, ...] = (INTEGER, BIGINT, DOUBLE, STRING, BOOLEAN, BYTES, DATE, TIME, TIMESTAMP)
_APART: tuple[SqlType, ...] = (INTEGER, STRING, Array(DOUBLE))
#: Most arguments that a variadic parameter stands for.
_VARIADIC = 8
#: Further DuckDB types that count as one of ours.
_ALSO = {"TIMESTAMP_MS": ("TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")}


@dataclass(frozen=True)
class Macro:
    """A function as a macro: `name`, quoted; the statement that makes it; the Python functions that it needs first.

    `arities`: how many arguments it takes. `unit`: the first is a unit of time, written as a bare word.
    """

    name: str
    statement: str
    udfs: tuple[str, ...]
    arities: frozenset[int]
    unit: bool


def renamed(name: str, arguments: int) -> str | None:
    """How a call with so many arguments begins in DuckDB's SQL, for a function that has another name there."""
    return _DELIMITED if (name, arguments) == ("ARRAY_JOIN", 2) else RENAMED.get(name)


def macro(name: str, builtin: Callable[[str, int], bool]) -> Macro | None:
    """The macro of a function of the registry; None where there is none or it is left to DuckDB.

    `builtin`: whether DuckDB has a function of a name (in upper case) that takes so many arguments.
    """
    function = REGISTRY.functions.get(name.upper())
    if function is None or function.kind != "scalar" or function.name in RENAMED or not _is_sayable(function):
        return None
    if all(_is_native(entry) for entry in _entries(function)):
        return None
    overloads: dict[tuple[str | None, ...], str] = {}
    for entry in _entries(function):
        for count in _counts(entry):
            if renamed(function.name, count) is not None:
                continue
            for types, body in _overloads(entry, count, function):
                overloads.setdefault(types, body)
    arities = {len(types) for types in overloads}
    for count in sorted(arities):
        names = ", ".join(f"a{n}" for n in range(count))
        if count and builtin(function.name, count):
            overloads.setdefault((None,) * count, f"{function.name}({names})")
    quoted = f'"ksql {function.name}"'
    texts = [
        f"({', '.join(f'a{n} {of}' if of else f'a{n}' for n, of in enumerate(types))}) AS ({body})"
        for types, body in overloads.items()
    ]
    udfs = tuple(sorted(frozenset().union(*map(used_in, overloads.values()))))
    unit = any(p.unit for e in function.entries for p in e.signature.parameters[:1])
    return Macro(quoted, f"CREATE OR REPLACE MACRO {quoted}{', '.join(texts)}", udfs, frozenset(arities), unit)


def written(text: str) -> str:
    """What DuckDB writes of macros' calls, with the functions' own names."""
    return _NAMED.sub(lambda found: found[1], text)


_NAMED = re.compile(r'"ksql (\w+)"', re.IGNORECASE)


def _entries(function: Function) -> Iterator[ScalarEntry]:
    for entry in function.entries:
        assert isinstance(entry, ScalarEntry)
        yield entry


def _is_sayable(function: Function) -> bool:
    parameters = [p.type for e in function.entries for p in e.signature.parameters]
    return not any(isinstance(t, AnyDecimal | LambdaPattern) for t in parameters)


def _is_native(entry: ScalarEntry) -> bool:
    """Whether it is DuckDB's function of that name, and nothing more."""
    if not isinstance(entry.translation, str) or entry.signature.name == entry.translation:
        return False
    name = entry.signature.name.lower()
    count = len(entry.signature.parameters)
    plain = f"{name}({', '.join(f'{{{n}}}' for n in range(count))})"
    return entry.translation in (f"{name}({{args}})", plain)


def _counts(entry: ScalarEntry) -> Iterator[int]:
    parameters = entry.signature.parameters
    if not any(p.variadic for p in parameters):
        yield len(parameters)
        return
    for count in range(len(parameters) - 1, len(parameters) + _VARIADIC):
        if entry.signature.expand(count) is not None:
            yield count


def _overloads(entry: ScalarEntry, count: int, function: Function) -> Iterator[tuple[tuple[str | None, ...], str]]:
    """The overloads of one signature with so many arguments: parameter types (None: any), and the text."""
    parameters = entry.signature.expand(count) or ()
    open_types = sorted({v for p in parameters for v in _variables(p.type)})
    if not open_types:
        yield from _typed(entry, parameters, {}, function)
        return
    texts = {_text(entry, parameters, dict.fromkeys(open_types, probe), plain=True) for probe in _APART}
    if len(texts) == 1 and not used_in(next(iter(texts))):
        yield (None,) * count, texts.pop()
        return
    for chosen in product(_PROBES, repeat=min(len(open_types), 1)):
        yield from _typed(entry, parameters, dict.fromkeys(open_types, chosen[0]), function)


def _typed(
    entry: ScalarEntry, parameters: Sequence[Parameter], bound: dict[str, SqlType], function: Function
) -> Iterator[tuple[tuple[str | None, ...], str]]:
    try:
        body = _text(entry, parameters, bound, plain=False)
    except SqlError:  # the signature has a meaning for other types only
        return
    types = [_type_of(p.type, bound) for p in parameters]
    accepted = [_accepted(t, at, len(parameters), function) for at, t in enumerate(types)]
    for combination in product(*accepted):
        yield combination, body


def _accepted(of: SqlType, at: int, count: int, function: Function) -> tuple[str, ...]:
    """The DuckDB types by which a parameter is declared: an INTEGER may be given as BIGINT where nothing else may."""
    if of == INTEGER:
        others = [e.signature.expand(count) for e in function.entries]
        if not any(p is not None and p[at].type != INTEGER for p in others):
            return (BIGINT.duckdb,)
    return _ALSO.get(of.duckdb, (of.duckdb,))


def _text(entry: ScalarEntry, parameters: Sequence[Parameter], bound: dict[str, SqlType], *, plain: bool) -> str:
    """The translation over the macro's parameters; `plain`: without casts to the declared types."""
    types = [_type_of(p.type, bound) for p in parameters]
    found = match(parameters, types, implicit=False) or match(parameters, types, implicit=True)
    assert found is not None, entry.signature
    args = tuple(
        f"a{n}" if plain or (t not in (INTEGER, TIMESTAMP)) else f"CAST(a{n} AS {t.duckdb})"
        for n, t in enumerate(types)
    )
    body = rendered(entry.translation, Args(args, tuple(types), entry.result_type(found)))
    # As elsewhere, what a Python function has no value for is NULL.
    return f"TRY({body})" if used_in(body) and not entry.volatile else body


def _variables(of: SqlType) -> Iterator[str]:
    match of:
        case Variable(name):
            yield name
        case AnyType():
            yield ""
        case Array(element):
            yield from _variables(element)
        case Map(key, value):
            yield from _variables(key)
            yield from _variables(value)


def _type_of(of: SqlType, bound: dict[str, SqlType]) -> SqlType:
    return bound[""] if isinstance(of, AnyType) else substitute(of, bound)
