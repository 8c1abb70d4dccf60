"""The order in which a table's rows lie in its topic's partitions: what LIMIT takes the first rows of.

A table has no order of its own. Where a pull query says LIMIT and no ORDER BY, ksqlDB reads partition by partition,
and within one by the bytes of the keys; so do we, so that the same few rows come again.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ssql.formats.registry import format_named
from ssql.log.api import Topic
from ssql.log.partitioner import murmur2_batch
from ssql.planner.relation import Relation
from ssql.schemas.api import SchemaRegistry

#: Tables with more rows are left in the order of our own storage: to encode a million keys takes a second.
MAX_ROWS = 100_000
_POSITIVE = 0x7FFFFFFF


def in_record_order(rows: pa.Table, relation: Relation, topic: Topic | None, schemas: SchemaRegistry) -> pa.Table:
    """The rows of a table by partition, key and window; as they are where these are very many."""
    keys = relation.schema.keys
    if topic is None or not 1 < rows.num_rows <= MAX_ROWS or not keys:
        return rows
    encoder = format_named(relation.key_format.name, schemas).encoder(relation.key_format, keys, is_key=True)
    batch = rows.select([k.name for k in keys]).combine_chunks().to_batches()[0]
    encoded = encoder.encode(batch).data
    partition = (murmur2_batch(encoded) & _POSITIVE) % topic.partitions
    order = pa.table({"partition": pa.array(partition), "key": encoded})
    by = [("partition", "ascending"), ("key", "ascending")]
    if relation.window is not None:
        order = order.append_column("window", rows.column("WINDOWSTART"))
        by.append(("window", "ascending"))
    return rows.take(pc.sort_indices(order, sort_keys=by))
