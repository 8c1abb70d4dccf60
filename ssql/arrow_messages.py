"""The messages of an Arrow IPC stream out of its bytes, as these come.

pyarrow reads a stream from what blocks until more is there; here the bytes are given, and what is whole comes out. A
record batch is read together with the schema and the dictionaries that came before it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pyarrow as pa

#: Before a message's head: four bytes of mark, and the head's length.
_PREFIX = 8
_HEAD = struct.Struct("<II")
_MARK = 0xFFFFFFFF
#: Where in its table of fields a head has the length of its body (the fourth field; two bytes each, after four).
_BODY_FIELD = 4 + 2 * 3


class TooLong(Exception):
    """A message is longer than is taken."""


class Messages:
    """One stream. `longest`: bytes of a message that are taken; None: any."""

    def __init__(self, longest: int | None = None) -> None:
        self.ended = False
        self.schema: pa.Schema | None = None
        self._longest = longest
        self._rest = bytearray()
        self._before = b""

    @property
    def whole(self) -> bool:
        """Whether no part of a message waits for more."""
        return not self._rest

    def feed(self, data: bytes) -> Iterator[tuple[pa.RecordBatch, pa.KeyValueMetadata]]:
        """The record batches that are whole with these bytes, each with its own metadata.

        Raises:
            ArrowInvalid: it is no such stream.
            TooLong: a message is too long.
        """
        if self.ended:
            return
        self._rest += data
        while not self.ended and (message := self._message()) is not None:
            try:
                batch = self._read(message)
            except (OSError, pa.ArrowException) as bad:
                raise pa.ArrowInvalid(str(bad)) from None
            if batch is not None:
                yield batch

    def _read(self, message: bytes) -> tuple[pa.RecordBatch, pa.KeyValueMetadata] | None:
        """The record batch that a message is; None where it is for those behind it."""
        if self.schema is None:
            self.schema = pa.ipc.open_stream(message).schema
            self._before = message
        elif pa.ipc.read_message(message).type == "record batch":
            batch, metadata = pa.ipc.open_stream(self._before + message).read_next_batch_with_custom_metadata()
            return batch, metadata
        else:
            self._before += message  # a dictionary
        return None

    def _message(self) -> bytes | None:
        """The next message, if it is whole."""
        if len(self._rest) < _PREFIX:
            return None
        mark, head = _HEAD.unpack_from(self._rest)
        if mark != _MARK:
            raise pa.ArrowInvalid("no Arrow IPC stream")
        if head == 0:
            self.ended = True
            self._rest.clear()
            return None
        self._check(head)
        if len(self._rest) < _PREFIX + head:
            return None
        try:
            body = _body_length(self._rest, _PREFIX)
        except struct.error:
            raise pa.ArrowInvalid("no Arrow IPC stream") from None
        if body < 0:
            raise pa.ArrowInvalid("no Arrow IPC stream")
        whole = _PREFIX + head + body
        self._check(whole + len(self._before))
        if len(self._rest) < whole:
            return None
        message = bytes(self._rest[:whole])
        del self._rest[:whole]
        return message

    def _check(self, length: int) -> None:
        if self._longest is not None and length > self._longest:
            raise TooLong


def _body_length(buffer: bytearray, start: int) -> int:
    """How many bytes follow the head (a flatbuffer: a table is found by offsets, its fields by a table of them)."""
    table = start + struct.unpack_from("<I", buffer, start)[0]
    fields = table - struct.unpack_from("<i", buffer, table)[0]
    if fields < 0:
        raise struct.error
    if struct.unpack_from("<H", buffer, fields)[0] <= _BODY_FIELD:
        return 0
    at = struct.unpack_from("<H", buffer, fields + _BODY_FIELD)[0]
    return int(struct.unpack_from("<q", buffer, table + at)[0]) if at else 0
