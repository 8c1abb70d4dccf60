"""Cases as they stand in a corpus file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ssql.testing.records import Json, Record


@dataclass(frozen=True)
class Failure:
    """The error that a case must end with."""

    kind: str | None
    message: str | None
    cause_message: str | None
    status: int | None


class Case:
    """One case; `raw` has the fields that only one suite reads."""

    def __init__(self, raw: Mapping[str, Json]) -> None:
        self.raw = raw
        self.id: str = raw["id"]
        self.suite: str = raw["suite"]
        self.applicable: bool = raw["applicable"]
        self.needs: tuple[str, ...] = tuple(raw["needs"])
        self.statements: tuple[str, ...] = tuple(raw["statements"])
        self.properties: dict[str, Json] = dict(raw["properties"])
        self.topics: tuple[Mapping[str, Json], ...] = tuple(raw["topics"])
        self.inputs = tuple(Record.of(r) for r in raw["inputs"] or ())
        self.outputs = tuple(Record.of(r) for r in raw["outputs"] or ())
        wanted = raw["expected_exception"]
        self.failure = (
            Failure(wanted.get("kind"), wanted.get("message"), wanted.get("cause_message"), wanted.get("status"))
            if wanted
            else None
        )

    @property
    def script(self) -> str:
        """The statements as one text; error positions count in it."""
        return "\n".join(self.statements)


def load(path: Path, select: str = "") -> list[Case]:
    """The cases of a file whose id contains `select`, in the file's order."""
    with path.open(encoding="utf-8") as lines:
        found = (Case(json.loads(line, parse_float=Decimal)) for line in lines if line.strip())
        return [case for case in found if select in case.id]
