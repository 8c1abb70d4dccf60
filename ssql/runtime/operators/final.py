"""Final results: a window's row is given once, when the window is closed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.planner.steps import Final as FinalStep
from ssql.runtime.arrangement import Arrangement, Layout
from ssql.runtime.changes import group_rows
from ssql.runtime.delta import DIFF, SEQ, TIME, Delta, Int64s, numbers
from ssql.runtime.operators.base import Context, Operator, runs
from ssql.runtime.operators.late import report_late
from ssql.runtime.operators.windowed import BEGINNING

START, END = "WINDOWSTART", "WINDOWEND"
SLOT = "_slot"
#: More slots than this are not looked up one by one.
MAX_SLOTS = 1000


@runs(FinalStep)
class Final(Operator):
    """Keeps the last row of each open window, and yields it at the place of the row that closes the window.

    Windows that one row closes come in order of their end, start and keys. State: the rows of the open windows, by the
    slot of time that they end in, so that an epoch costs its own rows and those that it closes.
    """

    step: FinalStep

    def __init__(self, step: FinalStep, context: Context) -> None:
        super().__init__(step, context)
        rows, _ = context.inputs
        kept = pa.schema([*(f for f in rows if f.name not in (DIFF, SEQ)), pa.field(SLOT, pa.int64())])
        self._open = Arrangement(Layout(kept, (SLOT,), (SLOT, *step.group)))
        self._slot_ms = max(step.after_ms // 64, step.advance_ms // 64, 1)
        self._stream_time = BEGINNING

    def on_deltas(self, *inputs: Delta) -> Delta:
        changes, rows = inputs
        self._keep(changes)
        if not len(rows):
            return Delta.empty(self.schema)
        before = self._stream_time
        times = np.maximum(np.maximum.accumulate(rows.time), before)
        self._stream_time = int(times[-1])
        if self._stream_time == before:
            return Delta.empty(self.schema)
        closing = self._closing(before)
        if not closing.num_rows:
            return Delta.empty(self.schema)
        self._open.apply(closing, np.zeros(closing.num_rows, dtype=np.bool_))
        at = np.searchsorted(times, numbers(closing.column(END)) + self.step.after_ms)
        return self._given(closing, rows.seq[at], times[at])

    def _keep(self, changes: Delta) -> None:
        if not len(changes):
            return
        last = np.sort(group_rows(changes.columns(self.step.group), len(changes)).last)
        ended = changes.take(last)
        slots = pa.array(numbers(ended.batch.column(END)) // self._slot_ms)
        schema = self._open.layout.schema
        arrays = [slots if f.name == SLOT else ended.batch.column(f.name) for f in schema]
        self._open.apply(pa.RecordBatch.from_arrays(arrays, schema=schema), ended.diff > 0)

    def _closing(self, before: int) -> pa.RecordBatch:
        """The open windows that are closed by now."""
        closed = self._stream_time - self.step.after_ms
        last = closed // self._slot_ms
        # What was not closed before ends after what was.
        first = (before - self.step.after_ms) // self._slot_ms
        if last - first < MAX_SLOTS:
            rows = self._open.current.gather([pa.array(np.arange(first, last + 1))]).rows
        else:
            rows = self._open.current.scan()
        return rows.filter(pa.array(numbers(rows.column(END)) <= closed))

    def _given(self, rows: pa.RecordBatch, seq: Int64s, stream_time: Int64s) -> Delta:
        start, end = numbers(rows.column(START)), numbers(rows.column(END))
        if self.step.reach_ms is not None:
            newest = stream_time // self.step.advance_ms * self.step.advance_ms
            passed = start < newest - self.step.reach_ms
            if passed.any():
                told = rows.drop_columns([SLOT]).filter(pa.array(passed))
                reason = "time jumped past its window before the result was given"
                report_late(self.context, told, seq[passed], (start[passed], end[passed]), reason)
                rows, seq = rows.filter(pa.array(~passed)), seq[~passed]
                start, end = start[~passed], end[~passed]
        order = np.lexsort((self._key_order(rows), start, end, seq))
        taken = rows.take(pa.array(order))
        columns = [taken.column(n) for n in self.step.schema.names]
        return Delta.of(columns, self.schema, taken.column(TIME), np.ones(len(order), np.int8), seq[order])

    def _key_order(self, rows: pa.RecordBatch) -> Int64s:
        """The rank of each row by its keys; nested ones are passed over."""
        names = [n for n in self.step.group if n not in (START, END) and not pa.types.is_nested(rows.column(n).type)]
        if not names:
            return np.zeros(rows.num_rows, dtype=np.int64)
        order = numbers(pc.sort_indices(rows, [(n, "ascending") for n in names])).astype(np.int64)
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return rank

    def arrangements(self) -> Mapping[str, Arrangement]:
        return {"open": self._open}

    def memo(self) -> Mapping[str, int]:
        return {"stream_time": self._stream_time}

    def restore_memo(self, memo: Mapping[str, int]) -> None:
        self._stream_time = memo.get("stream_time", BEGINNING)
