"""Which right a statement needs."""

from __future__ import annotations

from collections.abc import Mapping

from ssql.errors import Forbidden
from ssql.rights import Right
from ssql.sql import statements as s

#: What is not named here changes what others see, and needs `ADMIN`.
_NEEDED: Mapping[type[s.Statement], Right] = {
    s.Select: Right.READ,
    s.Print: Right.READ,
    s.Show: Right.READ,
    s.Describe: Right.READ,
    s.Explain: Right.READ,
    s.AssertTopic: Right.READ,
    s.AssertSchema: Right.READ,
    s.SetProperty: Right.READ,
    s.UnsetProperty: Right.READ,
    s.Define: Right.READ,
    s.Undefine: Right.READ,
    s.InsertValues: Right.WRITE,
}


def check(statement: s.Statement, right: Right) -> None:
    """
    Raises:
        Forbidden: the statement needs more than `right`.
    """
    needed = _NEEDED.get(type(statement), Right.ADMIN)
    if right < needed:
        raise Forbidden(right.name.lower(), needed.name.lower(), span=statement.span)


def check_insert(right: Right) -> None:
    """As `check`, for rows that come without a statement."""
    if right < Right.WRITE:
        raise Forbidden(right.name.lower(), Right.WRITE.name.lower())
