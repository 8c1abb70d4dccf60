"""The client `ksqldb` from PyPI. Argument: the server's URL. Prints what it was given, as JSON.

A program of its own, because this client leaves its connections open.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from ksqldb import KSQLdbClient

client = KSQLdbClient(sys.argv[1])
CREATE = "CREATE STREAM s (id STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"


async def pushed() -> list[Any]:
    earliest = {"auto.offset.reset": "earliest"}
    return [row async for row in client.query_async("SELECT * FROM s EMIT CHANGES LIMIT 2;", earliest)]


seen = {
    "properties": [p["name"] for p in client.get_properties()],
    "created": client.ksql(CREATE)[0]["commandStatus"]["status"],
    "acks": client.inserts_stream("s", [{"id": "a", "v": 1}, {"id": "b", "v": 2}]),
    "pulled": client.query_sync("SELECT * FROM s;"),
    "pushed": asyncio.run(pushed()),
}
print(json.dumps(seen))
