"""Records as a test writes them, and how it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ssql.schemas.api import SchemaType

#: A JSON value; numbers with a point or an exponent are `Decimal`, so that their digits are kept.
Json = Any

#: The language of a format's schemas.
LANGUAGE: Mapping[str, SchemaType] = {"AVRO": "AVRO", "PROTOBUF": "PROTOBUF", "JSON": "JSON", "JSON_SR": "JSON"}


class Mismatch(Exception):
    """A test does not do what it should. `reason` is a class of failures, the texts are for people.

    `difference`: what was expected beside what there was, as a table.
    """

    def __init__(
        self, reason: str, what: str, *, expected: object = None, got: object = None, difference: str = ""
    ) -> None:
        super().__init__(what)
        self.reason = reason
        self.what = what
        self.expected = expected
        self.got = got
        self.difference = difference


@dataclass(frozen=True)
class Window:
    """The window in a record's key: bounds in ms, `session` for SESSION windows, else a time window."""

    start: int
    end: int | None
    session: bool


@dataclass(frozen=True)
class Record:
    """A record as a test writes it. `timestamp` None: any."""

    topic: str
    key: Json
    value: Json
    timestamp: int | None
    window: Window | None
    headers: Sequence[Mapping[str, Json]]

    @classmethod
    def of(cls, raw: Mapping[str, Json]) -> Record:
        window = raw.get("window")
        return cls(
            raw["topic"],
            raw.get("key"),
            raw.get("value"),
            raw.get("timestamp"),
            Window(window["start"], window["end"], str(window["type"]).upper() == "SESSION") if window else None,
            raw.get("headers") or (),
        )
