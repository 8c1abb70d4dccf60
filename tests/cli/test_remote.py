"""The backend that is a server: a real HTTP server over an engine whose answers the test sets."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest
from ssql_cli.backend import AnswerColumn, Row
from ssql_cli.exits import Exit
from ssql_cli.pieces import is_push
from ssql_cli.problems import exit_code
from ssql_cli.remote import RemoteBackend, parse_schema
from ssql_cli.runner import Runner

from ssql.errors import ColumnNotFound, ServerUnavailable, SourceNotFound, Span, SsqlError
from ssql.types import STRING, Column
from tests.server.fake import FakeEngine, FakePush

from .fake import pulled, serving

KSQLDB, OURS = "8.5.0", "8.5.0-ssql-0.1.0"


@pytest.mark.parametrize("version", [KSQLDB, OURS])
def test_a_pull_query(version: str) -> None:
    engine = FakeEngine()
    engine.version = version
    engine.answer = pulled(("a", 1), ("b", None))
    with serving(engine) as url:
        answer = RemoteBackend(url).query("SELECT * FROM t;")
        assert answer.columns == (AnswerColumn("ID", "STRING"), AnswerColumn("N", "BIGINT"))
        assert [row for rows in answer for row in rows] == [Row(["a", 1]), Row(["b", None])]
        assert not answer.live
        answer.close()
        assert [(sql, session.full_sql) for sql, session in engine.queries] == [("SELECT * FROM t;", version == OURS)]


@pytest.mark.parametrize("version", [KSQLDB, OURS])
def test_an_empty_pull_query(version: str) -> None:
    engine = FakeEngine()
    engine.version = version
    engine.answer = pulled()
    with serving(engine) as url, contextlib.closing(RemoteBackend(url).query("SELECT * FROM t;")) as answer:
        assert [column.name for column in answer.columns] == ["ID", "N"]
        assert list(answer) == []


def test_a_read_in_full_sql_has_what_was_set_and_its_errors_have_their_place() -> None:
    engine = FakeEngine()
    engine.version = OURS
    with serving(engine) as url:
        backend = RemoteBackend(url, {"region": "eu"})
        backend.execute("SET 'auto.offset.reset' = 'earliest';")
        sql = "SELECT x FROM t;"
        engine.raises = ColumnNotFound("X", span=Span(7, 8)).within(sql, statement=sql)
        with pytest.raises(SsqlError) as caught:
            backend.query(sql)
        assert caught.value.render() == engine.raises.render()
        (asked,) = engine.queries
        assert asked[1].properties == {"auto.offset.reset": "earliest"}
        assert asked[1].variables == {"region": "eu"}


def test_a_push_query_until_its_limit() -> None:
    engine = FakeEngine()
    engine.answer = push = FakePush()
    push.feed(("a", 1, 1), ("a", 1, -1))
    with serving(engine) as url:
        out, notices = io.StringIO(), io.StringIO()
        push.end("Limit Reached")
        Runner(RemoteBackend(url), "table", out, notices).run("SELECT * FROM t EMIT CHANGES LIMIT 2;")
        assert out.getvalue() == "ID | N\n---+--\na  | 1\na  | NULL  (deleted)\n"
        assert notices.getvalue() == "Limit Reached\n"


def test_a_push_query_that_nobody_reads_any_more_is_closed_on_the_server() -> None:
    engine = FakeEngine()
    engine.answer = push = FakePush()
    push.feed(("a", 1, 1))
    with serving(engine) as url:
        answer = RemoteBackend(url).query("SELECT * FROM t EMIT CHANGES;")
        assert next(iter(answer)) == [Row(["a", 1])]
        answer.close()
        assert push.closed.wait(5)


def test_the_lines_of_a_print() -> None:
    engine = FakeEngine()
    engine.answer = printed = FakePush(columns=(Column("LINE", STRING),))
    printed.feed(("Key format: JSON", 1), ("key: a\x1b[2Jb, value: ä", 1))
    with serving(engine) as url:
        printed.end()
        out = io.StringIO()
        Runner(RemoteBackend(url), "table", out, io.StringIO()).run("PRINT t FROM BEGINNING;")
        assert out.getvalue() == "Key format: JSON\nkey: a\\x1b[2Jb, value: ä\n"
        assert engine.queries[0][0] == "PRINT t FROM BEGINNING;"
    assert printed.closed.wait(5)


def test_a_query_that_fails_on_its_way_says_so() -> None:
    engine = FakeEngine()
    engine.answer = push = FakePush()
    with serving(engine) as url:
        answer = RemoteBackend(url).query("SELECT * FROM t EMIT CHANGES;")
        push.end(error=SourceNotFound("S"))
        with pytest.raises(SsqlError, match="does not exist"), contextlib.closing(answer):
            list(answer)


@contextlib.contextmanager
def answering(version: str, body: bytes, *, whole: bool = True) -> Iterator[str]:
    """The URL of what says that it is of a version, and answers one request, and then hangs up."""
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
    info = b'{"KsqlServerInfo":{"version":"%s"}}' % version.encode()
    length = b"Content-Length: %d\r\n\r\n"
    answers = [head + length % len(info) + info, head + length % (len(body) + (not whole)) + body]

    def answer_and_hang_up(listener: socket.socket) -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer_and_hang_up, args=(listener,))
        server.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.join()


def test_rows_that_break_off_with_an_error_end_with_it() -> None:
    body = b'{"columns":[{"name":"ID","type":"STRING"}],"rows":[\n["a"],\n["b"]],"error":%s}\n'
    body %= msgspec.json.encode(SourceNotFound("S").as_json())
    with answering(OURS, body) as url:
        answer = RemoteBackend(url).query("SELECT id FROM t;")
        rows = iter(answer)
        assert [next(rows), next(rows)] == [[Row(["a"])], [Row(["b"])]]
        with pytest.raises(SsqlError, match="does not exist"), contextlib.closing(answer):
            next(rows)


@pytest.mark.parametrize(
    ("version", "header", "sql"),
    [
        (KSQLDB, b'[{"header":{"queryId":"q","schema":"`ID` STRING"}},\n', "SELECT 1 EMIT CHANGES;"),
        (OURS, b'{"columns":[{"name":"ID","type":"STRING"}],"rows":[\n["a"],\n', "SELECT id FROM t;"),
    ],
)
def test_a_connection_that_is_lost_is_told_from_the_end_of_the_rows(version: str, header: bytes, sql: str) -> None:
    with answering(version, header, whole=False) as url:
        answer = RemoteBackend(url).query(sql)
    with pytest.raises(ServerUnavailable), contextlib.closing(answer):
        list(answer)


def test_an_error_is_rendered_as_the_server_would() -> None:
    engine = FakeEngine()
    sql = "SELECT\n  prce FROM s;"
    error = ColumnNotFound("prce", span=Span(9, 13), candidates=["PRICE"]).within(sql, statement=sql)
    engine.raises = error
    with serving(engine) as url, pytest.raises(SsqlError) as refused:
        RemoteBackend(url).query(sql)
    assert refused.value.render() == error.render()
    assert exit_code(refused.value) is Exit.FAILED


def test_an_error_without_a_place() -> None:
    engine = FakeEngine()
    engine.raises = SourceNotFound("S")
    with serving(engine) as url, pytest.raises(SsqlError) as refused:
        RemoteBackend(url).execute("DROP STREAM s;")
    assert refused.value.render() == "error: S does not exist.  [source_not_found]"


def test_what_is_set_and_defined_is_sent_from_then_on() -> None:
    engine = FakeEngine()
    with serving(engine) as url:
        backend = RemoteBackend(url, {"given": "g"})
        for text in ("SET 'auto.offset.reset'='earliest';", "DEFINE v = 'x';", "SHOW STREAMS;"):
            backend.execute(text)
        _, session = engine.scripts[-1]
        assert session.properties == {"auto.offset.reset": "earliest"}
        assert {name.lower(): value for name, value in session.variables.items()} == {"given": "g", "v": "x"}
        for text in ("UNSET 'auto.offset.reset';", "UNDEFINE v;", "SHOW STREAMS;"):
            backend.execute(text)
        _, session = engine.scripts[-1]
        assert (session.properties, session.variables) == ({}, {"given": "g"})


def test_no_server_at_the_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ServerUnavailable) as refused:
        RemoteBackend(f"127.0.0.1:{port}")
    assert exit_code(refused.value) is Exit.UNAVAILABLE
    assert refused.value.message == f"could not reach the server at http://127.0.0.1:{port}: connection refused"
    with pytest.raises(ServerUnavailable, match="not of the form"):
        RemoteBackend("ftp://x")


def test_schemas_of_headers() -> None:
    text = "`A,`` <` STRING KEY, `N` MAP<STRING, DECIMAL(9, 2)>, `S` STRUCT<`X, Y` ARRAY<INTEGER>, `Z>` STRING>"
    assert parse_schema(text) == (
        AnswerColumn("A,` <", "STRING"),
        AnswerColumn("N", "MAP<STRING, DECIMAL(9, 2)>"),
        AnswerColumn("S", "STRUCT<`X, Y` ARRAY<INTEGER>, `Z>` STRING>"),
    )


@pytest.mark.parametrize(
    ("sql", "push"),
    [
        ("select * from t emit changes;", True),
        ("SELECT 'emit changes' FROM t -- EMIT\n;", False),
        ("SELECT `emit` FROM emitted;", False),
    ],
)
def test_the_word_emit_makes_a_push_query(sql: str, push: bool) -> None:
    assert is_push(sql) is push


def test_decimals_and_doubles_keep_their_digits() -> None:
    from ssql_cli.output import json_text

    assert json_text([Decimal("0.10"), Decimal("12345678901234567890.123456789")]) == (
        "[0.10,12345678901234567890.123456789]"
    )
