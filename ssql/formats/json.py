"""JSON: an object a row, or a bare JSON value for a single column.

Reads leniently and exactly (`json_values` has the rules) and writes every column, nulls included.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ssql import kernels
from ssql.formats import json_text, rules
from ssql.formats.api import Decoded, Decoder, Encoded, Encoder, FormatSpec
from ssql.formats.columns import batch_of, selected, settled, sorted_bad, utf8, valid_mask
from ssql.formats.json_fast import KernelReader
from ssql.formats.json_struct import StructReader
from ssql.formats.json_values import ExactReader
from ssql.formats.json_writer import KernelWriter
from ssql.formats.losses import NOTHING
from ssql.formats.none import NoColumns
from ssql.types import Column

#: From this many rows on the compiled kernel is faster than msgspec (see benchmarks/bench_formats.py).
KERNEL_ROWS = 32


class JsonFormat:
    """The JSON format, for keys and values."""

    name = "JSON"
    wraps: tuple[bool, ...] = (True, False)

    def check(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> None:
        rules.refuse_properties(spec, ())
        rules.check_wrapping(spec, columns, is_key=is_key, supported=self.wraps)
        rules.refuse_map_keys(columns, is_key=is_key)
        rules.require_string_map_keys(self.name, columns)

    def decoder(
        self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool, needed: frozenset[str] | None = None
    ) -> Decoder:
        self.check(spec, columns, is_key=is_key)
        if is_key and not columns:
            return NoColumns()
        return JsonDecoder(selected(columns, needed), record=rules.is_record(spec, columns, is_key=is_key))

    def encoder(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Encoder:
        self.check(spec, columns, is_key=is_key)
        if is_key and not columns:
            return NoColumns()
        return JsonEncoder(columns, record=rules.is_record(spec, columns, is_key=is_key))


class JsonDecoder:
    """Reads rows of JSON into columns; rows that are not JSON, or do not fit, are bad.

    A fast reader takes the whole batch (the compiled kernel, or msgspec for small batches and until it is ready); the
    rows that it is not sure of are read one by one by the exact reader, which gives their values or the reason.
    """

    def __init__(self, columns: Sequence[Column], *, record: bool) -> None:
        self.columns = tuple(columns)
        self.record = record
        self.exact = ExactReader(columns, record=record)
        #: Names that differ in case only may share one member, and names that JSON escapes are not spelled as they
        #: are: only the exact reader sees that.
        names = [c.name for c in columns]
        self.odd = len({n.upper() for n in names}) < len(names) or any(
            json.dumps(n, ensure_ascii=False)[1:-1] != n for n in names
        )
        self.struct = StructReader(() if self.odd else columns, record=record)
        self.compiled: KernelReader | None = None

    def decode(self, data: pa.BinaryArray) -> Decoded:
        text, bad = utf8(data)
        arrays, doubtful = self._read(text)
        if doubtful:
            arrays, misfits = settled(text, self.columns, arrays, doubtful, self.exact.read)
            bad += misfits
        return Decoded(batch_of(self.columns, arrays, len(data)), sorted_bad(bad))

    def _read(self, text: pa.StringArray) -> tuple[list[pa.Array], list[int]]:
        """The columns, and the rows (null in every column) that are left to the exact reader."""
        if self.odd:
            nothing = [pa.nulls(len(text), c.type.arrow) for c in self.columns]
            return nothing, np.flatnonzero(valid_mask(text)).tolist()
        if len(text) >= KERNEL_ROWS and self.compiled is None:
            kernel = kernels.kernel("ssql.formats.json_kernel")
            if kernel is not None:
                self.compiled = KernelReader(self.columns, record=self.record, kernel=kernel)
        if len(text) >= KERNEL_ROWS and self.compiled is not None:
            return self.compiled.read(text)
        return self.struct.read(text)


class JsonEncoder:
    """Writes a JSON text a row; null where a bare column is null.

    Large batches are written by the compiled kernel, the others column by column; both write the same bytes.
    """

    losses = NOTHING

    def __init__(self, columns: Sequence[Column], *, record: bool) -> None:
        self.columns = tuple(columns)
        self.record = record
        self.compiled: KernelWriter | None = None

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        if batch.num_rows >= KERNEL_ROWS and self.columns:
            kernel = kernels.kernel("ssql.formats.json_writer_kernel")
            if self.compiled is None and kernel is not None:
                self.compiled = KernelWriter(self.columns, record=self.record, kernel=kernel)
            if self.compiled is not None:
                return Encoded(self.compiled.write(batch.columns, batch.num_rows))
        columns = [json_text.texts(a, c.type) for a, c in zip(batch.columns, self.columns, strict=True)]
        if self.record:
            rows: list[str | None] = list(json_text.objects([c.name for c in self.columns], columns, batch.num_rows))
        else:
            rows = [None if text == "null" else text for text in columns[0]]
        return Encoded(pa.array(rows, type=pa.string()).cast(pa.binary()))
