"""What the query of a table has come to: its rows by key, for those who come later; and a digest of them.

The digest is a sum over the rows, so that it follows from any changes that lead to the same rows. A result that was
computed again from the log is compared with the one that a client has by it: where records are gone (compaction,
retention) or came in another order, the two may differ, and it shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ssql.runtime.arrangement import Arrangement, Layout, View
from ssql.runtime.changes import group_rows
from ssql.runtime.delta import numbers
from ssql.runtime.hashing import hash_columns
from ssql.runtime.operators.windowed import BEGINNING


class Result:
    """The rows that changes lead to. State: the rows; where there is a lifetime, those whose window's end (the last of
    the keys) is not longer ago than that in stream time. Changed in one thread; a view may be read in any.

    `rows` and `digest` are of the changes alone: what has outlived its time still counts.
    """

    def __init__(self, schema: pa.Schema, keys: Sequence[str], lifetime_ms: int | None = None) -> None:
        self._keys = tuple(keys)
        self._lifetime_ms = lifetime_ms
        expires = self._keys[-1] if lifetime_ms is not None else None
        self._arrangement = Arrangement(Layout(schema, self._keys, self._keys, expires))
        self._stream_time = BEGINNING
        self.rows = 0
        self.digest = 0

    def apply(self, changes: pa.RecordBatch) -> None:
        """Take in changes in order: the columns of the rows, `_diff` and `_time`."""
        diff = changes.column("_diff").to_numpy(zero_copy_only=False)
        rows = changes.select(self._arrangement.layout.schema.names)
        hashes = hash_columns(rows.columns)
        total = int(hashes[diff > 0].sum(dtype=np.uint64)) - int(hashes[diff < 0].sum(dtype=np.uint64))
        self.rows += int(diff.sum(dtype=np.int64))
        self.digest = (self.digest + total) % (1 << 64)
        last = group_rows([rows.column(k) for k in self._keys], len(diff)).last
        self._arrangement.apply(rows.take(pa.array(last)), diff[last] > 0)
        if self._lifetime_ms is not None:
            self._stream_time = max(self._stream_time, int(numbers(changes.column("_time")).max()))
            self._arrangement.expire(self._stream_time - self._lifetime_ms)
        self._arrangement.commit()

    @property
    def view(self) -> View:
        return self._arrangement.current
