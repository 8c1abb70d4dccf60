"""What goes along with records beside their columns: found again by place (`_seq`), so that rows carry nothing for it.

A row's `_seq` is the place of the record that made it, through all operators. So when a query's rows are written, the
headers of the record that made each are looked up here, and whether it was one without a value: in a stream such a
record says nothing, and passes projections as what it is. An epoch whose records have neither costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.log.api import RECORD_SCHEMA, Fetch
from ssql.runtime.delta import Delta, Int64s, Mask

_HEADERS = RECORD_SCHEMA.field("headers").type
_NONE = np.zeros(0, dtype=np.int64)

#: A fetch that an epoch takes records from: their places, the fetch, and the first of them in it.
Located = tuple[Int64s, Fetch, int]


@dataclass(frozen=True)
class Riders:
    """The riders of one epoch's records. `void`: the places of streams' records without a value, in order."""

    void: Int64s = field(default_factory=lambda: _NONE)
    located: tuple[Located, ...] = ()

    @staticmethod
    def of(streams: Iterable[tuple[Delta, Mask]], located: tuple[Located, ...]) -> Riders:
        """`streams`: the rows of each stream, and for each whether its record has a value."""
        void = [rows.seq[~live] for rows, live in streams if not live.all()]
        return Riders(np.unique(np.concatenate(void)) if void else _NONE, located)

    def is_void(self, delta: Delta) -> Mask | None:
        """Which rows come from a record without a value; None where none does."""
        if not len(self.void):
            return None
        found = np.isin(delta.seq, self.void)
        return found if found.any() else None

    def headers(self, delta: Delta) -> pa.Array | None:
        """The headers for the record of each row; None where none has any."""
        places, headers = self._headed
        if not len(places):
            return None
        at = np.minimum(np.searchsorted(places, delta.seq), len(places) - 1)
        hit = places[at] == delta.seq
        return headers.take(pa.array(at, mask=~hit)) if hit.any() else None

    @cached_property
    def _headed(self) -> tuple[Int64s, pa.Array]:
        """The places of records with headers, in order, and these headers."""
        places, lists = [], []
        for seq, fetch, start in self.located:
            column = fetch.batch.column("headers").slice(start, len(seq))
            if column.null_count < len(column):
                some = pc.fill_null(pc.greater(pc.list_value_length(column), 0), False)
                places.append(seq[some.to_numpy(zero_copy_only=False)])
                lists.append(column.filter(some))
        if not places:
            return _NONE, pa.nulls(0, _HEADERS)
        every = np.concatenate(places)
        order = np.argsort(every)
        return every[order], pa.concat_arrays(lists).take(pa.array(order))


NO_RIDERS = Riders()
