"""Relations as the planner sees them: a stream or table over a topic, with its formats and its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ssql.formats.api import FormatSpec
from ssql.types import Schema

Kind = Literal["STREAM", "TABLE"]


@dataclass(frozen=True)
class KeyWindow:
    """The window that is part of a relation's keys. `size_ms` is None for SESSION."""

    type: Literal["TUMBLING", "HOPPING", "SESSION"]
    size_ms: int | None


@dataclass(frozen=True)
class TimestampSpec:
    """Where ROWTIME comes from: a column, and the Java pattern that reads it where it is text."""

    column: str
    format: str | None = None


@dataclass(frozen=True)
class HeaderColumn:
    """A column read from record headers: all of them, or the last one of a key."""

    name: str
    header: str | None = None


@dataclass(frozen=True)
class Relation:
    """A stream or a table over a topic.

    `schema` holds key columns first, then value columns; header columns are among the values and listed in
    `headers`. `window` is set where keys are windowed: WINDOWSTART and WINDOWEND are then further columns of its rows.
    `derived` says that queries of ours write the topic.
    """

    name: str
    kind: Kind
    schema: Schema
    topic: str
    key_format: FormatSpec
    value_format: FormatSpec
    window: KeyWindow | None = None
    timestamp: TimestampSpec | None = None
    headers: tuple[HeaderColumn, ...] = ()
    read_only: bool = False
    derived: bool = False

    @property
    def key_names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.schema.keys)

    @property
    def window_key(self) -> tuple[str, ...]:
        """The window bounds that are part of what identifies a row: a time window's start says which one it is."""
        if self.window is None:
            return ()
        return ("WINDOWSTART", "WINDOWEND") if self.window.type == "SESSION" else ("WINDOWSTART",)


class Relations(Protocol):
    """What a planner needs of a catalog."""

    def relation(self, name: str) -> Relation | None: ...

    def relation_names(self) -> Sequence[str]: ...
