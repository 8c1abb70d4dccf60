"""KAFKA: one bare column as Kafka's own serializers write it.

INTEGER, BIGINT and DOUBLE are big endian of 4, 8 and 8 bytes, STRING is UTF-8, BYTES are as they are. Whole arrays are
decoded and encoded by byte swaps; no row is touched by Python unless it is bad.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ssql.formats import rules
from ssql.formats.api import BadRow, Decoded, Decoder, Encoded, Encoder, FormatSpec
from ssql.formats.columns import batch_of, binary_parts, selected, sorted_bad, utf8, valid_mask
from ssql.formats.losses import NOTHING
from ssql.formats.none import NoColumns
from ssql.types import BIGINT, BYTES, DOUBLE, INTEGER, STRING, Column, SqlType

#: SQL type -> (big endian as written, native)
_NUMBERS: dict[SqlType, tuple[str, str]] = {INTEGER: (">i4", "i4"), BIGINT: (">i8", "i8"), DOUBLE: (">f8", "f8")}
_REFUSED = ("BOOLEAN", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "ARRAY", "MAP", "STRUCT")


class KafkaFormat:
    """The KAFKA format, for keys and values of one column."""

    name = "KAFKA"
    wraps: tuple[bool, ...] = (False,)

    def check(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> None:
        rules.refuse_properties(spec, ())
        rules.refuse_map_keys(columns, is_key=is_key)
        rules.check_wrapping(spec, columns, is_key=is_key, supported=self.wraps)
        if len(columns) > 1:
            got = ", ".join(map(str, columns))
            reason = f"The 'KAFKA' format only supports a single field. Got: [{got}]"
            raise rules.unsupported(spec, columns, reason, is_key=is_key)
        for column in columns:
            if rules.base_name(column.type) in _REFUSED:
                reason = f"The 'KAFKA' format does not support type '{rules.base_name(column.type)}'"
                raise rules.unsupported(spec, columns, reason, is_key=is_key)

    def decoder(
        self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool, needed: frozenset[str] | None = None
    ) -> Decoder:
        self.check(spec, columns, is_key=is_key)
        return KafkaDecoder(columns[0], selected(columns, needed)) if columns else NoColumns()

    def encoder(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Encoder:
        self.check(spec, columns, is_key=is_key)
        return KafkaEncoder(columns[0]) if columns else NoColumns()


class KafkaDecoder:
    """Reads the column even where it is not needed, so that bad rows are bad for every reader."""

    def __init__(self, column: Column, wanted: Sequence[Column]) -> None:
        self.column = column
        self.wanted = tuple(wanted)

    def decode(self, data: pa.BinaryArray) -> Decoded:
        array, bad = self._read(data)
        return Decoded(batch_of(self.wanted, [array] if self.wanted else [], len(data)), sorted_bad(bad))

    def _read(self, data: pa.BinaryArray) -> tuple[pa.Array, list[BadRow]]:
        if self.column.type == STRING:
            return utf8(data)
        if self.column.type == BYTES:
            return data, []
        return self._numbers(data)

    def _numbers(self, data: pa.BinaryArray) -> tuple[pa.Array, list[BadRow]]:
        big_endian, native = (np.dtype(name) for name in _NUMBERS[self.column.type])
        width = big_endian.itemsize
        offsets, content = binary_parts(data)
        lengths = np.diff(offsets)
        valid = valid_mask(data)
        fits = valid & (lengths == width)
        values = np.zeros(len(data), dtype=native)
        if fits.all():
            values[:] = content[int(offsets[0]) :][: width * len(data)].view(big_endian) if len(data) else 0
        else:
            at = offsets[:-1][fits][:, None] + np.arange(width)
            values[fits] = content[at].view(big_endian)[:, 0]
        bad = [
            BadRow(int(row), f"field {self.column.name}: {self.column.type} takes {width} bytes, got {lengths[row]}")
            for row in np.flatnonzero(valid & ~fits)
        ]
        return pa.array(values, type=self.column.type.arrow, mask=None if fits.all() else ~fits), bad


class KafkaEncoder:
    losses = NOTHING

    def __init__(self, column: Column) -> None:
        self.column = column

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        array = batch.column(0).cast(self.column.type.arrow)
        if self.column.type in (STRING, BYTES):
            return Encoded(array.cast(pa.binary()))
        big_endian = np.dtype(_NUMBERS[self.column.type][0])
        valid = valid_mask(array)
        values = array.fill_null(0).to_numpy(zero_copy_only=False).astype(big_endian)
        width = big_endian.itemsize
        nulls = None if array.null_count == 0 else pa.py_buffer(np.packbits(valid, bitorder="little"))
        offsets = np.arange(0, (len(array) + 1) * width, width, dtype=np.int32)
        buffers = [nulls, pa.py_buffer(offsets), pa.py_buffer(values)]
        return Encoded(pa.BinaryArray.from_buffers(pa.binary(), len(array), buffers))
