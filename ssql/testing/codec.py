"""Records of a topic as bytes, and back, by the formats of the stream or table over it.

JSON is written and read as text, so that what is compared is what is in the topic: a field that is missing is not a
null one, and decimals keep their digits. DELIMITED is compared as its text. The other formats go through their own
encoders and decoders.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import pyarrow as pa

from ssql.errors import SsqlError
from ssql.formats import registered
from ssql.formats.api import FormatSpec
from ssql.formats.inference import RegistryFormat
from ssql.formats.registered import SCHEMA_ID
from ssql.formats.registry import format_named
from ssql.formats.windowed import unwrap_keys, wrap_keys
from ssql.log.api import RECORD_SCHEMA
from ssql.planner.relation import Relation
from ssql.schemas.api import Definition, SchemaRegistry, subject_of
from ssql.schemas.types import sql_type
from ssql.testing.compare import same
from ssql.testing.records import LANGUAGE, Json, Mismatch, Record, Window
from ssql.testing.values import field_of, json_text, plain, typed
from ssql.types import BYTES, Column, SqlType, Struct


@dataclass(frozen=True)
class Part:
    """The key or the value of a topic's records: its format and its columns."""

    spec: FormatSpec
    columns: tuple[Column, ...]
    is_key: bool
    schemas: SchemaRegistry

    @property
    def type(self) -> SqlType | None:
        """The type of the whole part: a row, or that of its bare column. None where there is none."""
        if not self.columns:
            return None
        return self.columns[0].type if self.bare else Struct(tuple((c.name, c.type) for c in self.columns))

    @property
    def bare(self) -> bool:
        """Whether the part is its only column, and not a row of one."""
        if len(self.columns) != 1 or self.spec.name in ("PROTOBUF", "PROTOBUF_NOSR"):
            return False
        return self.is_key or self.spec.name == "KAFKA" or self.spec.wrap is False

    def encode(self, value: Json) -> bytes | None:
        if value is None or self.spec.name == "NONE":
            return None
        match self.spec.name:
            case "JSON":
                return json_text(value).encode()
            case "DELIMITED":
                return value.encode() if isinstance(value, str) else json_text(value).encode()
            case "KAFKA" if self.columns and self.columns[0].type == BYTES:
                return str(value).encode()
        return self._encode(value)

    def _encode(self, value: Json) -> bytes | None:
        spec, columns = self._written()
        if not columns:
            return json_text(value).encode()
        try:
            row = [field_of(value, c.name) for c in columns] if _is_row(value, columns, bare=self.bare) else [value]
            arrays = [pa.array([typed(v, c.type)], c.type.arrow) for v, c in zip(row, columns, strict=True)]
            encoder = format_named(spec.name, self.schemas).encoder(spec, columns, is_key=self.is_key)
        except (ValueError, ArithmeticError, TypeError, AttributeError, pa.ArrowException, SsqlError) as wrong:
            raise Mismatch("input", f"an input cannot be encoded: {wrong}", got=value) from None
        encoded = encoder.encode(pa.RecordBatch.from_arrays(arrays, names=[c.name for c in columns]))
        if encoded.bad:
            raise Mismatch("input", f"an input cannot be encoded: {encoded.bad[0].reason}", got=value)
        data: bytes | None = encoded.data[0].as_py()
        return data

    def _written(self) -> tuple[FormatSpec, tuple[Column, ...]]:
        """How inputs are written: by the subject's latest schema where there is one, else as the columns say."""
        latest = self.schemas.latest(self.spec.subject) if self.spec.name in LANGUAGE else None
        if latest is None or self.spec.name == "JSON" or latest.definition.type != LANGUAGE[self.spec.name]:
            return self.spec, self.columns
        return self._by(latest.id, latest.definition)

    def _by(self, number: int, definition: Definition) -> tuple[FormatSpec, tuple[Column, ...]]:
        """Format and columns for records of one schema."""
        spec = replace(self.spec, properties={**self.spec.properties, SCHEMA_ID: str(number)})
        if definition.type == "PROTOBUF":
            form = format_named(spec.name, self.schemas)
            assert isinstance(form, RegistryFormat)
            return spec, form.columns(spec, definition, is_key=self.is_key)
        found = sql_type(self.schemas, definition)
        if isinstance(found, Struct) and not self.bare:
            columns = tuple(Column(name, t, key=self.is_key) for name, t in found.fields)
            return replace(spec, wrap=True if len(columns) == 1 else None), columns
        return replace(spec, wrap=None if self.is_key else False), (Column("BARE", found, key=self.is_key),)

    def decode(self, data: bytes | None) -> Json:
        """What the bytes hold, as JSON would; text where they cannot be read."""
        if data is None:
            return None
        match self.spec.name:
            case "JSON":
                try:
                    return json.loads(data, parse_float=Decimal)
                except ValueError:
                    return repr(data)
            case "DELIMITED" | "NONE":
                return data.decode(errors="replace")
        if not self.columns:
            return data.decode(errors="replace")
        number = registered.schema_id(self.spec)
        definition = None if number is None else self.schemas.by_id(number)
        if number is None or definition is None:
            row = self._read(self.spec, self.columns, data)
        else:  # what the schema has beside the columns is in the record too
            row = self._read(*self._by(number, definition), data)
        return next(iter(row.values())) if self.bare and not isinstance(row, str) else row

    def row(self, data: bytes | None) -> dict[str, Json] | str:
        """The columns in their SQL types, whatever the format; text that says why where they cannot be read."""
        return self._read(self.spec, self.columns, data) if self.columns else {}

    def _read(self, spec: FormatSpec, columns: tuple[Column, ...], data: bytes | None) -> dict[str, Json] | str:
        format_ = format_named(spec.name, self.schemas)
        decoded = format_.decoder(spec, columns, is_key=self.is_key).decode(pa.array([data], pa.binary()))
        if decoded.bad:
            return f"<{decoded.bad[0].reason}>"
        return {c.name: plain(decoded.batch.column(i)[0], c.type) for i, c in enumerate(columns)}

    def same(self, expected: Json, got: Json) -> bool:
        """Whether `got` (as `decode` gives it) is what is expected."""
        if same(expected, got, self.type):
            return True
        # KAFKA takes BYTES as their text.
        return isinstance(got, bytes) and isinstance(expected, str) and expected.encode() == got


