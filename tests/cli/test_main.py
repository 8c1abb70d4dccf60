"""Arguments, exit codes and what goes where; the command is run as people run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ssql_cli.exits import Exit
from ssql_cli.main import main, make_parser

from ssql.errors import ColumnNotFound, Span
from tests.server.fake import FakeEngine, FakePush

from .fake import pulled, serving

SSQL = str(Path(sys.executable).with_name("ssql"))


def ssql(*arguments: str, stdin: str | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """One run of the command, without a terminal."""
    return subprocess.run(
        [SSQL, *arguments], input=stdin, capture_output=True, text=True, timeout=60, cwd=cwd, check=False
    )


def test_rows_go_to_stdout_in_the_form_that_was_asked_for() -> None:
    engine = FakeEngine()
    engine.answer = pulled(("a", 1), ("b", None))
    with serving(engine) as url:
        sql = ("--server", url, "-e", "SELECT * FROM t;")
        assert ssql(*sql).stdout == "ID |    N\n---+-----\na  |    1\nb  | NULL\n"
        assert ssql(*sql, "-o", "json").stdout == '{"ID":"a","N":1}\n{"ID":"b","N":null}\n'
        assert ssql(*sql, "-o", "csv").stdout == "ID,N\na,1\nb,\n"


def test_an_error_goes_to_stderr_with_the_line_of_the_file(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.answer = pulled(("a", 1))
    sql = "SELECT prce FROM t;"
    file = tmp_path / "queries.sql"
    file.write_text(f"-- one\n\n{sql}\n")
    engine.raises = ColumnNotFound("prce", span=Span(7, 11), candidates=["PRICE"]).within(sql, statement=sql)
    with serving(engine) as url:
        ran = ssql("--server", url, "-f", str(file))
    assert (ran.returncode, ran.stdout) == (Exit.FAILED, "")
    assert ran.stderr == (
        "error: Column 'prce' cannot be resolved.  [column_not_found]\n"
        "LINE 3: SELECT prce FROM t;\n"
        "               ^^^^\n"
        'HINT: Did you mean "PRICE"?\n'
    )


def test_statements_come_through_a_pipe() -> None:
    engine = FakeEngine()
    with serving(engine) as url:
        assert ssql("--server", url, stdin="SHOW STREAMS;\nSHOW TABLES;").returncode == 0
    assert [text for text, _ in engine.scripts] == ["SHOW STREAMS;", "SHOW TABLES;"]


def test_a_script_of_a_script(tmp_path: Path) -> None:
    engine = FakeEngine()
    (tmp_path / "it's.sql").write_text("SHOW TABLES;")
    with serving(engine) as url:
        ran = ssql("--server", url, "-d", "v=x", "-e", "RUN SCRIPT 'it''s.sql';", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    [(text, session)] = engine.scripts
    assert (text, session.variables) == ("SHOW TABLES;", {"v": "x"})


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-o", "xml"], Exit.USAGE, "invalid choice: 'xml'"),
        (["-e", "a", "-f", "b"], Exit.USAGE, "not allowed with argument"),
        (["--config", "none.toml", "-e", ";"], Exit.USAGE, 'could not read "none.toml"'),
        (["-f", "none.sql"], Exit.USAGE, 'could not read "none.sql"'),
        (["-d", "v", "-e", ";"], Exit.USAGE, "expects NAME=VALUE"),
        (["-u", "ada", "-e", ";"], Exit.USAGE, "--user goes with --password"),
        (["-p", "x", "-e", ";"], Exit.USAGE, "--password goes with --user"),
        (["-t", "x", "-e", ";"], Exit.USAGE, "--token expects NAME:SECRET"),
        (["--query-row-limit", "0"], Exit.USAGE, "a whole number above zero"),
        (["--server", "127.0.0.1:1", "-e", ";"], Exit.UNAVAILABLE, "could not reach the server"),
        (["server", "--listen", "nowhere", "--data", "d"], Exit.USAGE, "listen"),
        (["run", "none.sql"], Exit.USAGE, 'could not read "none.sql"'),
        (["--server", "http://127.0.0.1:1", "run", "a.sql"], Exit.USAGE, "--server is not for ssql run"),
        (["-e", "SHOW TABLES;", "docs"], Exit.USAGE, "--execute is not for ssql docs"),
        (["--config", "none.toml", "export", "t", "t.csv"], Exit.USAGE, 'could not read "none.toml"'),
    ],
)
def test_exit_codes(arguments: list[str], code: Exit, message: str, tmp_path: Path) -> None:
    ran = ssql(*arguments, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("option", ["--data=here", "--kafka=here", "--config=here", "--define=here"])
def test_what_stands_before_a_sub_command_counts(option: str) -> None:
    before = vars(make_parser().parse_args([option, "run", "a.sql"]))
    assert before == vars(make_parser().parse_args(["run", option, "a.sql"]))


def test_a_bug_of_ours_is_no_stack_trace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_args: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr("ssql_cli.commands.query.run", fails)
    assert main(["-e", ";"]) == Exit.FAILED
    shown = capsys.readouterr().err
    assert shown.startswith("error: unexpected KeyError: 'lost'  [internal_error]\nHINT: This is a bug in ssql.")


def test_ctrl_c_while_it_starts_is_no_stack_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ssql_cli.main.make_parser", interrupted)
    assert main(["-e", ";"]) == Exit.INTERRUPTED


def test_a_reader_that_goes_away_is_no_fault() -> None:
    engine = FakeEngine()
    engine.answer = pulled(*[("x" * 1000, n) for n in range(1000)])
    with serving(engine) as url:
        command = [SSQL, "--server", url, "-e", "SELECT * FROM t;", "-o", "json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == ""
            assert process.wait(60) == 0


def test_nothing_heavy_is_loaded_to_ask_a_server() -> None:
    engine = FakeEngine()
    engine.answer = pulled(("a", 1))
    with serving(engine) as url:
        command = [sys.executable, "-X", "importtime", SSQL, "--server", url, "-e", "SELECT * FROM t;"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    loaded = {line.split("|")[-1].strip() for line in ran.stderr.splitlines()}
    assert "ssql_cli.remote" in loaded
    assert not loaded & {"pyarrow", "duckdb", "numpy", "numba", "sqlglot", "aiohttp", "prompt_toolkit"}


def test_a_query_ends_after_so_many_rows_or_so_long() -> None:
    engine, push = FakeEngine(), FakePush()
    engine.answer = push
    push.feed(*((f"k{n}", n, 1) for n in range(5)))
    asked = ("-o", "csv", "-e", "SELECT * FROM t EMIT CHANGES;")
    with serving(engine) as url:
        ran = ssql("--server", url, *asked, "--query-row-limit", "3")
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ID,N\nk0,0\nk1,1\nk2,2\n", "")
        assert push.closed.wait(20)
        engine.answer = push = FakePush()
        push.feed(("a", 1, 1))
        ran = ssql("--server", url, *asked, "--query-timeout", "1000")
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ID,N\na,1\n", "")
        assert push.closed.wait(20)


def test_the_arguments_of_ksqldbs_command() -> None:
    engine = FakeEngine()
    engine.answer = pulled(("a", 1))
    with serving(engine) as url:
        for arguments in (
            [url, "--output", "JSON", "--execute", "SELECT * FROM t;"],
            ["--execute", "SELECT * FROM t;", "--output=JSON", "--", url],
        ):
            assert ssql(*arguments).stdout == '{"ID":"a","N":1}\n'
        assert ssql("--output", "TABULAR", "-e", "SELECT * FROM t;", url).stdout == "ID | N\n---+--\na  | 1\n"


#: Runs the command as its script does, and tells which of these modules it has loaded.
LOADED = """
import sys
from ssql_cli.main import main
try:
    main()
