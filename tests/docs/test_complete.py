"""Nothing that people can name is without a word in `docs/`."""

from __future__ import annotations

import argparse
import re
import shlex

from ssql_cli.help import EXAMPLES, EXIT_CODES
from ssql_cli.main import DATAGEN, make_parser
from ssql_cli.output import FORMATS
from ssql_cli.pieces import split
from ssql_cli.prompt_commands import COMMANDS

from ssql.functions import REGISTRY
from ssql.sql.parser import parse_script

from .pages import DOCS

ROOT = DOCS.parent
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text() for path in DOCS.rglob("*.md")}
README = (ROOT / "README.md").read_text()


def without(names: set[str], page: str) -> set[str]:
    """Those of the names that the page has not, as words of code."""
    code = " ".join(re.findall(r"```.*?```|`[^`]+`|^    .*$", PAGES[page], re.DOTALL | re.MULTILINE))
    return {name for name in names if not re.search(rf"(?<![\w\\]){re.escape(name)}(?!\w)", code)}


def test_every_function_is_described() -> None:
    headings = set(re.findall(r"^### (\S+)", PAGES["functions.md"], re.MULTILINE))
    assert {name for name in REGISTRY.functions if not name.startswith("_")} - headings == set()


def test_every_command_of_the_prompt_is_described() -> None:
    assert without(set(COMMANDS), "prompt.md") == set()


def test_every_metric_is_described() -> None:
    source = (ROOT / "ssql" / "server" / "metrics.py").read_text()
    metrics = set(re.findall(r'"(ssql_\w+)"', source))
    assert len(metrics) > 6
    assert {name for name in metrics if name not in PAGES["operations.md"]} == set()


def test_every_form_of_rows_and_every_shape_is_described() -> None:
    assert without(set(FORMATS), "prompt.md") == set()
    assert without(set(DATAGEN), "files.md") == set()


def test_every_variable_of_the_environment_is_described() -> None:
    sources = [path.read_text() for folder in ("ssql", "cli") for path in (ROOT / folder).rglob("*.py")]
    named = set(re.findall(r'"(SSQL_[A-Z_]+[A-Z])_?"', "\n".join(sources))) - {"SSQL_ERRORS", "SSQL_LATE"}
    assert named >= {"SSQL_HISTORY", "SSQL_VAR"}
    assert {name for name in named if name not in PAGES["reference/command-line.md"]} == set()


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The command and its sub-commands, by name ("" for itself)."""
    top = make_parser()
    [below] = [action for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    return {"": top, **below.choices}


def test_help_says_what_each_option_is_with_examples_and_exit_codes() -> None:
    found = parsers()
    assert set(found) == set(EXAMPLES) == set(EXIT_CODES)
    silent = [
        (n, action.dest) for n, p in found.items() for action in p._actions if not (action.help or action.choices)
    ]
    assert [one for one in silent if one[1] != "file"] == []
    for name, parser in found.items():
        assert parser.description, name
        assert "examples:" in parser.format_help()


def test_every_command_line_of_the_pages_is_one_that_the_command_takes() -> None:
    texts = {
        **PAGES,
        "README.md of the project": README,
        "help": "\n".join(f"    {x}" for e in EXAMPLES.values() for x in e),
    }
    seen = 0
    for page, text in texts.items():
        for line in re.findall(r"^(?:    |\$ | *- (?:run: )?)ssql((?: .*)?)$", text, re.MULTILINE):
            words = shlex.split(line, comments=True)
            for mark in (">", ">>", "|", "..."):
                words = words[: words.index(mark)] if mark in words else words
            assert taken(words), f"{page}: ssql{line}"
            seen += 1
    assert seen > 60


def test_every_statement_of_the_pages_can_be_read() -> None:
    seen = 0
    for page, text in PAGES.items():
        for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL):
            for piece in split(block):
                # These are of the command, of files of tests, and of DuckDB, and are run by tests of theirs.
                if not re.match(r"COPY|ASSERT (?!TOPIC|SCHEMA)|WITH", piece.text):
                    assert parse_script(piece.text), page
                    seen += 1
    assert seen > 30


def taken(words: list[str]) -> bool:
    """Whether the command takes these arguments."""
    try:
        make_parser().parse_args(words)
    except SystemExit as ended:
        return not ended.code  # --version ends well
    return True
