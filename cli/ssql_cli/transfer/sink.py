"""Batches of columns into a stream or table, of an engine here or on a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from ssql.client.http import HttpBackend
from ssql.client.targets import Server
from ssql.types import quote
from ssql_cli.backend import Backend
from ssql_cli.local import LocalBackend
from ssql_cli.pending import PendingBackend
from ssql_cli.remote import RemoteBackend

#: Takes a batch in; answers the rows that were refused, and why, by their number in the batch.
Insert = Callable[[str, pa.RecordBatch], Mapping[int, Exception]]


def inserter(backend: Backend) -> Insert:
    """What appends batches; a column ROWTIME (ms) is the time of the records."""
    if isinstance(backend, PendingBackend):
        backend = backend.opened()
    if isinstance(backend, LocalBackend):
        engine, session = backend.engine, backend.session
        return lambda target, batch: engine.insert_batch(target, batch, session)
    assert isinstance(backend, RemoteBackend)
    http, properties = HttpBackend(Server(backend.place, backend.credentials)), backend.properties

    def over_http(target: str, batch: pa.RecordBatch) -> Mapping[int, Exception]:
        acks = http.insert(quote(target), batch, properties)
        return {ack.seq: ack.error for ack in acks if ack.error is not None}

    return over_http
