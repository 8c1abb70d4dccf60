"""The frames of a subscription out of the bytes of an Arrow IPC stream, as these come.

pyarrow reads a stream from what blocks until more is there; here the bytes are given, and what is whole comes out. A
batch's own metadata tells what of a frame is not rows: `type`, `token`, `frontier` (JSON); the schema's its `keys`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec
import pyarrow as pa

from ssql.client.backends import Piece
from ssql.errors import from_json

#: Before a message's head: four bytes of mark, and the head's length.
_PREFIX = 8
_HEAD = struct.Struct("<II")
#: Where in its table of fields a head has the length of its body (the fourth field; two bytes each, after four).
_BODY_FIELD = 4 + 2 * 3


class FrameReader:
    """`sql` is the text that an error's place counts in."""

    def __init__(self, sql: str | None = None) -> None:
        self._sql = sql
        self._rest = bytearray()
        self._schema: bytes | None = None

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The pieces that are whole with these bytes. Raises the error that the stream ends with."""
        self._rest += data
        while (message := self._message()) is not None:
            if self._schema is None:
                self._schema = message
            else:
                yield self._piece(message)

    def _message(self) -> bytes | None:
        """The next message, if it is whole."""
        if len(self._rest) < _PREFIX:
            return None
        _, head = _HEAD.unpack_from(self._rest)
        if head == 0:
            return None  # the end of the stream
        if len(self._rest) < _PREFIX + head:
            return None
        whole = _PREFIX + head + _body_length(self._rest, _PREFIX)
        if len(self._rest) < whole:
            return None
        message = bytes(self._rest[:whole])
        del self._rest[:whole]
        return message

    def _piece(self, message: bytes) -> Piece:
        assert self._schema is not None
        reader = pa.ipc.open_stream(self._schema + message)
        batch, metadata = reader.read_next_batch_with_custom_metadata()
        if metadata[b"type"] == b"error":
            raise from_json(msgspec.json.decode(metadata[b"error"]), self._sql)
        token = metadata.get(b"token")
        offsets: dict[str, list[int | None]] = msgspec.json.decode(metadata[b"frontier"])
        return Piece(
            batch.replace_schema_metadata(),
            snapshot=metadata[b"type"] == b"snapshot",
            token=None if token is None else token.decode(),
            frontier={(topic, n): to for topic, each in offsets.items() for n, to in enumerate(each) if to is not None},
            keys=tuple(msgspec.json.decode((reader.schema.metadata or {}).get(b"keys", b"[]"))),
        )


def _body_length(buffer: bytearray, start: int) -> int:
    """How many bytes follow the head (a flatbuffer: a table is found by offsets, its fields by a table of them)."""
    table = start + struct.unpack_from("<I", buffer, start)[0]
    fields = table - struct.unpack_from("<i", buffer, table)[0]
    if struct.unpack_from("<H", buffer, fields)[0] <= _BODY_FIELD:
        return 0
    at = struct.unpack_from("<H", buffer, fields + _BODY_FIELD)[0]
    return int(struct.unpack_from("<q", buffer, table + at)[0]) if at else 0
