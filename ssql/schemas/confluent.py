"""A schema registry elsewhere, by Confluent's REST API, through confluent-kafka's client.

The client keeps what it has seen of ids and versions, which never change; what is latest is asked for each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from confluent_kafka.schema_registry import RegisteredSchema, Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from ssql.errors import ConfigError, RegistryUnavailable, SchemaRefused
from ssql.schemas.api import Definition, Reference, Registered, SchemaType

T = TypeVar("T")

_NOT_FOUND = 404
_CONFLICT = 409
_INVALID = 422
_TIMEOUT_S = 10
#: A statement is answered soon, also where there is no registry: two more tries, after 0.2 and 0.4 s.
_TRIES, _WAIT_MS = 2, 200
_TYPES: Mapping[object, SchemaType] = {"AVRO": "AVRO", "PROTOBUF": "PROTOBUF", "JSON": "JSON", None: "AVRO"}


class ConfluentRegistry:
    """The registry at a URL (or several, separated by commas)."""

    def __init__(self, url: str, settings: Mapping[str, str | int] | None = None) -> None:
        """`settings`: of the client, such as `basic.auth.user.info` and `ssl.ca.location`; empty ones do not count.

        Raises:
            ConfigError: for settings that the client does not take.
        """
        config: dict[str, Any] = {
            "url": url,
            "timeout": _TIMEOUT_S,
            "max.retries": _TRIES,
            "retries.wait.ms": _WAIT_MS,
            "cache.latest.ttl.sec": 0,
        }
        config |= {key: value for key, value in (settings or {}).items() if value != ""}
        try:
            self._client = SchemaRegistryClient(config)
        except (ValueError, TypeError) as bad:
            raise ConfigError(f"the schema registry's settings cannot be used: {bad}") from None

    def register(self, subject: str, definition: Definition) -> int:
        try:
            return int(self._call(lambda: self._client.register_schema(subject, _schema(definition))))
        except SchemaRegistryError as trouble:
            raise SchemaRefused(
                f'the schema registry does not take the schema of subject "{subject}": {trouble.error_message}'
            ) from None

    def lookup(self, subject: str, definition: Definition) -> Registered | None:
        found = self._find(lambda: self._client.lookup_schema(subject, _schema(definition)))
        return (
            None
            if found is None
            else Registered(int(found.schema_id or 0), subject, int(found.version or 0), definition)
        )

    def latest(self, subject: str) -> Registered | None:
        return _registered(self._find(lambda: self._client.get_latest_version(subject)))

    def version(self, subject: str, version: int) -> Registered | None:
        return _registered(self._find(lambda: self._client.get_version(subject, version, deleted=True)))

    def by_id(self, schema_id: int) -> Definition | None:
        found = self._find(lambda: self._client.get_schema(schema_id))
        return None if found is None else _definition(found)

    def subjects(self) -> Sequence[str]:
        return sorted(self._find(self._client.get_subjects) or [])

    def delete_subject(self, subject: str) -> None:
        self._find(lambda: self._client.delete_subject(subject))
        self._client.clear_caches()  # type: ignore[no-untyped-call]  # what is registered next must not be taken for what was there

    def check_compatibility(self, subject: str, definition: Definition) -> tuple[str, ...]:
        fits = self._find(lambda: self._client.test_compatibility(subject, _schema(definition)))
        return () if fits in (True, None) else ("the schema registry says that it is not compatible with the latest",)

    def close(self) -> None:
        self._client.close()

    def _find(self, call: Callable[[], T]) -> T | None:
        """What the registry answers; None where it has no such thing."""
        try:
            return self._call(call)
        except SchemaRegistryError as trouble:
            if trouble.http_status_code == _NOT_FOUND:
                return None
            raise _failed(trouble) from None

    @staticmethod
    def _call(call: Callable[[], T]) -> T:
        """What the registry answers, "no" included (as the client's error).

        Raises:
            RegistryUnavailable: where it gives no answer.
        """
        try:
            return call()
        except SchemaRegistryError as trouble:
            if trouble.http_status_code in (_NOT_FOUND, _CONFLICT, _INVALID):
                raise
            raise _failed(trouble) from None
        except Exception as trouble:  # of whatever library the client uses
            raise RegistryUnavailable(f"could not reach the schema registry: {trouble}") from trouble


def _failed(trouble: SchemaRegistryError) -> RegistryUnavailable:
    return RegistryUnavailable(
        f"the schema registry failed: {trouble.error_message or f'it answered {trouble.http_status_code}'}"
    )


def _schema(definition: Definition) -> Schema:
    references = [SchemaReference(name=r.name, subject=r.subject, version=r.version) for r in definition.references]
    return Schema(definition.text, schema_type=definition.type, references=references)


def _definition(schema: Schema) -> Definition:
    references = tuple(Reference(str(r.name), str(r.subject), int(r.version or 0)) for r in schema.references or ())
    return Definition(_TYPES.get(schema.schema_type, "AVRO"), str(schema.schema_str), references)


def _registered(found: RegisteredSchema | None) -> Registered | None:
    if found is None:
        return None
    return Registered(int(found.schema_id or 0), str(found.subject), int(found.version or 0), _definition(found.schema))
