"""The rows of a query into a file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ssql.errors import FileUnwritable
from ssql.types import quote
from ssql_cli.arrow_files import ArrowWriter
from ssql_cli.backend import Backend
from ssql_cli.output import FORMATS, SUFFIXES, row_writer
from ssql_cli.transfer.progress import Progress


def store(backend: Backend, query: str, path: Path, form: str | None = None) -> int:
    """Write what a query answers; returns the number of rows. The form is that of the file's name unless given.

    Raises:
        FileUnwritable: the file, or it has no form.
    """
    form = form or SUFFIXES.get(path.suffix.lower())
    if form == "ndjson":
        form = "json"
    if form not in FORMATS:
        raise FileUnwritable(str(path), f"its format is none of {', '.join(FORMATS)}: say which one it is")
    answer = backend.query(query)
    try:
        with _aside(path) as out, Progress(f"into {path.name}") as progress:
            writer, count = row_writer(form, out, answer.columns), 0
            # An engine in this process has columns, which no row need be made of.
            if isinstance(writer, ArrowWriter) and (batches := getattr(answer, "batches", None)) is not None:
                for batch in batches():
                    writer.batch(batch)
                    count += batch.num_rows
                    progress.at(count)
                writer.end()
                return count
            for rows in answer:
                if rows:
                    writer.rows(rows)
                    count += len(rows)
                    progress.at(count)
            writer.end()
            return count
    except OSError as bad:
        raise FileUnwritable(str(path), (bad.strerror or str(bad)).lower()) from None
    finally:
        answer.close()


@contextmanager
def _aside(path: Path) -> Iterator[TextIO]:
    """A file that takes its place once it is whole: what is there stays until then. What is no file is written to."""
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8") as out:
            yield out
        return
    target = path.resolve()  # a link stays one
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8") as out:
            yield out
        if target.exists():
            shutil.copymode(target, aside)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def all_of(name: str) -> str:
    """The query of all rows of a stream or table."""
    return f"SELECT * FROM {quote(name)};"
