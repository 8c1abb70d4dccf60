"""An engine on a log of its own, for one test: statements in, records of topics out.

The process that the engine stands for may be made to die (`hook`): the bench opens it again over the same log, and
gives a statement that got no answer again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from ssql.log.api import Writer
from ssql.log.embedded import EmbeddedLog
from ssql.planner.relation import Relation
from ssql.runtime.progress import QueryState
from ssql.schemas.embedded import EmbeddedRegistry
from ssql.sql.statements import CreateSource
from ssql.testing.codec import Found, TopicCodec
from ssql.testing.mortal import Fate, Hook, Killed, MortalLog
from ssql.testing.records import Json, Mismatch, Record

SERVICE_ID = "some.ksql.service.id"
#: Partitions of topics for which a test gives no number.
PARTITIONS = 4
#: The longest (s) that a query may take for one step of a test.
PATIENCE_S = 20.0
_MANY = 1 << 20


class _FirstPartitionWriter:
    """A writer that puts every record into partition 0."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.begin, self.commit, self.abort, self.close = writer.begin, writer.commit, writer.abort, writer.close

    def append(
        self,
        topic: str,
        batch: pa.RecordBatch,
        partition: int | npt.NDArray[np.int32] | None = None,  # noqa: ARG002
        *,
        mark: bool = False,
    ) -> None:
        self._writer.append(topic, batch, 0, mark=mark)


class BenchLog(EmbeddedLog):
    """An embedded log for tests. `one_task`: all records are in partition 0, whatever number a topic has."""

    def __init__(self, path: Path, *, one_task: bool) -> None:
        super().__init__(path)
        # A process that dies loses nothing that it wrote: syncing is for machines that do.
        self._writing.execute("PRAGMA synchronous = OFF")
        self._one_task = one_task
        self._holder: int | None = None
        self._held: list[tuple[str, pa.RecordBatch]] = []

    def writer(self, name: str) -> Writer:  # type: ignore[override]
        writer = super().writer(name)
        return _FirstPartitionWriter(writer) if self._one_task else writer

    def append(self, topic: str, batch: pa.RecordBatch, partition: int | None = None) -> None:
        if self._holder == threading.get_ident():
            self._held.append((topic, batch))
        else:
            super().append(topic, batch, 0 if self._one_task else partition)

    @contextmanager
    def holding(self) -> Iterator[list[tuple[str, pa.RecordBatch]]]:
        """Within it, what this thread appends goes into the list and not into the log."""
        self._holder, self._held = threading.get_ident(), []
        try:
            yield self._held
        finally:
            self._holder = None


class Bench:
    """An engine, its log, and one client session.

    `hook`: what befalls the log in each life of the engine, counted from 1; None: nothing.
    """

    def __init__(
        self,
        log: BenchLog,
        settings: Mapping[str, object],
        properties: Mapping[str, Json] | None = None,
        *,
        hook: Callable[[int], Hook] | None = None,
    ) -> None:
        self._config = Config().with_values(
            {
                "service.id": SERVICE_ID,
                "auto.offset.reset": "earliest",
                "topic.default.partitions": PARTITIONS,
                **settings,
            }
        )
        self.log = log
        self.schemas = EmbeddedRegistry(log, SERVICE_ID)
        self.session = Session(properties=dict(properties or {}))
        self._codecs: dict[str, TopicCodec] = {}
        self._hook = hook
        self._fate: Fate | None = None
        self.lives = 0
        self.engine = self._open()

    # --- lives ----------------------------------------------------------------

    def _open(self) -> LocalEngine:
        """Open the engine; one that dies while it opens is opened again."""
        while True:
            self.lives += 1
            if self._hook is None:
                return LocalEngine(self._config, self.log)
            self._fate = Fate(self._hook(self.lives))
            try:
                return LocalEngine(self._config, MortalLog(self.log, self._fate))
            except (Killed, SsqlError):
                if not self._fate.dead:
                    raise

    def _revive(self) -> bool:
        """Open the engine again, if its process is dead."""
        if self._fate is None or not self._fate.dead:
            return False
        # A dead log takes nothing more: this only lets go of what the process would have lost.
        with suppress(Killed, SsqlError):
            self.engine.close()
        self.engine = self._open()
        return True

    def close(self) -> None:
        with suppress(Killed):
            self.engine.close()
        self.log.close()

    # --- statements -----------------------------------------------------------

    def execute(self, text: str) -> list[Entity]:
        """Carry out a script; what it made is remembered, dropped later or not.

        Where the process dies meanwhile, the script is given again, unless it has taken effect.
        """
        commands = self._commands()
        try:
            while True:
                try:
                    return self.engine.execute(text, self.session)
                except (Killed, SsqlError):
                    if not self._revive():
                        raise
                if self._commands() > commands:
                    return []
        finally:
            for source in self.catalog.sources.values():
                self._codecs.setdefault(source.relation.topic, TopicCodec(source.relation, self.schemas))

    def _commands(self) -> int:
        """How many commands there are."""
        return self.log.bounds(self.engine._core.commands.name, 0)[1]

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
        while True:
            try:
                if self.engine.caught_up(PATIENCE_S):
                    return
                if not self._revive():
                    break
            except (Killed, SsqlError):
                if not self._revive():
                    raise
        why = self.failed_query()
        raise Mismatch("timeout" if why is None else "query failed", why or f"not caught up within {PATIENCE_S} s")

    # --- topics ---------------------------------------------------------------

    def declared(self, create: CreateSource) -> Relation | None:
        """What a CREATE declares; None where it is wrong."""
        config = effective(self._config, self.session.properties)
        with suppress(SsqlError):
            return created(create, read(create.properties, "CREATE"), config, Catalog())[0]
        return None

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

    def read(self, topic: str) -> list[pa.RecordBatch]:
        """All records of a topic as they are (FETCH_SCHEMA), partition by partition."""
        found = self.log.topic(topic)
        if found is None:
            return []
        return [batch for p in range(found.partitions) for batch in self._partition(topic, p) if batch.num_rows]

    def _partition(self, topic: str, partition: int) -> Iterator[pa.RecordBatch]:
        """All records of a partition: the log may give fewer at a time than are asked for."""
        offset = self.log.bounds(topic, partition)[0]
        while True:
            fetch = self.log.read(topic, partition, offset, _MANY)
            yield fetch.batch
            if fetch.next_offset >= fetch.end_offset:
                return
            offset = fetch.next_offset

    def records(self, topic: str) -> list[Found]:
        """All records of a topic, partition by partition."""
        if self.log.topic(topic) is None:
            return []
        codec = self.codec(topic)
        return [record for batch in self.read(topic) for record in codec.decode(batch)]


def partitions_of(create: CreateSource) -> tuple[str, int] | None:
    """Topic and number of partitions that a CREATE asks for."""
    topic, partitions = create.properties.get("KAFKA_TOPIC"), create.properties.get("PARTITIONS")
    if topic is None or partitions is None or not str(partitions.value).isdigit():
        return None
    return str(topic.value), int(partitions.value)
