"""Every function, once: signatures, result type, DuckDB translation, documentation, examples.

Comes in: entries (`scalar`, `aggregate`, `table_function`), made by the modules of `scalar/`, `aggregates/` and
`tables.py`. Goes out: calls resolved for argument types (see `api`). A doubled signature is refused at import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ssql.errors import AmbiguousCall, FunctionNotFound, InternalError, LiteralRequired, NoSuchSignature, Span
from ssql.functions.api import Accumulator, AggregateCall, ArgType, LambdaType, ScalarCall, TableCall
from ssql.functions.signatures import LambdaPattern, Match, Signature, match, parse, substitute
from ssql.functions.udf import Vectorised, by_row, define, used_in
from ssql.types import STRING, SqlType

Kind = Literal["scalar", "aggregate", "table"]


@dataclass(frozen=True)
class Args:
    """What a translation works with: DuckDB expressions, their types (after the casts) and the result's type."""

    sql: tuple[str, ...]
    types: tuple[SqlType | LambdaType, ...]
    result: SqlType
    literals: tuple[object | None, ...] = ()
    limit: int | None = None

    def __getitem__(self, index: int) -> str:
        return self.sql[index]

    def __len__(self) -> int:
        return len(self.sql)

    def type(self, index: int) -> SqlType:
        found = self.types[index]
        if isinstance(found, LambdaType):
            return found.result or STRING
        return found

    def call(self, base: str, function: Vectorised, *, indexes: Sequence[int] | None = None) -> str:
        """A call of a Python function over the arguments (all, or those at `indexes`)."""
        at = range(len(self.sql)) if indexes is None else indexes
        name = define(base, function, [self.type(i) for i in at], self.result)
        return f"{name}({', '.join(self.sql[i] for i in at)})"


Translation = str | Callable[[Args], str]
Result = Callable[[Sequence[SqlType]], SqlType]


@dataclass(frozen=True)
class Entry:
    """One signature of a function."""

    kind: Kind
    signature: Signature
    doc: str
    category: str
    examples: Mapping[str, str]
    result: Result | None = None
    deprecated: bool = False
    volatile: bool = False

    def result_type(self, found: Match) -> SqlType:
        if self.result is not None:
            return self.result([t for t in found.types if not isinstance(t, LambdaType)])
        return substitute(self.signature.result, found.bindings)


@dataclass(frozen=True)
class ScalarEntry(Entry):
    translation: Translation = ""


@dataclass(frozen=True)
class TableEntry(Entry):
    translation: Translation = ""


@dataclass(frozen=True)
class AggregateEntry(Entry):
    accumulators: Callable[[Args], tuple[Accumulator, ...]] = field(default=lambda _: ())
    answer: Callable[[Sequence[str], Args], str] = field(default=lambda accs, _: accs[0])
    retractable: bool = False
    distinct_argument: bool = False
    on_tables: bool = False


@dataclass
class Function:
    """All signatures of one name."""

    name: str
    kind: Kind
    entries: list[Entry]

    @property
    def doc(self) -> str:
        return self.entries[0].doc

    @property
    def category(self) -> str:
        return self.entries[0].category

    @property
    def signatures(self) -> tuple[str, ...]:
        return tuple(str(e.signature) for e in self.entries)

    @property
    def shown(self) -> str:
        """The name as ksqlDB's messages have it."""
        return self.name if self.name in _IN_CAPITALS else self.name.lower()

    @property
    def calls(self) -> tuple[str, ...]:
        """The signatures as calls, for messages."""

        def shown(entry: Entry) -> str:
            return ", ".join("INTERVALUNIT" if p.unit else str(p) for p in entry.signature.parameters)

        return tuple(f"{self.shown}({shown(e)})" for e in self.entries)

    @property
    def examples(self) -> dict[str, str]:
        return {call: expected for e in self.entries for call, expected in e.examples.items()}

    @property
    def deprecated(self) -> bool:
        return self.entries[0].deprecated


