"""What an assertion of a script says, against what the topics hold."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa
from sqlglot import exp

from ssql.engine import properties as p
from ssql.engine.relations import created
from ssql.errors import ColumnNotFound, InvalidStatement
from ssql.planner.options import Options
from ssql.planner.relation import Relation
from ssql.planner.system_streams import ERRORS, LATE
from ssql.planner.values import plan_values
from ssql.sql.statements import AssertRows, AssertSource, AssertValues, CreateSource, Name
from ssql.testing.bench import Bench
from ssql.testing.codec import Found
from ssql.testing.compare import same
from ssql.testing.definitions import asserted
from ssql.testing.diff import Word, counts, diff
from ssql.testing.records import Json, Mismatch
from ssql.testing.rows import Pair, Row, in_any_order, in_order, one_by_one
from ssql.testing.values import plain
from ssql.types import BIGINT, Column, Schema

Assertion = AssertValues | AssertRows | AssertSource
#: What every source's rows have beside their columns.
_ROWTIME = Column("ROWTIME", BIGINT)
_BOUNDS = (Column("WINDOWSTART", BIGINT), Column("WINDOWEND", BIGINT))
_SET, _DELETED, _ANY = Word("set"), Word("deleted"), Word("*")


class AssertionFailed(Mismatch):
    """An assertion does not hold."""

    def __init__(self, what: str, difference: str = "", *, expected: object = None, got: object = None) -> None:
        super().__init__("assertion", what, expected=expected, got=got or difference, difference=difference)


@dataclass
class Asserting:
    """The assertions of one run: how far each topic has been read is kept from one to the next.

    `read`: by the records that ASSERT VALUES took; `changes`: by ASSERT CHANGES, ERRORS and LATE.
    """

    bench: Bench
    read: dict[str, int] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)

    def check(self, statement: Assertion) -> None:
        """Raise `AssertionFailed` where it does not hold, an `SqlError` where it cannot be understood."""
        match statement:
            case AssertSource():
                self._source(statement)
            case AssertValues():
                self._next(statement)
            case AssertRows():
                self._rows(statement)

    # --- records --------------------------------------------------------------

    def _relation(self, name: Name) -> Relation:
        relation = self.bench.relation(name.text)
        if relation is None:
            raise AssertionFailed(f"{name} does not exist.")
        return relation

    def _next(self, statement: AssertValues) -> None:
        """ASSERT VALUES, ASSERT NULL VALUES: the next records."""
        relation = self._relation(statement.source)
        columns = self._columns(relation, statement.columns)
        wanted = self._values(relation, columns, statement.rows)
        records = self.bench.records(relation.topic)
        at = self.read.get(relation.topic, 0)
        self.read[relation.topic] = at + len(wanted)
        found = records[at : at + len(wanted)]
        change = _DELETED if statement.tombstone else _SET
        shape = _Shape(relation, ("change", *(c.name for c in columns)), columns)
        pairs = one_by_one(
            [[change, *row] for row in wanted], [self._row(relation, r, columns) for r in found], shape.same
        )
        if all(pair.same for pair in pairs):
            return
        if not found:
            what = "Expected another record, but all records have already been read:"
            raise AssertionFailed(what, shape.difference(self._last(relation, records, columns)))
        raise AssertionFailed("Expected record does not match actual.", shape.difference(pairs))

    def _last(self, relation: Relation, records: Sequence[Found], columns: Sequence[Column]) -> list[Pair]:
        """The records that were there, as they are shown where one more is missing."""
        rows = [self._row(relation, r, columns) for r in records]
        return [Pair(row, row, True) for row in rows]

    def _rows(self, statement: AssertRows) -> None:
        """ASSERT TABLE, STREAM, CHANGES, ERRORS, LATE."""
        name = {"ERRORS": ERRORS, "LATE": LATE}.get(statement.what)
        if statement.source is not None:
            relation = self._relation(statement.source)
        else:
            found = self.bench.relation(str(name))
            assert found is not None
            relation = found
        if statement.what in ("STREAM", "TABLE") and relation.kind != statement.what:
            raise AssertionFailed(f"{relation.name} is a {relation.kind.lower()}, not a {statement.what.lower()}")
        columns = self._columns(relation, statement.columns)
        changes = statement.what == "CHANGES"
        wanted: list[Row] = []
        for row in statement.rows:
            named = self._keys(relation, columns, row.values) if row.deleted else columns
            [values] = self._values(relation, named, [row.values])
            if row.deleted:
                by_name = dict(zip((c.name for c in named), values, strict=True))
                wanted.append([_DELETED, *(by_name.get(c.name, _ANY) for c in columns)])
            else:
                wanted.append([_SET, *values] if changes else values)
        shape = _Shape(
            relation, tuple(c.name for c in columns) if not changes else ("change", *(c.name for c in columns)), columns
        )
        got = self._found(statement, relation, columns)
        pairs = in_order(wanted, got, shape.same) if changes else in_any_order(wanted, got, shape.same, shape.alike)
        if not all(pair.same for pair in pairs):
            raise AssertionFailed(
                f"{_TITLES[statement.what]} {relation.name}: {counts(pairs)}", shape.difference(pairs)
            )

    def _found(self, statement: AssertRows, relation: Relation, columns: Sequence[Column]) -> list[Row]:
        """What there is, of what the assertion is about."""
        records = self.bench.records(relation.topic)
        if statement.what in ("STREAM", "TABLE"):
            if relation.kind == "TABLE":
                last = {(r.data[0], r.window): r for r in records}
                records = [r for r in last.values() if r.value is not None]
            return [self._row(relation, record, columns)[1:] for record in records]
        at = self.changes.get(relation.topic, 0)
        self.changes[relation.topic] = len(records)
        first = 0 if statement.what == "CHANGES" else 1
        return [self._row(relation, record, columns)[first:] for record in records[at:]]

    def _row(self, relation: Relation, record: Found, columns: Sequence[Column]) -> list[Json]:
        """A record as a row: whether it sets or deletes, then the columns; text where it cannot be read."""
        codec = self.bench.codec(relation.topic)
        values: dict[str, Json] = {"ROWTIME": record.timestamp}
        if record.window is not None:
            values |= {"WINDOWSTART": record.window.start, "WINDOWEND": record.window.end}
        for part, data in zip((codec.key, codec.value), record.data, strict=True):
            row = part.row(data)
            values |= {c.name: Word(row) for c in part.columns} if isinstance(row, str) else row
        deleted = record.value is None and relation.kind == "TABLE"
        nothing = record.data[1] is None and (deleted or bool(codec.value.columns))
        return [_DELETED if nothing else _SET, *(values.get(c.name) for c in columns)]

    def _columns(self, relation: Relation, names: Sequence[Name]) -> list[Column]:
        if not names:
            return list(relation.schema.columns)
        known = {**relation.schema.by_name, "ROWTIME": _ROWTIME}
        if relation.window is not None:
            known |= {c.name: c for c in _BOUNDS}
        for name in names:
            if name.text not in known:
                raise ColumnNotFound(name.text, span=name.span, candidates=list(known))
        return [known[name.text] for name in names]

    def _keys(self, relation: Relation, columns: Sequence[Column], row: Sequence[exp.Expression]) -> list[Column]:
        """The columns that the values after DELETED are for: the key's, in the order of the assertion."""
        keys = {c.name for c in relation.schema.keys} | ({c.name for c in _BOUNDS} if relation.window else set())
        named = [c for c in columns if c.name in keys]
        if len(named) != len(row):
            names = ", ".join(c.name for c in named) or "none"
            raise InvalidStatement(f"DELETED takes a value for each key column that is asserted ({names})")
        return named

    def _values(
        self, relation: Relation, columns: Sequence[Column], rows: Sequence[Sequence[exp.Expression]]
    ) -> list[list[Json]]:
        """The values of the statement, computed, as JSON."""
        for row in rows:
            if len(row) != len(columns):
                wanted = ", ".join(c.name for c in columns)
                raise InvalidStatement(f"there are {len(row)} values, and not one for each column ({wanted})")
        core = self.bench.engine._core
        plan = plan_values(relation.name, columns, rows, options=Options(core.catalog.types.get))
        batch = core.pool.run(plan, Schema(tuple(columns)).arrow)
        return [
            [_json(plain(_scalar(batch.column(i), at), c.type)) for i, c in enumerate(columns)]
            for at in range(batch.num_rows)
        ]

    # --- definitions ----------------------------------------------------------

    def _source(self, statement: AssertSource) -> None:
        actual = self._relation(statement.name)
        has, wants = asserted(actual), asserted(self._claimed(statement))
        for name, value in wants.items():
            if has[name] != value:
                raise AssertionFailed(
                    f"Expected {name} does not match actual for source {actual.name}.",
                    f"expected: {value}\ngot:      {has[name]}",
                    expected=value,
                    got=has[name],
                )

    def _claimed(self, statement: AssertSource) -> Relation:
        """The relation that the assertion's text would create."""
        create = CreateSource(
            text=statement.text,
            span=statement.span,
            kind=statement.kind,
            name=statement.name,
            columns=statement.columns,
            properties=statement.properties,
        )
        core = self.bench.engine._core
        return created(create, p.read(statement.properties, "CREATE"), core.config, core.catalog, core.schemas)[0]


