"""Connections: statements out, answers back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Literal, Self, Unpack

from ssql.client import asking
from ssql.client.backends import Backend, Entity, Pieces, Start
from ssql.client.following import PASSING, Follower
from ssql.client.parameters import Parameters, json_values
from ssql.client.results import Ack, Delta, Result
from ssql.client.rows import Rows
from ssql.client.sessions import ClientSession
from ssql.client.targets import Options, Server, Target, opened
from ssql.errors import ConnectionClosed

#: "net": an update of a table is its new row, and what changed several times since the last delta is told once.
#: "every": every change that the query makes, old rows at -1.
Changes = Literal["net", "every"]

#: How long (s) nothing may answer before a subscription gives up.
RECONNECT_S = 60.0


def connect(target: Target = "ssql-data", **options: Unpack[Options]) -> Connection:
    """Connect to a server, or open an engine in this process.

    `target`: `http://host:8088` or `https://...`, a server, which is asked at the first statement; a directory, an
    engine on its log, without any server (where a server works in that directory already, that one);
    `kafka://host:9092,...`, an engine on Kafka; or an `Engine` that is open, and stays open.

    `options` (see `Options`): `user` and `password`, or `api_key` (`NAME:SECRET`); `verify`: how a server's
    certificate is checked (True by the system's authorities, a path by those of a PEM file, an `ssl.SSLContext`, False
    not at all); `http2`; `connect_timeout_s`; `config`: settings of an engine in this process.

        with ssql.connect("./data") as db:
            print(db.query("SELECT * FROM spent;").rows())

    Raises:
        BadTarget: `target` is no place, or an option does not go with it.
        DirectoryInUse: another process that is no server works in the directory.
        SsqlError: the engine cannot be opened.
    """
    found = opened(target, options)
    if not isinstance(found, Server):
        return Connection(found)
    from ssql.client.http import HttpBackend

    return Connection(HttpBackend(found))


class Connection:
    """A session with an engine, here or on a server. May be used from several threads; SET and DEFINE hold for all.

    All methods raise `SsqlError`s: the same classes, whether the engine is here or there; `ServerUnavailable` where a
    server does not answer, `ConnectionClosed` after `close`.
    """

    def __init__(self, backend: Backend) -> None:
        self._open: Backend | None = backend
        self.session = ClientSession()

    @property
    def _backend(self) -> Backend:
        if self._open is None:
            raise ConnectionClosed
        return self._open

    def execute(self, sql: str, parameters: Parameters | None = None, /, **variables: str) -> list[Entity]:
        """Carry out statements that are no queries, in order; the answers are entities as ksqlDB's API has them.

        `parameters` take the place of `?` or `$name` as literals. `variables` take the place of `${name}`, as text:
        names and pieces of SQL, nothing that a stranger wrote.

            db.execute("INSERT INTO orders VALUES (?, ?);", ["ada", 4.5])
            db.execute("DROP TABLE ${name};", name="spent")
        """
        statement = self.session.statement(sql, parameters, variables)
        entities = self._backend.execute(statement)
        self.session.carried_out(statement, variables)
        return entities

    def query(self, sql: str, parameters: Parameters | None = None) -> Result:
        """Ask one SELECT for what is true now.

        db.query("SELECT total FROM spent WHERE customer = ?;", ["ada"]).one().total
        """
        return Result(self._backend.query(self.session.statement(sql, parameters)))

    def call(self, endpoint: str, /, **values: Any) -> Result:
        """Call an endpoint (`CREATE ENDPOINT`) with the values of its parameters; None is NULL. The query is planned
        once, whatever the values are.

        db.call("totals", customer="ada", least=5).rows()

        Raises:
            EndpointNotFound: no endpoint has that name.
            ParameterMissing, ParameterUnknown, ParameterRefused: the values are not those that it takes.
            BadParameter: a value has no form in JSON, or the endpoint is one that is followed.
        """
        return Result(self._backend.call(endpoint, json_values(values)))

    def insert(self, target: str, rows: Rows) -> list[Ack]:
        """Append rows to a stream or table: mappings by column name, or anything in Arrow's form (an Arrow table or
        reader, a frame of pandas or polars), which goes in batch by batch. A row that does not fit is refused, the
        others are appended; each has its outcome.

        Names ignore case unless back-quoted (columns in Arrow's form: unless a column has just that name); what is
        missing is NULL. Returns once the rows are durable.

        Raises:
            ServerUnavailable: the line was lost: the rows that were not acknowledged may be there, or not.
        """
        return self._backend.insert(target, rows, dict(self.session.properties))

    def subscribe(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        after: str | None = None,
        snapshot: bool = True,
        changes: Changes = "net",
        reconnect_s: float = RECONNECT_S,
    ) -> Subscription:
        """Follow one SELECT: what is there, then what changes, for ever.

            with db.subscribe("SELECT * FROM spent") as subscription:
                for delta in subscription:
                    for row in delta:
                        print(row._diff, row.customer, row.total)
                    save(delta.token)       # next time: subscribe(..., after=token)

        `after`: the token of the last delta that was processed; the first one told is the one behind it. `snapshot`
        False: a table's rows that are there already are not told. `changes`: see `Changes`. A lost line is taken up
        again where it was, so that every change is told once; `reconnect_s`: how long (s) nothing may answer.

        Raises:
            TokenExpired: what comes after the token is no longer there.
            TokenRefused: it is no token, or another statement's.
        """
        start = Start(self.session.statement(sql, parameters), after, snapshot, changes == "every")
        return Subscription(self._backend, start, reconnect_s)

    def streams(self) -> list[str]:
        """The names of all streams."""
        return asking.names(self.execute(asking.STREAMS))

    def tables(self) -> list[str]:
        """The names of all tables."""
        return asking.names(self.execute(asking.TABLES))

    def describe(self, name: str) -> dict[str, Any]:
        """What is known of a stream or table: its columns (`fields`), topic, formats, the queries that use it."""
        return asking.description(self.execute(asking.describe(name)))

    def close(self) -> None:
        """Close what the connection holds; an engine that it opened ends at a commit. Closing twice is nothing."""
        backend, self._open = self._open, None
        if backend is not None:
            backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Subscription:
    """Deltas in order, for ever: an iterator, for one thread. It begins when it is made."""

    def __init__(self, backend: Backend, start: Start, reconnect_s: float) -> None:
        self._backend = backend
        self._follower = Follower(start, reconnect_s)
        self._closed = threading.Event()
        self._pieces: Pieces | None = None
        with contextlib.suppress(*PASSING):  # a server that is on its way up is tried again as one that went
            self._pieces = backend.follow(start)

    @property
    def token(self) -> str | None:
        """The token of the last delta that was told."""
        return self._follower.start.after

    def __iter__(self) -> Iterator[Delta]:
        return self

    def __next__(self) -> Delta:
        while not self._closed.is_set():
            try:
                if self._pieces is None:
                    self._pieces = self._backend.follow(self._follower.start)
                for piece in self._pieces:
                    if (delta := self._follower.take(piece)) is not None:
                        return delta
                self.close()
            except PASSING as lost:
                self._let_go()
                self._closed.wait(self._follower.lost(lost))
        raise StopIteration

    def close(self) -> None:
        """Stop following. Closing twice is nothing."""
        self._closed.set()
        self._let_go()

    def _let_go(self) -> None:
        pieces, self._pieces = self._pieces, None
        if pieces is not None:
            pieces.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
