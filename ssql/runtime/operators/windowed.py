"""Tumbling and hopping windows: which windows a row falls into, and whether it came too late."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ssql.planner.steps import Windowed as WindowedStep
from ssql.runtime.arrangement import Arrangement
from ssql.runtime.delta import Delta
from ssql.runtime.operators.base import Context, Operator, runs
from ssql.runtime.operators.late import report_late

BEGINNING = -(1 << 62)


@runs(WindowedStep)
class Windowed(Operator):
    """Gives each row its windows, a row a window, in order of their start.

    Windows are aligned to the epoch, `start` a multiple of the advance, `start <= _time < start + size`. State: the
    stream time, one number; a late row is decided by it row by row, also inside one batch.
    """

    step: WindowedStep

    def __init__(self, step: WindowedStep, context: Context) -> None:
        super().__init__(step, context)
        self._stream_time = BEGINNING

    def on_deltas(self, *inputs: Delta) -> Delta:
        (delta,) = inputs
        step, time = self.step, delta.time
        stream_time = np.maximum(np.maximum.accumulate(time), self._stream_time)
        self._stream_time = int(stream_time[-1])

        newest = time // step.advance_ms * step.advance_ms
        oldest = (time - step.size_ms) // step.advance_ms * step.advance_ms + step.advance_ms
        # No window begins before the epoch, unless the row itself does.
        oldest = np.where(time >= 0, np.maximum(oldest, 0), oldest)
        counts = np.maximum((newest - oldest) // step.advance_ms + 1, 0)
        row = np.repeat(np.arange(len(delta)), counts)
        place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        start = oldest[row] + place * step.advance_ms
        end = start + step.size_ms

        late = stream_time[row] >= end + step.grace_ms
        if late.any():
            shown = [n for n in step.schema.names if n in delta.schema.names]
            told = delta.batch.select(shown).take(pa.array(row[late]))
            report_late(self.context, told, delta.seq[row[late]], (start[late], end[late]))
            row, start, end = row[~late], start[~late], end[~late]
        one_each = len(row) == len(delta) and bool((counts == 1).all())
        batch = delta.batch if one_each else delta.batch.take(pa.array(row))
        columns = {"WINDOWSTART": pa.array(start), "WINDOWEND": pa.array(end)}
        arrays = [columns[f.name] if f.name in columns else batch.column(f.name) for f in self.schema]
        return Delta(pa.RecordBatch.from_arrays(arrays, schema=self.schema))

    def arrangements(self) -> Mapping[str, Arrangement]:
        return {}

    def memo(self) -> Mapping[str, int]:
        return {"stream_time": self._stream_time}

    def restore_memo(self, memo: Mapping[str, int]) -> None:
        self._stream_time = memo.get("stream_time", BEGINNING)
