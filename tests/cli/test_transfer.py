"""Files into streams and tables, and out of them, on an engine in a directory."""

from __future__ import annotations

import errno
import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ssql_cli.local import LocalBackend
from ssql_cli.output import CsvWriter
from ssql_cli.transfer.files import RowsFile, format_of
from ssql_cli.transfer.load import LoadOptions, create_statement, load, summary
from ssql_cli.transfer.statement import parse_copy
from ssql_cli.transfer.store import all_of, store
from ssql_cli.transfer.target import columns_of

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
    assert (loaded.rows, loaded.told) == (
        2,
        ['line 2: not valid JSON: unexpected "b" at byte 1', "line 4: expected a JSON object, got [1]"],
    )
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


def test_what_is_not_whole_takes_no_files_place(
    backend: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(writer: CsvWriter, rows: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "a.csv").write_text("what was there")
    load(backend, file(tmp_path, "b.csv", CSV), "A", LoadOptions())
    monkeypatch.setattr(CsvWriter, "rows", full)
    with pytest.raises(FileUnwritable, match="no space left"):
        store(backend, all_of("A"), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "what was there"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "b.csv", "data"]


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


EVERY_TYPE = """
    k STRING KEY, b BOOLEAN, i INT, l BIGINT, d DOUBLE, s STRING, y BYTES, dt DATE, t TIME, ts TIMESTAMP,
    dec DECIMAL(20,5), arr ARRAY<INT>, m MAP<STRING,TIMESTAMP>,
    st STRUCT<A INT, B ARRAY<STRUCT<X DECIMAL(4,2), Y DATE>>>
"""


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_rows_of_every_type_go_out_and_come_back(backend: LocalBackend, tmp_path: Path, form: str) -> None:
    for name in ("one", "other"):
        properties = f"KAFKA_TOPIC='{name}', PARTITIONS=1, VALUE_FORMAT='JSON'"
        backend.execute(f"CREATE STREAM {name} ({EVERY_TYPE}) WITH ({properties});")
    backend.execute(
        """INSERT INTO one (ROWTIME, k, b, i, l, d, s, y, dt, t, ts, dec, arr, m, st) VALUES (7, '007', true,
        -2147483648, 9223372036854775807, 0.1, 'a "q", b\nnew', 'AP8=', '2020-02-29', '23:59:59',
        '2020-01-01T10:00:00.123', 123456789012345.12345, ARRAY[1,2], MAP('x':='2020-01-01T10:00:00.001'),
        STRUCT(A:=1, B:=ARRAY[STRUCT(X:=1.10, Y:='2020-02-29')]));
        INSERT INTO one (ROWTIME, k) VALUES (8, 'nothing');"""
    )
    assert store(backend, "SELECT *, ROWTIME AS rowtime FROM one;", tmp_path / f"a.{form}") == 2
    loaded = load(backend, tmp_path / f"a.{form}", "OTHER", LoadOptions())
    assert (loaded.rows, loaded.told) == (2, [])
    asked = "SELECT *, ROWTIME FROM {};"
    assert rows(backend, asked.format("other")) == rows(backend, asked.format("one"))


def test_what_a_target_does_not_take_is_told_by_row(backend: LocalBackend, tmp_path: Path) -> None:
    backend.execute(
        "CREATE STREAM a (n BIGINT, at TIMESTAMP, l ARRAY<INT>)"
        " WITH (KAFKA_TOPIC='a', PARTITIONS=1, VALUE_FORMAT='JSON');"
    )
    text = 'n,at,l\n1,2020-01-01,[1]\n2,never,[1]\n3,1000,"[1,""x""]"\n'
    assert load(backend, file(tmp_path, "a.csv", text), "A", LoadOptions()).told == [
        'row 2: field AT: cannot read "never" as TIMESTAMP',
        'row 3: field L[1]: cannot read "x" as INTEGER',
    ]
    text = '{"n": 1}\n{"n": "x"}\n{"at": "never"}\n{"l": [1, "x"]}\n{"n": 2, "at": 1000}\n'
    assert load(backend, file(tmp_path, "a.json", text), "A", LoadOptions()).told == [
        'line 2: field N: cannot read "x" as BIGINT',
        'line 3: field AT: cannot read "never" as TIMESTAMP',
        'line 4: field L[1]: cannot read "x" as INTEGER',
    ]
    assert [row[0] for row in rows(backend, "SELECT n FROM a;")] == [1, 1, 2]


@pytest.mark.parametrize(
    ("name", "text", "columns", "first"),
    [
        ("bom.csv", "\ufeffid,name\r\n1,a\r\n", ["ID BIGINT", "NAME STRING"], [1, "a"]),
        ("newlines.csv", "id,name\n1,a\r\n2,b\n", ["ID BIGINT", "NAME STRING"], [1, "a"]),
        ("large.csv", "n,m\n9223372036854775808,1\n", ["N DECIMAL(38, 0)", "M BIGINT"], [9223372036854775808, 1]),
        ("array.json", '[{"a": 1},\n {"b": "x"}]', ["A BIGINT", "B STRING"], [1, None]),
        ("people.json", '{\n  "a": 1\n}\n{"a": 2}\n', ["A BIGINT"], [1]),
        ("mixed.json", '{"a": "x"}\n{"a": [1, 2]}\n', ["A STRING"], ["x"]),
        ("late.json", '{"a": 1}\n' * 21_000 + '{"b": 1}\n', ["A BIGINT", "B BIGINT"], [1, None]),
        ("times.json", '{"a": "2020-01-01T10:00:00.001"}\n', ["A TIMESTAMP"], [datetime(2020, 1, 1, 10, 0, 0, 1000)]),
    ],
)
def test_files_as_people_have_them_are_read(
    tmp_path: Path, name: str, text: str, columns: list[str], first: list[object]
) -> None:
    found = RowsFile(file(tmp_path, name, text), format_of(Path(name)))
    assert [f"{c.name} {c.type}" for c in found.columns] == columns
    batches = list(found.batches())
    assert [column[0].as_py() for column in batches[0].columns] == first
    assert found.bad == []
    found.close()


def test_a_quote_without_an_end_takes_no_other_column_away(tmp_path: Path) -> None:
    found = RowsFile(file(tmp_path, "a.csv", 'a,b\n1,"abc\n2,def\n3,ghi\n'), "csv")
    assert [c.name for c in found.columns] == ["A", "B"]
    list(found.batches())
    assert [(bad.unit, bad.number) for bad in found.bad] == [("line", 2)]
    found.close()


def test_numbers_and_fields_of_parquet_are_not_lost(tmp_path: Path) -> None:
    values = {"n": pa.array([2**64 - 1], pa.uint64())}
    values["m"] = pa.array([[("k", {"a": 1})]], pa.map_(pa.string(), pa.struct([("a", pa.int32())])))
    pq.write_table(pa.table(values), tmp_path / "a.parquet")
    found = RowsFile(tmp_path / "a.parquet", "parquet")
    [batch] = found.batches()
    assert batch.to_pylist() == [{"N": 2**64 - 1, "M": [("k", {"A": 1})]}]
    found.close()


def test_a_file_without_anything_is_told_and_makes_nothing(backend: LocalBackend, tmp_path: Path) -> None:
    for name, text in {"a.csv": "", "a.json": "", "b.json": "{}\n1\n"}.items():
        with pytest.raises(FileUnreadable, match=r"it is empty|there is no JSON object"):
            load(backend, file(tmp_path, name, text), "A", LoadOptions())
    assert columns_of(backend, "A") is None


def test_who_stops_an_import_is_told_what_is_in(
    backend: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def two_batches(file: RowsFile) -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pydict({"ID": [1, 2]})
        raise KeyboardInterrupt

    monkeypatch.setattr(RowsFile, "batches", two_batches)
    with pytest.raises(KeyboardInterrupt):
        load(backend, file(tmp_path, "a.csv", "id\n1\n2\n3\n"), "A", LoadOptions())
    assert "2 rows of " in capsys.readouterr().err
    assert len(rows(backend, "SELECT * FROM a;")) == 2
