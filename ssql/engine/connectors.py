"""Connectors: CREATE, DROP, SHOW and DESCRIBE are carried out by Kafka Connect, which keeps them.

Nothing of it is in the catalog, and nothing in the command topic: a connector's configuration holds passwords, so the
answers show the values of a few plain properties alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ssql.engine.api import Entity
from ssql.engine.connect import ConnectClient
from ssql.engine.context import Request, entity
from ssql.engine.describe import describe_sources
from ssql.errors import ConnectFailed, ConnectorExists, InvalidProperty, Span
from ssql.sql.printer import print_statement
from ssql.sql.statements import CreateConnector, Describe, DropConnector, Name, Show

_CLASS = "connector.class"
#: Properties whose values may be shown.
_PLAIN = frozenset({"connector.class", "name", "tasks.max", "topics", "key.converter", "value.converter"})
_HIDDEN = "[string]"


def create_connector(request: Request, statement: CreateConnector) -> Entity:
    """CREATE SOURCE or SINK CONNECTOR: checked by Connect, then made there.

    Raises:
        ConnectorExists: without IF NOT EXISTS.
        InvalidProperty: with what Connect finds wrong.
    """
    name = statement.name.text
    shown = replace(statement, text=_masked(statement))
    with _told("Failed to create connector", statement.name, shown.text):
        client = ConnectClient(request.core.config)
        if name.upper() in (known.upper() for known in client.connectors()):
            if not statement.if_not_exists:
                raise ConnectorExists(name)
            return entity("warning_entity", shown, message=f"Connector {name} already exists")
        config = {key: _text(given.value) for key, given in statement.properties.items()} | {"name": name}
        _check(client, config, statement)
        return entity("connector_info", shown, info=client.create(name, config))


def _check(client: ConnectClient, config: dict[str, str], statement: CreateConnector) -> None:
    given = statement.properties.get(_CLASS)
    if given is None or not config[_CLASS].strip():
        raise InvalidProperty(
            "the connector has no class",
            span=given.value_span if given is not None else None,
            hint=f"Add '{_CLASS}' = '...'. SHOW CONNECTOR PLUGINS lists what is installed.",
        )
    wrong = client.check(config[_CLASS], config)
    if wrong:
        named = next((p for key, p in statement.properties.items() if wrong[0].startswith(f"{key} - ")), None)
        raise InvalidProperty("Validation error: " + "\n".join(wrong), span=named.value_span if named else None)


def drop_connector(request: Request, statement: DropConnector) -> Entity:
    """DROP CONNECTOR."""
    name = statement.name.text
    with _told("Failed to drop connector", statement.name):
        try:
            ConnectClient(request.core.config).delete(name)
        except ConnectFailed as failed:
            if failed.status != 404 or not statement.if_exists:
                raise
            return entity("warning_entity", statement, message=f"Connector '{name}' does not exist.")
    return entity("drop_connector", statement, connectorName=name)


def list_connectors(request: Request, statement: Show) -> Entity:
    """SHOW [SOURCE | SINK] CONNECTORS; one that cannot be described is a warning."""
    listed: list[dict[str, Any]] = []
    warnings: list[dict[str, str]] = []
    with _told("Failed to list connectors", statement.span):
        client = ConnectClient(request.core.config)
        for name in client.connectors():
            try:
                described, status = client.describe(name), client.status(name)
            except ConnectFailed as failed:
                warnings.append({"message": f"Could not describe connector {name}: {failed.message}"})
                if statement.scope is None:
                    listed.append({"name": name, "type": "unknown", "className": None, "state": None})
                continue
            kind = str(described.get("type", "unknown")).lower()
            if statement.scope in (None, kind.upper()):
                connector_class = (described.get("config") or {}).get(_CLASS)
                listed.append({"name": name, "type": kind, "className": connector_class, "state": _state(status)})
    return entity("connector_list", statement, connectors=listed) | {"warnings": warnings}


def list_plugins(request: Request, statement: Show) -> Entity:
    """SHOW CONNECTOR PLUGINS."""
    with _told("Failed to list connector plugins", statement.span):
        found = ConnectClient(request.core.config).plugins()
    plugins = [{"className": p.get("class"), "type": p.get("type"), "version": p.get("version")} for p in found]
    return entity("connector_plugins_list", statement, connectorsPlugins=plugins)


def describe_connector(request: Request, statement: Describe) -> Entity:
    """DESCRIBE CONNECTOR: its states, and the streams and tables over the topics that it has used."""
    assert statement.name is not None
    name, warnings, topics = statement.name.text, list[dict[str, str]](), list[str]()
    with _told("Failed to query connector", statement.name):
        client = ConnectClient(request.core.config)
        status, info = client.status(name), client.describe(name)
        try:
            topics = client.topics(name)
        except ConnectFailed as failed:
            warnings.append({"message": f"Could not list related topics due to error: {failed.message}"})
    sources = [s for s in request.catalog.sources.values() if s.relation.topic in topics]
    return entity(
        "connector_description",
        statement,
        connectorClass=(info.get("config") or {}).get(_CLASS),
        status=status,
        sources=describe_sources(request, sources, extended=False),
        topics=topics,
    ) | {"warnings": warnings}


def _state(status: dict[str, Any]) -> str:
    """A connector's state in a word, with how many of its tasks run."""
    state = str((status.get("connector") or {}).get("state"))
    if state != "RUNNING":
        return state
    tasks = status.get("tasks") or []
    running = sum(task.get("state") == "RUNNING" for task in tasks)
    return f"{'WARNING' if tasks and not running else 'RUNNING'} ({running}/{len(tasks)} tasks RUNNING)"


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _masked(statement: CreateConnector) -> str:
    """The statement's text with the values of all properties that may be secret hidden."""
    properties = {
        key: given if key in _PLAIN else replace(given, value=_HIDDEN) for key, given in statement.properties.items()
    }
    return print_statement(replace(statement, properties=properties)).removesuffix(";")


@contextmanager
def _told(what: str, at: Name | Span, statement: str | None = None) -> Iterator[None]:
    """What failed, beside Connect's reason, and where the statement says it. `statement`: its text for the answer."""
    try:
        yield
    except (ConnectFailed, ConnectorExists, InvalidProperty) as failed:
        if isinstance(failed, ConnectFailed):
            failed.while_it(what)
        failed.span = failed.span or (at.span if isinstance(at, Name) else at)
        failed.statement = None if statement is None else statement + ";"
        raise
