"""YATT: a script with assertions on records and on definitions between its statements."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal

import pyarrow as pa

from ssql.engine import properties as p
from ssql.engine.relations import created
from ssql.errors import SsqlError
from ssql.planner.options import Options
from ssql.planner.relation import Relation
from ssql.planner.values import plan_values
from ssql.sql.parser import parse_statement
from ssql.sql.statements import AssertSource, AssertValues, CreateSource
from ssql.types import BIGINT, Column, Schema
from tests.conformance.bench import Bench, bench
from tests.conformance.cases import Case, Json, Mismatch
from tests.conformance.codec import Found
from tests.conformance.compare import same
from tests.conformance.failures import check_error, check_text, no_error
from tests.conformance.sources import described
from tests.conformance.values import plain

SETTINGS = {"batch.max.rows": 1}
_ROWTIME = Column("ROWTIME", BIGINT)


def run(case: Case) -> None:
    """Carry out a case; raises `Mismatch` where an assertion does not hold, or an error does not come."""
    with bench(case, one_task=True, settings=SETTINGS) as made:
        script = _Script(made)
        for item in case.raw["items"]:
            try:
                script.carry_out(item)
            except SsqlError as error:
                check_error(case, error)
                return
            except Mismatch as mismatch:
                if case.failure is None or mismatch.reason != "assertion":
                    raise
                check_text(case, [mismatch.what], mismatch.what)
                return
        if case.failure is not None:
            raise no_error(case)


class _Script:
    """The script at some point: an engine, and how far each topic has been read."""

    def __init__(self, made: Bench) -> None:
        self.made = made
        self.read: dict[str, int] = {}

    def carry_out(self, item: Mapping[str, Json]) -> None:
        match item["kind"]:
            case "directive":
                return
            case "run_script":
                for sql in item["expanded"]:
                    self._execute(sql)
            case "statement":
                self._execute(item["sql"])
            case "assert_stream" | "assert_table":
                self._assert_source(item["sql"])
            case _:
                self._assert_record(item["sql"])

    def _execute(self, sql: str) -> None:
        self.made.execute(sql)
        self.made.settle()
        why = self.made.failed_query()
        if why is not None:
            raise Mismatch("query failed", why)

    def _relation(self, name: str) -> Relation:
        relation = self.made.relation(name)
        if relation is None:
            raise Mismatch("assertion", f"{name} does not exist.")
        return relation

    # --- records ---------------------------------------------------------------

    def _assert_record(self, sql: str) -> None:
        statement = parse_statement(sql, assertions=True)
        assert isinstance(statement, AssertValues)
        relation = self._relation(statement.source.text)
        at = self.read.get(relation.topic, 0)
        records = self.made.records(relation.topic)
        if at >= len(records):
            shown = [r.shown() for r in records]
            raise Mismatch("assertion", "Expected another record, but all records have already been read:", got=shown)
        self.read[relation.topic] = at + 1
        wanted = self._values(relation, statement)
        if not self._holds(relation, statement.tombstone, wanted, records[at]):
            raise Mismatch(
                "assertion",
                "Expected record does not match actual.",
                expected=f"{'tombstone' if statement.tombstone else ''} {wanted}",
                got=[r.shown() for r in records[at:]],
            )

    def _values(self, relation: Relation, statement: AssertValues) -> dict[str, Json]:
        """The values of the statement, computed, as JSON."""
        known = {**relation.schema.by_name, "ROWTIME": _ROWTIME}
        columns = [known[name.text] for name in statement.columns] or list(relation.schema.columns)
        core = self.made.engine._core
        plan = plan_values(relation.name, columns, [statement.values], options=Options(core.catalog.types.get))
        row = core.pool.run(plan, Schema(tuple(columns)).arrow)
        return {c.name: _json(plain(_scalar(row.column(i)), c.type)) for i, c in enumerate(columns)}

    def _holds(self, relation: Relation, tombstone: bool, wanted: Mapping[str, Json], got: Found) -> bool:
        if tombstone != (got.value is None):
            return False
        codec = self.made.codec(relation.topic)
        found: dict[str, Json] = {"ROWTIME": got.timestamp}
        for part, data in zip((codec.key, codec.value), got.data, strict=True):
            row = part.row(data)
            if isinstance(row, str):
                return False
            found |= row
        types = relation.schema.by_name
        return all(same(v, found.get(n), types[n].type if n in types else BIGINT) for n, v in wanted.items())

    # --- definitions -----------------------------------------------------------

    def _assert_source(self, sql: str) -> None:
        statement = parse_statement(sql, assertions=True)
        assert isinstance(statement, AssertSource)
        actual = self._relation(statement.name.text)
        claimed = self._claimed(statement)
        has, wants = _properties(actual), _properties(claimed)
        for name, value in wants.items():
            if has[name] != value:
                raise Mismatch(
                    "assertion",
                    f"Expected {name} does not match actual for source {actual.name}.",
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
        core = self.made.engine._core
        return created(create, p.read(statement.properties, "CREATE"), core.config, core.catalog, core.schemas)[0]


def _properties(relation: Relation) -> dict[str, Json]:
    """What an assertion on a definition compares, in this order."""
    shown = described(relation)
    time = relation.timestamp
    return {
        "type": shown["type"],
        "schema": shown["schema"],
        "kafka topic": relation.topic,
        "key format": relation.key_format.name,
        "key format properties": dict(relation.key_format.properties),
        "value format": relation.value_format.name,
        "value format properties": dict(relation.value_format.properties),
        "key serde features": shown["key_features"],
        "value serde features": shown["value_features"],
        "window": shown["window"],
        "timestamp column": time.column if time else None,
        "timestamp format": time.format if time else None,
    }


def _scalar(array: pa.Array) -> pa.Scalar:
    return array[0]


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
