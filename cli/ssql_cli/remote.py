"""The backend that is a server, through its REST API.

What SET and DEFINE say is kept on this side and sent with each request, as ksqlDB's clients do it.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from ssql.engine.progress import Progress
from ssql.errors import ServerUnavailable, SsqlError, from_json
from ssql_cli.backend import Answer, AnswerColumn, Entity, Lines, Row
from ssql_cli.pieces import is_push
from ssql_cli.settings import PASSWORD_VARIABLE, USER_VARIABLE

#: Seconds until an address without an answer counts as unreachable.
CONNECT_TIMEOUT_S = 10.0

_JSON = msgspec.json.Decoder(float_hook=Decimal)
_SCHEMA_TOKEN = re.compile(r"`(?:[^`]|``)*`|[<>(),]")
_QUOTED_NAME = re.compile(r"\s*`((?:[^`]|``)*)`")
#: Before our own version in the one that a server tells.
_OURS = "-ssql-"
_SESSION_STATEMENT = re.compile(r"(SET|UNSET|DEFINE|UNDEFINE)\b", re.IGNORECASE)


class RemoteBackend:
    """One session on a server. A connection a request: a push query keeps its own for as long as it runs."""

    def __init__(
        self,
        url: str,
        variables: Mapping[str, str] | None = None,
        credentials: tuple[str, str] | None = None,
    ) -> None:
        """`credentials`: user and password; else those of the address, or of the environment."""
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServerUnavailable(url, "the address is not of the form http://host:port")
        self.place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.credentials = credentials or _credentials(parts)
        self._authorization = _authorization(self.credentials)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port or (443 if self._secure else 8088)
        self.properties: dict[str, object] = {}
        self.variables = dict(variables or {})
        info = self._ask("GET", "/info")
        if not isinstance(info, dict) or "KsqlServerInfo" not in info:
            raise ServerUnavailable(self.place, "what answers there is no ssql server")
        # ksqlDB itself has no full SQL.
        self._full_sql = _OURS in info["KsqlServerInfo"].get("version", "")

    def execute(self, text: str) -> list[Entity]:
        entities: list[Entity] = self._ask("POST", "/ksql", self._request(text), text)
        if _SESSION_STATEMENT.match(text):
            self._remember(text)
        return entities

    def query(self, sql: str) -> Answer:
        if self._full_sql and not is_push(sql):
            return _Table(self, *self._send("POST", "/sql", self._full(sql), sql), sql)
        return _Streamed(self, *self._send("POST", "/query", self._request(sql), sql), sql)

    def print_topic(self, sql: str) -> Lines:
        return _Text(self, *self._send("POST", "/query", self._request(sql), sql))

    def close_query(self, query_id: str) -> None:
        """Tell the server that nobody reads a push query any more."""
        self._ask("POST", "/close-query", {"queryId": query_id})

    def progress(self) -> Progress | None:
        line, response = self._send("GET", "/progress", None, None)
        try:
            return msgspec.json.decode(response.read(), type=Progress)
        except (OSError, http.client.HTTPException, msgspec.DecodeError):  # ksqlDB has no such path
            return None
        finally:
            response.close()
            line.connection.close()

    def close(self) -> None:
        """Nothing is held."""

    def _request(self, sql: str) -> dict[str, object]:
        return {"ksql": sql, "streamsProperties": self.properties, "sessionVariables": self.variables}

    def _full(self, sql: str) -> dict[str, object]:
        return {"sql": sql, "properties": self.properties, "variables": self.variables}

    def _remember(self, text: str) -> None:
        from ssql.config import Config
        from ssql.engine.api import Session
        from ssql.engine.session import substitutes
        from ssql.sql import statements
        from ssql.sql.parser import parse_statement

        session = Session(self.properties, self.variables)
        match parse_statement(text, self.variables if substitutes(Config(), session) else None):
            case statements.SetProperty(name=name, value=value):
                self.properties[name] = value
            case statements.UnsetProperty(name=name):
                self.properties.pop(name, None)
            case statements.Define(name=name, value=value):
                self.variables[name.text] = value
            case statements.Undefine(name=name):
                self.variables.pop(name.text, None)

    def _ask(self, method: str, path: str, body: object = None, sql: str | None = None) -> Any:
        line, response = self._send(method, path, body, sql)
        try:
            text = response.read()
            return _JSON.decode(text) if text else None
        except (OSError, http.client.HTTPException) as bad:
            raise ServerUnavailable(self.place, _reason(bad)) from None
        except msgspec.DecodeError:
            raise ServerUnavailable(self.place, "what answers there is no ssql server") from None
        finally:
            response.close()
            line.connection.close()

    def _send(self, method: str, path: str, body: object, sql: str | None) -> tuple[_Line, http.client.HTTPResponse]:
        """Send a request and read the head of its answer; an error answer is raised."""
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=CONNECT_TIMEOUT_S)
        try:
            connection.connect()
            connection.sock.settimeout(None)  # statements may take long; a push query is silent for hours
            kind_of_body = "application/json" if path == "/sql" else "application/vnd.ksql.v1+json"
            headers = {"Accept": kind_of_body, **self._authorization}
            data = None if body is None else msgspec.json.encode(body)
            if data is not None:
                headers["Content-Type"] = kind_of_body
            connection.request(method, path, data, headers)
            line = _Line(connection, connection.sock)
            response = connection.getresponse()
            if response.status < 400:
                return line, response
            text = response.read()
        except (OSError, http.client.HTTPException) as bad:
            connection.close()
            raise ServerUnavailable(self.place, _reason(bad)) from None
        connection.close()
        try:
            answer = _JSON.decode(text)
        except msgspec.DecodeError:
            raise ServerUnavailable(self.place, f"it answered {response.status} {response.reason}") from None
        raise from_json(answer, sql)


def _credentials(parts: SplitResult) -> tuple[str, str] | None:
    """The user and password of the address (`http://user:password@host`), or of the environment."""
    user = unquote(parts.username) if parts.username else os.environ.get(USER_VARIABLE)
    password = unquote(parts.password) if parts.password else os.environ.get(PASSWORD_VARIABLE, "")
    return (user, password) if user else None


def _authorization(credentials: tuple[str, str] | None) -> dict[str, str]:
    if credentials is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(":".join(credentials).encode()).decode()}


@dataclass(frozen=True)
class _Line:
    """A connection, and its socket, which the connection gives away with an answer that ends with it."""

    connection: http.client.HTTPConnection
    socket: socket.socket

    def end(self) -> None:
        """Have whoever waits for something to read, in another thread, read the end."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class _Reading:
    """An answer that is read line by line, in one thread, and may be stopped in another."""

    def __init__(self, backend: RemoteBackend, line: _Line, response: http.client.HTTPResponse) -> None:
        self._backend, self._line, self._response = backend, line, response
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        self._line.end()

    def close(self) -> None:
        self._response.close()
        self._line.connection.close()

    def _read(self, *, ends: bool = False) -> bytes:
        """The next line; nothing where the reading was stopped, and at the end of an answer that just `ends`."""
        try:
            line = self._response.readline()
        except (OSError, http.client.HTTPException) as bad:
            if self._stopped:
                return b""
            raise ServerUnavailable(self._backend.place, _reason(bad)) from None
        if not line and not ends and not self._stopped:
            raise ServerUnavailable(self._backend.place, "the connection was lost")
        return line


