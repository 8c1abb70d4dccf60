"""RQTT: statements as a client sends them, and the answers.

Requests go to the engine's facade, and rows are rendered by the server's own framing of /query: what is compared is
the JSON that a client reads.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast

import pyarrow as pa
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.text_format import MessageToString

from ssql.engine.api import Entity, PullResult, PushQuery
from ssql.errors import SsqlError
from ssql.schemas.proto import ProtoSchema
from ssql.server.framing import PROTOBUF_TYPE, V1_TYPE, framing_of
from ssql.testing.bench import PATIENCE_S, Bench
from ssql.testing.compare import same
from ssql.testing.outputs import by_topic, compare_outputs
from ssql.testing.records import Json, Mismatch
from ssql.types import Column
from tests.conformance.bench import bench
from tests.conformance.cases import Case
from tests.conformance.failures import check_error, no_error

SETTINGS = {"batch.max.rows": 1, "query.push.v2.enabled": True}
#: What sort of entry an element of a /query answer is.
_SORTS = ("header", "row", "finalMessage", "errorMessage")


def run(case: Case) -> None:
    """Carry out a case; raises `Mismatch` where an answer is not as expected."""
    with bench(case, one_task=False, settings=SETTINGS) as made:
        try:
            _requests(case, made)
        except SsqlError as error:
            check_error(case, error)
            _check_kind(case, error)
            return
        if case.failure is not None:
            raise no_error(case)
        made.settle()
        compare_outputs(made, case.outputs, any_zero=not case.inputs)


def _requests(case: Case, made: Bench) -> None:
    first = next((i for i, s in enumerate(case.statements) if s.startswith("SELECT ")), len(case.statements))
    entities = made.execute("\n".join(case.statements[:first]))
    responses = case.raw["responses"]
    _check_admin([r for r in responses if r["type"] == "admin"], entities)
    expected: dict[int, list[Mapping[str, Json]]] = {}
    for response in responses:
        if response["type"] != "admin":
            expected.setdefault(response["statement"], []).append(response)
    late = bool((case.raw["input_conditions"] or {}).get("waitForActivePushQuery"))
    if not late:
        _feed(case, made)
    for i in range(first, len(case.statements)):
        for wanted in expected.get(i) or [None]:
            _query(case, made, case.statements[i], wanted, late=late)


def _feed(case: Case, made: Bench) -> None:
    made.settle()
    for records in by_topic(case.inputs).values():
        made.produce(records)
    made.settle()


def _check_admin(responses: Sequence[Mapping[str, Json]], entities: Sequence[Entity]) -> None:
    for i, response in enumerate(responses):
        if i >= len(entities):
            raise Mismatch("admin", f"there are only {len(entities)} entities", expected=response["expected"])
        if not subset(response["expected"], entities[i]):
            raise Mismatch("admin", f"entity {i} differs", expected=response["expected"], got=entities[i])


def subset(expected: Json, got: Json) -> bool:
    """Every expected key is there with an equal value; `x|starts_with` is a prefix of the text at `x`."""
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping):
            return False
        return all(
            str(got.get(key.removesuffix("|starts_with"), "")).startswith(value)
            if key.endswith("|starts_with")
            else key in got and subset(value, got[key])
            for key, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(got, list)
            and len(got) == len(expected)
            and all(subset(e, g) for e, g in zip(expected, got, strict=True))
        )
    return same(expected, got)


# --- queries ------------------------------------------------------------------


def _query(case: Case, made: Bench, sql: str, response: Mapping[str, Json] | None, *, late: bool) -> None:
    result = made.engine.query(sql, made.session)
    try:
        if late:
            _feed(case, made)
        wanted = response["expected"] if response else []
        form = PROTOBUF_TYPE if response is not None and response["type"] == "queryProto" else V1_TYPE
        got = _answer(result, sum("row" in e for e in wanted), form)
        if response is not None:
            _compare(wanted, _as_text(got) if form == PROTOBUF_TYPE else got, result.columns)
    finally:
        if not isinstance(result, PullResult):
            result.close()


def _answer(result: PullResult | PushQuery, rows: int, form: str) -> list[Json]:
    """The elements of the answer as a client reads them; of a push query at least `rows` rows."""
    if isinstance(result, PullResult):
        framing = framing_of(form, push=False)
        parts = [framing.header(result.query_id, result.columns, result.mark_keys)]
        parts += [framing.rows(batch, result.columns) for batch in result.rows.to_batches()]
        return _parsed([*parts, framing.end(result.final_message)])
    framing = framing_of(form, push=True)
    parts = [framing.header(result.query_id, result.columns, mark_keys=False)]
    deadline = time.monotonic() + PATIENCE_S
    taken = 0
    while True:
        batch = result.take(timeout_s=min(1.0, max(0.0, deadline - time.monotonic())))
        if batch is None:
            if result.error is not None:
                raise result.error
            return _parsed([*parts, framing.end(result.final_message or "Query Completed")])
        parts.append(framing.rows(cast("pa.RecordBatch", batch), result.columns))
        taken += batch.num_rows
        if time.monotonic() >= deadline:
            raise Mismatch("push query: no end", f"{taken} of {rows} rows came", got=[b.decode() for b in parts])


def _as_text(answer: Sequence[Json]) -> list[Json]:
    """An answer in Protobuf with its rows as texts, read by the schema in its header."""
    header, *rest = answer
    message = GetMessageClass(ProtoSchema(header["header"]["protoSchema"]).message())
    texts = (
        {"row": MessageToString(message.FromString(base64.b64decode(e["row"]["protobufBytes"])))} if "row" in e else e
        for e in rest
    )
    return [{"header": {"protoSchema": header["header"]["protoSchema"]}}, *texts]


def _parsed(parts: Sequence[bytes]) -> list[Json]:
    found: list[Json] = json.loads(b"".join(parts), parse_float=Decimal)
    return found


def _sort(entry: Mapping[str, Json]) -> str:
    return next((s for s in _SORTS if s in entry), "other")


def _compare(expected: Sequence[Mapping[str, Json]], got: Sequence[Json], columns: Sequence[Column]) -> None:
    """Entries of the same sorts in order; rows as a bag."""

    def mismatch(what: str) -> Mismatch:
        return Mismatch(f"answer: {what}", f"the answer's {what}", expected=list(expected), got=list(got))

    if [_sort(e) for e in expected] != [_sort(g) for g in got]:
        raise mismatch("number of entries differs" if len(expected) != len(got) else "entries are of other sorts")
    rows = [g for g in got if "row" in g]
    for wanted, entry in zip(expected, got, strict=True):
        if "row" not in wanted:
            if not subset(wanted, entry):
                raise mismatch(f"{_sort(wanted)} differs")
            continue
        found = next((r for r in rows if _same_row(wanted["row"], r["row"], columns)), None)
        if found is None:
            raise mismatch("rows differ")
        rows.remove(found)


def _same_row(expected: Json, got: Json, columns: Sequence[Column]) -> bool:
    if isinstance(expected, str):
        return bool(expected == got)
    if len(expected["columns"]) != len(got["columns"]) or len(columns) != len(got["columns"]):
        return False
    rest = {k: v for k, v in expected.items() if k != "columns"}
    values = zip(expected["columns"], got["columns"], columns, strict=True)
    return subset(rest, got) and all(same(e, g, c.type) for e, g, c in values)


def _check_kind(case: Case, error: SsqlError) -> None:
    """A statement error names the last statement."""
    if case.failure is None or case.failure.kind != "statement":
        return
    body = error.as_json()
    if body["@type"] != "statement_error" or case.statements[-1] not in str(body.get("statementText")):
        raise Mismatch("wrong error", "it is no error of the last statement", expected=case.statements[-1], got=body)
