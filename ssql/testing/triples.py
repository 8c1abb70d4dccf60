"""The other form of a test: statements, input records and output records in three files, as `ksql-test-runner` has it.

The input is `{"inputs": [{"topic", "key", "value", "timestamp", "window", "headers"}, ..]}`, the output the same under
`outputs`; INSERT VALUES may stand for the input. In a folder, NAME.sql goes with NAME.input.json (or input.json) and
NAME.output.json (or output.json).
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from ssql.errors import WrongTestFile
from ssql.testing.records import Record
from ssql.testing.script import Input, Output, Source, SqlTest, items_of


def read_triple(statements: Path, inputs: Path | None, outputs: Path) -> SqlTest:
    """The test of three files (or two).

    Raises:
        WrongTestFile: one of the JSON files is not what it should be.
        OSError, UnicodeDecodeError: a file cannot be read.
    """
    source = Source(str(statements), statements.read_text(encoding="utf-8"))
    given = () if inputs is None else _records(inputs, "inputs")
    came = () if inputs is None else (Input(str(inputs), given),)
    wanted = Output(str(outputs), _records(outputs, "outputs"), any_zero=inputs is None)
    return SqlTest(statements.stem, str(statements), 1, (*items_of(source), *came, wanted))


def triple_of(statements: Path) -> tuple[Path | None, Path] | None:
    """The input and output files that go with a file of statements; None where it has no output: it is no triple."""
    outputs = _beside(statements, "output.json")
    return None if outputs is None else (_beside(statements, "input.json"), outputs)


def _beside(statements: Path, ending: str) -> Path | None:
    own = statements.with_name(f"{statements.stem}.{ending}")
    if own.exists():
        return own
    shared = statements.with_name(ending)
    return shared if shared.exists() else None


def _records(path: Path, name: str) -> tuple[Record, ...]:
    text = path.read_text(encoding="utf-8")
    try:
        found = json.loads(text, parse_float=Decimal)
    except ValueError as bad:
        raise WrongTestFile(f'"{path}" is no valid JSON: {bad}') from None
    records = found.get(name) if isinstance(found, dict) else None
    if not isinstance(records, list) or not all(isinstance(r, dict) and "topic" in r for r in records):
        raise WrongTestFile(f'"{path}" must be {{"{name}": [..]}} with records that name a "topic"')
    return tuple(Record.of({**r, "headers": [_header(h) for h in r.get("headers") or ()]}) for r in records)


def _header(header: dict[str, str | None]) -> dict[str, str | None]:
    """A header; ksqlDB writes its fields in upper case."""
    return {name.lower(): value for name, value in header.items()}
