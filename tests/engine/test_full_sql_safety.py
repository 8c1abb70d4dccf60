"""What a read may not do: files, network, settings, other statements. Refused by the text, and by DuckDB itself."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from ssql.config import Config
from ssql.engine.reads.database import Failed, ReadDatabase
from ssql.errors import FileAbsent, FileRefused, SqlError
from tests.engine.conftest import Bench


@pytest.fixture
def rooms(make: Callable[..., Bench], tmp_path: Path) -> tuple[Bench, Path]:
    """An engine that may read files, and a file that it may not."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "x.csv").write_text("a\n1\n")
    (tmp_path / "secret.csv").write_text("a\n2\n")
    (tmp_path / "open" / "link.csv").symlink_to(tmp_path / "secret.csv")
    bench = make(**{"files.directory": tmp_path / "open"})
    bench.session.full_sql = True
    bench.run("CREATE TABLE t (k INT PRIMARY KEY, v INT) WITH (kafka_topic='t', value_format='JSON', partitions=1);")
    return bench, tmp_path


@pytest.mark.parametrize(
    "sql",
    [
        "COPY t TO '{out}/stolen.csv'",
        "COPY (SELECT 1) TO 'stolen.csv'",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SET memory_limit = '1GB'",
        "RESET lock_configuration",
        "CALL pragma_version()",
        "EXPORT DATABASE 'x'",
        "CREATE TABLE x AS SELECT 1",
        "WITH i AS (INSERT INTO t VALUES (1, 2) RETURNING *) SELECT * FROM i",
        "WITH i AS (DELETE FROM t RETURNING *) SELECT * FROM i",
        "WITH x AS (SELECT 1) SELECT * FROM x; SELECT 2",
        "WITH x AS (SELECT 1) SELECT * FROM x; COPY t TO 'x'",
        "SELECT getenv('HOME') FROM t a, t b",
        "SELECT current_setting('memory_limit') FROM t a, t b",
        "SELECT write_log('x') FROM t a, t b",
        "SELECT * FROM (SHOW TABLES)",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM duckdb_settings",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM pg_catalog.pg_tables",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM query_table('t')",
        "SELECT * FROM json_execute_serialized_sql('x')",
        "SELECT * FROM python_arrow_scan(1, 2, 3)",
        "SELECT * FROM arrow_scan(1, 2, 3)",
        "SELECT * FROM read_duckdb('x')",
        "SELECT * FROM read_blob('x')",
        "SELECT * FROM sqlite_scan('x', 'y')",
        "SELECT * FROM read_csv('{out}/secret.csv')",
        "SELECT * FROM read_csv(['x.csv', '{out}/secret.csv'])",
        "SELECT * FROM read_csv('{out}/' || 'secret.csv')",
        "SELECT * FROM read_csv('../secret.csv')",
        "SELECT * FROM read_csv('link.csv')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '{out}/secret.csv'",
        "SELECT * FROM 'https://example.org/x.parquet'",
        "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
        "WITH x AS (SELECT * FROM '../secret.csv') SELECT * FROM x",
        "SELECT (SELECT MAX(a) FROM '../secret.csv') FROM t a, t b",
    ],
)
def test_refused(rooms: tuple[Bench, Path], sql: str) -> None:
    bench, path = rooms
    with pytest.raises(SqlError) as caught:
        bench.engine.query(sql.format(out=path), bench.session)
    assert caught.value.code != "internal_error"
    assert str(path / "open") not in caught.value.render().replace(sql.format(out=path), "")
    assert not list(path.rglob("stolen*"))


def test_files_that_are_not_there(rooms: tuple[Bench, Path]) -> None:
    bench, _ = rooms
    with pytest.raises(FileAbsent) as caught:
        bench.engine.query("SELECT * FROM 'y.csv'", bench.session)
    assert bench.marked(caught.value) == "'y.csv'"


def test_the_root_as_the_directory(make: Callable[..., Bench], tmp_path: Path) -> None:
    folder = tmp_path / "it's"
    folder.mkdir()
    (folder / "x.csv").write_text("a\n1\n")
    for directory in ("/", folder):
        bench = make(**{"files.directory": directory})
        bench.session.full_sql = True
        name = str(folder / "x.csv").replace("'", "''")
        assert bench.rows(f"SELECT * FROM '{name}'") == [(1,)]


def test_without_a_directory_there_are_no_files(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n")
    bench.session.full_sql = True
    for source in (f"'{tmp_path}/x.csv'", f"read_csv('{tmp_path}/x.csv')", f"read_csv('{tmp_path}/' || 'x.csv')"):
        with pytest.raises(FileRefused) as caught:
            bench.engine.query(f"SELECT * FROM {source}", bench.session)
        assert "files.directory" in (caught.value.hint or "")


@pytest.fixture(params=[False, True])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReadDatabase]:
    (tmp_path / "open").mkdir()
    (tmp_path / "secret.csv").write_text("a\n2\n")
    given = {"files.directory": tmp_path / "open"} if request.param else {}
    found = ReadDatabase(Config().with_values(given))
    yield found
    found.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{out}/secret.csv')",
        "SELECT * FROM '{out}/secret.csv'",
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY (SELECT 1) TO '{out}/stolen.csv'",
        "ATTACH '{out}/other.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SELECT * FROM found",  # a variable of this process
    ],
)
def test_duckdb_holds_the_walls_itself(database: ReadDatabase, tmp_path: Path, sql: str) -> None:
    with pytest.raises(Failed):
        database.run(sql.format(out=tmp_path), {}, None)
    assert not (tmp_path / "stolen.csv").exists()


def test_reads_do_not_see_each_other(database: ReadDatabase) -> None:
    import pyarrow as pa

    assert database.run("SELECT * FROM x", {"x": pa.table({"a": [1]})}, None).rows.num_rows == 1
    with pytest.raises(Failed) as caught:
        database.run("SELECT * FROM x", {}, None)
    assert isinstance(caught.value.error, duckdb.CatalogException)


def test_ctrl_c_ends_a_read_that_is_computed() -> None:
    database = ReadDatabase(Config())
    try:
        database.run("SELECT 1", {}, None)  # whatever is done once is done
        alarm = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        alarm.start()
        with pytest.raises(KeyboardInterrupt):
            database.run("SELECT count(*) FROM range(100000000000) a, range(1000) b", {}, 10.0)
        alarm.join()
        assert database.run("SELECT 1", {}, None).rows.num_rows == 1
    finally:
        database.close()
