"""The command topic: every definition is a record, written before it takes effect.

A record's value is JSON: `version` (of this format), `statement` (as the user wrote it), `properties` (of the session
it came from), `changes` (what it does to the catalog, see `changes.py`). The record's offset is the command's number,
which query ids end in. One process writes the topic at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa

from ssql.catalog.catalog import Catalog
from ssql.catalog.changes import Change, apply, from_json, to_json
from ssql.errors import CommandsUnreadable
from ssql.log.api import RECORD_SCHEMA, Log
from ssql.planner.system_streams import internal_topic

FORMAT_VERSION = 1
_REPLAY_ROWS = 10_000


@dataclass(frozen=True)
class Command:
    """One definition: the statement, the session properties it was given under, and what it does."""

    statement: str
    changes: tuple[Change, ...]
    properties: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        return msgspec.json.encode(
            {
                "version": FORMAT_VERSION,
                "statement": self.statement,
                "properties": dict(self.properties),
                "changes": [to_json(change) for change in self.changes],
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Command:
        """Raises `CommandsUnreadable` for what this version cannot read."""
        try:
            form = msgspec.json.decode(data)
            if form["version"] > FORMAT_VERSION:
                raise CommandsUnreadable(f"format version {form['version']} is newer than this ssql")
            changes = tuple(from_json(change) for change in form["changes"])
            return cls(form["statement"], changes, form["properties"])
        except (msgspec.MsgspecError, KeyError, TypeError) as bad:
            raise CommandsUnreadable("a record in it is damaged") from bad


class CommandTopic:
    """The commands of one installation, in one partition of one topic. Not thread-safe."""

    def __init__(self, log: Log, service_id: str) -> None:
        self._log = log
        self.name = internal_topic(service_id, "command_topic")
        # Commands are never dropped by age: the catalog is nowhere else.
        log.create_topic(self.name, 1, replicas=None, config={"cleanup.policy": "delete", "retention.ms": "-1"})

    def next_sequence(self) -> int:
        """The number that the next command will have."""
        return self._log.bounds(self.name, 0)[1]

    def append(self, command: Command) -> None:
        """Make a command durable."""
        row = {"key": None, "value": command.encode(), "timestamp": time.time_ns() // 1_000_000, "headers": None}
        self._log.append(self.name, pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA), partition=0)

    def commands(self) -> Iterator[Command]:
        """All commands so far, in order."""
        offset, end = self._log.bounds(self.name, 0)
        while offset < end:
            fetch = self._log.read(self.name, 0, offset, _REPLAY_ROWS)
            for value in fetch.batch.column("value").to_pylist():
                yield Command.decode(value or b"")
            if fetch.next_offset <= offset:
                break
            offset = fetch.next_offset

    def replay(self, catalog: Catalog, tell: Callable[[int, int], object] | None = None) -> Catalog:
        """The catalog after all commands so far. `tell` is called with how many are applied, of how many."""
        first, end = self._log.bounds(self.name, 0)
        for done, command in enumerate(self.commands()):
            if tell is not None:
                tell(done, max(end - first, done))
            catalog = apply(catalog, command.changes)
        return catalog
