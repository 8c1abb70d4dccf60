"""Carries out text on a backend and writes the answers: what the prompt and one-shot runs share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ssql.errors import SsqlError, SyntaxSqlError
from ssql_cli.backend import Backend
from ssql_cli.entities import write_entity
from ssql_cli.output import Out, printable, row_writer
from ssql_cli.pieces import Kind, Piece, located, split
from ssql_cli.settings import read_text

_SCRIPT_PATH = re.compile(r"RUN\s+SCRIPT\s+'((?:[^']|'')*)'\s*;?\s*", re.IGNORECASE)


@dataclass
class Runner:
    """One backend, one form of output. `chatty`: tell how many rows there were, as people at a prompt like it."""

    backend: Backend
    form: str
    out: Out
    notices: Out
    chatty: bool = False

    def run(self, text: str) -> None:
        """Carry out the statements of `text` in order; the first that fails ends it.

        Raises:
            SsqlError: with its position in `text`.
            KeyboardInterrupt: after the query that it interrupted was stopped.
        """
        for piece in split(text):
            try:
                self._run_piece(piece)
            except SsqlError as error:
                raise located(error, piece, text) from None

    def _run_piece(self, piece: Piece) -> None:
        match piece.kind:
            case Kind.QUERY:
                self._query(piece.text)
            case Kind.SCRIPT:
                path = _SCRIPT_PATH.fullmatch(piece.text)
                if path is None:
                    raise SyntaxSqlError("expected RUN SCRIPT 'path'")
                self.run(read_text(Path(path.group(1).replace("''", "'"))))
            case Kind.PRINT:
                self._print(piece.text)
            case Kind.OTHER:
                for entity in self.backend.execute(piece.text):
                    write_entity(entity, self.form, self.out, self.notices)

    def _print(self, sql: str) -> None:
        lines = self.backend.print_topic(sql)
        try:
            for some in lines:
                self.out.write("".join(f"{printable(line)}\n" for line in some))
                self.out.flush()
        finally:
            lines.close()

    def _query(self, sql: str) -> None:
        answer = self.backend.query(sql)
        try:
            writer = row_writer(self.form, self.out, answer.columns, live=answer.live)
            count = 0
            for rows in answer:
                count += len(rows)
                if rows:
                    writer.rows(rows)
            writer.end()
        finally:
            answer.close()
        if self.chatty:
            self.notices.write(f"{count} {'row' if count == 1 else 'rows'}\n")
        if answer.final_message:
            self.notices.write(answer.final_message + "\n")
        self.notices.flush()
