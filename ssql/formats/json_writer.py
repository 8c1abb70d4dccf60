"""The compiled writer's other half: a record batch -> addresses for the kernel -> a binary array of JSON texts.

Columns of types that the kernel does not write (DECIMAL, BYTES and nested ones) are written by `json_text` first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pyarrow as pa

from ssql.formats import json_text
from ssql.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Column, SqlType


class KernelWriter:
    """Writes batches of rows with the compiled kernel of `json_writer_kernel`."""

    def __init__(self, columns: Sequence[Column], *, record: bool, kernel: ModuleType) -> None:
        self.columns = tuple(columns)
        self.arrow = [c.type.arrow for c in columns]
        self.record = record
        self.kernel = kernel
        kinds: dict[SqlType, int] = {
            BOOLEAN: kernel.BITS,
            INTEGER: kernel.INT32,
            DATE: kernel.INT32,
            BIGINT: kernel.INT64,
            TIMESTAMP: kernel.INT64,
            TIME: kernel.TIME,
            DOUBLE: kernel.DOUBLE,
            STRING: kernel.TEXT,
        }
        self.kinds = np.array([kinds.get(c.type, kernel.JSON) for c in columns], dtype=np.int64)
        names = [
            f"{',' if at else '{'}{json.dumps(c.name, ensure_ascii=False)}:".encode() for at, c in enumerate(columns)
        ]
        if not record:
            names = [b""]
        self.names = np.frombuffer(b"".join(names), dtype=np.uint8)
        self.name_at = np.cumsum([0, *map(len, names)], dtype=np.int64)

    def write(self, arrays: Sequence[pa.Array], rows: int) -> pa.BinaryArray:
        """One JSON text a row; null for bare values that are null."""
        kernel = self.kernel
        width = len(self.columns)
        values, first, nulls, first_null, offsets, texts = (np.zeros(width, dtype=np.int64) for _ in range(6))
        alive: list[pa.Array] = []  # what the addresses point into
        room = (len(self.names) + 1) * rows
        for at, (array, column) in enumerate(zip(arrays, self.columns, strict=True)):
            kind = self.kinds[at]
            if kind == kernel.JSON:
                held = pa.array(json_text.texts(array, column.type), type=pa.string())
            else:  # the kernel trusts the layout of the buffers
                held = array if array.type == self.arrow[at] else array.cast(self.arrow[at])
            alive.append(held)
            buffers = held.buffers()
            if array.null_count:
                bitmap = array if kind == kernel.JSON else held
                nulls[at], first_null[at] = bitmap.buffers()[0].address, bitmap.offset
            if kind in (kernel.TEXT, kernel.JSON):
                size, offsets[at], texts[at] = _texts(held)
                room += size + (6 * rows if kind == kernel.TEXT else 4 * rows)
                if kind == kernel.TEXT and size:
                    start = int(np.frombuffer(buffers[1], dtype=np.int32)[held.offset])
                    room += kernel.escaping(texts[at] + start, size)
            else:
                room += kernel.WIDEST * rows
                values[at], first[at] = buffers[1].address, held.offset
                if kind == kernel.DOUBLE and kernel.any_hard(values[at] + 8 * held.offset, rows):
                    printed = held.cast(pa.string())
                    alive.append(printed)
                    _, offsets[at], texts[at] = _texts(printed)
        out = np.empty(room, dtype=np.uint8)
        ends = np.empty(rows + 1, dtype=np.int32)
        missing = np.zeros(rows, dtype=np.uint8)
        used = kernel.write_rows(
            rows,
            self.kinds,
            values,
            first,
            nulls,
            first_null,
            offsets,
            texts,
            self.names,
            self.name_at,
            self.record,
            out.ctypes.data,
            ends.ctypes.data,
            missing.ctypes.data,
        )
        valid = pa.py_buffer(np.packbits(missing == 0, bitorder="little")) if missing.any() else None
        return pa.BinaryArray.from_buffers(pa.binary(), rows, [valid, pa.py_buffer(ends), pa.py_buffer(out[:used])])


def _texts(array: pa.Array) -> tuple[int, int, int]:
    """Of a string array: its bytes, the address of its first offset, and the address that offsets count from."""
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    return int(ends[-1] - ends[0]), offsets.address + 4 * array.offset, data.address if data is not None else 0
