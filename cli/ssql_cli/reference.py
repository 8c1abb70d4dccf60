"""The pages of `docs/` that the code knows: settings, error codes, the command line, the HTTP API, functions.

`python -m ssql_cli.reference docs` writes them.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from unittest import mock

import ssql.errors
from ssql.config import SETTINGS, Setting
from ssql.errors import SsqlError
from ssql.functions.docs import page as functions
from ssql.server.reference import page as http_api
from ssql_cli.main import make_parser

#: Columns that the help of the command is set in.
_WIDTH = "100"


def settings() -> Iterator[str]:
    """The lines of the page of settings."""
    yield "# Settings"
    yield ""
    yield (
        "Each can stand in the file that `--config` names (TOML, or Java's properties), and in the environment:"
        " `SSQL_`, then the key in capitals with `_` for `.` and `-`. Those marked with * can be SET for a session, or"
        " sent with a request. ksqlDB's names for the same thing are taken everywhere, with `ksql.` before them or not."
    )
    yield ""
    yield "| setting | default | what it does |"
    yield "| --- | --- | --- |"
    for key in sorted(SETTINGS):
        yield _setting_row(SETTINGS[key])


def _setting_row(entry: Setting[object]) -> str:
    names = f"`{entry.key}`" + (" *" if entry.per_query else "")
    names += "".join(f"<br>`{alias}`" for alias in entry.aliases)
    default = "" if entry.default in (None, "") else f"`{entry.default}`"
    return f"| {names} | {default} | {_cell(entry.doc)} |"


def errors() -> Iterator[str]:
    """The lines of the page of error codes."""
    yield "# Error codes"
    yield ""
    yield (
        "Every error has a code that stays, an HTTP status, and the number that ksqlDB's clients know. A prompt shows"
        " the message with the code, the place in the text with a caret, and a hint. Over HTTP the same is in the body:"
        " `error_code`, `message` (as ksqlDB words it), `code`, `position`, `hint`."
    )
    yield ""
    yield "| code | status | `error_code` | when |"
    yield "| --- | --- | --- | --- |"
    for code, kinds in sorted(_by_code().items()):
        first = kinds[0]
        said = " ".join(dict.fromkeys(about(kind) for kind in kinds))
        yield f"| `{code}` | {first.status} | {first.ksql_code} | {_cell(said)} |"


def error_classes() -> list[type[SsqlError]]:
    """Every kind of error that people can meet."""
    found = (getattr(ssql.errors, name) for name in ssql.errors.__all__)
    return [kind for kind in found if inspect.isclass(kind) and issubclass(kind, SsqlError) and kind is not SsqlError]


def _by_code() -> Mapping[str, list[type[SsqlError]]]:
    codes: dict[str, list[type[SsqlError]]] = {}
    for kind in sorted(error_classes(), key=lambda kind: (len(kind.mro()), kind.__name__)):
        codes.setdefault(kind.code, []).append(kind)
    return codes


def about(kind: type[SsqlError]) -> str:
    """The first paragraph of what the class says of itself."""
    text = inspect.cleandoc(kind.__dict__.get("__doc__") or "").split("\n\n")[0]
    return " ".join(text.split())


def command_line() -> Iterator[str]:
    """The lines of the page of the command."""
    yield "# The command `ssql`"
    yield ""
    yield "As `--help` shows it."
    with mock.patch.dict(os.environ, {"COLUMNS": _WIDTH}):
        for title, parser in _parsers(make_parser()):
            yield ""
            yield f"## {title}"
            yield ""
            yield "```text"
            yield parser.format_help().rstrip()
            yield "```"


def _parsers(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield f"`{parser.prog}`", parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in dict.fromkeys(action.choices.values()):
                yield from _parsers(below)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


#: Path below `docs`, and what makes its lines.
def statements() -> Iterator[str]:
    """The manual of statements, of which the prompt shows parts."""
    yield from files("ssql_cli").joinpath("statements.md").read_text(encoding="utf-8").splitlines()


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "functions.md": functions,
    "reference/settings.md": settings,
    "reference/statements.md": statements,
    "reference/errors.md": errors,
    "reference/command-line.md": command_line,
    "reference/http-api.md": http_api,
}


def main() -> None:
    """Write the pages below the folder that is named."""
    folder = Path(sys.argv[1])
    for path, lines in PAGES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text_of(lines), encoding="utf-8")


def text_of(lines: Callable[[], Iterator[str]]) -> str:
    """A page as a file has it."""
    return "\n".join(lines()) + "\n"


if __name__ == "__main__":
    main()
