"""How far long work is, below the prompt, on stderr, and in words."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ssql_cli.local import LocalBackend
from ssql_cli.pending import PendingBackend
from ssql_cli.remote import RemoteBackend
from ssql_cli.status_line import FIRST_S, PLAIN_S, REDRAW_S, StatusLine, Watch
from ssql_cli.transfer.files import RowsFile, format_of
from ssql_cli.transfer.progress import Progress as Loading

from ssql.config import Config
from ssql.engine.opening import Opening
from ssql.engine.progress import OpeningProgress, Progress, Stage, amount, duration, lines
from ssql.runtime.progress import RestoreProgress
from tests.server.fake import OPEN, FakeEngine, catching_up

from .fake import pulled, serving
from .test_prompt_terminal import prompt, ready


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_under_way_in_words() -> None:
    restore = RestoreProgress(3, 8, 10, 40, 1_200_000, 98_000_000, 450_000.0, 4.0)
    opening = OpeningProgress(Stage.RESTORING, 9, 9, restore)
    assert lines(Progress(opening, [])) == ["restoring 3 of 8 tables  1.2 M rows  450 k/s  4 s left"]
    replaying = OpeningProgress(Stage.REPLAYING, 120, 4000, RestoreProgress())
    assert lines(Progress(replaying, [])) == ["reading definitions: 120 of 4,000"]
    assert lines(catching_up(10)) == ["SPENT catches up: 10 of 40 records  15/s  2 s left"]
    assert lines(catching_up(40)) == []
    assert lines(Progress(OPEN, [])) == []


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (999.6, "1.0 k"), (1000, "1.0 k"), (45_310, "45.3 k"), (999_400, "999 k"),
     (999_999, "1.0 M"), (4_000_000, "4.0 M"), (2.5e9, "2.5 G")],
)  # fmt: skip
def test_amounts_are_short(number: float, text: str) -> None:
    assert amount(number) == text


def test_durations_are_short_and_never_nothing() -> None:
    assert [duration(s) for s in (0.1, 59.4, 245, 7800, 300_000)] == [
        "1 s",
        "59 s",
        "4 min 5 s",
        "2 h 10 min",
        "3 days",
    ]


def test_a_line_is_written_over_on_a_terminal_and_leaves_nothing_behind() -> None:
    clock, screen = Clock(), Screen()
    line = StatusLine(screen, clock)
    line.show("at once")
    assert screen.getvalue() == ""
    clock.now += FIRST_S
    line.show("a")
    line.show("too soon")
    clock.now += REDRAW_S
    line.show("b")
    line.say("stays")
    line.clear()
    assert screen.getvalue() == "\r\x1b[Ka\r\x1b[Kb\r\x1b[Kstays\n"


def test_elsewhere_there_is_a_plain_line_now_and_then() -> None:
    clock, file = Clock(), io.StringIO()
    line = StatusLine(file, clock)
    for seconds in (0.0, PLAIN_S, 1.0, PLAIN_S - 1.0):
        clock.now += seconds
        line.show(f"at {clock.now:.0f}")
    line.clear()
    assert file.getvalue() == "at 110\nat 120\n"


def test_rows_on_their_way_tell_their_rate_and_the_time_left() -> None:
    clock, screen = Clock(), Screen()
    with Loading("a.csv", 20_000, about=True, line=StatusLine(screen, clock), now=clock) as progress:
        clock.now += 2.0
        progress.at(5000)
        clock.now += 1.0
        progress.at(25_000)  # it had more than one could tell
    assert screen.getvalue() == (
        "\r\x1b[Ka.csv: 5.0 k of about 20.0 k rows  2.5 k/s  6 s left\r\x1b[Ka.csv: 25.0 k rows  8.3 k/s\r\x1b[K"
    )


def test_a_file_tells_about_how_many_rows_it_has(tmp_path: Path) -> None:
    rows = 40_000
    lines = [f'{{"n": {n}, "text": "{"x" * (n % 7)}"}}' for n in range(rows)]
    for name, text in (("a.json", "\n".join(lines)), ("a.csv", "n,text\n" + "".join(f"{n},x\n" for n in range(rows)))):
        (tmp_path / name).write_text(text)
        file = RowsFile(tmp_path / name, format_of(tmp_path / name))
        about = file.about()
        file.close()
        assert about is not None
        assert abs(about - rows) < rows / 50, name
    pq.write_table(pa.table({"n": range(7)}), tmp_path / "a.parquet")
    file = RowsFile(tmp_path / "a.parquet", "parquet")
    assert file.about() == 7
    file.close()
    (tmp_path / "b.json").write_text("[" + ",".join(lines[:3]) + "]")
    file = RowsFile(tmp_path / "b.json", "json")
    assert file.about() is None  # they are not a line each
    file.close()


def test_a_watch_shows_what_it_finds_until_its_body_ends() -> None:
    shown, screen = threading.Event(), Screen()

    def found() -> Progress:
        if "catches up" in screen.getvalue():
            shown.set()
        return catching_up(10)

    clock = iter(range(100, 10_000))
    with Watch(found, StatusLine(screen, lambda: next(clock))):
        assert shown.wait(20)
    assert "\r\x1b[KSPENT catches up: 10 of 40 records" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_a_statement_that_waits_for_the_engine_shows_how_far_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, go, opening = Screen(), threading.Event(), Opening()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("ssql_cli.status_line.FIRST_S", 0.0)
    monkeypatch.setattr("ssql_cli.status_line.REDRAW_S", 0.001)
    opening.stage = Stage.RESTORING
    opening.restoring.expect({"a": (0, 4)})
    backend = LocalBackend(Config(), engine=FakeEngine())
    pending = PendingBackend("here", lambda: backend if go.wait(20) else pytest.fail("not let go"), opening)

    def let_go() -> None:
        while "restoring 0 of 1 tables" not in screen.getvalue():
            pass
        go.set()

    looking = threading.Thread(target=let_go)
    looking.start()
    assert pending.execute("SHOW TABLES;") == []
    looking.join(20)
    assert screen.getvalue().endswith("\r\x1b[K")


def test_an_engine_that_is_opened_tells_how_far_it_is_while_all_else_waits_for_it() -> None:
    go, opening = threading.Event(), Opening()

    def opener() -> RemoteBackend:
        assert go.wait(20)
        return RemoteBackend(url)

    engine = FakeEngine()
    with serving(engine) as url:
        pending = PendingBackend("here", opener, opening)
        pending.start()
        assert pending.progress() == opening.progress()
        go.set()
        engine.at = catching_up(10)
        assert pending.opened().progress() == pending.progress() == catching_up(10)
        pending.close()


def test_the_prompt_shows_what_catches_up_while_one_types_and_then_no_more(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.answer = pulled(("a", 1))
    with serving(engine) as url, prompt(url, tmp_path) as terminal:
        terminal.wait_until(ready)
        engine.at = catching_up(10)
        terminal.send("SELECT * FROM t;\r")
        terminal.wait_until(lambda lines: any("SPENT catches up: 10 of 40 records  15/s  2 s left" in x for x in lines))
        terminal.send("select 1 + ")
        terminal.wait_until(lambda lines: any("ssql> select 1 +" in line for line in lines))
        engine.at = catching_up(30)
        terminal.wait_until(lambda lines: any("SPENT catches up: 30 of 40 records" in line for line in lines))
        engine.at = catching_up(40)
        lines = terminal.wait_until(lambda lines: not any("catches up" in line for line in lines))
        assert any("ssql> select 1 +" in line for line in lines)