_TITLES = {
    "STREAM": "the records of stream",
    "TABLE": "the rows of table",
    "CHANGES": "the changes of",
    "ERRORS": "what could not be processed, in",
    "LATE": "what came too late, in",
}


@dataclass(frozen=True)
class _Shape:
    """Columns of rows that are compared; those of `names` before `columns` hold words of ours."""

    relation: Relation
    names: Sequence[str]
    columns: Sequence[Column]

    @property
    def _before(self) -> int:
        return len(self.names) - len(self.columns)

    def _same_value(self, at: int, expected: Any, got: Any) -> bool:
        if expected == _ANY:
            return True
        if isinstance(expected, Word) or isinstance(got, Word):
            return bool(expected == got)
        return same(expected, got, self.columns[at - self._before].type)

    def same(self, expected: Row, got: Row) -> bool:
        if expected[0] == _DELETED == got[0]:
            keys = {c.name for c in self.relation.schema.keys} | {c.name for c in _BOUNDS}
            places = [i for i, name in enumerate(self.names) if name in keys]
            return all(self._same_value(i, expected[i], got[i]) for i in places)
        return all(self._same_value(i, e, g) for i, (e, g) in enumerate(zip(expected, got, strict=True)))

    def alike(self, expected: Row, got: Row) -> bool:
        """Whether two rows are of one key."""
        keys = {c.name for c in self.relation.schema.keys} | {"WINDOWSTART"}
        places = [i for i, name in enumerate(self.names) if name in keys]
        return bool(places) and all(self._same_value(i, expected[i], got[i]) for i in places)

    def difference(self, pairs: Sequence[Pair]) -> str:
        return diff(self.names, pairs, self._same_value)


def _scalar(array: pa.Array, at: int) -> pa.Scalar:
    return array[at]


def _json(value: Json) -> Json:
    """A computed value as an expectation would be written."""
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case float():
            return Decimal(repr(value))
        case dict():
            return {k: _json(v) for k, v in value.items()}
        case list():
            return [_json(v) for v in value]
        case _:
            return value
