"""Endpoints: queries with parameters that applications call by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ssql.sql.parameters import Parameter
from ssql.types import Column


@dataclass(frozen=True)
class Endpoint:
    """A query with parameters, as it was defined.

    `query`: the SELECT, with `$name` where a call puts its values. `columns`: what it answered when it was made.
    `reads`: the streams and tables that it names. `properties`: the session's settings then, under which it is
    answered, whoever asks. `follows`: EMIT CHANGES, so that an answer goes on.
    """

    name: str
    statement: str
    query: str
    sequence: int
    parameters: tuple[Parameter, ...] = ()
    columns: tuple[Column, ...] = ()
    reads: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    follows: bool = False
