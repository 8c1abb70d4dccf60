"""The table of a live view: how it takes changes in, and what stands on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ssql_cli.backend import AnswerColumn
from ssql_cli.live import MARKED_S, Line, LiveRows, bars_of

COLUMNS = (AnswerColumn("ID", "STRING"), AnswerColumn("N", "BIGINT"), AnswerColumn("X", "DOUBLE"))
WIDTH, HEIGHT = 60, 8


def table(*rows: Sequence[Any]) -> LiveRows:
    found = LiveRows(COLUMNS, ["ID"])
    found.apply(rows, [1] * len(rows), snapshot=True, frontier={("t", 0): 3, ("t", 1): 4}, now=0.0)
    return found


def change(rows: LiveRows, *changes: tuple[int, Sequence[Any]], now: float) -> None:
    rows.apply([row for _, row in changes], [d for d, _ in changes], snapshot=False, frontier={("t", 0): 9}, now=now)


def body(lines: list[Line]) -> list[Line]:
    return [line for line in lines[2:-1] if line[1]]


def test_rows_stand_in_the_order_of_their_keys_and_change_in_place() -> None:
    rows = table(["b", 2, None], ["a", 1, Decimal("0.5")])
    assert body(rows.lines(WIDTH, HEIGHT, 0, 0.0)) == [("", "a  | 1 |  0.5"), ("", "b  | 2 | NULL")]
    change(rows, (1, ["b", 3, None]), (1, ["aa", 9, None]), now=1.0)
    assert body(rows.lines(WIDTH, HEIGHT, 0, 1.0)) == [
        ("", "a  | 1 |  0.5"),
        ("class:changed", "aa | 9 | NULL"),
        ("class:changed", "b  | 3 | NULL"),
    ]


def test_a_mark_goes_after_a_moment() -> None:
    rows = table(["a", 1, None])
    change(rows, (1, ["a", 2, None]), now=1.0)
    assert rows.marked(1.0 + MARKED_S / 2)
    assert not rows.marked(1.0 + MARKED_S)
    assert body(rows.lines(WIDTH, HEIGHT, 0, 1.0 + MARKED_S))[0][0] == ""


def test_a_row_that_is_gone_leaves_the_screen() -> None:
    rows = table(["a", 1, None], ["b", 2, None])
    change(rows, (-1, ["a", None, None]), now=1.0)
    assert [text[:1] for _, text in body(rows.lines(WIDTH, HEIGHT, 0, 1.0))] == ["b"]
    change(rows, (-1, ["a", None, None]), now=1.0)
    assert len(rows) == 1


def test_a_snapshot_takes_the_place_of_all_that_was() -> None:
    rows = table(["a", 1, None])
    rows.apply([["z", 1, None]], [1], snapshot=True, frontier={}, now=2.0)
    assert [text[:1] for _, text in body(rows.lines(WIDTH, HEIGHT, 0, 2.0))] == ["z"]


def test_the_footer_tells_rows_rate_and_frontier_of_this_moment() -> None:
    rows = table(*([f"k{n:02}", n, None] for n in range(20)))
    change(rows, *((1, [f"k{n:02}", 7, None]) for n in range(10)), now=10.0)
    footer = rows.lines(90, HEIGHT, 2, 10.0)[-1][1]
    assert footer.startswith(" 20 rows | 3-7 | 2.0 changes/s | t read to 9 | ")
    assert "| 0.0 changes/s |" in rows.lines(90, HEIGHT, 2, 20.0)[-1][1]


def test_the_picture_is_as_high_as_the_screen_and_no_line_is_wider() -> None:
    rows = table(*([f"key {n} {'字' * 40}", n, None] for n in range(20)))
    for chart in (None, 1):
        rows.chart = chart
        lines = rows.lines(WIDTH, HEIGHT, 0, 0.0)
        assert len(lines) == HEIGHT
        assert all(len(text) <= WIDTH for _, text in lines)


def test_a_numeric_column_is_drawn_as_bars() -> None:
    assert bars_of([4, 2, None, Decimal("0.25")], 4) == ["████", "██", "", "▎"]
    rows = table(["a", 4, None], ["b", 2, None])
    assert rows.numeric() == [1, 2]
    rows.chart = 1
    lines = rows.lines(60, HEIGHT, 0, 0.0)
    assert lines[0][1].endswith("N")
    assert [text.count("█") for _, text in body(lines)] == [20, 10]
    assert bars_of([], 4) == []


def test_keys_of_every_type_have_an_order() -> None:
    rows = LiveRows(COLUMNS, ["ID", "N"])
    keys = [(None, 1), ("b", None), ("b", 2), (["l"], 1), ("a", 10), ("a", 9)]
    rows.apply([[*key, None] for key in keys], [1] * 6, snapshot=True, frontier={}, now=0.0)
    assert [tuple(row[:2]) for row in rows.table(9)] == [
        *((["l"], 1), ("a", 9), ("a", 10)),
        *(("b", 2), ("b", None), (None, 1)),
    ]
