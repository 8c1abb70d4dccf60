from __future__ import annotations

import decimal
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql.errors import LiteralRequired, NoSuchSignature
from ssql.functions import is_aggregate, is_table_aggregate, resolve_aggregate
from ssql.functions.lists import hashable
from ssql.types import BIGINT, BOOLEAN, BYTES, DOUBLE, INTEGER, STRING, TIMESTAMP, Array, Decimal, Map, SqlType, Struct

from .aggregation import Group, Row, connect, one_pass


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as opened:
        yield opened


def wrapped(bits: int) -> Callable[[list[Any]], int]:
    def total(values: list[Any]) -> int:
        return (sum(v for v in values if v is not None) + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)

    return total


def some(values: list[Any]) -> list[Any]:
    return [v for v in values if v is not None]


def distinct(values: list[Any]) -> list[Any]:
    return list({hashable(v): v for v in reversed(values)}.values())[::-1]


def first_seen(values: list[Any]) -> list[Any]:
    out: list[Any] = []
    seen = set()
    for v in values:
        if hashable(v) not in seen:
            seen.add(hashable(v))
            out.append(v)
    return out


def elements(values: list[Any]) -> list[Any]:
    return [e for v in some(values) for e in some(v)]


def variance(values: list[Any]) -> float:
    kept = some(values)
    if len(kept) < 2:
        return 0.0
    mean = math.fsum(kept) / len(kept)
    return math.fsum((v - mean) ** 2 for v in kept) / (len(kept) - 1)


def mean(values: list[Any]) -> float:
    kept = some(values)
    return math.fsum(kept) / len(kept) if kept else 0.0


ints = st.none() | st.integers(-5, 5) | st.integers(-(2**31), 2**31 - 1)
longs = st.none() | st.integers(-5, 5) | st.integers(-(2**63), 2**63 - 1)
doubles = st.none() | st.integers(-1000, 1000).map(lambda v: v / 8)
words = st.none() | st.sampled_from(["a", "b", "c", ""])
decimals = st.none() | st.integers(-99, 99).map(lambda v: decimal.Decimal(v) / 10)
bytestrings = st.none() | st.binary(max_size=2)
truths = st.none() | st.booleans()
times = st.none() | st.integers(-5, 10**12)

