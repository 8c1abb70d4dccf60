"""Files into streams and tables, and out of them, on an engine in a directory."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ssql_cli.local import LocalBackend
from ssql_cli.transfer.files import RowsFile, format_of
from ssql_cli.transfer.load import LoadOptions, create_statement, load, summary
from ssql_cli.transfer.progress import progress_text
from ssql_cli.transfer.statement import parse_copy
from ssql_cli.transfer.store import all_of, store

from ssql.config import DATA_DIR, Config
from ssql.errors import ColumnNotFound, FileUnreadable, FileUnwritable, SyntaxSqlError

CSV = 'id,Big Name,at,price\n1,a,2020-01-01 10:00:00,1.5\n2,"b, c",2020-01-01 11:00:00,\n'


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[LocalBackend]:
    found = LocalBackend(Config().with_values({DATA_DIR.key: str(tmp_path / "data")}))
    yield found
    found.close()


def rows(backend: LocalBackend, sql: str) -> list[list[object]]:
    answer = backend.query(sql)
    return [list(row.values) for some in answer for row in some]


def file(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_csv_file_makes_a_stream_with_its_types(backend: LocalBackend, tmp_path: Path) -> None:
    path = file(tmp_path, "orders.csv", CSV)
    loaded = load(backend, path, "ORDERS", LoadOptions(key="id", timestamp="at"))
    assert summary(loaded, "ORDERS") == "2 rows into ORDERS (created)"
    assert rows(backend, "SELECT *, ROWTIME FROM orders;") == [
        [1, "a", "2020-01-01T10:00:00.000", 1.5, 1577872800000],
        [2, "b, c", "2020-01-01T11:00:00.000", None, 1577876400000],
    ]
    again = load(backend, path, "ORDERS", LoadOptions())
    assert (again.rows, again.created) == (2, False)
    assert len(rows(backend, "SELECT * FROM orders;")) == 4


def test_bad_lines_are_left_out_and_told_by_their_number(backend: LocalBackend, tmp_path: Path) -> None:
    good = "".join(f"{n},x,2020-01-01 10:00:00,1\n" for n in range(3, 30_000))  # what types are inferred from
    loaded = load(
        backend, file(tmp_path, "a.csv", CSV + good + "x,y,2020-01-01 10:00:00,1\n5,short\n"), "A", LoadOptions()
    )
    assert loaded.rows == 29_999
    assert [told.split(":")[0] for told in loaded.told] == ["line 30001", "line 30002"]
    assert "2 left out\nline 30001: " in summary(loaded, "A")

    text = '{"id": 1, "n": {"x": [{"y": 2}]}}\n{bad\n\n[1]\n{"id": 2}\n'
    loaded = load(backend, file(tmp_path, "b.ndjson", text), "B", LoadOptions(type="table", key="ID"))
    assert (loaded.rows, loaded.told) == (2, ["line 2: it is no JSON object", "line 4: it is no JSON object"])
    backend.engine.caught_up(20)
    assert sorted(rows(backend, "SELECT * FROM b;")) == [[1, {"X": [{"Y": 2}]}], [2, None]]


def test_parquet_goes_out_and_comes_back(backend: LocalBackend, tmp_path: Path) -> None:
    load(backend, file(tmp_path, "a.csv", CSV), "A", LoadOptions())
    assert store(backend, all_of("A"), tmp_path / "a.parquet") == 2
    assert pq.read_table(tmp_path / "a.parquet").schema.field("AT").type == pa.timestamp("ms")
    load(backend, tmp_path / "a.parquet", "B", LoadOptions())
    assert rows(backend, "SELECT * FROM b;") == rows(backend, "SELECT * FROM a;")
    assert store(backend, "SELECT ID FROM a;", tmp_path / "ids.csv") == 2
    assert (tmp_path / "ids.csv").read_text() == "ID\n1\n2\n"
    with pytest.raises(FileUnwritable):
        store(backend, all_of("A"), tmp_path / "a.doc")


def test_what_does_not_fit_is_refused(backend: LocalBackend, tmp_path: Path) -> None:
    path = file(tmp_path, "a.csv", CSV)
    with pytest.raises(ColumnNotFound, match="nothing"):
        load(backend, path, "A", LoadOptions(key="nothing"))
    backend.execute("CREATE STREAM other (id INT) WITH (KAFKA_TOPIC='other', PARTITIONS=1, VALUE_FORMAT='JSON');")
    with pytest.raises(ColumnNotFound, match="Big Name"):
        load(backend, path, "OTHER", LoadOptions())
    with pytest.raises(FileUnreadable, match="no such file"):
        load(backend, tmp_path / "none.csv", "A", LoadOptions())
    with pytest.raises(FileUnreadable, match="its format is none of"):
        format_of(tmp_path / "a.doc")


def test_rows_of_a_table_without_a_key_are_told(backend: LocalBackend, tmp_path: Path) -> None:
    loaded = load(
        backend, file(tmp_path, "t.csv", "id,n\n1,2\n,3\n"), "T", LoadOptions(type="table", key="id", header=True)
    )
    assert loaded.rows == 1
    assert loaded.told[0].startswith("row 2: ")


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode()))
    found = RowsFile(path, format_of(path))
    assert sum(batch.num_rows for batch in found.batches()) == 2
    assert create_statement("A", found.columns, LoadOptions(type="table", key="Big Name")).startswith(
        "CREATE TABLE `A` (`Big Name` STRING PRIMARY KEY, `ID` BIGINT, "
    )
    found.close()


def test_a_copy_says_what_goes_where() -> None:
    copy = parse_copy("COPY orders FROM 'it''s.csv' WITH (FORMAT csv, HEADER true, KEY = 'id', type=TABLE);")
    assert (copy.name, copy.into, copy.path) == ("ORDERS", True, Path("it's.csv"))
    assert copy.options == LoadOptions(format="csv", header=True, type="table", key="id")
    copy = parse_copy("copy (SELECT f(a) FROM b) to 'x.parquet'")
    assert (copy.query, copy.into, copy.name) == ("SELECT f(a) FROM b", False, None)
    assert parse_copy("COPY `my orders` TO 'x.csv';").name == "my orders"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("COPY orders;", "COPY orders;"),
        ("COPY (SELECT 1) FROM 'x.csv';", "COPY (SELECT 1) FROM 'x.csv';"),
        ("COPY a FROM 'x.csv' WITH (colour = red);", "colour = red"),
        ("COPY a FROM 'x.csv' WITH (type = view);", "type = view"),
    ],
)
def test_a_copy_that_is_none_is_marked(text: str, marked: str) -> None:
    with pytest.raises(SyntaxSqlError) as bad:
        parse_copy(text)
    span = bad.value.span
    assert span is not None
    assert text[span.start : span.end] == marked


def test_progress_tells_rows_rate_share_and_time_left() -> None:
    assert progress_text("a.csv", 5000, 20_000, 2.0) == "a.csv: 5,000 rows, 2,500 rows/s, 25 %, 6 s left"
    assert progress_text("a.csv", 0, None, 0.0) == "a.csv: 0 rows, 0 rows/s"
