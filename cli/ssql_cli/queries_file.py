"""Carries out a file of definitions so that doing it again is nothing: a restart finds what is there already.

A definition that the catalog has with the same text is passed over; one that it has with another text is refused,
unless it says OR REPLACE or IF NOT EXISTS.
"""

from __future__ import annotations

from typing import Any

from ssql.engine.api import Engine, Session
from ssql.errors import SsqlError
from ssql_cli.pieces import located, split


def carry_out(engine: Engine, text: str) -> None:
    """Carry out the statements of a file in order, in one session.

    Raises:
        SsqlError: the first statement that is refused, with its place in the file.
    """
    known = _known(engine)
    session = Session()
    for piece in split(text):
        if _normal(piece.text) in known:
            continue
        try:
            engine.execute(piece.text, session)
        except SsqlError as error:
            raise located(error, piece, text) from None


def _known(engine: Engine) -> set[str]:
    """The statements that made the sources and queries that are there."""
    streams, tables, queries = engine.execute("DESCRIBE STREAMS EXTENDED; DESCRIBE TABLES EXTENDED; SHOW QUERIES;")
    sources: list[dict[str, Any]] = [*streams["sourceDescriptions"], *tables["sourceDescriptions"]]
    return {
        _normal(str(text))
        for text in (*(s.get("statement") for s in sources), *(q.get("queryString") for q in queries["queries"]))
        if text
    }


def _normal(statement: str) -> str:
    return " ".join(statement.rstrip(";\n\t ").split())