ONE: list[tuple[str, SqlType, list[Any], st.SearchStrategy[Any], Callable[[list[Any]], Any]]] = [
    ("COUNT", INTEGER, [], ints, lambda v: len(some(v))),
    ("COUNT_DISTINCT", STRING, [], words, lambda v: len(set(some(v)))),
    ("SUM", INTEGER, [], ints, wrapped(32)),
    ("SUM", BIGINT, [], longs, wrapped(64)),
    ("SUM", DOUBLE, [], doubles, lambda v: sum(some(v), 0.0)),
    ("SUM", Decimal(6, 1), [], decimals, lambda v: sum(some(v), decimal.Decimal("0.0"))),
    ("SUM_LIST", Array(INTEGER), [], st.none() | st.lists(ints, max_size=3), lambda v: wrapped(32)(elements(v))),
    ("SUM_LIST", Array(BIGINT), [], st.none() | st.lists(longs, max_size=3), lambda v: wrapped(64)(elements(v))),
    ("SUM_LIST", Array(DOUBLE), [], st.none() | st.lists(doubles, max_size=3), lambda v: sum(elements(v), 0.0)),
    ("AVG", INTEGER, [], ints, mean),
    ("AVG", DOUBLE, [], doubles, mean),
    ("STDDEV_SAMP", DOUBLE, [], doubles, variance),
    ("STDDEV_SAMPLE", INTEGER, [], st.none() | st.integers(-1000, 1000), lambda v: math.sqrt(variance(v))),
    ("MIN", BIGINT, [], longs, lambda v: min(some(v), default=None)),
    ("MAX", STRING, [], words, lambda v: max(some(v), default=None)),
    ("MAX", BYTES, [], bytestrings, lambda v: max(some(v), default=None)),
    ("MIN", TIMESTAMP, [], times, lambda v: min(some(v), default=None)),
    ("MAX", Decimal(6, 1), [], decimals, lambda v: max(some(v), default=None)),
    ("TOPK", DOUBLE, [3], doubles, lambda v: sorted(some(v), reverse=True)[:3]),
    ("TOPKDISTINCT", INTEGER, [2], ints, lambda v: sorted(set(some(v)), reverse=True)[:2]),
    ("LATEST_BY_OFFSET", STRING, [], words, lambda v: some(v)[-1] if some(v) else None),
    ("LATEST_BY_OFFSET", STRING, [False], words, lambda v: v[-1]),
    ("LATEST_BY_OFFSET", BIGINT, [2], longs, lambda v: some(v)[-2:]),
    ("LATEST_BY_OFFSET", BIGINT, [2, False], longs, lambda v: v[-2:]),
    ("EARLIEST_BY_OFFSET", STRING, [True], words, lambda v: some(v)[0] if some(v) else None),
    ("EARLIEST_BY_OFFSET", STRING, [False], words, lambda v: v[0]),
    ("EARLIEST_BY_OFFSET", Array(INTEGER), [2], st.none() | st.lists(ints, max_size=2), lambda v: some(v)[:2]),
    ("EARLIEST_BY_OFFSET", BIGINT, [2, False], longs, lambda v: v[:2]),
    ("COLLECT_LIST", STRING, [], words, list),
    ("COLLECT_LIST", Struct((("A", INTEGER),)), [], st.none() | st.builds(lambda a: {"A": a}, ints), list),
    ("COLLECT_SET", STRING, [], words, first_seen),
    ("COLLECT_SET", DOUBLE, [], doubles, first_seen),
    ("COLLECT_SET", Array(INTEGER), [], st.none() | st.lists(ints, max_size=2), first_seen),
    ("HISTOGRAM", STRING, [], words, lambda v: list(Counter(some(v)).items())),
    ("BOOL_AND", BOOLEAN, [], truths, lambda v: all(some(v)) if some(v) else None),
    ("BOOL_OR", BOOLEAN, [], truths, lambda v: any(some(v)) if some(v) else None),
    ("MEDIAN", DOUBLE, [], doubles, lambda v: statistics.median(some(v)) if some(v) else None),
    ("PERCENTILE", DOUBLE, [1], doubles, lambda v: max(some(v), default=None)),
    ("STRING_AGG", STRING, ["-"], words, lambda v: "-".join(some(v)) if some(v) else None),
    ("VAR_POP", DOUBLE, [], doubles, lambda v: variance(v) * (len(some(v)) - 1) / max(len(some(v)), 1)),
    ("STDDEV", DOUBLE, [], doubles, lambda v: math.sqrt(variance(v))),
    ("ATTR", STRING, [], words, lambda v: v[0] if len(distinct(v)) == 1 else None),
]  # fmt: skip


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        # A deviation is the root of a sum of squares: of one that is 0 but for rounding, half the digits are left.
        return a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6)
    return a == b and type(a) is type(b)


def kind_of(literal: Any) -> SqlType:
    return STRING if isinstance(literal, str) else BOOLEAN if isinstance(literal, bool) else INTEGER


def call_of(name: str, argument: SqlType, literals: Sequence[Any]) -> Any:
    kinds = list(map(kind_of, literals))
    return resolve_aggregate(name, [argument, *kinds], [None, *literals])


def rows_of(values: Sequence[Any], literals: Sequence[Any]) -> list[Row]:
    return [(0, 1, (v, *literals)) for v in values]


@pytest.mark.parametrize(("name", "argument", "literals", "values", "expected"), ONE)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_any_split_into_deltas_gives_the_answer_of_one_pass(
    connection: duckdb.DuckDBPyConnection,
    *,
    name: str,
    argument: SqlType,
    literals: list[Any],
    values: st.SearchStrategy[Any],
    expected: Callable[[list[Any]], Any],
    data: st.DataObject,
) -> None:
    call = call_of(name, argument, literals)
    types = [argument, *map(kind_of, literals)]
    deltas = data.draw(st.lists(st.lists(values, min_size=1, max_size=5), min_size=1, max_size=4))
    if call.distinct_argument:
        deltas = [[v] for v in first_seen([v for d in deltas for v in d])]
    group = Group(connection, call, types)
    for delta in deltas:
        group.feed(rows_of(delta, literals))
    flat = [v for d in deltas for v in d]
    assert same(group.answers()[0], expected(flat)), (group.answers()[0], expected(flat))
    assert same(one_pass(connection, call, types, rows_of(flat, literals))[0], expected(flat))
    # Two states merge as a state and a delta do.
    half = len(deltas) // 2
    left, right = Group(connection, call, types), Group(connection, call, types)
    for part, side in ((deltas[:half], left), (deltas[half:], right)):
        for delta in part:
            side.feed(rows_of(delta, literals))
    left.join(right)
    assert same(left.answers()[0], expected(flat))


