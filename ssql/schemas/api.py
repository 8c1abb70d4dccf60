"""The interface of schema registries: definitions by subject and version, and by an id that records carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

SchemaType = Literal["AVRO", "PROTOBUF", "JSON"]


@dataclass(frozen=True)
class Reference:
    """Another schema that a text uses: under which name, and where it is registered."""

    name: str
    subject: str
    version: int


@dataclass(frozen=True)
class Definition:
    """A schema as it is written down."""

    type: SchemaType
    text: str
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True)
class Registered:
    """A definition in its place: a version (from 1) of a subject. Equal definitions have one id in all subjects."""

    id: int
    subject: str
    version: int
    definition: Definition


class SchemaRegistry(Protocol):
    """Subjects and their versions. Thread-safe. Every call may raise `RegistryUnavailable`."""

    def register(self, subject: str, definition: Definition) -> int:
        """Make it the latest version of the subject, and return its id (a positive number).

        One that the subject has already keeps id and version. Raises `SchemaRefused` where the registry does not
        take it.
        """

    def lookup(self, subject: str, definition: Definition) -> Registered | None:
        """The version of the subject that is this definition, or None."""

    def latest(self, subject: str) -> Registered | None:
        """The newest version of a subject; None where there is none, or all are deleted."""

    def version(self, subject: str, version: int) -> Registered | None:
        """A version of a subject, deleted ones included: references keep pointing at them."""

    def by_id(self, schema_id: int) -> Definition | None:
        """The definition of an id, deleted ones included: records keep pointing at them."""

    def subjects(self) -> Sequence[str]:
        """The names of all subjects that have versions, sorted."""

    def delete_subject(self, subject: str) -> None:
        """Delete all versions of a subject; ids stay readable. A subject that does not exist is nothing."""

    def check_compatibility(self, subject: str, definition: Definition) -> tuple[str, ...]:
        """Why the definition may not follow the subject's latest version, one reason each; empty where it may."""

    def close(self) -> None: ...


def subject_of(topic: str, *, is_key: bool) -> str:
    """The subject that holds the schemas of a topic's keys or values."""
    return f"{topic}-{'key' if is_key else 'value'}"


def referenced(registry: SchemaRegistry, definition: Definition) -> dict[str, str]:
    """The texts of all schemas that a definition needs, directly or not, by the name it uses for them.

    A schema comes after those that it needs itself. References that are not there are left out: whoever parses the
    text says what is missing.
    """
    found: dict[str, str] = {}

    def follow(references: Sequence[Reference], above: tuple[str, ...]) -> None:
        for reference in references:
            if reference.name in found or reference.name in above:
                continue
            registered = registry.version(reference.subject, reference.version)
            if registered is not None:
                follow(registered.definition.references, (*above, reference.name))
                found[reference.name] = registered.definition.text

    follow(definition.references, ())
    return found
