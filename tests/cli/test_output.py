"""Rows in every form."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ssql_cli.backend import AnswerColumn, Row
from ssql_cli.output import Style, row_writer
from ssql_cli.tables import display_width

from ssql.errors import NeedsFile

COLUMNS = (AnswerColumn("ID", "STRING"), AnswerColumn("N", "BIGINT"), AnswerColumn("X", "ARRAY<DOUBLE>"))
ROWS = [
    Row(["a", 1, [Decimal("1.50"), None]]),
    Row(["wide 字", None, None]),
    Row(['line\nbreak \x1b[2J, "quoted"', -20, []]),
]


def written(form: str, *batches: list[Row], live: bool = False) -> str:
    out = io.StringIO()
    writer = row_writer(form, out, COLUMNS, live=live)
    for rows in batches:
        writer.rows(rows)
    writer.end()
    return out.getvalue()


def test_a_table_is_aligned_and_cannot_be_broken_by_data() -> None:
    assert written("table", ROWS[:2], ROWS[2:]) == (
        "ID                            |    N | X\n"
        "------------------------------+------+------------\n"
        "a                             |    1 | [1.50,null]\n"
        "wide 字                       | NULL | NULL\n"
        'line\\nbreak \\x1b[2J, "quoted" |  -20 | []\n'
    )


NARROW = "ID    |     N | X\n------+-------+------\n"


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (Style(5), NARROW + "wide  |  NULL | [1.50\n字 an |       | ,null\nd     |       | ]\n"),
        (Style(5, wrap=False), NARROW + "wi... |  NULL | [1...\n"),
    ],
)
@pytest.mark.parametrize("live", [False, True])
def test_columns_of_a_given_width(style: Style, text: str, live: bool) -> None:
    out = io.StringIO()
    writer = row_writer("table", out, COLUMNS, live=live, style=style)
    writer.rows([Row(["wide 字 and", None, [Decimal("1.50"), None]])])
    writer.end()
    assert out.getvalue() == text


def test_an_empty_table_has_its_head() -> None:
    head = "ID | N | X\n---+---+--\n"
    assert written("table") == head
    assert written("table", live=True) == head


def test_a_live_table_shows_rows_at_once_and_marks_deleted_ones() -> None:
    out = io.StringIO()
    writer = row_writer("table", out, COLUMNS, live=True)
    writer.rows([Row(["abc", 1, []])])
    first = out.getvalue()
    assert first == "ID  | N | X\n----+---+---\nabc | 1 | []\n"
    writer.rows([])
    writer.rows([Row(["a longer one", 2, []]), Row(["a", None, None], deleted=True)])
    assert out.getvalue() == first + "a longer one | 2 | []\na   | NULL | NULL  (deleted)\n"


def test_json_is_an_object_a_line() -> None:
    assert written("json", [*ROWS, Row(["a", None, None], deleted=True)]) == (
        '{"ID":"a","N":1,"X":[1.50,null]}\n'
        '{"ID":"wide 字","N":null,"X":null}\n'
        '{"ID":"line\\nbreak \\u001b[2J, \\"quoted\\"","N":-20,"X":[]}\n'
        '{"ID":"a","_deleted":true}\n'
    )


def test_csv_quotes_what_needs_it() -> None:
    assert written("csv", ROWS) == ('ID,N,X\na,1,"[1.50,null]"\nwide 字,,\n"line\nbreak \x1b[2J, ""quoted""",-20,[]\n')


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("字", 2), ("e\u0301", 1), ("", 0)])
def test_display_width(text: str, width: int) -> None:
    assert display_width(text) == width


def styled(form: str, columns: Sequence[AnswerColumn], rows: Sequence[Row], style: Style) -> str:
    out = io.StringIO()
    writer = row_writer(form, out, columns, style=style)
    writer.rows(rows)
    writer.end()
    return out.getvalue()


WIDE = (AnswerColumn("ID", "BIGINT"), AnswerColumn("TEXT", "STRING"))


def test_a_table_is_squeezed_to_the_terminal_with_a_mark() -> None:
    text = styled("table", WIDE, [Row([1, "東京" * 10]), Row([12, "short"])], Style(terminal=20))
    assert text == "ID | TEXT\n---+----------------\n 1 | 東京東京東京東…\n12 | short\n"
    assert max(map(display_width, text.splitlines())) <= 20


def test_columns_that_do_not_fit_make_a_row_a_block_of_lines() -> None:
    columns = [AnswerColumn(name, "STRING") for name in ("A", "LONGER", "C")]
    row = Row(["x" * 30, "y" * 30, None])
    text = styled("table", columns, [row], Style(terminal=20, null="-"))
    assert text == f"-[ row 1 ]+{'-' * 20}\nA      | {'x' * 30}\nLONGER | {'y' * 30}\nC      | -\n"
    assert styled("table", columns, [row], Style(terminal=20, expanded="off")).count("…") == 3


def test_markdown_keeps_its_columns() -> None:
    text = styled("markdown", WIDE, [Row([1, "a|b"])], Style())
    assert text == "| ID | TEXT |\n| ---: | --- |\n| 1 | a\\|b |\n"


@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_a_file_of_arrow_has_the_types_of_sql(form: str, tmp_path: Path) -> None:
    kinds = {
        "STRING": "a", "BIGINT": 1 << 60, "DECIMAL(4, 2)": Decimal("1.50"), "TIMESTAMP": "2020-01-31T23:59:58.123",
        "DATE": "2020-01-31", "BYTES": "AAE=", "ARRAY<STRUCT<X INTEGER>>": [{"X": 1}], "DOUBLE": None,
    }  # fmt: skip
    columns = [AnswerColumn("same name", kind) for kind in kinds]
    with (tmp_path / "f").open("w") as out:
        writer = row_writer(form, out, columns)
        writer.rows([Row(list(kinds.values())), Row([None] * len(kinds), deleted=True)])
        writer.end()
    path = tmp_path / "f"
    table = pq.ParquetFile(path).read() if form == "parquet" else pa.ipc.open_stream(path.read_bytes()).read_all()
    assert [column.to_pylist() for column in table.columns] == [
        ["a"], [1 << 60], [Decimal("1.50")], [datetime(2020, 1, 31, 23, 59, 58, 123000)], [date(2020, 1, 31)],
        [b"\0\1"], [[{"X": 1}]], [None],
    ]  # fmt: skip


def test_bytes_are_not_written_to_text() -> None:
    with pytest.raises(NeedsFile, match="parquet is no text"):
        row_writer("parquet", io.StringIO(), WIDE)