except SystemExit:
    pass
heavy = ("pandas", "pyarrow", "duckdb", "sqlglot", "numba", "prompt_toolkit", "httpx2", "ssql.engine.engine")
print(*(m for m in heavy if m in sys.modules), file=sys.stderr)
"""


def loaded(*arguments: str) -> list[str]:
    """The heavy modules that a run of the command loads."""
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return ran.stderr.splitlines()[-1].split()


def test_a_run_loads_only_what_it_needs(tmp_path: Path) -> None:
    assert loaded("--version") == []
    with serving(FakeEngine()) as url:
        assert loaded("--server", url, "-e", "SHOW STREAMS;") == []
    of_engine = loaded("--data", str(tmp_path), "-e", "SHOW STREAMS;")
    assert "ssql.engine.engine" in of_engine
    assert not {"pandas", "prompt_toolkit", "httpx2", "numba"} & set(of_engine)


def test_the_prompt_is_there_before_anything_heavy() -> None:
    heavy = "{'pyarrow', 'numpy', 'duckdb', 'sqlglot', 'httpx2', 'pygments', 'ssql.engine.engine'}"
    script = f"import sys, ssql_cli.shell; sys.exit(str({heavy} & set(sys.modules) or 0))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ran.stderr.strip() in ("", "0")
