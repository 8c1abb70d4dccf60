"""The files that a query may read: those under one directory (`files.directory`), named relative to it or in full."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from ssql.errors import FileAbsent, FileRefused, Span

#: Names in FROM that are files, where no stream or table has them.
_FILE = re.compile(r".+\.(parquet|csv|tsv|json|jsonl|ndjson)(\.gz|\.zst)?", re.IGNORECASE)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def looks_like_file(name: str) -> bool:
    return _FILE.fullmatch(name) is not None


def root_of(directory: str) -> Path | None:
    """The directory with its links followed; None where no files may be read."""
    return Path(directory).expanduser().resolve() if directory else None


def prefix_of(root: Path) -> str:
    """What the path of each file under a directory begins with."""
    return str(root).rstrip("/") + "/"


def allowed(name: str, directory: str, span: Span | None) -> str:
    """The full path of a file (or a pattern of files) that may be read.

    Raises:
        FileRefused: it is not under the directory, or there is none.
        FileAbsent: no file has the name.
    """
    root = root_of(directory)
    if root is None:
        raise FileRefused(name, some=False, span=span)
    path = Path(os.path.realpath(root / Path(name).expanduser()))
    if _ADDRESS.match(name) or not path.is_relative_to(root):
        raise FileRefused(name, some=True, span=span)
    if not path.exists() and not glob.has_magic(name):
        raise FileAbsent(name, span=span)
    return str(path)
