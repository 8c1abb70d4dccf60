"""Made-up rows into streams and tables, at a rate or as fast as they are taken."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from ssql.types import quote
from ssql_cli.backend import Backend
from ssql_cli.datagen.shapes import SHAPES, Dice, Numbers
from ssql_cli.transfer.progress import Progress
from ssql_cli.transfer.sink import inserter

#: Rows of one batch where nothing waits for them.
BATCH_ROWS = 20_000
#: Seconds of rows in a batch, where there is a rate.
_TICK_S = 0.1
#: Rows a second that the times of rows tell of, where no rate is asked for.
EVENT_RATE = 1000.0


def create(backend: Backend, shape: str, into: str | None = None) -> dict[str, str]:
    """Create the shape's streams and tables if they are not there; answers their names by the shape's own.

    Several streams have `into` before their names.
    """
    definitions = SHAPES[shape].definitions
    names = {own: own for own in definitions}
    if into is not None:
        names = {own: into if len(names) == 1 else f"{into}_{own}" for own in definitions}
    for own, (kind, columns) in definitions.items():
        topic = names[own].lower().replace("'", "''")
        backend.execute(
            f"CREATE {kind} IF NOT EXISTS {quote(names[own])} ({columns})"
            f" WITH (KAFKA_TOPIC = '{topic}', PARTITIONS = 1, VALUE_FORMAT = 'JSON');"
        )
    return names


def batches(shape: str, rows: Numbers, first_ms: int, rate: float, seed: int) -> dict[str, pa.RecordBatch]:
    """The rows of these numbers, by stream; ROWTIME is the event's time."""
    times = first_ms + (rows * 1000 / rate).astype(np.int64)
    found = {}
    for own, (numbers, columns) in SHAPES[shape].make(Dice(seed, rows), times).items():
        at = pa.array(first_ms + (numbers * 1000 / rate).astype(np.int64))
        found[own] = pa.RecordBatch.from_pydict({**columns, "ROWTIME": at})
    return found


def feed(
    backend: Backend,
    shape: str,
    *,
    rows: int | None,
    rate: float | None,
    seed: int = 1,
    into: str | None = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Append rows until there are so many (None: until stopped); returns their number.

    With a `rate` (rows a second) a row comes at its own time; without one the times end now, `EVENT_RATE` a second.
    """
    names, insert = create(backend, shape, into), inserter(backend)
    began = clock()
    first_ms = round(began * 1000) - (0 if rate or rows is None else round(rows * 1000 / EVENT_RATE))
    at_once = BATCH_ROWS if rate is None else max(1, min(BATCH_ROWS, round(rate * _TICK_S)))
    done = 0
    with Progress(shape, rows) as progress:
        while rows is None or done < rows:
            count = at_once if rows is None else min(at_once, rows - done)
            numbers = np.arange(done, done + count, dtype=np.int64)
            if rate is not None and (early := began + (done + count - 1) / rate - clock()) > 0:
                sleep(early)
            for own, batch in batches(shape, numbers, first_ms, rate or EVENT_RATE, seed).items():
                for error in insert(names[own], batch).values():
                    raise error
            done += count
            progress.at(done)
    return done