class Registry:
    """The functions by name; names are looked up ignoring case."""

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self._seen: set[str] = set()

    def add(self, entry: Entry) -> None:
        """File an entry; its name must have one kind only and its parameters must be new."""
        name = entry.signature.name
        key = f"{name}({', '.join(map(str, entry.signature.parameters))})"
        if key in self._seen:
            raise InternalError(f"the function signature {key} is declared twice")
        self._seen.add(key)
        function = self.functions.setdefault(name, Function(name, entry.kind, []))
        if function.kind != entry.kind:
            raise InternalError(f"the function {name} is declared as {function.kind} and as {entry.kind}")
        function.entries.append(entry)

    def find(self, name: str, kind: Kind | None = None, *, span: Span | None = None) -> Function:
        """The function of that name (and kind), or FunctionNotFound with the nearest one."""
        function = self.functions.get(name.upper())
        if function is None or (kind is not None and function.kind != kind):
            candidates = [n for n, f in self.functions.items() if kind is None or f.kind == kind]
            raise FunctionNotFound(name, span=span, candidates=candidates)
        return function

    def choose(self, function: Function, args: Sequence[ArgType], *, span: Span | None) -> tuple[Entry, Match]:
        """The entry that fits, without implicit conversions if one does.

        Of several that fit, the most specific one. Where two are equally specific, a scalar or table function's call
        is ambiguous, as in ksqlDB; of an aggregate's the one with the shortest conversions is taken. Raises
        NoSuchSignature, AmbiguousCall.
        """
        for implicit in (False, True):
            fitting = [
                (entry, found)
                for entry in function.entries
                if (parameters := entry.signature.expand(len(args))) is not None
                and (found := match(parameters, args, implicit=implicit)) is not None
            ]
            if not fitting:
                continue
            top = max(e.signature.specificity for e, _ in fitting)
            best = [(e, m) for e, m in fitting if e.signature.specificity == top]
            if len(best) > 1 and function.kind != "aggregate":
                raise AmbiguousCall(function.shown, map(_written, args), function.calls, span=span)
            return min(best, key=lambda found: found[1].cost)
        raise NoSuchSignature(function.shown, map(_written, args), function.calls, span=span)


#: Functions that ksqlDB registers in capitals; it shows the others in lower case.
_IN_CAPITALS = frozenset(
    (
        *("ARRAY_JOIN", "ARRAY_LENGTH", "COALESCE", "EARLIEST_BY_OFFSET", "ENTRIES", "IFNULL"),
        *("IS_JSON_STRING", "LATEST_BY_OFFSET", "NULLIF", "TO_JSON_STRING"),
    )
)


def _written(given: ArgType) -> str:
    if given is None:
        return "null"
    return "LAMBDA" if isinstance(given, LambdaType) else str(given)


REGISTRY = Registry()


def scalar(
    signature: str,
    *,
    duckdb: Translation | None = None,
    python: Callable[..., object] | None = None,
    vectorised: Vectorised | None = None,
    nulls: Literal["skip", "pass"] = "skip",
    result: Result | None = None,
    doc: str = "",
    category: str = "",
    examples: Mapping[str, str] | None = None,
    deprecated: bool = False,
    volatile: bool = False,
) -> None:
    """Declare one signature of a scalar function.

    Its meaning is DuckDB text (`duckdb`: a template over {0}, {1}, .., {args}, {rest} and {result}, or a function of
    `Args`), or a Python function by row (`python`; `nulls` as in `udf.by_row`) or by column (`vectorised`).
    `volatile`: another answer at each call.
    """
    parsed = parse(signature)
    translation = duckdb
    if python is not None:
        function = python

        def translation(args: Args) -> str:
            return args.call(parsed.name, by_row(function, args.result, nulls=nulls, name=parsed.name))

    elif vectorised is not None:
        columns = vectorised

        def translation(args: Args) -> str:
            return args.call(parsed.name, columns)

    if translation is None:
        raise InternalError(f"the function signature {signature} has no translation")
    REGISTRY.add(
        ScalarEntry(
            "scalar", parsed, doc, category, examples or {}, result, deprecated, volatile, translation=translation
        )
    )


