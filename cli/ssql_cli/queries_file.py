"""Carries out a file of definitions so that doing it again is nothing: a restart finds what is there already.

A definition that the catalog has with the same text is passed over; one that it has with another text is refused,
unless it says OR REPLACE or IF NOT EXISTS.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from ssql.engine.api import Engine, Session
from ssql.errors import InvalidStatement, SsqlError
from ssql.sql.parser import substitute
from ssql_cli.pieces import Kind, Piece, located, script_path, split
from ssql_cli.settings import read_text


def carry_out(engine: Engine, text: str, session: Session | None = None, reads: list[Piece] | None = None) -> None:
    """Carry out the statements of a file in order, in one session.

    `reads`: takes the queries that only read (SELECT), to be answered later; None: they are refused.

    Raises:
        SsqlError: the first statement that is refused, with its place in the file.
    """
    _carry_out(engine, text, session or Session(), _known(engine), above=(), reads=reads)


def _carry_out(
    engine: Engine,
    text: str,
    session: Session,
    known: Collection[str],
    *,
    above: tuple[Path, ...],
    reads: list[Piece] | None,
) -> None:
    """`above`: the scripts that this text is run by."""
    for piece in split(text):
        if _normal(_said(piece.text, session)) in known:
            continue
        try:
            if piece.kind is Kind.QUERY and reads is not None:
                reads.append(piece)
                continue
            if piece.kind is not Kind.SCRIPT:
                engine.execute(piece.text, session)
                continue
            path = script_path(piece).resolve()
            if path in above:
                raise InvalidStatement(f'script "{path}" runs itself')
            _carry_out(engine, read_text(path), session, known, above=(*above, path), reads=reads)
        except SsqlError as error:
            raise located(error, piece, text) from None


def _said(text: str, session: Session) -> str:
    """The statement with values for its variables, as the catalog has it; as it stands where it cannot be read."""
    with suppress(SsqlError):
        return substitute(text, {name.upper(): value for name, value in session.variables.items()})
    return text


def _known(engine: Engine) -> set[str]:
    """The statements that made the sources, queries and endpoints that are there."""
    streams, tables, queries, endpoints = engine.execute(
        "DESCRIBE STREAMS EXTENDED; DESCRIBE TABLES EXTENDED; SHOW QUERIES; SHOW ENDPOINTS;"
    )
    defined: list[dict[str, Any]] = [
        *streams["sourceDescriptions"],
        *tables["sourceDescriptions"],
        *endpoints["endpoints"],
    ]
    texts = (*(one.get("statement") for one in defined), *(q.get("queryString") for q in queries["queries"]))
    return {_normal(str(text)) for text in texts if text}


def _normal(statement: str) -> str:
    return " ".join(statement.rstrip(";\n\t ").split())
