"""Carries out a file of definitions so that doing it again is nothing: a restart finds what is there already.

A definition that the catalog has with the same text is passed over; one that it has with another text is refused,
unless it says OR REPLACE or IF NOT EXISTS.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssql.engine.api import Engine, Session
from ssql.errors import InvalidStatement, Span, SsqlError
from ssql.sql.parser import substitute
from ssql_cli.pieces import Kind, Piece, is_push, located, script_path, split
from ssql_cli.settings import read_text


@dataclass(frozen=True)
class Read:
    """A query of a file that only reads, to be answered later."""

    piece: Piece
    text: str
    file: str

    def placed(self, error: SsqlError) -> SsqlError:
        """An error of this query, with its place in the file."""
        return _placed(error, self.piece, self.text, self.file)


def carry_out(engine: Engine, file: str, session: Session | None = None, reads: list[Read] | None = None) -> None:
    """Carry out the statements of a file in order, in one session.

    `reads`: takes the queries that only read (SELECT); None: they are refused.

    Raises:
        SsqlError: the first statement that is refused, with its place in the file.
        FileUnreadable: the file cannot be read.
    """
    _carry_out(engine, Path(file), session or Session(), _known(engine), above=(), reads=reads)


def _carry_out(
    engine: Engine,
    file: Path,
    session: Session,
    known: Collection[str],
    *,
    above: tuple[Path, ...],
    reads: list[Read] | None,
) -> None:
    """`above`: the scripts that this file is run by."""
    text = read_text(file)
    if file.resolve() in above:
        raise InvalidStatement(f'script "{file}" runs itself')
    for piece in split(text):
        if _normal(_said(piece.text, session)) in known:
            continue
        try:
            if piece.kind is Kind.SCRIPT:
                _carry_out(engine, script_path(piece), session, known, above=(*above, file.resolve()), reads=reads)
            elif piece.kind is Kind.QUERY:
                if reads is None:
                    raise InvalidStatement(
                        "a SELECT is not answered here",
                        hint="ssql run --until-caught-up answers it. A query that goes on is CREATE ... AS SELECT.",
                    )
                if is_push(piece.text):
                    raise InvalidStatement(
                        "a query with EMIT has no end to wait for",
                        hint="Leave EMIT CHANGES away: what the query has come to is told.",
                    )
                reads.append(Read(piece, text, str(file)))
            else:
                engine.execute(piece.text, session)
        except SsqlError as error:
            raise _placed(error, piece, text, str(file)) from None


def _placed(error: SsqlError, piece: Piece, text: str, file: str) -> SsqlError:
    """An error with its place in the file; one that has a file already is of a script that this file runs."""
    if error.file is None:
        if error.text is None or error.span is None:
            error.text, error.span = piece.text, Span(0, len(piece.text))
        located(error, piece, text)
        error.file = file
    return error


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