RETRACTABLE = [case for case in ONE if call_of(*case[:3]).retractable and not call_of(*case[:3]).distinct_argument]


@pytest.mark.parametrize(("name", "argument", "literals", "values", "expected"), RETRACTABLE)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_rows_that_leave_are_taken_back(
    connection: duckdb.DuckDBPyConnection,
    *,
    name: str,
    argument: SqlType,
    literals: list[Any],
    values: st.SearchStrategy[Any],
    expected: Callable[[list[Any]], Any],
    data: st.DataObject,
) -> None:
    call = call_of(name, argument, literals)
    group = Group(connection, call, [argument, *map(kind_of, literals)])
    live: list[Any] = []
    for _ in range(data.draw(st.integers(1, 4))):
        delta: list[Row] = []
        for _ in range(data.draw(st.integers(1, 4))):
            if live and data.draw(st.booleans()):
                gone = live.pop(data.draw(st.integers(0, len(live) - 1)))
                delta.append((0, -1, (gone, *literals)))
            else:
                live.append(data.draw(values))
                delta.append((0, 1, (live[-1], *literals)))
        group.feed(delta)
        found, wanted = group.answers()[0], expected(live) if live or name != "ATTR" else None
        if name == "STRING_AGG" and found is not None:
            found, wanted = found.split("-"), wanted.split("-")
        if isinstance(found, list):  # the order of a table's rows is no part of the answer
            found, wanted = Counter(map(hashable, found)), Counter(map(hashable, wanted))
        assert same(found, wanted), (found, wanted)


def test_collect_list_takes_back_the_last_equal_value(connection: duckdb.DuckDBPyConnection) -> None:
    group = Group(connection, resolve_aggregate("COLLECT_LIST", [STRING], [None]), [STRING])
    group.feed([(0, 1, ("a",)), (0, 1, ("b",)), (0, 1, ("a",))])
    group.feed([(0, -1, ("a",)), (0, 1, ("c",))])
    assert group.answers()[0] == ["a", "b", "c"]


def test_a_removal_waits_for_what_it_takes_back(connection: duckdb.DuckDBPyConnection) -> None:
    group = Group(connection, resolve_aggregate("COLLECT_LIST", [STRING], [None]), [STRING])
    group.feed([(0, -1, ("a",))])
    group.feed([(0, 1, ("a",)), (0, 1, ("b",))])
    assert group.answers()[0] == ["b"]


def test_collections_keep_no_more_values_than_their_limit(connection: duckdb.DuckDBPyConnection) -> None:
    group = Group(connection, resolve_aggregate("COLLECT_LIST", [STRING], [None], limit=2), [STRING])
    group.feed([(0, 1, (v,)) for v in "abc"])
    assert group.answers()[0] == ["a", "b"]
    group.feed([(0, -1, ("c",)), (0, -1, ("a",))])
    group.feed([(0, 1, ("c",)), (0, 1, ("d",))])
    assert group.answers()[0] == ["b", "c"]
    group = Group(connection, resolve_aggregate("COLLECT_SET", [STRING], [None], limit=1), [STRING])
    group.feed([(0, 1, ("a",)), (0, 1, ("b",))])
    assert group.answers()[0] == ["a"]


def test_top_k_with_columns_keeps_the_order_of_equal_values(connection: duckdb.DuckDBPyConnection) -> None:
    call = resolve_aggregate("TOPK", [INTEGER, STRING, INTEGER], [None, None, 3])
    group = Group(connection, call, [INTEGER, STRING, INTEGER])
    for value, name in ((0, "zero"), (100, "one"), (99, "two"), (None, "three"), (100, None), (100, "late")):
        group.feed([(0, 1, (value, name, 3))])
    assert group.answers()[0] == [
        {"sort_col": 100, "col0": "one"},
        {"sort_col": 100, "col0": None},
        {"sort_col": 100, "col0": "late"},
    ]


