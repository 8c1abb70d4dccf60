"""What every registry does: the embedded one, and one elsewhere through its client."""

from __future__ import annotations

from contextlib import closing

import pytest

from ssql.errors import RegistryUnavailable, SchemaRefused, SchemaUnreadable
from ssql.schemas.api import Definition, Reference, Registered, SchemaRegistry, referenced, subject_of
from ssql.schemas.confluent import ConfluentRegistry
from tests.support.schema_registry import RegistryServer

INT = Definition("AVRO", '"int"')
LONG = Definition("AVRO", '"long"')
PROTO = Definition("PROTOBUF", 'syntax = "proto3"; message M { int32 a = 1; }')
JSON = Definition("JSON", '{"type": "object", "properties": {"a": {"type": "integer"}}}')


@pytest.fixture(params=["embedded", "confluent"])
def registry(request: pytest.FixtureRequest) -> SchemaRegistry:
    found: SchemaRegistry = request.getfixturevalue(request.param)
    return found


def test_subjects_are_named_after_topics() -> None:
    assert subject_of("t", is_key=True) == "t-key"
    assert subject_of("t", is_key=False) == "t-value"


def test_ids_count_from_1_and_are_the_schemas_in_all_subjects(registry: SchemaRegistry) -> None:
    assert registry.register("a-value", INT) == 1
    assert registry.register("a-value", LONG) == 2
    assert registry.register("b-value", LONG) == 2
    assert registry.register("a-value", INT) == 1
    assert registry.latest("a-value") == Registered(2, "a-value", 2, LONG)
    assert registry.latest("b-value") == Registered(2, "b-value", 1, LONG)
    assert registry.version("a-value", 1) == Registered(1, "a-value", 1, INT)
    assert registry.by_id(1) == INT
    assert registry.subjects() == ["a-value", "b-value"]


def test_what_is_not_there_is_none(registry: SchemaRegistry) -> None:
    assert registry.latest("a") is None
    assert registry.lookup("a", INT) is None
    assert registry.version("a", 1) is None
    assert registry.by_id(7) is None
    assert registry.subjects() == []
    assert registry.check_compatibility("a", INT) == ()
    registry.delete_subject("a")


def test_a_schema_is_looked_up_by_what_it_says(registry: SchemaRegistry) -> None:
    registry.register("a", INT)
    assert registry.lookup("a", INT) == Registered(1, "a", 1, INT)
    assert registry.lookup("a", LONG) is None
    assert registry.lookup("b", INT) is None


@pytest.mark.parametrize("definition", [INT, PROTO, JSON], ids=lambda d: d.type)
def test_types_and_texts_come_back(registry: SchemaRegistry, definition: Definition) -> None:
    number = registry.register("a", definition)
    assert registry.by_id(number) == definition


def test_references_are_followed_those_needed_first(registry: SchemaRegistry) -> None:
    registry.register("base", Definition("PROTOBUF", 'syntax = "proto3"; message Base { int32 a = 1; }'))
    middle = Definition(
        "PROTOBUF",
        'syntax = "proto3"; import "base.proto"; message Middle { Base b = 1; }',
        (Reference("base.proto", "base", 1),),
    )
    registry.register("middle", middle)
    top = Definition(
        "PROTOBUF",
        'syntax = "proto3"; import "middle.proto"; message Top { Middle m = 1; }',
        (Reference("middle.proto", "middle", 1),),
    )
    number = registry.register("top", top)
    assert registry.by_id(number) == top
    assert list(referenced(registry, top)) == ["base.proto", "middle.proto"]


def test_deleted_subjects_are_gone_and_their_ids_stay(registry: SchemaRegistry) -> None:
    registry.register("a", INT)
    registry.register("b", LONG)
    registry.delete_subject("a")
    assert registry.subjects() == ["b"]
    assert registry.latest("a") is None
    assert registry.lookup("a", INT) is None
    assert registry.by_id(1) == INT
    assert registry.register("a", INT) == 1
    latest = registry.latest("a")
    assert latest is not None
    assert latest.version == 2


def test_schemas_that_do_not_follow_on_are_told(registry: SchemaRegistry) -> None:
    registry.register("a", LONG)
    assert registry.check_compatibility("a", LONG) == ()
    assert len(registry.check_compatibility("a", INT)) == 1


def test_texts_that_are_no_schema_are_refused(registry: SchemaRegistry) -> None:
    with pytest.raises((SchemaRefused, SchemaUnreadable), match="not"):
        registry.register("a", Definition("PROTOBUF", "message {"))


def test_a_registry_elsewhere_may_refuse_what_is_incompatible(confluent: ConfluentRegistry) -> None:
    confluent.register("a", LONG)
    with pytest.raises(SchemaRefused, match='the schema of subject "a": the value was BIGINT and would be INTEGER'):
        confluent.register("a", INT)


def test_latest_is_what_others_registered_since(confluent: ConfluentRegistry, server: RegistryServer) -> None:
    confluent.register("a", INT)
    assert confluent.latest("a") is not None
    with closing(ConfluentRegistry(server.url)) as other:
        other.register("a", LONG)
    assert confluent.latest("a") == Registered(2, "a", 2, LONG)


@pytest.mark.parametrize("status", [401, 500])
def test_a_registry_that_fails_is_unavailable(
    confluent: ConfluentRegistry, server: RegistryServer, status: int
) -> None:
    server.fail(status)
    with pytest.raises(RegistryUnavailable):
        confluent.latest("a")
    with pytest.raises(RegistryUnavailable):
        confluent.register("a", INT)


def test_a_registry_that_is_not_there_is_unavailable() -> None:
    gone = ConfluentRegistry("http://127.0.0.1:1", {"max.retries": 0})
    with pytest.raises(RegistryUnavailable, match="could not reach the schema registry"):
        gone.latest("a")
