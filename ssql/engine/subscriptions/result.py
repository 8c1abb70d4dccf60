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
from ssql.runtime.hashing import hash_columns


class Result:
    """The rows that changes lead to. State: the rows. Changed in one thread; a view may be read in any."""

    def __init__(self, schema: pa.Schema, keys: Sequence[str]) -> None:
        self._keys = tuple(keys)
        self._arrangement = Arrangement(Layout(schema, self._keys, self._keys))
        self.rows = 0
        self.digest = 0

    def apply(self, changes: pa.RecordBatch) -> None:
        """Take in changes in order: the columns of the rows, and `_diff`."""
        diff = changes.column("_diff").to_numpy(zero_copy_only=False)
        rows = changes.select(self._arrangement.layout.schema.names)
        hashes = hash_columns(rows.columns)
        total = int(hashes[diff > 0].sum(dtype=np.uint64)) - int(hashes[diff < 0].sum(dtype=np.uint64))
        self.rows += int(diff.sum(dtype=np.int64))
        self.digest = (self.digest + total) % (1 << 64)
        last = group_rows([rows.column(k) for k in self._keys], len(diff)).last
        self._arrangement.apply(rows.take(pa.array(last)), diff[last] > 0)
        self._arrangement.commit()

    @property
    def view(self) -> View:
        return self._arrangement.current
