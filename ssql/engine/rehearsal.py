"""A script tried out before any of it is carried out: one that will be refused leaves nothing behind.

The statements go through their own handlers, on a core of doubles: the doubles answer what the log, the worker, the
command topic and the registry answer, with what the statements before would have made beside it, and keep that to
themselves. A double has the methods that handlers call and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import RLock
from typing import cast

import pyarrow as pa

from ssql.catalog.commands import Command, CommandTopic
from ssql.engine.context import Request
from ssql.engine.running import Running, Runs
from ssql.log.api import Log, Topic
from ssql.planner.steps import QueryPlan
from ssql.runtime.api import Cut, QueryStatus, Start, Throughput, Worker
from ssql.runtime.progress import QueryProgress
from ssql.schemas.api import Definition, Registered, SchemaRegistry
from ssql.sql import statements as s

#: Statements that cannot be tried out: they ask elsewhere, wait, or go by what others do. Those after them may depend
#: on it, so the rehearsal ends there.
_UNKNOWN = (s.CreateConnector, s.DropConnector, s.AssertTopic, s.AssertSchema, s.CreateEndpoint)

#: Ids of schemas that are registered in a rehearsal alone.
_FIRST_ID = 1 << 30


def trials(request: Request, statements: Sequence[s.Statement]) -> Iterator[tuple[Request, s.Statement]]:
    """The statements of a script that can be tried out, each with the surroundings to carry it out in.

    None where there is but one: that is carried out as a whole or not at all. What only shows something fails, if it
    does, when its turn comes.
    """
    if len(statements) == 1:
        return
    trial = _without_a_trace(request)
    for statement in statements:
        if isinstance(statement, _UNKNOWN) or (isinstance(statement, s.Describe) and statement.what == "CONNECTOR"):
            return
        if not isinstance(statement, s.Show):
            yield trial, statement


def _without_a_trace(request: Request) -> Request:
    core, session = request.core, request.session
    return Request(
        replace(
            core,
            log=cast("Log", _Log(core.log)),
            worker=cast("Worker", _Worker(core.worker)),
            commands=cast("CommandTopic", _Commands(core.commands)),
            running=cast("Running", _Running(core.running)),
            schemas=_Schemas(core.schemas),
            defining=RLock(),
        ),
        replace(session, properties=dict(session.properties), variables=dict(session.variables)),
    )


class _Log:
    """The topics of a log, with those that are made and without those that are deleted here. Records go nowhere."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._own: dict[str, Topic | None] = {}

    def topic(self, name: str) -> Topic | None:
        return self._own[name] if name in self._own else self._log.topic(name)

    def topics(self) -> Sequence[Topic]:
        kept = [topic for topic in self._log.topics() if topic.name not in self._own]
        return [*kept, *(topic for topic in self._own.values() if topic is not None)]

    def create_topic(
        self, name: str, partitions: int = 1, *, replicas: int | None = 1, config: Mapping[str, str] | None = None
    ) -> Topic:
        found = self.topic(name) or Topic(name, partitions, replicas or 1, dict(config or {}))
        self._own[name] = found
        return found

    def delete_topic(self, name: str) -> None:
        self._own[name] = None

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return (0, 0) if topic in self._own else self._log.bounds(topic, partition)

    def append(self, topic: str, batch: pa.RecordBatch, partition: int | None = None) -> None: ...


class _Worker:
    """What a worker says of its queries; none begins or ends."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def status(self) -> Sequence[QueryStatus]:
        return self._worker.status()

    def throughput(self) -> Mapping[str, Throughput]:
        return self._worker.throughput()

    def progress(self) -> Sequence[QueryProgress]:
        return self._worker.progress()

    def cut(self) -> Cut:
        return self._worker.cut()

    def add(self, plans: Sequence[QueryPlan], *, start: Start) -> None: ...

    def replace(self, plan: QueryPlan, *, paused: bool) -> None: ...

    def drop(self, query_id: str, *, forget: bool = True) -> None: ...

    def pause(self, query_id: str) -> None: ...

    def resume(self, query_id: str) -> None: ...


class _Commands:
    """Numbers for commands that are not written."""

    def __init__(self, commands: CommandTopic) -> None:
        self.name = commands.name
        self._next = commands.next_sequence()

    def next_sequence(self) -> int:
        return self._next

    def append(self, command: Command) -> None:  # noqa: ARG002
        self._next += 1


class _Running:
    """What runs for readers, which goes on."""

    def __init__(self, running: Running) -> None:
        self._running = running

    def all(self) -> Iterable[Runs]:
        return self._running.all()

    def close(self, name: str) -> str | None:
        return next((p.query_id for p in self._running.all() if p.query_id.upper() == name.upper()), None)

    def stop_readers(self, name: str, reason: str) -> None: ...


class _Schemas:
    """A registry with what is registered, and without what is deleted here. It refuses nothing: that is the registry's
    own business, and known when it is asked."""

    def __init__(self, schemas: SchemaRegistry) -> None:
        self._schemas = schemas
        self._own: dict[str, list[Registered]] = {}

    def register(self, subject: str, definition: Definition) -> int:
        known = self.lookup(subject, definition)
        if known is not None:
            return known.id
        last = self.latest(subject)
        number = _FIRST_ID + sum(map(len, self._own.values()))
        registered = Registered(number, subject, last.version + 1 if last else 1, definition)
        self._own.setdefault(subject, [last] if last else []).append(registered)
        return number

    def lookup(self, subject: str, definition: Definition) -> Registered | None:
        own = next((r for r in self._own.get(subject, ()) if r.definition == definition), None)
        return own or (None if self._own.get(subject) == [] else self._schemas.lookup(subject, definition))

    def latest(self, subject: str) -> Registered | None:
        own = self._own.get(subject)
        return self._schemas.latest(subject) if own is None else (own[-1] if own else None)

    def version(self, subject: str, version: int) -> Registered | None:
        own = next((r for r in self._own.get(subject, ()) if r.version == version), None)
        return own or self._schemas.version(subject, version)

    def by_id(self, schema_id: int) -> Definition | None:
        own = (r.definition for versions in self._own.values() for r in versions if r.id == schema_id)
        return next(own, None) or self._schemas.by_id(schema_id)

    def subjects(self) -> Sequence[str]:
        names = {name for name in self._schemas.subjects() if name not in self._own}
        return sorted(names | {name for name, versions in self._own.items() if versions})

    def delete_subject(self, subject: str) -> None:
        self._own[subject] = []

    def check_compatibility(self, subject: str, definition: Definition) -> tuple[str, ...]:
        return self._schemas.check_compatibility(subject, definition)

    def close(self) -> None: ...
