"""What goes along with records beside their columns: found again by place (`_seq`), so that rows carry nothing for it.

A row's `_seq` is the place of the record that made it, through all operators. So when a query's rows are written, the
headers of the record that made each are looked up here, and whether it was one without a value (in a stream such a
record says nothing, and passes projections as what it is) or without a key (which is not the same as a key of nulls).
An epoch whose records have nothing of this costs nothing.
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
_NOWHERE: Int64s = np.zeros(0, dtype=np.int64)

#: A fetch that an epoch takes records from: their places, the fetch, and the first of them in it.
Located = tuple[Int64s, Fetch, int]


@dataclass(frozen=True)
class Marks:
    """The places of a stream's records without a value (`void`) and without a key (`keyless`)."""

    void: Int64s = field(default_factory=lambda: _NOWHERE)
    keyless: Int64s = field(default_factory=lambda: _NOWHERE)

    @staticmethod
    def together(parts: Iterable[Marks]) -> Marks:
        """Those of several, as what a stream gets from its topic and from queries."""
        marked = [part for part in parts if part is not NO_MARKS]
        if len(marked) < 2:
            return marked[0] if marked else NO_MARKS
        return Marks(np.concatenate([p.void for p in marked]), np.concatenate([p.keyless for p in marked]))

    def is_void(self, delta: Delta) -> Mask | None:
        """Which rows come from a record without a value; None where none does."""
        return _among(delta, self.void)

    def is_keyless(self, delta: Delta) -> Mask | None:
        """Which rows come from a record without a key; None where none does."""
        return _among(delta, self.keyless)


NO_MARKS = Marks()


def _among(delta: Delta, places: Int64s) -> Mask | None:
    if not len(places):
        return None
    found = np.isin(delta.seq, places)
    return found if found.any() else None


@dataclass(frozen=True)
class Riders:
    """The riders of one epoch's records."""

    located: tuple[Located, ...] = ()

    def marks(self, topic: str, rows: tuple[Delta, Mask] | None) -> Marks:
        """Of a stream over a topic: `rows` are those read of it, and for each whether its record has a value."""
        void = _NOWHERE if rows is None else rows[0].seq[~rows[1]]
        keyless = []
        for seq, fetch, start in self.located:
            keys = fetch.batch.column("key").slice(start, len(seq)) if fetch.topic == topic else None
            if keys is not None and keys.null_count:
                keyless.append(seq[keys.is_null().to_numpy(zero_copy_only=False)])
        if not len(void) and not keyless:
            return NO_MARKS
        return Marks(void, np.concatenate(keyless) if keyless else _NOWHERE)

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
            return _NOWHERE, pa.nulls(0, _HEADERS)
        every = np.concatenate(places)
        order = np.argsort(every)
        return every[order], pa.concat_arrays(lists).take(pa.array(order))


NO_RIDERS = Riders()
