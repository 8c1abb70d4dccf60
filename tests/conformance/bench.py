"""A bench for one case: its topics and schemas are there, its properties are set."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ssql.errors import SsqlError
from ssql.sql.parser import parse_script
from ssql.sql.statements import CreateSource
from ssql.testing.bench import PARTITIONS, Bench, BenchLog, partitions_of
from ssql.testing.records import Json
from tests.conformance import schemas
from tests.conformance.cases import Case

#: Properties of a case that say how to compare, and mean nothing to an engine.
_OF_THE_RUNNER = frozenset({"use.exact.numeric.comparison"})


@contextmanager
def bench(
    case: Case, *, one_task: bool, settings: Mapping[str, object], properties: Mapping[str, Json] | None = None
) -> Iterator[Bench]:
    """A fresh engine with the case's topics; `one_task`: all records in partition 0."""
    with tempfile.TemporaryDirectory(prefix="ssql-case-", ignore_cleanup_errors=True) as directory:
        given = case.properties if properties is None else properties
        counting = {key: value for key, value in given.items() if key not in _OF_THE_RUNNER}
        made = Bench(BenchLog(Path(directory), one_task=one_task), settings, counting)
        try:
            _create_topics(made, case)
            yield made
        finally:
            made.close()


def _create_topics(made: Bench, case: Case) -> None:
    """The topics and schemas that a case lists, the topics of its CREATEs with columns, and of its inputs."""
    creates = list(_creates(case.statements))
    asked = dict(filter(None, map(partitions_of, creates)))
    for topic in case.topics:
        made.log.create_topic(topic["name"], asked.get(topic["name"]) or topic.get("partitions") or PARTITIONS)
    declared = list(filter(None, (made.declared(create) for create in creates if create.columns)))
    for relation in declared:
        made.log.create_topic(relation.topic, asked.get(relation.topic, PARTITIONS))
    schemas.register(made.schemas, case.topics, declared)
    for record in case.inputs:
        made.log.create_topic(record.topic, PARTITIONS)


def _creates(statements: Sequence[str]) -> Iterator[CreateSource]:
    """The CREATE STREAM and TABLE statements, as far as they can be read."""
    for text in statements:
        with suppress(SsqlError):
            yield from (s for s in parse_script(text) if isinstance(s, CreateSource))
