from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssql.config import SCHEMA_REGISTRY_URL, Config
from ssql.errors import ConfigError, SchemaRefused
from ssql.log.embedded import EmbeddedLog
from ssql.schemas.api import Definition, Reference, Registered
from ssql.schemas.confluent import ConfluentRegistry
from ssql.schemas.embedded import EmbeddedRegistry, topic_of
from ssql.schemas.open import open_registry

INT = Definition("AVRO", '"int"')
LONG = Definition("AVRO", '"long"')
MESSAGE = Definition("PROTOBUF", 'syntax = "proto3"; message M { int32 a = 1; }', (Reference("b.proto", "b", 1),))


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path)
    registry = EmbeddedRegistry(log, "test_")
    registry.register("a", INT)
    registry.register("a", LONG)
    registry.register("b", MESSAGE)
    registry.register("gone", LONG)
    registry.delete_subject("gone")
    log.close()
    log = EmbeddedLog(tmp_path)
    again = EmbeddedRegistry(log, "test_")
    assert again.subjects() == ["a", "b"]
    assert again.latest("a") == Registered(2, "a", 2, LONG)
    assert again.version("gone", 1) == Registered(2, "gone", 1, LONG)
    assert again.by_id(3) == MESSAGE
    assert again.register("c", Definition("JSON", '{"type": "string"}')) == 4
    assert again.register("gone", LONG) == 2
    log.close()


def test_two_processes_see_each_others_schemas(log: EmbeddedLog) -> None:
    one, two = EmbeddedRegistry(log, "test_"), EmbeddedRegistry(log, "test_")
    assert one.register("a", INT) == 1
    assert two.by_id(1) == INT
    assert two.register("a", LONG) == 2
    assert one.latest("a") == Registered(2, "a", 2, LONG)
    assert one.register("b", LONG) == 2


def test_of_two_schemas_with_one_id_the_first_has_it(log: EmbeddedLog, embedded: EmbeddedRegistry) -> None:
    """Two processes that register at the same moment both write id 1: the log decides."""
    embedded.register("a", INT)
    other = EmbeddedRegistry(log, "other")
    other.register("b", LONG)
    late = log.read(topic_of("other"), 0, 0, 10).batch
    log.append(topic_of("test_"), late.select(["key", "value", "timestamp", "headers"]), 0)
    fresh = EmbeddedRegistry(log, "test_")
    assert fresh.by_id(1) == INT
    assert fresh.latest("b") is None
    assert fresh.register("b", LONG) == 2


def test_records_are_laid_out_as_a_registrys_own(log: EmbeddedLog, embedded: EmbeddedRegistry) -> None:
    embedded.register("a", INT)
    embedded.delete_subject("a")
    rows = log.read(topic_of("test_"), 0, 0, 10).batch
    pairs = [(json.loads(k.as_py()), json.loads(v.as_py())) for k, v in zip(rows["key"], rows["value"], strict=True)]
    assert pairs == [
        (
            {"keytype": "SCHEMA", "subject": "a", "version": 1, "magic": 1},
            {
                "subject": "a",
                "version": 1,
                "id": 1,
                "schemaType": "AVRO",
                "references": [],
                "schema": '"int"',
                "deleted": False,
            },
        ),
        ({"keytype": "DELETE_SUBJECT", "subject": "a", "magic": 0}, {"subject": "a", "version": 1}),
    ]
    topic = log.topic(topic_of("test_"))
    assert topic is not None
    assert topic.config["cleanup.policy"] == "compact"


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (Definition("AVRO", '{"type":"int"}'), Definition("AVRO", ' { "type" : "int" }')),
        (MESSAGE, Definition("PROTOBUF", MESSAGE.text.replace(" ", "\n"), MESSAGE.references)),
        (Definition("JSON", '{"type":"string","title":"a"}'), Definition("JSON", '{"title":"a","type":"string"}')),
    ],
    ids=["AVRO", "PROTOBUF", "JSON"],
)
def test_layout_makes_no_new_schema(embedded: EmbeddedRegistry, one: Definition, same: Definition) -> None:
    assert embedded.register("a", one) == embedded.register("a", same)


def test_ids_of_another_registry_can_be_kept(embedded: EmbeddedRegistry) -> None:
    assert embedded.register("a", INT, schema_id=101) == 101
    assert embedded.register("a", INT) == 101
    assert embedded.register("b", LONG) == 102
    with pytest.raises(SchemaRefused, match="schema id 101 is another schema's"):
        embedded.register("b", LONG, schema_id=101)


def test_the_configuration_says_which_registry_it_is(log: EmbeddedLog) -> None:
    assert isinstance(open_registry(Config(), log), EmbeddedRegistry)
    config = Config().with_values({"ksql.schema.registry.url": "http://localhost:8081"})
    assert config[SCHEMA_REGISTRY_URL] == "http://localhost:8081"
    assert isinstance(open_registry(config, log), ConfluentRegistry)
    bad = config.with_values({"schema.registry.basic.auth.user.info": "nobody"})
    with pytest.raises(ConfigError, match="the schema registry's settings cannot be used"):
        open_registry(bad, log)
