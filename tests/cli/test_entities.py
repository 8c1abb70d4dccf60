"""Answers of statements that are no queries."""

from __future__ import annotations

import io
from typing import Any

import pytest
from ssql_cli.entities import TEXTS, schema_text, write_entity

STREAMS = {
    "@type": "streams",
    "statementText": "SHOW STREAMS;",
    "streams": [
        {"name": "S", "topic": "s", "keyFormat": "KAFKA", "valueFormat": "JSON", "isWindowed": False, "type": "STREAM"}
    ],
    "warnings": [{"message": "old"}],
}
STATUS = {"@type": "currentStatus", "commandStatus": {"status": "SUCCESS", "message": "Stream created"}}
DESCRIPTION: dict[str, Any] = {
    "@type": "sourceDescription",
    "sourceDescription": {
        "name": "S",
        "type": "STREAM",
        "fields": [
            {"name": "ID", "schema": {"type": "STRING", "fields": None, "memberSchema": None}, "fieldType": "KEY"},
            {"name": "H", "schema": {"type": "BYTES"}, "fieldType": "HEADER", "headerKey": "k"},
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
        "  H       BYTES  (header k)\n"
        "  PRICES  ARRAY<DOUBLE>\n"
        "topic: s\n"
        "key format: KAFKA\n"
        "value format: JSON\n"
        "read by: CTAS_T_1\n"
    )


def test_an_extended_description_tells_statistics_and_offsets() -> None:
    offsets = [{"partition": 0, "logStartOffset": 0, "logEndOffset": 9, "consumerOffset": 7}]
    extended = DESCRIPTION["sourceDescription"] | {
        "extended": True,
        "statement": "CREATE STREAM s;",
        "statistics": "  total-messages:        4     last-message: 2020-01-01T00:00:00.000Z",
        "errorStats": "",
        "sourceConstraints": ["T"],
        "queryOffsetSummaries": [{"groupId": "g", "topicSummaries": [{"kafkaTopic": "s", "offsets": offsets}]}],
    }
    text = written({"@type": "sourceDescription", "sourceDescription": extended})[0]
    assert text.endswith(
        "read by: CTAS_T_1\nstatement: CREATE STREAM s;\n"
        "statistics: total-messages: 4 last-message: 2020-01-01T00:00:00.000Z\n"
        "needed by: T\npartition 0: read to 7 of 9\n"
    )


def test_a_query_tells_its_rows() -> None:
    done = {"rows": 5, "rowsPerSec": 0.17, "last": "2020-01-01T00:00:00.000Z"}
    described = {"id": "q", "state": "RUNNING", "statistics": {"read": done, "failed": {**done, "rows": 0}}}
    assert written({"@type": "queryDescription", "queryDescription": described})[0] == (
        "query q\nstate: RUNNING\nrows read: 5 (0.17 a second, the last at 2020-01-01T00:00:00.000Z)\n"
    )


def test_connectors() -> None:
    listed = {"name": "FILES", "type": "source", "className": "X", "state": "RUNNING (1/1 tasks RUNNING)"}
    assert written({"@type": "connector_list", "connectors": [listed]}, "csv")[0] == (
        "NAME,TYPE,CLASS,STATUS\nFILES,source,X,RUNNING (1/1 tasks RUNNING)\n"
    )
    plugin = {"className": "X", "type": "source", "version": None}
    assert written({"@type": "connector_plugins_list", "connectorsPlugins": [plugin]}, "csv")[0] == (
        "CLASS,TYPE,VERSION\nX,source,\n"
    )
    status = {
        "name": "FILES",
        "connector": {"state": "RUNNING"},
        "tasks": [{"id": 0, "state": "FAILED", "trace": "no file\n at line 1"}],
    }
    described = {"connectorClass": "X", "status": status, "sources": [{"name": "L"}], "topics": ["a", "b"]}
    assert written({"@type": "connector_description", **described})[0] == (
        "connector FILES\nclass: X\nstate: RUNNING\ntask 0: FAILED\n  no file\n   at line 1\n"
        "streams and tables: L\ntopics: a, b\n"
    )


@pytest.mark.parametrize(
    ("entity", "said"),
    [
        ({"@type": "connector_info", "info": {"name": "C"}}, "Created connector C"),
        ({"@type": "drop_connector", "connectorName": "C"}, "Dropped connector C"),
        ({"@type": "warning_entity", "message": "Connector C already exists"}, "Connector C already exists"),
        ({"@type": "terminate_query", "queryId": "q", "wasTerminated": True}, "query q is stopped"),
        ({"@type": "assert_topic", "topicName": "t", "exists": True}, "Topic t exists"),
        ({"@type": "assert_schema", "subject": "s", "exists": False}, "Schema with subject name s does not exist"),
    ],
)  # fmt: skip
def test_what_was_done_is_said(entity: dict[str, Any], said: str) -> None:
    assert written(entity) == ("", said + "\n")


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


def test_an_endpoint_in_words() -> None:
    entity = {
        "@type": "endpoint_description",
        "endpoint": {
            "name": "ONE",
            "path": "/endpoints/one",
            "parameters": [
                {"name": "id", "type": "STRING", "required": True, "default": None},
                {"name": "v", "type": "INTEGER", "required": False, "default": "1"},
            ],
            "follows": False,
            "fields": [{"name": "ID", "schema": {"type": "STRING"}, "fieldType": "KEY"}],
            "reads": ["S"],
            "statement": "CREATE ENDPOINT one AS SELECT id FROM s;",
        },
    }
    assert TEXTS["endpoint_description"](entity).splitlines() == [
        "endpoint ONE: GET /endpoints/one",
        "  $id  STRING",
        "  $v  INTEGER  (default 1)",
        "answers",
        "  ID  STRING  (key)",
        "reads: S",
        "statement: CREATE ENDPOINT one AS SELECT id FROM s;",
    ]