def table_function(
    signature: str,
    *,
    duckdb: Translation,
    doc: str,
    category: str = "table",
    examples: Mapping[str, str] | None = None,
) -> None:
    """Declare one signature of a table function; its translation is a list, each element of which becomes a row."""
    REGISTRY.add(TableEntry("table", parse(signature), doc, category, examples or {}, translation=duckdb))


def aggregate(
    signature: str,
    *,
    accumulators: Callable[[Args], tuple[Accumulator, ...]],
    answer: Callable[[Sequence[str], Args], str] = lambda accs, _: accs[0],
    retractable: bool = False,
    distinct_argument: bool = False,
    on_tables: bool = False,
    result: Result | None = None,
    doc: str,
    category: str = "aggregate",
    examples: Mapping[str, str] | None = None,
    deprecated: bool = False,
) -> None:
    """Declare one signature of an aggregate function.

    `on_tables`: ksqlDB has it over tables too (ssql has all of them: those that cannot take a row back are computed
    again from the group's rows).
    """
    REGISTRY.add(
        AggregateEntry(
            "aggregate",
            parse(signature),
            doc,
            category,
            examples or {},
            result,
            deprecated,
            accumulators=accumulators,
            answer=answer,
            retractable=retractable,
            distinct_argument=distinct_argument,
            on_tables=on_tables,
        )
    )


def rendered(translation: Translation, args: Args) -> str:
    """The DuckDB expression of a call."""
    if callable(translation):
        return translation(args)
    sql = args.sql
    return translation.format(*sql, args=", ".join(sql), rest=", ".join(sql[1:]), result=args.result.duckdb)


def _casts(found: Match, args: Sequence[ArgType]) -> tuple[SqlType | None, ...]:
    return tuple(
        None if isinstance(want, LambdaType) or want == given else want
        for want, given in zip(found.types, args, strict=True)
    )


def _placeholders(count: int) -> tuple[str, ...]:
    return tuple(f"_argument{i}" for i in range(count))


def resolve_scalar(name: str, args: Sequence[ArgType], *, span: Span | None = None) -> ScalarCall:
    """The scalar function `name` for arguments of these types (None: NULL literal).

    Lambda arguments come with their result type filled in, and `render` expects them as "lambda a, b: body".
    Raises FunctionNotFound, NoSuchSignature.
    """
    function = REGISTRY.find(name, "scalar", span=span)
    entry, found = REGISTRY.choose(function, args, span=span)
    assert isinstance(entry, ScalarEntry)
    result = entry.result_type(found)

    def render(sql: Sequence[str]) -> str:
        return rendered(entry.translation, Args(tuple(sql), found.types, result))

    udfs = tuple(sorted(used_in(render(_placeholders(len(args))))))
    return ScalarCall(function.name, result, _casts(found, args), render, udfs)


def resolve_table(name: str, args: Sequence[ArgType], *, span: Span | None = None) -> TableCall:
    """The table function `name` for arguments of these types; `result` is the type of its one output column."""
    function = REGISTRY.find(name, "table", span=span)
    entry, found = REGISTRY.choose(function, args, span=span)
    assert isinstance(entry, TableEntry)
    result = entry.result_type(found)

    def render(sql: Sequence[str]) -> str:
        return rendered(entry.translation, Args(tuple(sql), found.types, result))

    udfs = tuple(sorted(used_in(render(_placeholders(len(args))))))
    return TableCall(function.name, result, _casts(found, args), render, udfs)


