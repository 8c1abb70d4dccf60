"""The Python client: one interface to an engine in this process, and to a server.

Comes in: a place (a URL, a directory, Kafka), SQL with parameters, rows. Goes out: Arrow tables, rows, and
subscriptions that reconnect by themselves. `ssql.connect` and `ssql.connect_async` are its doors.

It opens engines (`ssql.engine`) and speaks to servers over HTTP alone: it knows nothing of `ssql.server`. Whoever only
talks to a server loads neither an engine nor DuckDB.

    connection   Connection: the methods, and what SET and DEFINE say
    aio          AsyncConnection, the same with `await`
    backends     what a connection needs of either place
    local        an engine in this process
    http         a server: httpx2, Arrow IPC
    exchange     what is sent to a server and what its answers mean, without input or output
    targets      which place the arguments of `connect` name
    parameters   values put into SQL as literals
    results      what comes back: rows, answers, acknowledgements
    following    subscriptions: frames put together to deltas, tokens, when to try again
"""

from ssql.client.aio import AsyncConnection, AsyncSubscription, connect_async
from ssql.client.connection import Connection, Subscription, connect
from ssql.client.results import Ack, Delta, Result, Row

__all__ = [
    "Ack",
    "AsyncConnection",
    "AsyncSubscription",
    "Connection",
    "Delta",
    "Result",
    "Row",
    "Subscription",
    "connect",
    "connect_async",
]
