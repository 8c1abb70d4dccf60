"""The prompt, on a pseudo terminal, against a real server over an engine whose answers the test sets."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from ssql_cli.catalog import read_names
from ssql_cli.completion import SqlCompleter
from ssql_cli.remote import RemoteBackend

from ssql.errors import ColumnNotFound, Span
from tests.server.fake import FakeEngine, FakePush

from .fake import pulled, serving
from .terminal import Terminal

SSQL = [str(Path(sys.executable).with_name("ssql"))]


def prompt(url: str, tmp_path: Path) -> Terminal:
    return Terminal([*SSQL, "--server", url], {**os.environ, "SSQL_HISTORY": str(tmp_path / "history"), "PAGER": ""})


def test_a_statement_over_several_lines_is_carried_out_at_its_semicolon(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.answer = pulled(("a", 1))
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_for("ssql>")
        terminal.send("SELECT *\r")
        terminal.wait_for("...")
        assert engine.queries == []
        terminal.send("FROM t;\r")
        assert "ID | N\n---+--\na  | 1\n1 row" in terminal.wait_for("1 row")
        assert engine.queries[0][0] == "SELECT *\nFROM t;"
        terminal.wait_for("ssql>")
        terminal.send("\x04")
        assert terminal.exit_code() == 0
    assert "+SELECT *\n+FROM t;\n" in (tmp_path / "history").read_text()


def test_ctrl_c_stops_the_query_and_not_the_prompt(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.answer = push = FakePush()
    push.feed(("a", 1, 1))
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_for("ssql>")
        terminal.send("SELECT * FROM t EMIT CHANGES;\r")
        terminal.wait_for("a  | 1\n")
        terminal.send("\x03")
        terminal.wait_for("query stopped")
        assert push.closed.wait(30)
        terminal.wait_for("ssql>")
        terminal.send("half a statement\x03")
        terminal.wait_for("ssql>")
        terminal.send("exit\r")
        assert terminal.exit_code() == 0


def test_an_error_shows_its_place_and_the_prompt_goes_on(tmp_path: Path) -> None:
    engine = FakeEngine()
    sql = "SELECT prce FROM t;"
    engine.raises = ColumnNotFound("prce", span=Span(7, 11), candidates=["PRICE"]).within(sql, statement=sql)
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_for("ssql>")
        terminal.send(sql + "\r")
        shown = terminal.wait_for('Did you mean "PRICE"?')
        assert "LINE 1: SELECT prce FROM t;\n               ^^^^\n" in shown
        terminal.wait_for("ssql>")


def test_commands_of_the_prompt(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.answer = pulled(("a", 1))
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_for("ssql>")
        terminal.send("help\r")
        terminal.wait_for("leave (also quit, Ctrl-D)")
        terminal.wait_for("ssql>")
        terminal.send("output json\r")
        terminal.wait_for("output is json")
        terminal.wait_for("ssql>")
        terminal.send("SELECT * FROM t;\r")
        terminal.wait_for('{"ID":"a","N":1}')
        terminal.send("output xml\r")
        terminal.wait_for("output is one of: table, vertical, json, csv, markdown")


def test_the_session_is_spooled_and_a_script_is_run_without_a_semicolon(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.answer = pulled(("a", 1))
    (tmp_path / "s.sql").write_text("SELECT * FROM t;")
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_for("ssql>")
        terminal.send(f"spool '{tmp_path / 'log'}'\r")
        terminal.wait_for("spooling to")
        terminal.wait_for("ssql>")
        terminal.send(f"run script '{tmp_path / 's.sql'}'\r")
        terminal.wait_for("1 row")
        terminal.wait_for("ssql>")
        terminal.send("SELECT;\r")
        terminal.wait_for("1 row")
        terminal.wait_for("ssql>")
        terminal.send("\x04")
        assert terminal.exit_code() == 0
    spooled = (tmp_path / "log").read_text()
    assert f"ssql> run script '{tmp_path / 's.sql'}'\nID | N\n---+--\na  | 1\n1 row\nssql> SELECT;\n" in spooled


def completions(text: str, url: str) -> list[str]:
    names = read_names(RemoteBackend(url))
    completer = SqlCompleter(lambda: names)
    completer.prepare()
    return [c.text for c in completer.get_completions(Document(text), CompleteEvent(completion_requested=True))]


def test_completion_knows_keywords_functions_and_sources() -> None:
    engine = FakeEngine()
    engine.entities = [
        {
            "@type": "source_descriptions",
            "sourceDescriptions": [{"name": "TEMPERATURES", "fields": [{"name": "PLACE"}]}],
        }
    ]
    with serving(engine) as url:
        assert completions("TUMB", url) == ["TUMBLING"]
        assert completions("select coll", url) == ["collect_list", "collect_set"]
        assert completions("SELECT * FROM TEMP", url) == ["TEMPERATURES"]
        assert completions("ex", url)[0] == "exit"
        assert completions("output j", url) == ["json"]
        assert completions("set cli wrap o", url) == ["on", "off"]
