"""Confluent's own clients: what others write and read beside ssql."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, cast

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass

from ssql.schemas.proto import ProtoSchema

_WAIT_S = 60.0
_PROTOBUF = {"use.deprecated.format": False}

#: A value, and where it stands, to bytes; and back.
Write = Callable[[Any, SerializationContext], bytes]
Read = Callable[[bytes, SerializationContext], Any]


def writer(format_: str, client: SchemaRegistryClient, schema: Schema | str, message: str | None = None) -> Write:
    """Confluent's serializer of a format. PROTOBUF writes dicts as the message of that name."""
    if format_ == "AVRO":
        return cast("Write", AvroSerializer(client, schema))
    if format_ == "JSON_SR":
        return cast("Write", JSONSerializer(schema, client))
    text = schema if isinstance(schema, str) else str(schema.schema_str)
    kind = GetMessageClass(ProtoSchema(text).message(message))
    write = ProtobufSerializer(kind, client, _PROTOBUF)
    return lambda value, context: write(kind(**value), context)


def reader(format_: str, client: SchemaRegistryClient, topic: str, *, is_key: bool = False) -> Read:
    """Confluent's deserializer of a format; PROTOBUF by the first message of the subject's latest schema, as dicts."""
    if format_ == "AVRO":
        return cast("Read", AvroDeserializer(client))
    if format_ == "JSON_SR":
        return cast("Read", JSONDeserializer(None, schema_registry_client=client))
    latest = client.get_latest_version(f"{topic}-{'key' if is_key else 'value'}")
    kind = GetMessageClass(ProtoSchema(str(latest.schema.schema_str)).message())
    # Without the client: it would ask for descriptors in bytes, which this registry does not give.
    read = ProtobufDeserializer(kind, _PROTOBUF)
    return lambda data, context: MessageToDict(
        read(data, context), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def create(kafka: str, *topics: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    for done in admin.create_topics([NewTopic(t, 1) for t in topics]).values():
        done.result(_WAIT_S)


def produce(kafka: str, topic: str, write: Write, rows: Iterable[tuple[bytes | None, Any]]) -> None:
    """Rows of (key bytes, value), the value written by a serializer."""
    producer = Producer({"bootstrap.servers": kafka})
    context = SerializationContext(topic, MessageField.VALUE)
    for key, value in rows:
        producer.produce(topic, key=key, value=None if value is None else write(value, context), timestamp=1)
    assert producer.flush(_WAIT_S) == 0


def consume(kafka: str, topic: str, count: int) -> list[tuple[bytes | None, bytes | None]]:
    """The first records of a topic's only partition, committed ones."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "none", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[tuple[bytes | None, bytes | None]] = []
    deadline = time.monotonic() + _WAIT_S
    try:
        while len(found) < count:
            assert time.monotonic() < deadline, found
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                found.append((message.key(), message.value()))
    finally:
        consumer.close()
    return found