class _Streamed(_Reading):
    """The rows of a query in ksqlDB's first form: one JSON array, an element a line."""

    def __init__(
        self,
        backend: RemoteBackend,
        line: _Line,
        response: http.client.HTTPResponse,
        sql: str,
    ) -> None:
        super().__init__(backend, line, response)
        self._sql = sql
        self._ended = self._closed = False
        self.final_message: str | None = None
        header = self._element()
        if header is None or "header" not in header:
            self.close()
            raise from_json(header["errorMessage"], sql) if header else ServerUnavailable(backend.place, "no answer")
        self._query_id = header["header"].get("queryId")
        self.columns = parse_schema(header["header"]["schema"])
        self.live = is_push(sql)

    def __iter__(self) -> Iterator[list[Row]]:
        while (element := self._element()) is not None:
            if "row" in element:
                row = element["row"]
                yield [Row(row["columns"], bool(row.get("tombstone")))]
            elif "finalMessage" in element:
                self.final_message = element["finalMessage"]
            elif "errorMessage" in element:
                raise from_json(element["errorMessage"], self._sql)

    def close(self) -> None:
        closed, self._closed = self._closed, True
        super().close()
        if not closed and not self._ended and self.live and self._query_id:
            with contextlib.suppress(SsqlError):  # the server ends the query of a closed connection in any case
                self._backend.close_query(self._query_id)

    def _element(self) -> dict[str, Any] | None:
        """The next element, or None at the end of the array."""
        while not self._ended:
            line = self._read()
            if not line:
                return None
            self._ended = line.rstrip().endswith(b"]")
            text = line.strip(b"[], \r\n")  # elements are objects: what is left begins and ends with a brace
            if text:
                element: dict[str, Any] = _JSON.decode(text)
                return element
        return None


class _Table(_Reading):
    """The answer of a SELECT in full SQL: one JSON object, the columns in its first line and then a row a line."""

    live = False

    def __init__(self, backend: RemoteBackend, line: _Line, response: http.client.HTTPResponse, sql: str) -> None:
        super().__init__(backend, line, response)
        self._sql = sql
        self.final_message: str | None = None
        head = self._read().strip()
        self._has_rows = head.endswith(b"[")
        columns = _JSON.decode(head + b"]}" if self._has_rows else head or b'{"columns":[]}')["columns"]
        self.columns = tuple(AnswerColumn(column["name"], column["type"]) for column in columns)

    def __iter__(self) -> Iterator[list[Row]]:
        while self._has_rows and (line := self._read().strip()):
            if line.endswith(b","):
                yield [Row(_JSON.decode(line[:-1]))]
                continue
            self._has_rows = False
            end = _JSON.decode(b'{"rows":[' + line)
            yield [Row(values) for values in end["rows"]]
            if "error" in end:
                raise from_json(end["error"], self._sql)


class _Text(_Reading):
    """The lines of a PRINT, each as it comes."""

    def __iter__(self) -> Iterator[list[str]]:
        while True:
            line = self._read(ends=True)
            if not line:
                return
            yield [line.decode(errors="replace").removesuffix("\n")]


def parse_schema(text: str) -> tuple[AnswerColumn, ...]:
    """The columns of a header's schema, such as "`ID` STRING KEY, `N` MAP<STRING, BIGINT>"."""
    columns: list[AnswerColumn] = []
    depth = start = 0
    for token in _SCHEMA_TOKEN.finditer(text + ","):
        depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(token.group(), 0)
        if token.group() == "," and depth == 0:
            name = _QUOTED_NAME.match(text, start)
            if name is not None:
                kind = text[name.end() : token.start()].strip().removesuffix(" KEY")
                columns.append(AnswerColumn(name.group(1).replace("``", "`"), kind))
            start = token.end()
    return tuple(columns)


def _reason(bad: Exception) -> str:
    if isinstance(bad, TimeoutError):
        return "no answer in time"
    return (getattr(bad, "strerror", None) or str(bad) or type(bad).__name__).lower()
