"""Rows as table, JSON and CSV."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from ssql_cli.backend import AnswerColumn, Row
from ssql_cli.output import Style, display_width, row_writer

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
