from __future__ import annotations

import pytest

from ssql.schemas.compatibility import problems
from ssql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, STRING, Array, Decimal, Map, SqlType, Struct

S = Struct


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (INTEGER, BIGINT, ()),
        (BIGINT, DOUBLE, ()),
        (BIGINT, INTEGER, ("the value was BIGINT and would be INTEGER",)),
        (INTEGER, STRING, ()),
        (STRING, INTEGER, ("the value was STRING and would be INTEGER",)),
        (Decimal(4, 2), Decimal(5, 2), ()),
        (Decimal(4, 2), Decimal(4, 3), ("the value was DECIMAL(4, 2) and would be DECIMAL(4, 3)",)),
        (S((("a", INTEGER),)), S((("a", INTEGER), ("b", STRING))), ()),
        (S((("a", INTEGER), ("b", STRING))), S((("A", INTEGER),)), ()),
        (S((("a", INTEGER),)), S((("A", BOOLEAN),)), ("A was INTEGER and would be BOOLEAN",)),
        (
            S((("a", Array(S((("b", Map(STRING, BIGINT)),)))),)),
            S((("a", Array(S((("b", Map(STRING, INTEGER)),)))),)),
            ("a[].b[] was BIGINT and would be INTEGER",),
        ),
        (Array(INTEGER), STRING, ("the value was ARRAY<INTEGER> and would be STRING",)),
    ],
    ids=str,
)
def test_a_schema_may_follow_where_it_reads_what_was_written(
    old: SqlType, new: SqlType, expected: tuple[str, ...]
) -> None:
    assert problems(old, new) == expected
