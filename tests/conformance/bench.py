"""An engine on a log of its own, for one case."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.catalog.catalog import Catalog
from ssql.config import Config
from ssql.engine.api import Entity, Session
from ssql.engine.engine import LocalEngine
from ssql.engine.properties import read
from ssql.engine.relations import created
from ssql.engine.session import effective
from ssql.errors import SsqlError
from ssql.log.api import Log, Writer
from ssql.log.embedded import EmbeddedLog
from ssql.planner.relation import Relation
from ssql.runtime.api import QueryState
from ssql.schemas.embedded import EmbeddedRegistry
from ssql.sql.parser import parse_script
from ssql.sql.statements import CreateSource
from tests.conformance import schemas
from tests.conformance.cases import Case, Json, Mismatch, Record
from tests.conformance.codec import Found, TopicCodec

SERVICE_ID = "some.ksql.service.id"
#: Partitions of topics for which a case gives no number.
PARTITIONS = 4
#: The longest (s) that a query may take for one step of a case.
PATIENCE_S = 20.0
_MANY = 1 << 20
#: Properties of a case that say how to compare, and mean nothing to an engine.
_OF_THE_RUNNER = frozenset({"use.exact.numeric.comparison"})


class _FirstPartitionWriter:
    """A writer that puts every record into partition 0."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.begin, self.commit, self.abort, self.close = writer.begin, writer.commit, writer.abort, writer.close

    def append(
        self,
        topic: str,
        batch: pa.RecordBatch,
        partition: int | npt.NDArray[np.int32] | None = None,
        *,
        mark: bool = False,
    ) -> None:
        self._writer.append(topic, batch, 0, mark=mark)


class OneTaskLog(EmbeddedLog):
    """An embedded log in which all records are in partition 0, whatever number of partitions a topic has."""

    def writer(self, name: str) -> Writer:  # type: ignore[override]
        return _FirstPartitionWriter(super().writer(name))

    def append(self, topic: str, batch: pa.RecordBatch, partition: int | None = None) -> None:
        super().append(topic, batch, 0)


class Bench:
    """An engine, its log, and one client session."""

    def __init__(self, log: Log, settings: Mapping[str, object], properties: Mapping[str, Json]) -> None:
        config = Config().with_values(
            {
                "service.id": SERVICE_ID,
                "auto.offset.reset": "earliest",
                "topic.default.partitions": PARTITIONS,
                **settings,
            }
        )
        self.log = log
        self.schemas = EmbeddedRegistry(log, SERVICE_ID)
        self.engine = LocalEngine(config, log)
        self.session = Session(properties={k: v for k, v in properties.items() if k not in _OF_THE_RUNNER})
        self._codecs: dict[str, TopicCodec] = {}

    # --- statements -----------------------------------------------------------

    def execute(self, text: str) -> list[Entity]:
        """Carry out a script; what it made is remembered, dropped later or not."""
        try:
            return self.engine.execute(text, self.session)
        finally:
            for source in self.catalog.sources.values():
                self._codecs.setdefault(source.relation.topic, TopicCodec(source.relation, self.schemas))

    @property
    def catalog(self) -> Catalog:
        return self.engine._core.catalog

    def relation(self, name: str) -> Relation | None:
        return self.catalog.relation(name)

    def failed_query(self) -> str | None:
        """Why a query failed, if one did."""
        status = self.engine._core.worker.status()
        return next((f"{q.query_id}: {q.error}" for q in status if q.state is QueryState.ERROR), None)

    def settle(self) -> None:
        """Wait until all queries have seen all records."""
        if self.engine.caught_up(PATIENCE_S):
            return
        why = self.failed_query()
        raise Mismatch("timeout" if why is None else "query failed", why or f"not caught up within {PATIENCE_S} s")

    # --- topics ---------------------------------------------------------------

    def create_topics(self, case: Case) -> None:
        """The topics and schemas that a case lists, the topics of its CREATEs with columns, and of its inputs."""
        creates = list(_creates(case.statements))
        asked = dict(filter(None, map(_partitions, creates)))
        for topic in case.topics:
            self.log.create_topic(topic["name"], asked.get(topic["name"]) or topic.get("partitions") or PARTITIONS)
        declared = [relation for create in creates if create.columns for relation in self._declared(create)]
        for relation in declared:
            self.log.create_topic(relation.topic, asked.get(relation.topic, PARTITIONS))
        schemas.register(self.schemas, case.topics, declared)
        for record in case.inputs:
            self.log.create_topic(record.topic, PARTITIONS)

    def _declared(self, create: CreateSource) -> Iterator[Relation]:
        """What a CREATE declares; nothing where it is wrong."""
        config = effective(self.engine._core.config, self.session.properties)
        with suppress(SsqlError):
            yield created(create, read(create.properties, "CREATE"), config, Catalog())[0]

    def codec(self, topic: str) -> TopicCodec:
        """How a topic's records are written: as the source that a query fills, else as the first one declared."""
        for source in self.catalog.sources.values():
            if source.relation.topic == topic and source.relation.derived:
                return TopicCodec(source.relation, self.schemas)
        found = self._codecs.get(topic)
        if found is None:
            raise Mismatch("no source", f"there is no stream or table over topic {topic}")
        return found

    def produce(self, records: Sequence[Record], partition: int | None = None) -> None:
        """Append records of one topic, in one go."""
        if records:
            codec = self.codec(records[0].topic)
            batch = pa.concat_batches([codec.encode(r) for r in records])
            self.log.append(records[0].topic, batch, partition)

    def records(self, topic: str) -> list[Found]:
        """All records of a topic, partition by partition."""
        found = self.log.topic(topic)
        if found is None:
            return []
        codec = self.codec(topic)
        batches = [self.log.read(topic, p, 0, _MANY).batch for p in range(found.partitions)]
        return [record for batch in batches if batch.num_rows for record in codec.decode(batch)]


def _creates(statements: Sequence[str]) -> Iterator[CreateSource]:
    """The CREATE STREAM and TABLE statements, as far as they can be read."""
    for text in statements:
        with suppress(SsqlError):
            yield from (s for s in parse_script(text) if isinstance(s, CreateSource))


def _partitions(create: CreateSource) -> tuple[str, int] | None:
    """Topic and number of partitions that a CREATE asks for."""
    topic, partitions = create.properties.get("KAFKA_TOPIC"), create.properties.get("PARTITIONS")
    if topic is None or partitions is None or not str(partitions.value).isdigit():
        return None
    return str(topic.value), int(partitions.value)


@contextmanager
def bench(
    case: Case, *, one_task: bool, settings: Mapping[str, object], properties: Mapping[str, Json] | None = None
) -> Iterator[Bench]:
    """A fresh engine with the case's topics; `one_task`: all records in partition 0."""
    with tempfile.TemporaryDirectory(prefix="ssql-case-", ignore_cleanup_errors=True) as directory:
        log = (OneTaskLog if one_task else EmbeddedLog)(Path(directory))
        made = Bench(log, settings, case.properties if properties is None else properties)
        try:
            made.create_topics(case)
            yield made
        finally:
            made.engine.close()
