"""Rows as Protobuf messages, one in base64 an element, in the array of the first version's form.

The header has the messages' schema beside that of the columns; fields are numbered as the columns stand.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ssql.formats.api import Encoder, FormatSpec
from ssql.formats.registry import format_named
from ssql.schemas import proto
from ssql.server.framing import V1, deleted_rows, schema_text
from ssql.server.rows import render_rows
from ssql.types import BYTES, Column

_SPEC = FormatSpec("PROTOBUF_NOSR")
_MESSAGE = (Column("MESSAGE", BYTES, key=True),)  # a key, as deleted rows have one too


class Protobuf(V1):
    """See the module. A deleted row of a table is a message of its key alone, and `tombstone`."""

    shared: str | None = "protobuf"

    def __init__(self, push: bool) -> None:
        super().__init__(push)
        self._encoder: Encoder | None = None

    def header(self, query_id: str, columns: Sequence[Column], mark_keys: bool) -> bytes:
        """Raises FormatError for columns that a message cannot have."""
        self._encoder = format_named(_SPEC.name).encoder(_SPEC, columns, is_key=False)
        head = {
            "queryId": query_id,
            "schema": schema_text(columns, mark_keys=mark_keys),
            "protoSchema": proto.text(columns),
        }
        return b"[" + msgspec.json.encode({"header": head}) + self.after.encode()

    def rows(self, batch: pa.RecordBatch, columns: Sequence[Column]) -> bytes:
        assert self._encoder is not None, "the header goes first"
        deleted = deleted_rows(batch, columns)
        arrays = [
            column if deleted is None or c.key else pc.if_else(deleted, pa.scalar(None, column.type), column)
            for column, c in zip(batch.columns, columns, strict=False)
        ]
        messages = self._encoder.encode(pa.RecordBatch.from_arrays(arrays, names=[c.name for c in columns])).data
        return render_rows(
            [messages],
            _MESSAGE,
            self.before + '{"row":{"protobufBytes":',
            "}}" + self.after,
            deleted,
            ',"tombstone":true}}' + self.after,
        )
