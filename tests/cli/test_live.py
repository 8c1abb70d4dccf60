"""The table of a live view: how it takes changes in, and what stands on the screen."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from ssql_cli.backend import AnswerColumn
from ssql_cli.follow import Step
from ssql_cli.live import MARKED_S, Line, LiveRows
from ssql_cli.live_charts import CHART_WIDTH, Chart, bars_of, sparkline
from ssql_cli.live_view import LiveView
from ssql_cli.tables import display_width

from ssql.errors import ServerUnavailable

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
    for chart in (None, Chart(1), Chart(1, over_time=True)):
        rows.draw(chart, 0.0)
        lines = rows.lines(WIDTH, HEIGHT, 0, 0.0)
        assert len(lines) == HEIGHT
        assert all(display_width(text) <= WIDTH for _, text in lines)


def test_a_numeric_column_is_drawn_as_bars() -> None:
    assert bars_of([4, 2, None, Decimal("0.25")], 4) == ["████", "██", "", "▎"]
    rows = table(["a", 4, None], ["b", 2, None])
    assert rows.numeric() == [1, 2]
    rows.draw(Chart(1), 0.0)
    lines = rows.lines(60, HEIGHT, 0, 0.0)
    assert lines[0][1].endswith("N")
    assert [text.count("█") for _, text in body(lines)] == [20, 10]
    assert bars_of([], 4) == []


def unkeyed(keys: Sequence[str], *rows: Sequence[Any]) -> LiveRows:
    """A table whose key, or a part of it, is not selected."""
    found = LiveRows(COLUMNS, keys, whole=False)
    found.apply(rows, [1] * len(rows), snapshot=True, frontier={}, now=0.0)
    return found


def test_without_a_key_a_row_takes_the_place_of_its_old_one() -> None:
    rows = unkeyed([], ["b", 1, None], ["a", 1, None], ["a", 1, None])
    change(rows, (-1, ["a", 1, None]), (1, ["z", 2, None]), (-1, ["b", 1, None]), (1, ["b", 5, None]), now=1.0)
    assert body(rows.lines(WIDTH, HEIGHT, 0, 1.0)) == [
        ("class:changed", "b  | 5 | NULL"),
        ("", "a  | 1 | NULL"),
        ("class:changed", "z  | 2 | NULL"),
    ]
    change(rows, (-1, ["b", 5, None]), (-1, ["a", 1, None]), now=9.0)
    assert [text[:1] for _, text in body(rows.lines(WIDTH, HEIGHT, 0, 9.0))] == ["z"]
    change(rows, (-1, ["nobody's", 5, None]), now=9.0)
    assert len(rows) == 1


def test_with_a_part_of_the_key_rows_are_in_its_order_and_none_takes_the_place_of_anothers() -> None:
    rows = unkeyed(["ID"], ["b", 1, None], ["a", 1, None], ["b", 2, None])
    change(rows, (-1, ["b", 1, None]), (1, ["c", 1, None]), (-1, ["b", 2, None]), (1, ["b", 3, None]), now=1.0)
    assert [tuple(row[:2]) for row in rows.table(9)] == [("a", 1), ("b", 3), ("c", 1)]


def test_a_snapshot_without_keys_takes_the_place_of_all_that_was() -> None:
    rows = unkeyed([], ["a", 1, None])
    rows.apply([["z", 1, None]], [1], snapshot=True, frontier={}, now=2.0)
    change(rows, (-1, ["a", 1, None]), now=3.0)
    assert [row[0] for row in rows.table(9)] == ["z"]


def test_a_column_is_drawn_over_the_last_seconds() -> None:
    rows = table(["a", 4, None], ["b", 2, None])
    rows.draw(Chart(1, over_time=True), 10.0)
    change(rows, (1, ["a", 8, None]), (1, ["c", 1, None]), now=11.1)
    change(rows, (1, ["a", 9, None]), now=12.1)
    change(rows, (1, ["a", 0, None]), now=12.9)
    lines = rows.lines(80, HEIGHT, 0, 14.0)
    assert lines[0][1].endswith("N over time")
    drawn = [text[-4:] for _, text in body(lines)]
    assert [text.rstrip()[-5:] for _, text in body(lines)] == ["▅█▁▁▁", "▄▄▄▄▄", " ▄▄▄▄"]
    assert drawn[1] == "▄▄▄▄"
    later = rows.lines(80, HEIGHT, 0, 10.0 + 2 * CHART_WIDTH)
    assert body(later)[0][1].endswith(" " + "▄" * (80 // 3))
    rows.draw(None, 80.0)
    assert rows.lines(80, HEIGHT, 0, 80.0)[0][1].rstrip().endswith("X")


def test_what_is_no_number_is_a_gap_in_the_line() -> None:
    assert sparkline([None, 1.0, None, 3.0], 9) == " ▁ █"
    assert sparkline([1.0, 2.0, 2.0], 2) == "▄▄"
    assert sparkline([], 4) == ""


def test_keys_of_every_type_have_an_order() -> None:
    rows = LiveRows(COLUMNS, ["ID", "N"])
    keys = [(None, 1), ("b", None), ("b", 2), (["l"], 1), ("a", 10), ("a", 9)]
    rows.apply([[*key, None] for key in keys], [1] * 6, snapshot=True, frontier={}, now=0.0)
    assert [tuple(row[:2]) for row in rows.table(9)] == [
        *((["l"], 1), ("a", 9), ("a", 10)),
        *(("b", 2), ("b", None), (None, 1)),
    ]


def test_rows_are_ordered_by_another_column_and_the_other_way_round() -> None:
    rows = table(["a", 2, None], ["b", 3, Decimal("0.5")], ["c", 1, None])

    def shown() -> str:
        return "".join(text[0] for _, text in body(rows.lines(90, HEIGHT, 0, 0.0)))

    rows.turn()
    assert shown() == "cba"
    assert "key descending" in rows.lines(150, HEIGHT, 0, 0.0)[-1][1]
    rows.turn()
    rows.sort_by_next()
    rows.sort_by_next()
    assert shown() == "cab"
    change(rows, (1, ["c", 9, None]), now=1.0)
    assert shown() == "abc"
    assert "by N" in rows.lines(150, HEIGHT, 0, 0.0)[-1][1]
    rows.sort_by_next()
    assert shown() == "bac"  # NULL comes last
    rows.sort_by_next()
    assert shown() == "abc"


def test_a_view_without_rows_says_why() -> None:
    rows = LiveRows(COLUMNS, ["ID"], empty="no rows yet\nask later")
    assert [text for _, text in rows.lines(WIDTH, HEIGHT, 0, 0.0)[2:5]] == ["no rows yet", "ask later", ""]
    change(rows, (1, ["a", 1, None]), now=1.0)
    assert "no rows yet" not in str(rows.lines(WIDTH, HEIGHT, 0, 1.0))


class Broken:
    """A table whose server goes away at once."""

    columns, keys, whole = COLUMNS, ("ID",), True

    def __iter__(self) -> Iterator[Step | None]:
        yield None
        raise ServerUnavailable("there", "the connection was lost")

    def close(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize("left", [False, True])
def test_a_view_that_was_left_ends_without_the_error_of_its_connection(left: bool) -> None:
    out = io.StringIO()
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        view = LiveView(Broken())
        if left:
            view.leave()
            view.run(out)
        else:
            with pytest.raises(ServerUnavailable):
                view.run(out)
