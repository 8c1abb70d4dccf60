"""Answers of statements that are no queries."""

from __future__ import annotations

import io
from typing import Any

import pytest
from ssql_cli.entities import schema_text, write_entity

STREAMS = {
    "@type": "streams",
    "statementText": "SHOW STREAMS;",
    "streams": [
        {"name": "S", "topic": "s", "keyFormat": "KAFKA", "valueFormat": "JSON", "isWindowed": False, "type": "STREAM"}
    ],
    "warnings": [{"message": "old"}],
}
STATUS = {"@type": "currentStatus", "commandStatus": {"status": "SUCCESS", "message": "Stream created"}}
DESCRIPTION = {
    "@type": "sourceDescription",
    "sourceDescription": {
        "name": "S",
        "type": "STREAM",
        "fields": [
            {"name": "ID", "schema": {"type": "STRING", "fields": None, "memberSchema": None}, "type": "KEY"},
            {"name": "PRICES", "schema": {"type": "ARRAY", "fields": None, "memberSchema": {"type": "DOUBLE"}}},
        ],
        "topic": "s",
        "keyFormat": "KAFKA",
        "valueFormat": "JSON",
        "readQueries": [{"id": "CTAS_T_1"}],
        "writeQueries": [],
    },
}


def written(entity: dict[str, Any], form: str = "table") -> tuple[str, str]:
    out, notices = io.StringIO(), io.StringIO()
    write_entity(entity, form, out, notices)
    return out.getvalue(), notices.getvalue()


def test_a_list_is_rows_and_a_warning_is_none() -> None:
    assert written(STREAMS) == (
        "NAME | TOPIC | KEY_FORMAT | VALUE_FORMAT | WINDOWED\n"
        "-----+-------+------------+--------------+---------\n"
        "S    | s     | KAFKA      | JSON         | false\n",
        "warning: old\n",
    )
    assert written(STREAMS, "csv")[0] == "NAME,TOPIC,KEY_FORMAT,VALUE_FORMAT,WINDOWED\nS,s,KAFKA,JSON,false\n"


def test_what_is_only_said_goes_to_stderr() -> None:
    assert written(STATUS) == ("", "Stream created\n")
    assert written(STATUS, "json") == ("", "Stream created\n")


def test_a_description_is_text() -> None:
    assert written(DESCRIPTION)[0] == (
        "stream S\n"
        "  ID      STRING  (key)\n"
        "  PRICES  ARRAY<DOUBLE>\n"
        "topic: s\n"
        "key format: KAFKA\n"
        "value format: JSON\n"
        "read by: CTAS_T_1\n"
    )


def test_json_is_the_entity_itself() -> None:
    assert written({"@type": "variables", "variables": []}, "json")[0] == '{"@type":"variables","variables":[]}\n'


def test_an_entity_of_a_newer_server_is_shown_as_it_is() -> None:
    assert written({"@type": "surprise", "n": 1})[0] == '{"@type":"surprise","n":1}\n'


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "MAP", "memberSchema": {"type": "INTEGER"}}, "MAP<STRING, INTEGER>"),
        ({"type": "DECIMAL", "parameters": {"precision": 9, "scale": 2}}, "DECIMAL(9, 2)"),
        ({"type": "STRUCT", "fields": [{"name": "A", "schema": {"type": "STRING"}}]}, "STRUCT<A STRING>"),
    ],
)
def test_types(schema: dict[str, Any], text: str) -> None:
    assert schema_text(schema) == text
