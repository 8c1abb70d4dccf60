"""Carries out text on a backend and writes the answers: what the prompt and one-shot runs share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ssql.errors import InvalidStatement, SsqlError
from ssql_cli.backend import Backend
from ssql_cli.entities import write_entity
from ssql_cli.output import Out, Style, printable, row_writer
from ssql_cli.pieces import Kind, Piece, located, script_path, split
from ssql_cli.settings import read_text


@dataclass
class Runner:
    """One backend, one form of output. `chatty`: tell how many rows there were, as people at a prompt like it."""

    backend: Backend
    form: str
    out: Out
    notices: Out
    chatty: bool = False
    style: Style = field(default_factory=Style)
    _scripts: list[Path] = field(default_factory=list)

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
                self._script(script_path(piece))
            case Kind.PRINT:
                self._print(piece.text)
            case Kind.OTHER:
                for entity in self.backend.execute(piece.text):
                    write_entity(entity, self.form, self.out, self.notices)

    def _script(self, path: Path) -> None:
        text = read_text(path)
        if path.resolve() in self._scripts:
            raise InvalidStatement(f'script "{path}" runs itself')
        self._scripts.append(path.resolve())
        try:
            self.run(text)
        finally:
            self._scripts.pop()

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
            writer = row_writer(self.form, self.out, answer.columns, live=answer.live, style=self.style)
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
