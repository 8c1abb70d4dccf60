"""A schema registry that keeps its subjects in the log.

One topic of one partition holds a JSON record a change, keyed and laid out as a Confluent registry keeps its own
(`_schemas`), so that compaction leaves what is needed. All of it is held in memory and brought up to date from the log
before anything is registered, and whenever something is asked for that is not there.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ssql.errors import LogError, RegistryUnavailable, SchemaRefused, SchemaUnreadable
from ssql.log.api import RECORD_SCHEMA, Log
from ssql.schemas import compatibility, types
from ssql.schemas.api import Definition, Reference, Registered

_BATCH = 1000  # records a read


def topic_of(service_id: str) -> str:
    """The topic that holds the schemas of an installation."""
    return f"_ssql_{service_id}_schemas"


@dataclass
class _State:
    """What the topic says, up to `offset`."""

    offset: int = 0
    definitions: dict[int, Definition] = field(default_factory=dict)
    ids: dict[tuple[object, ...], int] = field(default_factory=dict)  # by `_identity`
    versions: dict[str, dict[int, Registered]] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)  # versions up to this one

    def alive(self, subject: str) -> list[Registered]:
        """The versions of a subject that are not deleted, oldest first."""
        gone = self.deleted.get(subject, 0)
        return [r for v, r in sorted(self.versions.get(subject, {}).items()) if v > gone]


def _identity(definition: Definition) -> tuple[object, ...]:
    """What two definitions share exactly where they are the same, however they are laid out."""
    text: str = " ".join(definition.text.split())
    if definition.type != "PROTOBUF":
        try:
            text = json.dumps(json.loads(definition.text), sort_keys=definition.type == "JSON")
        except ValueError:
            text = json.dumps(text)  # a bare name, as Avro has it
    return definition.type, text, definition.references


class EmbeddedRegistry:
    """The schema registry of one installation, in its log."""

    def __init__(self, log: Log, service_id: str, *, checked: bool = False) -> None:
        """`checked`: a schema that does not read what its subject's latest wrote is refused.

        Raises:
            RegistryUnavailable: where the log does not take or give the schemas.
        """
        self._log = log
        self._checked = checked
        self._topic = topic_of(service_id)
        self._lock = threading.RLock()
        self._state = _State()
        try:
            log.create_topic(self._topic, 1, replicas=None, config={"cleanup.policy": "compact"})
        except LogError as trouble:
            raise RegistryUnavailable(f"could not open the schemas in the log: {trouble.message}") from trouble
        self._catch_up()

    def register(self, subject: str, definition: Definition, *, schema_id: int | None = None) -> int:
        """See `SchemaRegistry`. `schema_id`: the id to give it, where schemas come from another registry.

        Raises:
            SchemaRefused: where the text is no schema of its type, does not follow the subject's latest, or the id is
                another schema's already.
        """
        types.sql_type(self, definition)
        identity = _identity(definition)
        with self._lock:
            while True:  # until what was appended is what the log says first of its id
                self._catch_up()
                state = self._state
                known = self.lookup(subject, definition)
                if known is not None and schema_id in (None, known.id):
                    return known.id
                reasons = self.check_compatibility(subject, definition) if self._checked else ()
                if reasons:
                    raise SchemaRefused(
                        f'the schema does not follow the latest of subject "{subject}": {"; ".join(reasons)}',
                        hint="Write to another topic, or delete this one with its schemas (DROP ... DELETE TOPIC).",
                    )
                number = schema_id or state.ids.get(identity) or max(state.definitions, default=0) + 1
                taken = state.definitions.get(number)
                if taken is not None and _identity(taken) != identity:
                    raise SchemaRefused(f"schema id {number} is another schema's")
                version = max([state.deleted.get(subject, 0), *state.versions.get(subject, {})]) + 1
                self._append(
                    {"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1},
                    {
                        "subject": subject,
                        "version": version,
                        "id": number,
                        "schemaType": definition.type,
                        "references": [
                            {"name": r.name, "subject": r.subject, "version": r.version} for r in definition.references
                        ],
                        "schema": definition.text,
                        "deleted": False,
                    },
                )

    def lookup(self, subject: str, definition: Definition) -> Registered | None:
        with self._lock:
            identity = _identity(definition)
            return next((r for r in self._state.alive(subject) if _identity(r.definition) == identity), None)

    def latest(self, subject: str) -> Registered | None:
        with self._lock:
            self._catch_up()
            return next(reversed(self._state.alive(subject)), None)

    def version(self, subject: str, version: int) -> Registered | None:
        with self._lock:
            if version not in self._state.versions.get(subject, {}):
                self._catch_up()
            return self._state.versions.get(subject, {}).get(version)

    def by_id(self, schema_id: int) -> Definition | None:
        with self._lock:
            if schema_id not in self._state.definitions:
                self._catch_up()
            return self._state.definitions.get(schema_id)

    def subjects(self) -> Sequence[str]:
        with self._lock:
            self._catch_up()
            return sorted(name for name in self._state.versions if self._state.alive(name))

    def delete_subject(self, subject: str) -> None:
        with self._lock:
            last = self.latest(subject)
            if last is not None:
                self._append(
                    {"keytype": "DELETE_SUBJECT", "subject": subject, "magic": 0},
                    {"subject": subject, "version": last.version},
                )
                self._catch_up()

    def check_compatibility(self, subject: str, definition: Definition) -> tuple[str, ...]:
        last = self.latest(subject)
        if last is None:
            return ()
        if last.definition.type != definition.type:
            return (f"the schema was of type {last.definition.type} and would be of type {definition.type}",)
        try:
            old = types.sql_type(self, last.definition)
        except SchemaUnreadable:
            return ()  # nothing was read by it
        return compatibility.problems(old, types.sql_type(self, definition))

    def close(self) -> None:
        """Nothing is held: the log is its owner's."""

    # --- the topic -----------------------------------------------------------

    def _append(self, key: dict[str, Any], value: dict[str, Any]) -> None:
        row = {
            "key": json.dumps(key).encode(),
            "value": json.dumps(value).encode(),
            "timestamp": time.time_ns() // 1_000_000,
            "headers": None,
        }
        try:
            self._log.append(self._topic, pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA), 0)
        except LogError as trouble:
            raise RegistryUnavailable(f"could not write the schema to the log: {trouble.message}") from trouble

    def _catch_up(self) -> None:
        """Take in what the topic has since the last time."""
        state = self._state
        while True:
            try:
                fetch = self._log.read(self._topic, 0, state.offset, _BATCH)
            except LogError as trouble:
                raise RegistryUnavailable(f"could not read the schemas in the log: {trouble.message}") from trouble
            for key, value in zip(fetch.batch.column("key"), fetch.batch.column("value"), strict=True):
                if key.is_valid and value.is_valid:
                    self._take_in(json.loads(key.as_py()), json.loads(value.as_py()))
            state.offset = fetch.next_offset
            if fetch.next_offset >= fetch.end_offset:
                return

    def _take_in(self, key: dict[str, Any], value: dict[str, Any]) -> None:
        state, subject = self._state, str(key.get("subject"))
        if key.get("keytype") == "DELETE_SUBJECT":
            state.deleted[subject] = max(state.deleted.get(subject, 0), int(value["version"]))
        elif key.get("keytype") == "SCHEMA":
            references = tuple(
                Reference(str(r["name"]), str(r["subject"]), int(r["version"])) for r in value.get("references") or ()
            )
            definition = Definition(value.get("schemaType", "AVRO"), str(value["schema"]), references)
            number, version = int(value["id"]), int(value["version"])
            first = state.definitions.setdefault(number, definition)
            if _identity(first) != _identity(definition):
                return  # two processes took the same id at the same time: the first one has it
            state.ids.setdefault(_identity(definition), number)
            state.versions.setdefault(subject, {}).setdefault(version, Registered(number, subject, version, definition))
