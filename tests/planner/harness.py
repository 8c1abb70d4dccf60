"""Real SQL to steps, and the steps run over small tables: DuckDB for what has SQL, plain Python for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from ssql.formats.api import FormatSpec
from ssql.functions.udf import install
from ssql.planner import steps as s
from ssql.planner.bind import Analysis, analyse, analyse_create, analyse_insert, build
from ssql.planner.options import Options
from ssql.planner.relation import KeyWindow, Relation
from ssql.sql.parser import parse_script, parse_statement
from ssql.sql.statements import CreateAs, InsertInto, Select
from ssql.sql.type_syntax import parse_schema
from ssql.types import Schema

SYSTEM = pa.schema([("_time", pa.int64()), ("_diff", pa.int8()), ("_seq", pa.int64())])


@dataclass
class Catalog:
    """Relations by name."""

    relations: dict[str, Relation] = field(default_factory=dict)

    def relation(self, name: str) -> Relation | None:
        return self.relations.get(name)

    def relation_names(self) -> Sequence[str]:
        return tuple(self.relations)

    def stream(self, name: str, columns: str, **more: Any) -> Catalog:
        return self._add("STREAM", name, columns, more)

    def table(self, name: str, columns: str, **more: Any) -> Catalog:
        return self._add("TABLE", name, columns, more)

    def _add(self, kind: Any, name: str, columns: str, more: Mapping[str, Any]) -> Catalog:
        schema = parse_schema(columns)
        made = Relation(name, kind, schema, name.lower(), FormatSpec("KAFKA"), FormatSpec("JSON"), **more)
        self.relations[name] = made
        return self


def catalog() -> Catalog:
    """A few sources that most tests use."""
    window = KeyWindow("TUMBLING", 1000)
    return (
        Catalog()
        .stream(
            "S",
            "ID INT KEY, NAME STRING, V INT, D DOUBLE, A ARRAY<INT>, M MAP<STRING, INT>, ST STRUCT<F INT, G STRING>",
        )
        .stream("S2", "ID INT KEY, NAME STRING, W BIGINT")
        .table("T", "ID INT PRIMARY KEY, NAME STRING, V INT")
        .table("T2", "ID INT PRIMARY KEY, NAME STRING, W BIGINT")
        .stream("W", "K STRING KEY, V INT", window=window)
    )


def sink_for(name: str, analysis: Analysis) -> Relation:
    """The relation that a CREATE ... AS would make, without WITH properties."""
    source = analysis.source
    return Relation(
        name, analysis.kind, analysis.schema, name.lower(), source.key_format, source.value_format, analysis.window,
        derived=True,
    )  # fmt: skip


#: What ksqlDB would refuse is planned too.
EXTENDED = Options(extensions=True)


def analysed(sql: str, relations: Catalog | None = None, options: Options = EXTENDED) -> Analysis:
    given = relations or catalog()
    statement = parse_statement(sql)
    match statement:
        case CreateAs():
            return analyse_create(statement, given, options=options)
        case InsertInto():
            target = given.relation(statement.target.text)
            assert target is not None
            return analyse_insert(statement, given, target, options=options)
        case Select():
            return analyse(statement.query, given, options=options)
    raise AssertionError(statement)


def planned(sql: str, relations: Catalog | None = None, options: Options = EXTENDED) -> s.QueryPlan:
    """A CREATE ... AS, INSERT INTO or SELECT as a dataflow."""
    given = relations or catalog()
    statement = parse_statement(sql)
    analysis = analysed(sql, given, options)
    sink = None
    if isinstance(statement, CreateAs):
        sink = sink_for(statement.name.text, analysis)
    elif isinstance(statement, InsertInto):
        sink = given.relation(statement.target.text)
    return build(analysis, query_id="Q", sink=sink)


def script(catalog_: Catalog, text: str) -> list[s.QueryPlan]:
    """Plan statements one after the other; what they create can be read by the next."""
    plans = []
    for statement in parse_script(text):
        assert isinstance(statement, CreateAs)
        analysis = analyse_create(statement, catalog_)
        made = sink_for(statement.name.text, analysis)
        plans.append(build(analysis, query_id="Q", sink=made))
        catalog_.relations[made.name] = made
    return plans


# --- running ---------------------------------------------------------------------------------------------------------

Row = Mapping[str, Any]


def delta(schema: Schema, rows: Iterable[Row]) -> pa.Table:
    """Rows as a delta: `_time` 0, `_diff` 1 and `_seq` counting where they are not given."""
    given = [{"_time": 0, "_diff": 1, "_seq": i, **row} for i, row in enumerate(rows)]
    arrow = pa.schema([*schema.arrow, *SYSTEM])
    return pa.Table.from_pylist([{f.name: row.get(f.name) for f in arrow} for row in given], schema=arrow)


def run_sql(statement: str, udfs: Sequence[str] = (), **tables: pa.Table) -> pa.Table:
    """One statement over registered tables."""
    connection = _connection()
    install(connection, udfs)
    for name, table in tables.items():
        connection.register(name, table)
    try:
        return connection.sql(statement).to_arrow_table()
    finally:
        for name in tables:
            connection.unregister(name)


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


class Flow:
    """Runs a plan's steps: `push` takes the rows of one epoch by source, and gives the rows of the last step."""

    def __init__(self, plan: s.QueryPlan, *, careful: bool = False) -> None:
        self.plan = plan
        self.careful = careful
        self._state: dict[str, Any] = {}
        self._stream_time = -1

    def push(self, **sources: Iterable[Row]) -> list[dict[str, Any]]:
        outputs: dict[str, pa.Table] = {}
        for step in self.plan.steps:
            inputs = [outputs[i] for i in step.inputs]
            rows = sources.get(step.relation.name, []) if isinstance(step, s.Scan) else []
            made = delta(step.schema, rows) if isinstance(step, s.Scan) else self._run(step, inputs)
            names = [*step.schema.names, *SYSTEM.names]
            assert set(names) <= set(made.schema.names), (step.id, names, made.schema.names)
            for column in step.schema.columns:
                found = made.schema.field(column.name).type
                assert _alike(found, column.type.arrow), (step.id, column, found)
            outputs[step.id] = made.select(names).sort_by([("_seq", "ascending"), ("_diff", "ascending")])
        last: list[dict[str, Any]] = outputs[self.plan.steps[-1].id].to_pylist()
        return last

    def values(self, **sources: Iterable[Row]) -> list[tuple[Any, ...]]:
        """The rows pushed out as tuples: the sign where it is -1, then the columns."""
        names = self.plan.steps[-1].schema.names
        return [(*(("-",) if r["_diff"] < 0 else ()), *(r[n] for n in names)) for r in self.push(**sources)]

    def _run(self, step: s.Step, inputs: list[pa.Table]) -> pa.Table:
        first = inputs[0]
        match step:
            case s.Map():
                sql = step.statement.careful if self.careful and step.statement.careful else step.statement.sql
                return run_sql(sql, step.statement.udfs, delta=first)
            case s.Pick():
                return first.select([*step.columns, *s.SYSTEM]).rename_columns([*step.schema.names, *s.SYSTEM])
            case s.Pick():
                names = [*step.columns, *SYSTEM.names]
                return first.select(names).rename_columns([*step.schema.names, *SYSTEM.names])
            case s.Require():
                kept = [r for r in first.to_pylist() if all(r[c] is not None for c in step.columns)]
                return pa.Table.from_pylist(kept, schema=first.schema)
            case s.Exchange() | s.Sink() | s.Emit():
                return first
            case s.Windowed():
                return self._windowed(step, first)
            case s.Aggregate():
                return self._aggregate(step, first)
            case s.Regroup():
                return self._regroup(step, first)
            case s.StreamTableJoin():
                return self._stream_table(step, *inputs)
            case s.TableTableJoin():
                return self._table_table(step, *inputs)
        raise AssertionError(step)

    def _windowed(self, step: s.Windowed, rows: pa.Table) -> pa.Table:
        found = []
        for row in rows.to_pylist():
            time = row["_time"]
            self._stream_time = max(self._stream_time, time)
            start = time - time % step.advance_ms
            for begin in range(start - step.size_ms + step.advance_ms, start + 1, step.advance_ms):
                end = begin + step.size_ms
                if begin <= time < end and begin >= 0 and self._stream_time < end + step.grace_ms:
                    found.append({**row, "WINDOWSTART": begin, "WINDOWEND": end})
        fields = [*rows.schema, pa.field("WINDOWSTART", pa.int64()), pa.field("WINDOWEND", pa.int64())]
        return pa.Table.from_pylist(found, schema=pa.schema(fields))

    def _aggregate(self, step: s.Aggregate, rows: pa.Table) -> pa.Table:
        given = rows.schema
        for distinct in step.distinct:
            seen = self._state.setdefault(f"{step.id}.{distinct.column}", {})
            flags = []
            for row in rows.to_pylist():
                held = (*(str(row[k]) for k in step.keys), str(row[distinct.column]))
                before = seen.get(held, 0)
                seen[held] = before + row["_diff"]
                flags.append(0 if row[distinct.column] is None else int(seen[held] > 0) - int(before > 0))
            rows = rows.append_column(distinct.flag, pa.array(flags, pa.int8()))
        fields = [given.field(k) for k in step.keys] + [pa.field(n, t.arrow) for n, t in step.accumulators]
        stored = pa.schema([*fields, pa.field("_time", pa.int64())])
        state: dict[Any, Row] = self._state.setdefault(step.id, {})

        def place(row: Row) -> tuple[str, ...]:
            return tuple(str(row[k]) for k in step.keys)

        touched = {place(r) for r in rows.to_pylist()}
        old = [state[p] for p in touched if p in state]
        if not touched:
            merged: list[dict[str, Any]] = []
        else:
            table = pa.Table.from_pylist(old, schema=stored)
            merged = run_sql(step.merge.sql, step.merge.udfs, delta=rows, state=table).to_pylist()
        by_place = {place(r): r for r in merged}
        gone = [{**r, "_diff": -1, "_seq": by_place[place(r)]["_seq"]} for r in old]
        come = [{**r, "_diff": 1} for r in merged]
        for r in merged:
            state[place(r)] = {n: r[n] for n in stored.names}
        visible = pa.schema([*stored, pa.field("_diff", pa.int8()), pa.field("_seq", pa.int64())])
        table = pa.Table.from_pylist([*gone, *come], schema=visible)
        return run_sql(step.result.sql, step.result.udfs, delta=table)

    def _regroup(self, step: s.Regroup, rows: pa.Table) -> pa.Table:
        held: dict[Any, Row] = self._state.setdefault(step.id, {})
        answers: dict[Any, list[Row]] = self._state.setdefault(step.id + ".answers", {})

        def place(row: Row, names: Sequence[str]) -> tuple[str, ...]:
            return tuple(str(row[n]) for n in names)

        touched = {}
        for row in rows.to_pylist():
            identity = place(row, (*step.keys, *step.row_identity))
            if row["_diff"] > 0:
                held[identity] = row
            else:
                held.pop(identity, None)
            touched[place(row, step.keys)] = row["_seq"]
        found: list[dict[str, Any]] = []
        names = [*step.schema.names, *SYSTEM.names]
        for group, seq in touched.items():
            members = [{**r, "_diff": 1} for r in held.values() if place(r, step.keys) == group]
            table = pa.Table.from_pylist(members, schema=rows.schema)
            new = run_sql(step.statement.sql, step.statement.udfs, delta=table).to_pylist() if members else []
            found += [{**r, "_diff": -1, "_seq": seq} for r in answers.get(group, [])]
            answers[group] = new
            found += [{**r, "_seq": seq} for r in new]
        arrow = pa.schema([*step.schema.arrow, *SYSTEM])
        return pa.Table.from_pylist([{n: r[n] for n in names} for r in found], schema=arrow)

    def _stream_table(self, step: s.StreamTableJoin, left: pa.Table, right: pa.Table) -> pa.Table:
        held: dict[Any, Row] = self._state.setdefault(step.id, {})
        for row in right.to_pylist():
            key = tuple(row[k] for k in step.right_keys)
            if row["_diff"] > 0:
                held[key] = row
            else:
                held.pop(key, None)
        found = []
        nothing = dict.fromkeys(n for n in right.schema.names if n not in SYSTEM.names)
        for row in left.to_pylist():
            match = held.get(tuple(row[k] for k in step.left_keys))
            if match is None and step.kind == "INNER":
                continue
            other = nothing if match is None else {n: match[n] for n in nothing}
            found.append({**row, **other})
        arrow = pa.schema([*step.schema.arrow, *SYSTEM])
        return pa.Table.from_pylist(found, schema=arrow)

    def _table_table(self, step: s.TableTableJoin, left: pa.Table, right: pa.Table) -> pa.Table:
        """Both sides as they are after the epoch, joined by DuckDB; the difference to the answer before."""
        held = []
        for side, rows, unique in (("l", left, step.left_unique), ("r", right, step.right_unique)):
            state = self._state.setdefault(f"{step.id}.{side}", {})
            for row in rows.to_pylist():
                place = tuple(row[u] for u in unique)
                if row["_diff"] > 0:
                    state[place] = row
                else:
                    state.pop(place, None)
            names = [n for n in rows.schema.names if n not in SYSTEM.names]
            kept = [{n: r[n] for n in names} for r in state.values()]
            held.append(pa.Table.from_pylist(kept, schema=pa.schema([rows.schema.field(n) for n in names])))
        on = " AND ".join(f'l."{a}" = r."{b}"' for a, b in zip(step.left_keys, step.right_keys, strict=True))
        now = run_sql(f"SELECT * FROM l {step.kind} JOIN r ON {on}", l=held[0], r=held[1]).to_pylist()
        before = self._state.get(step.id, [])
        self._state[step.id] = now
        gone = [{**r, "_time": 0, "_diff": -1, "_seq": 0} for r in before if r not in now]
        come = [{**r, "_time": 0, "_diff": 1, "_seq": 0} for r in now if r not in before]
        return pa.Table.from_pylist([*gone, *come], schema=pa.schema([*step.schema.arrow, *SYSTEM]))


def _alike(a: pa.DataType, b: pa.DataType) -> bool:
    """Equal but for how nested fields are called and stored."""
    if a == b:
        return True
    if pa.types.is_list(a) and pa.types.is_list(b):
        return _alike(a.value_type, b.value_type)
    if pa.types.is_map(a) and pa.types.is_map(b):
        return _alike(a.key_type, b.key_type) and _alike(a.item_type, b.item_type)
    if pa.types.is_struct(a) and pa.types.is_struct(b):
        return [f.name for f in a] == [f.name for f in b] and all(
            _alike(x.type, y.type) for x, y in zip(a, b, strict=True)
        )
    return False