def test_the_row_with_the_best_value(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [("a", 2), ("b", None), ("c", 3), ("d", 3), ("e", 1)]
    for name, expected in (("ARG_MAX", "c"), ("ARG_MIN", "e")):
        group = Group(connection, resolve_aggregate(name, [STRING, INTEGER], [None, None]), [STRING, INTEGER])
        for row in rows:
            group.feed([(0, 1, row)])
        assert group.answers()[0] == expected
        assert one_pass(connection, group.call, [STRING, INTEGER], [(0, 1, r) for r in rows])[0] == expected


def test_the_most_frequent_value(connection: duckdb.DuckDBPyConnection) -> None:
    group = Group(connection, resolve_aggregate("MODE", [STRING], [None]), [STRING])
    group.feed([(0, 1, (v,)) for v in ("b", "a", None, None, "a", "b")])
    assert group.answers()[0] == "b"
    group.feed([(0, -1, ("b",))])
    assert group.answers()[0] == "a"


def test_correlation_of_rows_that_came_and_went(connection: duckdb.DuckDBPyConnection) -> None:
    call = resolve_aggregate("CORRELATION", [DOUBLE, DOUBLE], [None, None])
    group = Group(connection, call, [DOUBLE, DOUBLE])
    group.feed([(0, 1, (1.5, 8.0))])
    assert math.isnan(group.answers()[0])
    group.feed([(0, 1, (-1.0, -2.0)), (0, 1, (None, 3.0))])
    assert group.answers()[0] == pytest.approx(1.0)
    group.feed([(0, 1, (-4.5, -1.0)), (0, 1, (9.0, 9.0))])
    group.feed([(0, -1, (9.0, 9.0))])
    assert group.answers()[0] == pytest.approx(0.7580764521133173)


def test_deviation_of_large_values_that_lie_close_together(connection: duckdb.DuckDBPyConnection) -> None:
    call = resolve_aggregate("STDDEV_SAMPLE", [BIGINT], [None])
    group = Group(connection, call, [BIGINT])
    base = 1_700_000_000_000
    for offset in (1, 2, 3, 4, 100):
        group.feed([(0, 1, (base + offset,))])
    group.feed([(0, -1, (base + 100,))])
    assert group.answers()[0] == pytest.approx(1.2909944487358056)


def test_a_decimal_sum_beyond_its_type_is_null_until_it_fits_again(connection: duckdb.DuckDBPyConnection) -> None:
    kind = Decimal(3, 1)
    group = Group(connection, resolve_aggregate("SUM", [kind], [None]), [kind])
    group.feed([(0, 1, (decimal.Decimal("99.9"),)), (0, 1, (decimal.Decimal("99.9"),))])
    assert group.answers()[0] is None
    group.feed([(0, -1, (decimal.Decimal("99.9"),))])
    assert group.answers()[0] == decimal.Decimal("99.9")


def test_collect_set_of_maps_ignores_their_order(connection: duckdb.DuckDBPyConnection) -> None:
    kind = Map(STRING, INTEGER)
    group = Group(connection, resolve_aggregate("COLLECT_SET", [kind], [None]), [kind])
    group.feed([(0, 1, ([("a", 1), ("b", 2)],)), (0, 1, ([("b", 2), ("a", 1)],))])
    assert len(group.answers()[0]) == 1


def test_parameters_that_must_be_literals() -> None:
    with pytest.raises(LiteralRequired) as wrong:
        resolve_aggregate("LATEST_BY_OFFSET", [INTEGER, INTEGER], [None, None], written=["A", "B + 1"])
    assert wrong.value.message == (
        "Parameter 2 passed to function LATEST_BY_OFFSET must be a literal constant, but was expression: 'B + 1'"
    )


def test_the_kinds_of_functions() -> None:
    assert is_aggregate("count")
    assert not is_aggregate("abs")
    assert is_table_aggregate("SUM")
    assert not is_table_aggregate("MAX")
    with pytest.raises(NoSuchSignature):
        resolve_aggregate("SUM", [STRING], [None])
