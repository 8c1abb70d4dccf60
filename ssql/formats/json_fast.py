"""The compiled reader's other half: JSON rows in an Arrow array -> column buffers -> Arrow columns.

Costs about 100 microseconds a batch and 0.1 a row; see `kernels` for when it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.formats.columns import binary_parts, valid_mask
from ssql.formats.json_cells import read_cells
from ssql.formats.scalars import DAY_MS, INT32, INT64
from ssql.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Column, SqlType

_BOUNDS: dict[SqlType, tuple[int, int]] = {
    INTEGER: INT32,
    BIGINT: INT64,
    DATE: INT32,
    TIME: (0, DAY_MS - 1),
    TIMESTAMP: INT64,
}
_Matrix = npt.NDArray[np.int64]


class KernelReader:
    """Reads batches of rows with the compiled kernel of `json_kernel`."""

    def __init__(self, columns: Sequence[Column], *, record: bool, kernel: ModuleType) -> None:
        self.columns = tuple(columns)
        self.record = record
        self.kernel = kernel
        names = [c.name.encode() for c in columns]
        self.names = np.frombuffer(b"".join(names), dtype=np.uint8)
        self.name_at = np.cumsum([0, *map(len, names)], dtype=np.int64)
        self.kinds = np.array([self._kind(c.type) for c in columns], dtype=np.int64)
        self.lows = np.array([_BOUNDS.get(c.type, (0, 0))[0] for c in columns], dtype=np.int64)
        self.highs = np.array([_BOUNDS.get(c.type, (0, 0))[1] for c in columns], dtype=np.int64)

    def _kind(self, t: SqlType) -> int:
        if t in _BOUNDS:
            return int(self.kernel.WHOLE)
        kinds: dict[SqlType, int] = {
            BOOLEAN: self.kernel.BOOLEAN,
            DOUBLE: self.kernel.DOUBLE,
            STRING: self.kernel.STRING,
        }
        return kinds.get(t, int(self.kernel.CELL))

    def read(self, text: pa.StringArray) -> tuple[list[pa.Array], list[int]]:
        """The columns, and the rows that only the exact reader can judge (they are null in every column)."""
        rows, width = len(text), len(self.columns)
        offsets, data = binary_parts(text)
        present = valid_mask(text).view(np.uint8)
        ints: _Matrix = np.zeros((width, rows), dtype=np.int64)
        valid = np.zeros((width, rows), dtype=np.uint8)
        lengths: _Matrix = np.zeros((width, rows), dtype=np.int64)
        status = np.zeros(rows, dtype=np.uint8)
        self.kernel.parse_rows(
            rows,
            data.ctypes.data,
            offsets.ctypes.data,
            present.ctypes.data,
            self.record,
            self.names,
            self.name_at,
            self.kinds,
            self.lows,
            self.highs,
            ints.ctypes.data,
            valid.ctypes.data,
            lengths.ctypes.data,
            status.ctypes.data,
        )
        # Texts first: they are what may still turn a row doubtful.
        texts = {at: self._texts(data, ints[at], lengths[at], valid[at], status) for at in self._textual(lengths)}
        arrays: dict[int, pa.Array] = {}
        for at, column in enumerate(self.columns):
            if self.kinds[at] == self.kernel.CELL:
                arrays[at], doubtful = read_cells(texts[at], column)
                status[doubtful] = 1
            elif column.type == STRING:
                arrays[at] = texts[at]
            elif at in texts:
                self._long_numbers(texts[at], ints[at].view(np.float64), lengths[at], status)
        sure = status == 0
        for at, column in enumerate(self.columns):
            if at not in arrays:
                arrays[at] = self._fixed(column.type, ints[at], valid[at] & sure)
        return [arrays[at] for at in range(width)], np.flatnonzero(~sure).tolist()

    def _textual(self, lengths: _Matrix) -> list[int]:
        kernel = self.kernel
        return [
            at
            for at, kind in enumerate(self.kinds)
            if kind in (kernel.STRING, kernel.CELL) or (kind == kernel.DOUBLE and lengths[at].any())
        ]

    def _texts(
        self,
        data: npt.NDArray[np.uint8],
        starts: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int64],
        valid: npt.NDArray[np.uint8],
        status: npt.NDArray[np.uint8],
    ) -> pa.StringArray:
        """The texts of one column; null where there is no value or the row is doubtful."""
        there = valid & (status == 0)
        lengths *= there
        out = np.empty(int(np.abs(lengths).sum()), dtype=np.uint8)
        offsets = np.empty(len(starts) + 1, dtype=np.int32)
        used = self.kernel.gather(len(starts), *(a.ctypes.data for a in (data, starts, lengths, status, offsets, out)))
        nulls = _bits(there & (status == 0))
        return pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(out[:used]), nulls)

    @staticmethod
    def _long_numbers(
        texts: pa.StringArray,
        values: npt.NDArray[np.float64],
        lengths: npt.NDArray[np.int64],
        status: npt.NDArray[np.uint8],
    ) -> None:
        """Put in place the doubles that have too many digits for the kernel; those too large are doubtful."""
        rows = np.flatnonzero((lengths > 0) & (status == 0))
        found = texts.take(pa.array(rows)).cast(pa.float64()).to_numpy()
        values[rows] = found
        status[rows[np.isinf(found)]] = 1

    @staticmethod
    def _fixed(t: SqlType, ints: npt.NDArray[np.int64], valid: npt.NDArray[np.uint8]) -> pa.Array:
        """A column of a type of fixed width from what the kernel left."""
        if t == BOOLEAN:
            values = pa.py_buffer(np.packbits(ints.astype(np.bool_), bitorder="little"))
        elif t in (INTEGER, DATE):
            values = pa.py_buffer(ints.astype(np.int32))
        elif t == TIME:
            values = pa.py_buffer(ints * 1000)
        else:
            values = pa.py_buffer(ints)
        return pa.Array.from_buffers(t.arrow, len(ints), [_bits(valid), values])


def _bits(flags: npt.NDArray[np.uint8]) -> pa.Buffer | None:
    return None if flags.all() else pa.py_buffer(np.packbits(flags, bitorder="little"))