@dataclass(frozen=True)
class Found:
    """A record as it is in a topic, decoded; `data` has the bytes of key (without its window) and value."""

    key: Json
    value: Json
    timestamp: int
    window: Window | None
    headers: tuple[tuple[str, bytes | None], ...]
    data: tuple[bytes | None, bytes | None]

    def shown(self) -> dict[str, Json]:
        """As it is printed: what a record has not is left away."""
        found: dict[str, Json] = {"key": self.key, "value": self.value, "timestamp": self.timestamp}
        if self.window:
            found["window"] = [self.window.start, self.window.end]
        if self.headers:
            found["headers"] = [(name, value) for name, value in self.headers]
        return found


class TopicCodec:
    """Records of one topic."""

    def __init__(self, relation: Relation, schemas: SchemaRegistry) -> None:
        headers = {h.name for h in relation.headers}
        values = tuple(c for c in relation.schema.values if c.name not in headers)

        def part(spec: FormatSpec, columns: tuple[Column, ...], *, is_key: bool) -> Part:
            subject = subject_of(relation.topic, is_key=is_key)
            return Part(replace(spec, subject=subject), columns, is_key, schemas)

        self.key = part(relation.key_format, relation.schema.keys, is_key=True)
        self.value = part(relation.value_format, values, is_key=False)
        self.window = relation.window

    def encode(self, record: Record) -> pa.RecordBatch:
        """One record as a batch (RECORD_SCHEMA)."""
        keys = pa.array([self.key.encode(record.key)], pa.binary())
        if record.window is not None:
            window = record.window
            end = pa.array([window.end], pa.int64()) if window.session else None
            keys = wrap_keys(keys, pa.array([window.start], pa.int64()), end)
        headers = [{"key": h["key"], "value": _header_value(h["value"])} for h in record.headers]
        return pa.RecordBatch.from_pydict(
            {
                "key": keys,
                "value": [self.value.encode(record.value)],
                "timestamp": [record.timestamp or 0],
                "headers": [headers or None],
            },
            schema=RECORD_SCHEMA,
        )

    def decode(self, batch: pa.RecordBatch) -> list[Found]:
        """The records of a batch (RECORD_SCHEMA and more)."""
        keys = batch.column("key")
        windows: list[Window | None] = [None] * batch.num_rows
        if self.window is not None:
            session = self.window.type == "SESSION"
            parts = unwrap_keys(keys, session, self.window.size_ms)
            keys = parts.keys
            windows = [
                None if start is None else Window(start, end, session)
                for start, end in zip(parts.start.to_pylist(), parts.end.to_pylist(), strict=True)
            ]
        rows = zip(
            keys.to_pylist(),
            batch.column("value").to_pylist(),
            batch.column("timestamp").to_pylist(),
            windows,
            batch.column("headers").to_pylist(),
            strict=True,
        )
        return [
            Found(
                self.key.decode(key),
                self.value.decode(value),
                timestamp,
                window,
                tuple((h["key"], h["value"]) for h in headers or ()),
                (key, value),
            )
            for key, value, timestamp, window, headers in rows
        ]


def _is_row(value: Json, columns: Sequence[Column], *, bare: bool) -> bool:
    return not bare and (isinstance(value, dict) or len(columns) != 1)


def _header_value(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def header_list(record: Record) -> tuple[tuple[str, bytes | None], ...]:
    return tuple((h["key"], _header_value(h["value"])) for h in record.headers)
