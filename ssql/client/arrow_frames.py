"""The frames of a subscription out of the bytes of an Arrow IPC stream, as these come.

A batch's own metadata tells what of a frame is not rows: `type`, `token`, `frontier` (JSON); the schema's its `keys`.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pyarrow as pa

from ssql.arrow_messages import Messages
from ssql.client.backends import Piece
from ssql.errors import from_json


class FrameReader:
    """`sql` is the text that an error's place counts in."""

    def __init__(self, sql: str | None = None) -> None:
        self._sql = sql
        self._messages = Messages()

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The pieces that are whole with these bytes. Raises the error that the stream ends with."""
        for batch, metadata in self._messages.feed(data):
            yield self._piece(batch, metadata)

    def _piece(self, batch: pa.RecordBatch, metadata: pa.KeyValueMetadata) -> Piece:
        if metadata[b"type"] == b"error":
            raise from_json(msgspec.json.decode(metadata[b"error"]), self._sql)
        token = metadata.get(b"token")
        offsets: dict[str, list[int | None]] = msgspec.json.decode(metadata[b"frontier"])
        return Piece(
            batch.replace_schema_metadata(),
            snapshot=metadata[b"type"] == b"snapshot",
            token=None if token is None else token.decode(),
            frontier={(topic, n): to for topic, each in offsets.items() for n, to in enumerate(each) if to is not None},
            keys=tuple(msgspec.json.decode((batch.schema.metadata or {}).get(b"keys", b"[]"))),
        )
