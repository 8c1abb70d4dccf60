"""What formats cannot hold: whether rows that are read back differ from those that were written."""

from __future__ import annotations

from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc


class Loss(Enum):
    """What an encoder writes as something else. NULL: nulls (at any depth). EMPTY: text and bytes without content."""

    NULL = "null"
    EMPTY = "empty"


NOTHING: frozenset[Loss] = frozenset()


def any_lost(losses: frozenset[Loss], batch: pa.RecordBatch) -> bool:
    """Whether the rows hold anything of what is lost. Costs a look at the buffers, not at the values."""
    return bool(losses) and any(_holds(array, losses) for array in batch.columns)


def _holds(array: pa.Array, losses: frozenset[Loss]) -> bool:
    if Loss.NULL in losses and array.null_count:
        return True
    kind = array.type
    if pa.types.is_struct(kind):
        return any(_holds(array.field(at), losses) for at in range(kind.num_fields))
    if pa.types.is_map(kind):
        entries = array.cast(pa.list_(pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)])))
        return _holds(entries, losses)
    if pa.types.is_list(kind):
        return _holds(array.flatten(), losses)
    if Loss.EMPTY in losses and (pa.types.is_string(kind) or pa.types.is_binary(kind)):
        shortest = pc.min(pc.binary_length(array)).as_py()
        return shortest is not None and shortest == 0
    return False
