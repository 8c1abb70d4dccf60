"""Operators: each runs one step of a plan over the deltas of an epoch.

One operator a file, its name the step's. `base` has what they share; `OPERATORS` maps steps to operators and is
filled by importing the modules here.
"""

from ssql.runtime.operators import (
    aggregate,
    emit,
    exchange,
    final,
    keep,
    map,  # noqa: A004 - the step's name
    pick,
    regroup,
    require,
    session_aggregate,
    sink,
    stream_stream_join,
    stream_table_join,
    table_table_join,
    windowed,
)

__all__ = [
    "aggregate",
    "emit",
    "exchange",
    "final",
    "keep",
    "map",
    "pick",
    "regroup",
    "require",
    "session_aggregate",
    "sink",
    "stream_stream_join",
    "stream_table_join",
    "table_table_join",
    "windowed",
]
