"""The statements of grouping: accumulators from a delta, merged with those of the state, and answers from them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ssql.functions import used_in
from ssql.functions.api import Accumulator
from ssql.planner import expr as e
from ssql.planner.plan import Aggregate
from ssql.planner.print_duckdb import columns_sql, sql_of
from ssql.planner.steps import SYSTEM, Distinct, Statement
from ssql.types import Array, SqlType, duck_quote

_DIFF = re.compile(r"\b_diff\b")


@dataclass(frozen=True)
class _Slot:
    """One accumulator: the column that holds it, and how it is made."""

    name: str
    accumulator: Accumulator
    flag: str | None

    @property
    def column(self) -> str:
        return duck_quote(self.name)

    @property
    def delta(self) -> str:
        """The accumulator over a delta's rows; a distinct argument's rows count by their flag."""
        text = self.accumulator.delta
        return text if self.flag is None else _DIFF.sub(lambda _: duck_quote(self.flag or ""), text)

    def merged(self, state: str, delta: str) -> str:
        return self.accumulator.merge.replace("{s}", state).replace("{d}", delta)


def _slots(node: Aggregate, name: str, a: e.AggregateOf) -> tuple[_Slot, ...]:
    if a.call.distinct_argument and node.joins_groups:
        return (_Slot(f"{name}.0", _values_of(a), None),)
    made = a.call.render([sql_of(x) for x in a.args])
    flag = _flag(a) if a.call.distinct_argument else None
    return tuple(_Slot(f"{name}.{i}", acc, flag) for i, acc in enumerate(made))


def _values_of(a: e.AggregateOf) -> Accumulator:
    """The distinct values themselves: where groups are joined to each other, their numbers do not tell that of both."""
    value, kind = a.args[0], Array(_typed(a.args[0].type))
    empty = f"CAST([] AS {kind.duckdb})"
    return Accumulator(
        kind,
        f"list(DISTINCT {sql_of(value)}) FILTER (WHERE {sql_of(value)} IS NOT NULL)",
        f"list_distinct(list_concat(coalesce({{s}}, {empty}), coalesce({{d}}, {empty})))",
    )


def _typed(t: SqlType | None) -> SqlType:
    assert t is not None
    return t


def _flag(a: e.AggregateOf) -> str:
    column = a.args[0]
    assert isinstance(column, e.Column)
    return f"flag.{column.name}"


def _all_slots(node: Aggregate) -> tuple[_Slot, ...]:
    return tuple(slot for name, a in node.aggregates for slot in _slots(node, name, a))


def accumulators_of(node: Aggregate) -> tuple[tuple[str, SqlType], ...]:
    """The state's columns beside the group's."""
    return tuple((slot.name, slot.accumulator.type) for slot in _all_slots(node))


def distincts_of(node: Aggregate) -> tuple[Distinct, ...]:
    """The arguments of which each distinct value counts once."""
    if node.joins_groups:
        return ()
    flags = {_flag(a): a.args[0] for _, a in node.aggregates if a.call.distinct_argument}
    return tuple(Distinct(x.name, flag) for flag, x in flags.items() if isinstance(x, e.Column))


def _statement(sql: str) -> Statement:
    return Statement(sql, None, tuple(sorted(used_in(sql))))


def _grouped(node: Aggregate, source: str) -> str:
    """A row for each group in `source`: the group, what its rows add up to, the latest `_time` and `_seq`."""
    listed = [duck_quote(k) for k in node.group]
    listed += [f"{slot.delta} AS {slot.column}" for slot in _all_slots(node)]
    listed += ["max(_time) AS _time", "max(_seq) AS _seq"]
    group = f" GROUP BY {columns_sql(node.group)}" if node.group else ""
    return f"SELECT {', '.join(listed)} FROM {source}{group}"


def merge_sql(node: Aggregate) -> Statement:
    """`delta` grouped, and merged with the groups of `state`."""
    return _merged(node, f"({_grouped(node, 'delta')})")


def combine_sql(node: Aggregate) -> Statement:
    """The groups of `delta` merged with those of `state`, which are the earlier ones."""
    return _merged(node, "delta")


def _merged(node: Aggregate, groups: str) -> Statement:
    listed = [f"d.{duck_quote(k)}" for k in node.group]
    listed += [f"{x.merged(f's.{x.column}', f'd.{x.column}')} AS {x.column}" for x in _all_slots(node)]
    listed += ["greatest(d._time, s._time) AS _time", "d._seq"]
    keys = [f"d.{duck_quote(k)} IS NOT DISTINCT FROM s.{duck_quote(k)}" for k in node.group]
    return _statement(f"SELECT {', '.join(listed)} FROM {groups} d LEFT JOIN state s ON {' AND '.join(keys) or 'TRUE'}")


def _answers(node: Aggregate) -> list[str]:
    return [f"{_answer(node, name, a)} AS {duck_quote(name)}" for name, a in node.aggregates]


def _answer(node: Aggregate, name: str, a: e.AggregateOf) -> str:
    columns = [slot.column for slot in _slots(node, name, a)]
    if a.call.distinct_argument and node.joins_groups:
        return f"CAST(coalesce(len({columns[0]}), 0) AS BIGINT)"
    return a.call.result(columns)


def result_sql(node: Aggregate) -> Statement:
    """The answers, from the accumulators in `delta`."""
    listed = [*(duck_quote(k) for k in node.group), *_answers(node), *SYSTEM]
    return _statement(f"SELECT {', '.join(listed)} FROM delta")


def regroup_sql(node: Aggregate) -> Statement:
    """The answers, from all rows of the groups in `delta`; none for no rows."""
    found = f"{whole_sql(node)} WHERE _seq IS NOT NULL"
    return _statement(found)


def whole_sql(node: Aggregate, source: str = "delta") -> str:
    """The answers, from all rows of the groups in `source`. Without grouping columns always one."""
    distincts = distincts_of(node)
    if distincts:
        # Of the rows that hold a value, the first one counts.
        flags = [
            f"CAST({duck_quote(d.column)} IS NOT NULL AND row_number() OVER (PARTITION BY "
            f"{columns_sql((*node.group, d.column))} ORDER BY _seq) = 1 AS TINYINT) AS {duck_quote(d.flag)}"
            for d in distincts
        ]
        source = f"(SELECT *, {', '.join(flags)} FROM {source})"
    merged = [duck_quote(k) for k in node.group]
    for slot in _all_slots(node):
        empty = f"CAST(NULL AS {slot.accumulator.type.duckdb})"
        merged.append(f"{slot.merged(empty, slot.column)} AS {slot.column}")
    inner = f"SELECT {', '.join([*merged, '_time', '_seq'])} FROM ({_grouped(node, source)})"
    listed = [*(duck_quote(k) for k in node.group), *_answers(node), "_time", "CAST(1 AS TINYINT) AS _diff", "_seq"]
    return f"SELECT {', '.join(listed)} FROM ({inner})"
