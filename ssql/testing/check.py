"""What is wrong with the statements of a script: an engine over an empty log says it, and is thrown away.

Each statement is taken as if the ones before it were carried out. After one that is wrong the next one is taken; what
only names a source that a wrong statement was to create is not wrong itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssql.engine.api import PullResult
from ssql.errors import InsertTargetNotFound, SourceNotFound, SsqlError
from ssql.sql.lexer import Kind, tokens
from ssql.sql.parser import Scope, parse_statement
from ssql.sql.statements import (
    AssertRows,
    AssertSchema,
    AssertSource,
    AssertTopic,
    AssertValues,
    CreateAs,
    CreateConnector,
    CreateSource,
    DropConnector,
    InsertValues,
    Print,
    Select,
    Statement,
)
from ssql.testing.bench import PARTITIONS, Bench, BenchLog, partitions_of
from ssql.testing.script import Item, SqlTest

#: What says something of data, of a Connect server or of the log: there is none here.
_ONLY_READ = (
    AssertRows | AssertValues | AssertSource | AssertTopic | AssertSchema | CreateConnector | DropConnector | Print
)


@dataclass(frozen=True)
class Finding:
    """A statement that is wrong."""

    item: Item
    error: SsqlError


def check(script: SqlTest, variables: Mapping[str, str]) -> list[Finding]:
    """What is wrong with the statements of a script (or a test), in order. `variables`: the values of `${name}`."""
    items = [step for step in script.steps if isinstance(step, Item)]
    with tempfile.TemporaryDirectory(prefix="ssql-check-", ignore_cleanup_errors=True) as directory:
        bench = Bench(BenchLog(Path(directory), one_task=True), {})
        bench.session.variables.update(variables)
        bench.session.full_sql = True
        try:
            found = list(_findings(bench, items))
        finally:
            bench.close()
    # A test that must end with an error has one: which one, only carrying it out tells.
    return found[:-1] if script.expected is not None else found


def _findings(bench: Bench, items: Sequence[Item]) -> Iterator[Finding]:
    missing: set[str] = set()
    for item in items:
        statement: Statement | None = None
        try:
            scope = Scope(bench.session.variables)
            statement = parse_statement(item.text, scope.values, assertions=True)
            _take(bench, item.text, statement)
        except SsqlError as error:
            if isinstance(statement, CreateSource | CreateAs):
                missing.add(statement.name.text)
            if isinstance(error, SourceNotFound | InsertTargetNotFound) and missing & _words(item.text):
                continue
            yield Finding(item, item.located(error.within(item.text)))


def _words(text: str) -> set[str]:
    return {token.value for token in tokens(text) if token.kind in (Kind.WORD, Kind.NAME)}


def _take(bench: Bench, text: str, statement: Statement) -> None:
    """Take one statement as said; no row goes into the log."""
    if isinstance(statement, _ONLY_READ):
        return
    match statement:
        case Select():
            result = bench.engine.query(text, bench.session)
            if not isinstance(result, PullResult):
                result.close()
        case InsertValues():
            with bench.log.holding():
                bench.execute(text)
        case CreateSource():
            declared = bench.declared(statement)
            if declared is not None:
                name, partitions = partitions_of(statement) or (declared.topic, PARTITIONS)
                bench.log.create_topic(name, partitions)
            bench.execute(text)
        case _:
            bench.execute(text)
