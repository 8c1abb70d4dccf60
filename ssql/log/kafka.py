"""The log in a Kafka cluster: topics and records as they stand, through librdkafka."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import pyarrow as pa
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, and not in its __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from ssql.errors import LogError, LogUnavailable, TopicNotFound
from ssql.log.api import Fetch, Topic
from ssql.log.kafka_errors import is_refusal, log_error, not_there, refused, translated, unavailable
from ssql.log.kafka_native import NativeProducer, NativeSource
from ssql.log.kafka_reader import CONSUMER_CONFIG, KafkaReader
from ssql.log.kafka_source import MessageSource, Source
from ssql.log.kafka_writer import PRODUCER_CONFIG, KafkaWriter, Producing, Sender, check_sizes
from ssql.log.librdkafka import library, native_config
from ssql.log.partitioner import Placement
from ssql.log.records import checked, empty_fetch

_LOGGER = logging.getLogger("ssql.log.kafka")
_AS_BROKERS_DO = -1
_FIRST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LAST = OffsetSpec.latest()  # type: ignore[no-untyped-call]
#: How long (s) an append waits at the most until what it committed can be read.
_READABLE_S = 0.5


class KafkaLog:
    """A `Log` over Kafka brokers.

    A timestamp of 0 is replaced by the current time: to librdkafka it means that none was given.

    Args:
        bootstrap: brokers as "host:port,host:port".
        config: librdkafka's settings for all clients (security and the like).
        timeout_s: how long brokers are waited for before `LogUnavailable`.
        connect_timeout_s: the same, for the first answer.
        native: use librdkafka's C interface where that is possible; else confluent-kafka's messages, at a fraction
            of the rate.

    Raises:
        LogUnavailable: when no broker answers.
        LogRefused: when the brokers do not let us in, or we do not trust them.
        ConfigError: for settings that librdkafka does not take.
    """

    kind = "kafka"

    def __init__(
        self,
        bootstrap: str,
        config: Mapping[str, object] | None = None,
        *,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 8.0,
        native: bool = True,
    ) -> None:
        self._timeout_s = timeout_s
        self._native = native
        self._config: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "client.id": "ssql",
            "reconnect.backoff.max.ms": 1000,
            "logger": _LOGGER,
            **(config or {}),
        }
        self._partitions: dict[str, int] = {}
        self._appending = threading.Lock()
        self._placement = Placement()
        self._sender: Sender | None = None
        self._appender: KafkaWriter | None = None
        self._reading = threading.Lock()
        self._reader: KafkaReader | None = None
        refusals: deque[KafkaError] = deque(maxlen=1)
        with translated():
            own: dict[str, Any] = {
                "socket.timeout.ms": int(min(60.0, timeout_s) * 1000),
                "error_cb": lambda error: refusals.append(error) if is_refusal(error) else None,
            }
            self._admin = AdminClient({**self._config, **own})
            try:
                self.cluster_id = str(self._admin.list_topics(timeout=connect_timeout_s).cluster_id)
            except KafkaException as failed:
                self._admin.poll(0)
                raise refused(refusals[0]) if refusals else not_there(bootstrap) from failed

    # -- topics ------------------------------------------------------------------------------------------------

    def topics(self) -> Sequence[Topic]:
        with translated():
            found = self._admin.list_topics(timeout=self._timeout_s).topics
        names = sorted(found)
        configs = self._configs(names)
        return [
            Topic(name, len(found[name].partitions), _replicas(found[name].partitions.values()), configs[name])
            for name in names
            if name in configs and found[name].error is None
        ]

    def topic(self, name: str) -> Topic | None:
        try:
            (description,) = self._results(self._admin.describe_topics(TopicCollection([name]), **self._patience()))
        except LogError as failed:
            if _is_missing(failed):
                return None
            raise
        config = self._configs([name]).get(name)
        if config is None:
            return None
        self._partitions[name] = len(description.partitions)
        return Topic(name, len(description.partitions), _replicas(description.partitions), config)

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """The settings of topics that are not the broker's defaults; a topic that is gone is left out."""
        if not names:
            return {}
        asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        found: dict[str, dict[str, str]] = {}
        for resource, future in self._admin.describe_configs(asked, **self._patience()).items():
            try:
                entries = self._result(future)
            except LogError as failed:
                if _is_missing(failed):
                    continue
                raise
            # Source 1 is what was set for this topic.
            found[resource.name] = {e.name: e.value for e in entries.values() if e.source == 1 and e.value is not None}
        return found

    def create_topic(
        self, name: str, partitions: int = 1, *, replicas: int | None = 1, config: Mapping[str, str] | None = None
    ) -> Topic:
        new = NewTopic(name, partitions, replicas or _AS_BROKERS_DO, config=dict(config or {}))
        for future in self._admin.create_topics([new], **self._patience()).values():
            try:
                future.result(self._timeout_s)
            except KafkaException as failed:
                error = failed.args[0]
                if error.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise LogError(f'topic "{name}" could not be created: {error.str()}') from failed
        return self._await(name, present=True) or Topic(name, partitions, replicas or 1, dict(config or {}))

    def delete_topic(self, name: str) -> None:
        self._partitions.pop(name, None)
        try:
            self._results(self._admin.delete_topics([name], **self._patience()))
        except LogError as failed:
            if not _is_missing(failed):
                raise
            return
        self._await(name, present=False)

    def _await(self, name: str, *, present: bool) -> Topic | None:
        """Wait until the brokers agree that a topic is there, or is not."""
        deadline = time.monotonic() + self._timeout_s
        pause = threading.Event()
        while True:
            topic = self.topic(name)
            if (topic is not None) == present:
                return topic
            if time.monotonic() > deadline:
                raise unavailable(f'the brokers do not agree whether topic "{name}" exists')
            pause.wait(0.01)

    def partitions_of(self, topic: str) -> int:
        """How many partitions a topic has, from memory where it is known.

        Raises:
            TopicNotFound: with the nearest name.
        """
        found = self._partitions.get(topic)
        if found is None:
            described = self.topic(topic)
            if described is None:
                raise TopicNotFound(topic, candidates=[t.name for t in self.topics()])
            found = described.partitions
        return found

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        committed = IsolationLevel.READ_COMMITTED
        first, end = (self._offset(topic, partition, spec, committed) for spec in (_FIRST, _LAST))
        return first, end

    def written(self, topic: str, partition: int) -> int:
        return self._offset(topic, partition, _LAST, IsolationLevel.READ_UNCOMMITTED)

    def _offset(self, topic: str, partition: int, spec: OffsetSpec, isolation: IsolationLevel) -> int:
        count = self.partitions_of(topic)
        if partition >= count:
            raise LogError(f'topic "{topic}" has {count} partitions: there is no partition {partition}')
        deadline = time.monotonic() + self._timeout_s
        pause = threading.Event()
        while True:
            try:
                place = TopicPartition(topic, partition)
                asked = self._admin.list_offsets({place: spec}, isolation_level=isolation, **self._patience())
                return int(self._result(next(iter(asked.values())), topic).offset)
            except LogError as failed:
                if not _is_stale(failed):
                    raise
                if time.monotonic() > deadline:
                    raise unavailable(f'no broker leads partition {partition} of topic "{topic}"') from failed
            # A broker was started again: librdkafka goes by what it knows of the leader until it is made to ask, and
            # for a moment there is none.
            with translated(topic=topic):
                self._admin.list_topics(topic, timeout=self._timeout_s)
            pause.wait(0.05)

    # -- reading -----------------------------------------------------------------------------------------------

    def reader(self) -> KafkaReader:
        return KafkaReader(self._source, self.partitions_of)

    def _source(self, on_error: Callable[[KafkaError], None]) -> Source:
        config = {**CONSUMER_CONFIG, **self._config, "group.id": f"ssql-reader-{uuid.uuid4().hex}"}
        functions, settings = library() if self._native else None, native_config(config)
        if functions is None or settings is None:
            return MessageSource(config, on_error)
        return NativeSource(functions, settings, on_error)

    def read(self, topic: str, partition: int, offset: int, max_rows: int) -> Fetch:
        first, end = self.bounds(topic, partition)
        offset = max(first, offset)
        if offset >= end:
            return Fetch(topic, partition, empty_fetch(), offset, end)
        with self._reading:
            if self._reader is None:
                self._reader = self.reader()
            self._reader.assign(topic, partition, offset)
            try:
                fetches = self._reader.poll(max_rows, self._timeout_s * 1000)
            finally:
                self._reader.unassign(topic, partition)
        if not fetches:
            raise unavailable(f'nothing came of topic "{topic}"')
        return fetches[0]

    # -- writing -----------------------------------------------------------------------------------------------

    def writer(self, name: str) -> KafkaWriter:
        config = {**self._config, "transactional.id": f"ssql-{name}"}
        functions, settings = library() if self._native else None, native_config({**PRODUCER_CONFIG, **config})
        producer: Producing
        with translated():
            producer = Sender(config) if functions is None or settings is None else NativeProducer(functions, settings)
        return KafkaWriter(producer, name, partitions_of=self.partitions_of, timeout_s=self._timeout_s)

    def append(self, topic: str, batch: pa.RecordBatch, partition: int | None = None) -> None:
        batch = checked(batch)
        count = self.partitions_of(topic)
        with self._appending:
            if batch.num_rows > 1:
                self._append_all(topic, batch, partition)
                return
            # One record needs no transaction: it is there or it is not.
            check_sizes(topic, batch)
            with translated(topic=topic):
                if self._sender is None:
                    patience_ms = round(self._timeout_s * 1000)
                    self._sender = Sender({**self._config, "linger.ms": 0, "message.timeout.ms": patience_ms})
                for part, records in self._placement.split(batch, count, partition):
                    self._sender.send(topic, part, records, None)
                left = self._sender.flush(self._timeout_s + 1)
            failed, self._sender.failed = self._sender.failed, None
            if failed is not None:
                raise log_error(failed, topic=topic)
            if left:
                raise unavailable(f"a record was not delivered within {self._timeout_s:g} s")

    def _append_all(self, topic: str, batch: pa.RecordBatch, partition: int | None) -> None:
        if self._appender is None:
            self._appender = self.writer(f"append-{uuid.uuid4().hex}")
        writer = self._appender
        try:
            writer.begin()
            writer.append(topic, batch, partition)
            writer.commit()
        except LogError as failed:
            if isinstance(failed, LogUnavailable):
                writer.abort()
            else:
                self._appender = None
                writer.close()
            raise
        with contextlib.suppress(LogError):  # it is there, whoever can say so by now
            self._wait_until_readable(topic)

    def _wait_until_readable(self, topic: str) -> None:
        """Who appended, and looks then, is to find it: Kafka answers a commit a moment before it can be read.

        Not for long: somebody else's transaction may be open in front of it.
        """
        written = self._ends(topic, IsolationLevel.READ_UNCOMMITTED)
        deadline = time.monotonic() + _READABLE_S
        pause = threading.Event()
        while time.monotonic() < deadline:
            readable = self._ends(topic, IsolationLevel.READ_COMMITTED)
            if all(readable[partition] >= end for partition, end in written.items()):
                return
            pause.wait(0.005)

    def _ends(self, topic: str, isolation: IsolationLevel) -> dict[int, int]:
        """Where each partition ends."""
        places = {TopicPartition(topic, number): _LAST for number in range(self.partitions_of(topic))}
        found = self._admin.list_offsets(places, isolation_level=isolation, **self._patience())
        return {place.partition: int(self._result(future, topic).offset) for place, future in found.items()}

    def truncate(self, topic: str, partition: int, before: int) -> None:
        first, end = self.bounds(topic, partition)
        if before <= first:
            return
        self._results(
            self._admin.delete_records([TopicPartition(topic, partition, min(before, end))], **self._patience()), topic
        )

    def close(self) -> None:
        with self._appending, self._reading:
            if self._appender is not None:
                self._appender.close()
            if self._sender is not None:
                self._sender.close()
            if self._reader is not None:
                self._reader.close()

    # -- answers of the brokers --------------------------------------------------------------------------------

    def _patience(self) -> dict[str, Any]:
        return {"request_timeout": self._timeout_s}

    def _results(self, futures: Mapping[Any, Future[Any]], topic: str | None = None) -> list[Any]:
        return [self._result(future, topic) for future in futures.values()]

    def _result(self, future: Future[Any], topic: str | None = None) -> Any:
        try:
            return future.result(self._timeout_s + 5)
        except KafkaException as failed:
            raise log_error(failed.args[0], topic=topic) from failed
        except TimeoutError as failed:
            raise unavailable("no answer") from failed


def _is_missing(failed: LogError) -> bool:
    cause = failed.__cause__
    return isinstance(cause, KafkaException) and cause.args[0].code() in (
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
    )


def _is_stale(failed: LogError) -> bool:
    """Whether the client asked by an old knowledge of who leads a partition, or knows of no leader."""
    cause = failed.__cause__
    return isinstance(cause, KafkaException) and cause.args[0].code() in (
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        # librdkafka's "no leaders found".
        KafkaError._NOENT,
    )


def _replicas(partitions: Any) -> int:
    return max((len(p.replicas) for p in partitions), default=1)
