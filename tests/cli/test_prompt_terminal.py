"""The prompt as a person sees it: what stands on the screen of a pseudo terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ssql.errors import SourceNotFound
from tests.server.fake import FakeEngine, FakePush, FakeSubscription, frame

from .fake import pulled, serving
from .terminal import LINES, Terminal

SSQL = str(Path(sys.executable).with_name("ssql"))


def prompt(url: str, tmp_path: Path, **environment: str) -> Terminal:
    return Terminal(
        [SSQL, "--server", url], {**os.environ, "SSQL_HISTORY": str(tmp_path / "history"), "PAGER": "", **environment}
    )


def ready(lines: list[str]) -> bool:
    """The prompt stands below all else, and nothing is typed."""
    return next((line for line in reversed(lines) if line), "").strip() == "ssql>"


def test_tab_completes_a_name_of_the_catalog(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.entities = [
        {
            "@type": "source_descriptions",
            "sourceDescriptions": [{"name": "TEMPERATURES", "fields": []}],
        }
    ]
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_until(ready)
        while not any("SHOW PROPERTIES" in text for text, _ in engine.scripts):  # the last thing the catalog asks
            terminal.screen()
        terminal.send("\\dt\r")
        terminal.wait_until(lambda lines: ready(lines) and any("TEMPERATURES" in line for line in lines))
        terminal.send("select * from temp\t")
        terminal.wait_until(lambda lines: "ssql> select * from temperatures" in lines)


def test_ctrl_r_finds_what_was_entered_before(tmp_path: Path) -> None:
    (tmp_path / "history").write_text("\n# 2020\n+SELECT * FROM needle;\n\n# 2020\n+SELECT * FROM hay;\n")
    engine = FakeEngine()
    engine.answer = pulled(("a", 1))
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_until(ready)
        terminal.send("\x12")
        terminal.wait_until(lambda lines: any("I-search backward" in line for line in lines))
        terminal.send("need")
        terminal.wait_until(lambda lines: any("SELECT * FROM needle;" in line for line in lines))
        terminal.send("\r")
        terminal.wait_until(lambda lines: "ssql> SELECT * FROM needle;" in lines)
        terminal.send("\r")
        terminal.wait_until(lambda lines: "1 row" in lines)
    assert engine.queries[0][0] == "SELECT * FROM needle;"


def test_an_answer_that_is_longer_than_the_screen_goes_through_the_pager(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {tmp_path}/paged\necho the pager has ended\n")
    pager.chmod(0o755)
    engine = FakeEngine()
    with serving(engine) as url, prompt(url, tmp_path, PAGER=str(pager)) as terminal:
        terminal.wait_until(ready)
        engine.answer = pulled(("short", 1))
        terminal.send("SELECT * FROM t;\r")
        terminal.wait_until(lambda lines: "1 row" in lines and ready(lines))
        assert not (tmp_path / "paged").exists()
        engine.answer = pulled(*((f"k{n}", n) for n in range(LINES + 10)))
        terminal.send("SELECT * FROM t;\r")
        lines = terminal.wait_until(lambda lines: f"{LINES + 10} rows" in lines)
        assert "the pager has ended" in lines
        assert len((tmp_path / "paged").read_text().splitlines()) == LINES + 12
        (tmp_path / "paged").unlink()
        terminal.wait_until(ready)
        terminal.send("\\pset pager off\r")
        terminal.wait_until(lambda lines: "pager is off" in lines and ready(lines))
        terminal.send("SELECT * FROM t;\r")
        terminal.wait_until(lambda lines: f"{LINES + 10} rows" in lines and "k40 | 40" in lines)
        assert not (tmp_path / "paged").exists()


def test_x_shows_a_row_as_a_block_of_lines(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.answer = pulled(("a", 1))
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_until(ready)
        terminal.send("\\x\r")
        terminal.wait_until(lambda lines: "expanded display is on" in lines and ready(lines))
        terminal.send("SELECT * FROM t;\r")
        lines = terminal.wait_until(lambda lines: "1 row" in lines)
        assert lines[lines.index("ID | a") + 1] == "N  | 1"


def test_watch_asks_again_until_ctrl_c(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.answer = pulled(("a", 1))
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_until(ready)
        terminal.send("SELECT * FROM t;\r")
        terminal.wait_until(lambda lines: "1 row" in lines and ready(lines))
        terminal.send("\\watch 0\r")
        terminal.wait_until(lambda lines: lines.count("a  | 1") >= 3)
        terminal.send("\x03")
        terminal.wait_until(lambda lines: any("query stopped" in line for line in lines) and ready(lines))
    assert len(engine.queries) >= 3


def test_the_prompt_ends_with_the_error_of_an_engine_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "log.db").write_text("this is no database, and not an empty file either" * 100)
    with Terminal([SSQL, "--data", str(tmp_path / "data")], {**os.environ, "SSQL_HISTORY": ""}) as terminal:
        assert terminal.exit_code() != 0
        assert any(line.startswith("error:") for line in terminal.screen())


EXPLAINED: dict[str, Any] = {
    "@type": "queryDescription",
    "queryDescription": {
        "fields": [
            {"name": "ID", "schema": {"type": "STRING"}, "fieldType": "KEY"},
            {"name": "N", "schema": {"type": "BIGINT"}},
        ],
        "resultType": "TABLE",
    },
}


def test_a_push_query_over_a_table_is_that_table_and_changes_in_place(tmp_path: Path) -> None:
    engine, subscription = FakeEngine(), FakeSubscription()
    engine.entities = [EXPLAINED]
    engine.follow = lambda after: subscription
    subscription.feed(frame(("a", 1, 1), ("b", 2, 1), snapshot=True, token="1", offset=2))
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_until(ready)
        terminal.send("\\chart n\r")
        terminal.wait_until(lambda lines: "live views draw n" in lines and ready(lines))
        terminal.send("SELECT * FROM t EMIT CHANGES;\r")
        lines = terminal.wait_until(lambda lines: "2 rows" in lines[-1])
        assert lines[0].split() == ["ID", "|", "N", "N"]
        assert [line.split("█")[0].split() for line in lines[2:4]] == [["a", "|", "1"], ["b", "|", "2"]]
        assert lines[3].count("█") == 2 * lines[2].count("█") > 0
        assert "2 rows" in lines[-1]
        assert "t read to 2" in lines[-1]
        terminal.send("c")  # the chart is off
        terminal.wait_until(lambda lines: lines[0] == "ID | N")
        subscription.feed(frame(("b", 5, 1), ("c", 7, 1), ("a", None, -1), token="2", offset=5))
        terminal.wait_until(lambda lines: "5" in lines[2] and "7" in lines[3] and "t read to 5" in lines[-1])
        assert terminal.screen()[2].startswith("b")
        assert terminal.background(2) == "brown"  # it has changed a moment ago
        terminal.wait_until(lambda _: terminal.background(2) == "default")
        terminal.send("q")
        lines = terminal.wait_until(ready)
        assert lines[lines.index("b  | 5") + 1] == "c  | 7"
        assert subscription.closed.wait(20)


def test_a_live_view_ends_with_the_error_of_its_query_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    engine = FakeEngine()
    subscriptions = [FakeSubscription(), FakeSubscription()]
    for subscription in subscriptions:
        subscription.feed(frame(snapshot=True, token="0"))
    engine.entities = [EXPLAINED]
    engine.follow = lambda after: subscriptions[len(engine.subscriptions) - 1]
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_until(ready)
        terminal.send("SELECT * FROM t EMIT CHANGES;\r")
        terminal.wait_until(lambda lines: any("0 rows" in line for line in lines))
        subscriptions[0].feed(frame(("a", 1, 1), snapshot=True, token="1"))
        terminal.wait_until(lambda lines: "1 row " in lines[-1])
        subscriptions[0].end(SourceNotFound("T"))
        terminal.wait_until(lambda lines: ready(lines) and any(line.startswith("error:") for line in lines))
        terminal.send("SELECT * FROM t EMIT CHANGES;\r")
        terminal.wait_until(lambda lines: any("0 rows" in line for line in lines))
        terminal.send("\x03")
        terminal.wait_until(ready)
        assert subscriptions[1].closed.wait(20)


def test_a_stream_is_a_feed(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.answer = push = FakePush()
    plan = {**EXPLAINED["queryDescription"], "resultType": "STREAM"}
    engine.entities = [{**EXPLAINED, "queryDescription": plan}]
    push.feed(("a", 1, 1), ("a", 2, 1))
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_until(ready)
        terminal.send("SELECT * FROM s EMIT CHANGES;\r")
        lines = terminal.wait_until(lambda lines: "a  | 2" in lines)
        assert lines[lines.index("a  | 2") - 1] == "a  | 1"
        assert engine.subscriptions == []


def test_who_leaves_while_the_engine_is_opened_sees_no_complaint(tmp_path: Path) -> None:
    command = [SSQL, "--data", str(tmp_path / "data")]
    with Terminal(command, {**os.environ, "SSQL_HISTORY": ""}) as terminal:
        terminal.wait_until(ready)
        terminal.send("\x04")
        assert terminal.exit_code(60.0) == 0
        assert not any(word in line for line in terminal.screen() for word in ("leaked", "error", "Traceback"))
