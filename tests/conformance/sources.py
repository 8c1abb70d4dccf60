"""Whether a stream or table is defined as a case expects: kind, columns, formats, window and wrapping."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ssql.sql.type_syntax import parse_schema
from ssql.testing.bench import Bench
from ssql.testing.definitions import described
from ssql.testing.records import Json, Mismatch
from ssql.types import Column

_HEADER_ROLE = re.compile(r" HEADERS?(\('[^']*'\))?(?=,|$)")


def check_sources(bench: Bench, expected: Sequence[Mapping[str, Json]]) -> None:
    """Raise `Mismatch` for the first source that is not there, or is another."""
    for wanted in expected:
        relation = bench.relation(wanted["name"])
        if relation is None:
            raise Mismatch("sources", f"source {wanted['name']} is missing", expected=wanted)
        shown = described(relation)
        for name, value in _fields(wanted).items():
            if not _same(name, value, shown[name]):
                raise Mismatch("sources", f"{name} of {wanted['name']} differs", expected=value, got=shown[name])


def _fields(wanted: Mapping[str, Json]) -> dict[str, Json]:
    """What an expectation says; null fields say nothing, except the window of a key format."""
    fields = {k: wanted.get(k) for k in ("type", "schema", "value_format", "key_features", "value_features")}
    fields["is_source"] = wanted.get("is_source")
    found = {k: v for k, v in fields.items() if v is not None}
    key = wanted.get("key_format")
    if key is not None:
        if key.get("format") is not None:
            found["key_format"] = key["format"]
        found["window"] = [key.get("window_type"), key.get("window_size_ms")]
    return found


def _same(name: str, expected: Json, got: Json) -> bool:
    if name == "schema":
        return _columns(expected) == _columns(got)
    if name.endswith("_features"):
        return set(expected) == set(got)
    return bool(expected == got)


def _columns(text: str) -> tuple[list[Column], list[Column]]:
    """Key columns and value columns, each in order."""
    schema = parse_schema(_HEADER_ROLE.sub("", text))
    return list(schema.keys), list(schema.values)
