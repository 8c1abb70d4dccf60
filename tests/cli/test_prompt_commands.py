"""The commands of the prompt: how they are told from SQL, and what they change."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest
from ssql_cli import looking, prompt_commands
from ssql_cli.again import tail
from ssql_cli.backend import Backend
from ssql_cli.output import Style, Tee
from ssql_cli.prompt import Leave
from ssql_cli.prompt_commands import COMMANDS, find
from ssql_cli.runner import Runner

from ssql.errors import BadCommand, FileUnreadable, FileUnwritable, ServerUnavailable


class Backing:
    """A backend that notes what it is asked to carry out."""

    place = "somewhere"

    def __init__(self) -> None:
        self.carried_out: list[str] = []
        self.entities: dict[str, dict[str, Any]] = {}
        self.variables = {"WHO": "ada"}

    def execute(self, text: str) -> list[dict[str, Any]]:
        self.carried_out.append(text)
        return [self.entities[text]] if text in self.entities else []


class Prompt:
    """What commands act on, with its output in memory."""

    def __init__(self) -> None:
        self.backing = Backing()
        self.runner = Runner(cast("Backend", self.backing), "table", io.StringIO(), io.StringIO())
        self.connected: list[str] = []
        self.last = self.prefill = ""

    def history(self) -> Iterable[str]:
        return ["SHOW\nSTREAMS;", "help"]

    def connect(self, url: str) -> None:
        if url == "nowhere":
            raise ServerUnavailable(url, "no answer")
        self.connected.append(url)

    def enter(self, line: str) -> tuple[str, str]:
        """What the command wrote to stdout and said on stderr."""
        command, rest = find(line)
        assert command is not None, line
        out, notices = cast("io.StringIO", self.runner.out), cast("io.StringIO", self.runner.notices)
        before = len(out.getvalue()), len(notices.getvalue())
        command.handler(self, rest)
        return out.getvalue()[before[0] :], notices.getvalue()[before[1] :]


@pytest.mark.parametrize(
    ("line", "name", "rest"),
    [
        ("help", "help", ""),
        (" HELP ; ", "help", ""),
        ("output JSON", "output", "JSON"),
        ("run   script 'a b.sql'", "run script", "'a b.sql'"),
        ("RUN SCRIPT 'x.sql';", "run script", "'x.sql'"),
        ("spool off", "spool", "off"),
        ("set cli wrap on", "set cli wrap", "on"),
        ("SET CLI COLUMN-WIDTH 10;", "set cli column-width", "10"),
        ("server", "server", ""),
        ("request-pipelining ON", "request-pipelining", "ON"),
        ("\\d", "\\d", ""),
        ("  \\d  orders ", "\\d", "orders"),
        ("\\watch 0.5", "\\watch", "0.5"),
        ("\\dt;", "\\dt", ""),
    ],
)
def test_a_command_is_known_by_its_first_words(line: str, name: str, rest: str) -> None:
    assert find(line) == (COMMANDS[name], rest)


@pytest.mark.parametrize(
    "line", ["", "SELECT 1;", "SET 'a' = 'b';", "SHOW STREAMS", "exit now", "history of SQL", "set cli", "helpful"]
)
def test_everything_else_is_sql(line: str) -> None:
    assert find(line)[0] is None


def test_help_names_every_command() -> None:
    text, _ = Prompt().enter("help")
    assert all(f"{name} " in text for name in COMMANDS)


def test_the_history_is_numbered() -> None:
    assert Prompt().enter("history") == ("    1  SHOW\n       STREAMS;\n    2  help\n", "")


def test_leaving() -> None:
    for line in ("exit", "quit;"):
        with pytest.raises(Leave):
            Prompt().enter(line)


def test_another_server() -> None:
    prompt = Prompt()
    assert prompt.enter("server") == ("", "working on somewhere\n")
    assert prompt.enter("server http://other:8088")[1] == "working on somewhere\n"
    assert prompt.connected == ["http://other:8088"]
    with pytest.raises(ServerUnavailable):
        prompt.enter("server nowhere")


def test_a_script_is_run(tmp_path: Path) -> None:
    prompt, script = Prompt(), tmp_path / "it's.sql"
    script.write_text("SHOW STREAMS; -- all\nSHOW TABLES;")
    quoted = str(script).replace("'", "''")
    prompt.enter(f"run script '{quoted}'")
    assert prompt.backing.carried_out == ["SHOW STREAMS;", "SHOW TABLES;"]


@pytest.mark.parametrize(
    ("line", "said", "style"),
    [
        ("set cli column-width 10", "columns are 10 wide\n", Style(10)),
        ("set cli column-width 0", "columns are as wide as their values\n", Style()),
        ("set cli column-width 3", "set cli column-width takes a number of at least 4", Style()),
        ("set cli column-width wide", "set cli column-width takes a number of at least 4", Style()),
        ("set cli wrap off", "values that are wider than their column are cut\n", Style(wrap=False)),
        ("set cli wrap", "values that are wider than their column are wrapped\n", Style()),
        ("set cli wrap maybe", "set cli wrap takes ON or OFF\n", Style()),
        ("request-pipelining on", "request-pipelining has no effect", Style()),
    ],
)
def test_the_look_of_tables(line: str, said: str, style: Style) -> None:
    prompt = Prompt()
    assert prompt.enter(line)[1].startswith(said)
    assert prompt.runner.style == style


def test_what_is_shown_is_written_to_a_file_until_it_is_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompt, file = Prompt(), tmp_path / "session.log"
    file.write_text("before\n")
    for line in (f"spool '{file}'", "version", "server", "spool off", "version"):
        command, rest = find(line)
        assert command is not None
        command.handler(prompt, rest)
    assert prompt.runner.out is sys.stdout
    shown = capsys.readouterr()
    assert shown.out.count(" on somewhere\n") == 2
    assert shown.err == f"spooling to {file}\nworking on somewhere\nspooling has ended\n"
    lines = file.read_text().splitlines()
    assert lines[0] == "before"
    assert lines[1].endswith(" on somewhere")
    assert lines[2:] == ["working on somewhere"]


def test_a_file_that_cannot_be_written_leaves_the_output_as_it_is(tmp_path: Path) -> None:
    prompt = Prompt()
    with pytest.raises(FileUnwritable):
        prompt.enter(f"spool '{tmp_path}/no/such/file'")
    assert not isinstance(prompt.runner.out, Tee)


def test_the_file_is_closed_when_the_prompt_ends(tmp_path: Path) -> None:
    prompt, copy = Prompt(), (tmp_path / "f").open("w")
    prompt.runner.out = Tee(io.StringIO(), copy)
    prompt_commands.end_spooling(prompt)
    assert copy.closed
    prompt_commands.end_spooling(prompt)


@pytest.mark.parametrize(
    ("line", "statements"),
    [
        ("\\d", ["SHOW STREAMS;", "SHOW TABLES;"]),
        ("\\d orders", ["DESCRIBE orders;"]),
        ("\\d my orders", ["DESCRIBE `my orders`;"]),
        ("\\d+ orders", ["DESCRIBE orders EXTENDED;"]),
        ("\\d+", ["SHOW STREAMS EXTENDED;", "SHOW TABLES EXTENDED;"]),
        ("\\dt", ["SHOW TABLES;"]),
        ("\\ds", ["SHOW STREAMS;"]),
        ("\\dq", ["SHOW QUERIES;"]),
        ("\\dq CTAS_T_1", ["EXPLAIN CTAS_T_1;"]),
        ("\\dt o*", ["SHOW TABLES;"]),
        ("\\dT", ["SHOW TYPES;"]),
        ("\\de mine", ["DESCRIBE ENDPOINT mine;"]),
        ("\\dc", ["SHOW CONNECTORS;"]),
        ("\\l+", ["SHOW TOPICS EXTENDED;"]),
        ("\\df", ["SHOW FUNCTIONS;"]),
        ("\\df abs", ["DESCRIBE FUNCTION abs;"]),
        ("\\l", ["SHOW TOPICS;"]),
        ("\\set", ["SHOW VARIABLES;"]),
        ("\\set who it's me", ["DEFINE who = 'it''s me';"]),
        ("\\unset who", ["UNDEFINE who;"]),
    ],
)
def test_what_a_backslash_command_asks(line: str, statements: list[str]) -> None:
    prompt = Prompt()
    prompt.enter(line)
    assert prompt.backing.carried_out == statements


def test_switches_are_toggled_or_set() -> None:
    prompt = Prompt()
    assert prompt.enter("\\timing")[1] == "timing is on\n"
    assert prompt.enter("\\timing off")[1] == "timing is off\n"
    assert prompt.enter("\\x")[1] == "expanded display is on\n"
    assert prompt.enter("\\x auto")[1] == "expanded display is auto\n"
    assert prompt.enter("\\pset format markdown")[1] == "format is markdown\n"
    assert prompt.enter("\\pset null -")[1] == "null is -\n"
    assert (prompt.runner.form, prompt.runner.style.null) == ("markdown", "-")
    for line in ("\\timing maybe", "\\pset format xml", "\\pset colour red", "\\watch soon", "\\i"):
        with pytest.raises(BadCommand):
            prompt.enter(line)
    assert prompt.enter("\\nonsense")[1].startswith("there is no command \\nonsense")


def test_the_editor_gets_the_last_statement_and_gives_the_next_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/orders/spent/ "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.delenv("VISUAL", raising=False)
    prompt = Prompt()
    prompt.last = "SELECT * FROM orders;"
    prompt.enter("\\e")
    assert prompt.prefill == "SELECT * FROM spent;"


def test_rows_go_to_a_file_in_the_form_of_its_name(tmp_path: Path) -> None:
    prompt, file = Prompt(), tmp_path / "rows.csv"
    to_file = COMMANDS["\\o"].handler
    to_file(prompt, str(file))
    assert prompt.runner.form == "csv"
    prompt.runner.out.write("A\n")
    to_file(prompt, "")
    assert prompt.runner.out is sys.stdout
    assert prompt.runner.form == "table"
    assert file.read_text() == "A\n"
    with pytest.raises(FileUnwritable):
        to_file(prompt, f"{tmp_path}/no/such/file.csv")


def source(name: str) -> dict[str, Any]:
    return {"name": name, "topic": name.lower(), "keyFormat": "KAFKA", "valueFormat": "JSON", "isWindowed": False}


@pytest.fixture
def shop() -> Prompt:
    """A prompt where two streams and a table are."""
    prompt = Prompt()
    prompt.backing.entities = {
        "SHOW STREAMS;": {"@type": "streams", "streams": [source("ORDERS"), source("my clicks")]},
        "SHOW TABLES;": {"@type": "tables", "tables": [source("ORDER_SUMS")]},
    }
    return prompt


def test_streams_and_tables_are_one_list(shop: Prompt) -> None:
    lines = shop.enter("\\d")[0].splitlines()
    assert [line.split("|")[0].strip() for line in lines] == ["NAME", "-" * 11 + "+" + "-" * 8 + "+" + "-" * 12
        + "+" + "-" * 12 + "+" + "-" * 14 + "+" + "-" * 9, "ORDERS", "my clicks", "ORDER_SUMS"]  # fmt: skip
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["STREAM", "STREAM", "TABLE"]


def test_a_pattern_shows_what_matches(shop: Prompt) -> None:
    assert [line.split()[0] for line in shop.enter("\\ds *o*;")[0].splitlines()[2:]] == ["ORDERS"]
    assert shop.enter("\\dt x*") == ("", "nothing matches x*\n")
    assert shop.enter("\\d x?")[1] == "nothing matches x?\n"
    shop.backing.carried_out.clear()
    shop.enter("\\d *s")
    assert shop.backing.carried_out[2:] == ["DESCRIBE `ORDERS`;", "DESCRIBE `my clicks`;", "DESCRIBE `ORDER_SUMS`;"]


def test_how_a_statement_is_written_is_shown() -> None:
    assert "FROM source [join ...]" in Prompt().enter("\\h select")[0]
    created = Prompt().enter("\\h create table;")[0]
    assert created.startswith("CREATE STREAM, CREATE TABLE\n\nCREATE [OR REPLACE]")
    assert "```" not in created
    assert "\n  INSERT INTO\n" in Prompt().enter("\\h")[0]
    assert Prompt().enter("\\h cook")[1] == "no statement begins with COOK; \\h lists them\n"
    for word in looking.STATEMENTS:
        assert Prompt().enter(f"\\h {word.lower()}")[0], word


def test_the_last_statement_is_carried_out_again(tmp_path: Path, shop: Prompt) -> None:
    assert shop.enter("\\g")[1] == "nothing was carried out yet\n"
    shop.last = "SHOW STREAMS;"
    again, rest = find(f"\\g {tmp_path}/found.csv")
    assert again is not None
    again.handler(shop, rest)
    assert (tmp_path / "found.csv").read_text().startswith("NAME,TOPIC")
    assert shop.runner.form == "table"
    assert shop.enter("\\gx")[0].startswith("-[ row 1 ]")
    assert shop.runner.style.expanded == "auto"
    assert shop.enter("\\p") == ("SHOW STREAMS;\n", "")
    shop.enter(f"\\w {tmp_path}/last.sql")
    assert (tmp_path / "last.sql").read_text() == "SHOW STREAMS;\n"
    shop.backing.carried_out.clear()
    shop.enter("\\watch 0 3")
    assert shop.backing.carried_out == ["SHOW STREAMS;"] * 3
    shop.enter("\\watch i=0 c=1")
    assert len(shop.backing.carried_out) == 4
    shop.enter("\\r")
    assert shop.last == ""
    for line in ("\\watch 1 0", "\\watch 1 2 3", "\\w"):
        with pytest.raises(BadCommand):
            shop.enter(line)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1 \\gx", ("SELECT 1;", "\\gx", "")),
        ("SELECT 1;\n\\g out.csv\n", ("SELECT 1;", "\\g", "out.csv")),
        ("SELECT 1 \\watch 2 5", ("SELECT 1;", "\\watch", "2 5")),
        ("SELECT 1 \\G", ("SELECT 1;", "\\G", "")),
        ("SELECT '\\g", None),
        ("SELECT '\\gx';", None),
        ("\\gx", None),
        ("SELECT 1 \\gone", None),
    ],
)
def test_a_statement_may_end_with_a_command(text: str, expected: tuple[str, str, str] | None) -> None:
    assert tail(text) == expected


def test_small_commands_of_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = Prompt()
    assert prompt.enter("\\echo it is ${who}, not ${nobody}")[0] == "it is ada, not ${nobody}\n"
    assert prompt.enter("\\c http://other:1")[1] == "working on somewhere\n"
    assert prompt.connected == ["http://other:1"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    assert prompt.enter("\\cd sub")[1] == f"working in {tmp_path / 'sub'}\n"
    with pytest.raises(FileUnreadable):
        prompt.enter("\\cd nowhere")
    prompt.enter("\\! touch made")
    assert (tmp_path / "sub" / "made").exists()
    assert prompt.enter("\\wach")[1].startswith("there is no command \\wach; there is \\watch;")