def resolve_aggregate(
    name: str,
    args: Sequence[ArgType],
    literals: Sequence[object | None],
    *,
    limit: int | None = None,
    written: Sequence[str] = (),
    span: Span | None = None,
) -> AggregateCall:
    """The aggregate function `name`; `literals[i]` is the value of argument i where it is a constant, else None, and
    `written[i]` the argument as messages show it.

    COUNT(*) is COUNT without arguments. `limit` is how many values COLLECT_LIST and COLLECT_SET keep (None: all; the
    property `ksql.functions.collect_list.limit`). Raises FunctionNotFound, NoSuchSignature, LiteralRequired.
    """
    function = REGISTRY.find(name, "aggregate", span=span)
    entry, found = REGISTRY.choose(function, args, span=span)
    assert isinstance(entry, AggregateEntry)
    parameters = entry.signature.expand(len(args)) or ()
    for at, parameter in enumerate(parameters):
        if parameter.literal and literals[at] is None:
            raise LiteralRequired(function.name, at + 1, written[at] if written else "", span=span)
    result = entry.result_type(found)

    def arguments(sql: Sequence[str]) -> Args:
        return Args(tuple(sql), found.types, result, tuple(literals), limit)

    def render(sql: Sequence[str]) -> tuple[Accumulator, ...]:
        return entry.accumulators(arguments(sql))

    holes = arguments(_placeholders(len(args)))
    probe = entry.accumulators(holes)

    def answer(accs: Sequence[str]) -> str:
        return entry.answer(accs, holes)

    texts = [t for a in probe for t in (a.delta, a.merge)] + [answer(_placeholders(len(probe)))]
    return AggregateCall(
        function.name,
        result,
        _casts(found, args),
        render,
        answer,
        entry.retractable,
        entry.distinct_argument,
        tuple(sorted(frozenset().union(*map(used_in, texts)))),
    )


def lambda_parameters(
    name: str, args: Sequence[ArgType], index: int, *, span: Span | None = None
) -> tuple[SqlType, ...]:
    """The types of the parameters of the lambda at `index`, from the arguments bound so far.

    Lambdas that are not bound yet stand in `args` as `LambdaType(arity)` without a result. Raises FunctionNotFound,
    NoSuchSignature.
    """
    function = REGISTRY.find(name, "scalar", span=span)
    entry, found = REGISTRY.choose(function, args, span=span)
    parameters = entry.signature.expand(len(args)) or ()
    pattern = parameters[index].type
    if not isinstance(pattern, LambdaPattern):
        raise NoSuchSignature(function.shown, map(_written, args), function.calls, span=span)
    return tuple(substitute(p, found.bindings) for p in pattern.parameters)


def is_aggregate(name: str) -> bool:
    """Whether `name` is an aggregate function."""
    found = REGISTRY.functions.get(name.upper())
    return found is not None and found.kind == "aggregate"


def is_table_function(name: str) -> bool:
    """Whether `name` is a table function."""
    found = REGISTRY.functions.get(name.upper())
    return found is not None and found.kind == "table"


def is_table_aggregate(name: str) -> bool:
    """Whether ksqlDB allows the aggregate function `name` over tables."""
    found = REGISTRY.functions.get(name.upper())
    return found is not None and any(isinstance(e, AggregateEntry) and e.on_tables for e in found.entries)


def is_volatile(name: str) -> bool:
    """Whether `name` answers differently at each call; DuckDB refuses TRY around such a call."""
    found = REGISTRY.functions.get(name.upper())
    return found is not None and any(e.volatile for e in found.entries)


def takes_interval_unit(name: str) -> bool:
    """Whether the first argument of `name` is a unit of time, written as a bare word (or as text)."""
    found = REGISTRY.functions.get(name.upper())
    return found is not None and any(p.unit for e in found.entries for p in e.signature.parameters[:1])


def names() -> tuple[str, ...]:
    """The names of all functions, sorted."""
    return tuple(sorted(REGISTRY.functions))
