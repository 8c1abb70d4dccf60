"""Connectors: statements that Kafka Connect carries out, against a server that holds them in memory."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Iterator

import pytest

from ssql.errors import ConnectFailed, ConnectNotConfigured, ConnectorExists, InvalidProperty
from tests.engine.conftest import Bench
from tests.support.connect_server import ConnectServer, connect_server

CREATE = (
    "CREATE SOURCE CONNECTOR files WITH ('connector.class'='org.example.FileSource', 'file'='/data/in', "
    "'tasks.max'=2, 'Strict'=true);"
)
CONFIG = {
    "connector.class": "org.example.FileSource",
    "file": "/data/in",
    "tasks.max": "2",
    "Strict": "true",
    "name": "FILES",
}
STATEMENTS = (
    CREATE,
    "DROP CONNECTOR files;",
    "SHOW CONNECTORS;",
    "LIST SINK CONNECTORS;",
    "SHOW CONNECTOR PLUGINS;",
    "DESCRIBE CONNECTOR files;",
)


@pytest.fixture
def connect() -> Iterator[ConnectServer]:
    with connect_server() as server:
        yield server


@pytest.fixture
def with_connect(make: Callable[..., Bench], connect: ConnectServer) -> Bench:
    return make(**{"ksql.connect.url": connect.url + "/"})


def test_create_show_describe_and_drop(with_connect: Bench, connect: ConnectServer) -> None:
    created = with_connect.one(CREATE)
    assert (created["@type"], created["info"]["name"], created["info"]["type"]) == ("connector_info", "FILES", "source")
    assert connect.connectors == {"FILES": CONFIG}
    assert with_connect.one("SHOW CONNECTORS;")["connectors"] == [
        {
            "name": "FILES",
            "type": "source",
            "className": "org.example.FileSource",
            "state": "RUNNING (1/1 tasks RUNNING)",
        }
    ]
    connect.topics["FILES"] = ["lines"]
    with_connect.run("CREATE STREAM l (v STRING) WITH (kafka_topic='lines', value_format='JSON', partitions=1);")
    described = with_connect.one("DESCRIBE CONNECTOR files;")
    assert described["@type"] == "connector_description"
    assert (described["connectorClass"], described["topics"]) == ("org.example.FileSource", ["lines"])
    assert described["status"]["connector"]["state"] == "RUNNING"
    assert [s["name"] for s in described["sources"]] == ["L"]
    assert with_connect.one("DROP CONNECTOR files;").items() >= {
        ("@type", "drop_connector"),
        ("connectorName", "FILES"),
    }
    assert connect.connectors == {}
    assert with_connect.one("SHOW CONNECTORS;")["connectors"] == []


def test_plugins(with_connect: Bench) -> None:
    answer = with_connect.one("LIST CONNECTOR PLUGINS;")
    assert answer["@type"] == "connector_plugins_list"
    assert answer["connectorsPlugins"][0] == {"className": "org.example.FileSource", "type": "source", "version": "1.0"}


@pytest.mark.parametrize(
    ("state", "tasks", "shown"),
    [
        ("RUNNING", ["RUNNING", "FAILED"], "RUNNING (1/2 tasks RUNNING)"),
        ("RUNNING", ["FAILED"], "WARNING (0/1 tasks RUNNING)"),
        ("RUNNING", [], "RUNNING (0/0 tasks RUNNING)"),
        ("PAUSED", ["PAUSED"], "PAUSED"),
    ],
)
def test_the_state_counts_tasks(
    with_connect: Bench, connect: ConnectServer, state: str, tasks: list[str], shown: str
) -> None:
    connect.connectors["C"], connect.states["C"] = {"connector.class": "X"}, (state, tasks)
    assert with_connect.one("SHOW CONNECTORS;")["connectors"][0]["state"] == shown


def test_sources_and_sinks_are_told_apart(with_connect: Bench, connect: ConnectServer) -> None:
    connect.connectors |= {"IN": {"connector.class": "Source"}, "OUT": {"connector.class": "Sink"}}
    connect.connectors["ODD"] = {"connector.class": "Source"}
    connect.broken.add("/connectors/ODD")
    everything = with_connect.one("SHOW CONNECTORS;")
    assert [(c["name"], c["type"]) for c in everything["connectors"]] == [
        ("IN", "source"),
        ("OUT", "sink"),
        ("ODD", "unknown"),
    ]
    assert everything["warnings"] == [{"message": "Could not describe connector ODD: it broke"}]
    assert [c["name"] for c in with_connect.one("SHOW SINK CONNECTORS;")["connectors"]] == ["OUT"]
    assert [c["name"] for c in with_connect.one("SHOW SOURCE CONNECTORS;")["connectors"]] == ["IN"]


def test_a_connector_whose_topics_are_not_known_is_described_with_a_warning(
    with_connect: Bench, connect: ConnectServer
) -> None:
    connect.connectors["C"] = {"connector.class": "X"}
    connect.broken.add("/connectors/C/topics")
    described = with_connect.one("DESCRIBE CONNECTOR c;")
    assert described["topics"] == []
    assert described["warnings"] == [{"message": "Could not list related topics due to error: it broke"}]


def test_secrets_are_not_shown(with_connect: Bench) -> None:
    sql = CREATE.replace("'file'='/data/in'", "'file'='/data/in', 'password'='hunter2'")
    answer = with_connect.one(sql)
    assert answer["statementText"] == (
        "CREATE SOURCE CONNECTOR FILES WITH ('connector.class' = 'org.example.FileSource', 'file' = '[string]', "
        "'password' = '[string]', 'tasks.max' = 2, 'Strict' = '[string]');"
    )
    assert "hunter2" not in str(with_connect.fails(sql).as_json())


def test_one_that_exists_is_refused_or_kept(with_connect: Bench, connect: ConnectServer) -> None:
    connect.connectors["Files"] = {"connector.class": "X"}
    error = with_connect.fails(CREATE)
    assert isinstance(error, ConnectorExists)
    assert (error.status, error.ksql_code, with_connect.marked(error)) == (409, 40900, "files")
    kept = with_connect.one(CREATE.replace("CONNECTOR", "CONNECTOR IF NOT EXISTS"))
    assert (kept["@type"], kept["message"]) == ("warning_entity", "Connector FILES already exists")
    assert connect.connectors == {"Files": {"connector.class": "X"}}


def test_one_that_does_not_exist(with_connect: Bench) -> None:
    kept = with_connect.one("DROP CONNECTOR IF EXISTS c;")
    assert (kept["@type"], kept["message"]) == ("warning_entity", "Connector 'C' does not exist.")
    for sql, did in (("DROP CONNECTOR c;", "drop"), ("DESCRIBE CONNECTOR c;", "query")):
        error = with_connect.fails(sql)
        assert isinstance(error, ConnectFailed)
        assert error.message == f"Failed to {did} connector: Connector C not found"
        assert (error.status, error.ksql_code, with_connect.marked(error)) == (404, 40400, "c")


@pytest.mark.parametrize(
    ("sql", "message", "marked"),
    [
        (
            CREATE.replace("'/data/in'", "''"),
            "Validation error: file - Missing required configuration. It has no default",
            "''",
        ),
        ("CREATE SINK CONNECTOR c WITH ('file'='x');", "the connector has no class", "c"),
        ("CREATE SINK CONNECTOR c WITH ('connector.class'=' ');", "the connector has no class", "' '"),
    ],
)
def test_wrong_configurations_are_refused(
    with_connect: Bench, connect: ConnectServer, sql: str, message: str, marked: str
) -> None:
    error = with_connect.fails(sql)
    assert isinstance(error, InvalidProperty)
    assert error.message == message
    assert with_connect.marked(error) == marked
    assert connect.connectors == {}


@pytest.mark.parametrize("sql", STATEMENTS)
def test_what_connect_says_is_told(with_connect: Bench, connect: ConnectServer, sql: str) -> None:
    connect.failing = (503, {"message": "rebalancing"})
    error = with_connect.fails(sql)
    assert isinstance(error, ConnectFailed)
    assert error.message.startswith("Failed to ")
    assert error.message.endswith(": rebalancing")
    assert error.status == 503


@pytest.mark.parametrize("sql", STATEMENTS)
def test_without_a_server_configured(bench: Bench, sql: str) -> None:
    error = bench.fails(sql)
    assert isinstance(error, ConnectNotConfigured)
    assert error.message.endswith(": no Kafka Connect server is configured")
    assert (error.status, error.ksql_code) == (400, 40000)


def test_a_server_that_does_not_answer_is_named(make: Callable[..., Bench]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    error = make(**{"ksql.connect.url": f"http://127.0.0.1:{port}"}).fails("SHOW CONNECTORS;")
    assert error.message == f"Failed to list connectors: could not reach 127.0.0.1:{port}: connection refused"
    assert error.status == 500


def test_user_and_password_are_sent(make: Callable[..., Bench], connect: ConnectServer) -> None:
    settings = {"ksql.connect.url": connect.url, "ksql.connect.basic.auth.user.info": "ada:secret"}
    make(**settings).run("SHOW CONNECTORS;")
    assert connect.requests == [("GET", "/connectors", "Basic " + base64.b64encode(b"ada:secret").decode())]
