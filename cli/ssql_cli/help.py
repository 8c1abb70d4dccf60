"""What `--help` says below the options: examples that run, how a command ends, and what it reads of the environment."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

_NONE = "0 done, 2 wrong arguments or configuration."
_ONCE = "0 done, 1 a statement failed, 2 wrong arguments or configuration, 3 not available now, 130 interrupted."

#: Sub-command ("" for none) -> lines of a shell.
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "": (
        "ssql                                            # the prompt, on ./ssql-data",
        'ssql --data flights -e "SELECT * FROM airlines;" -o csv',
        "ssql --server http://127.0.0.1:8088 -f queries.sql",
        "ssql --kafka localhost:9092",
    ),
    "server": (
        "ssql server --listen 0.0.0.0:8088 --config server.toml",
        "ssql server --kafka localhost:9092 --queries queries.sql",
    ),
    "run": (
        "ssql run queries.sql --kafka localhost:9092",
        "ssql run queries.sql -d region=eu --until-caught-up --export results",
    ),
    "check": ("ssql check queries/spent.sql queries/late.sql", "ssql check queries/spent.sql -d region=eu"),
    "test": ("ssql test tests/ --junit results.xml", "ssql test tests/ -k customer --quick --watch"),
    "import": (
        "ssql import orders.csv --key customer --timestamp at",
        "ssql import users.ndjson --into users --type table --key id --server http://127.0.0.1:8088",
    ),
    "export": ("ssql export spent spent.parquet", 'ssql export "SELECT * FROM spent WHERE total > 100" best.csv'),
    "datagen": ("ssql datagen orders --rate 100", "ssql datagen nexmark --rows 1000000 --seed 7"),
    "config": ("ssql config check ksql-server.properties",),
    "docs": ("ssql docs tutorial", "ssql docs operations.md#health", "ssql docs GREATEST"),
    "completion": ("ssql completion bash > ~/.local/share/bash-completion/completions/ssql",),
    "auth": ("ssql auth user ada --right admin >> credentials.toml", "ssql auth key reports >> credentials.toml"),
    "demo": ("ssql demo", "ssql demo --data flights --no-prompt"),
}

#: Sub-command -> its exit codes.
EXIT_CODES: Mapping[str, str] = {
    "": _ONCE,
    "server": "0 stopped, 1 the file of statements was refused, 2 wrong arguments or configuration, 3 the log or "
    "directory cannot be used now.",
    "run": "0 stopped, or caught up; 1 a statement was refused, or a query failed (without --until-caught-up: all of "
    "them did); 2 wrong arguments or configuration; 3 the log or directory cannot be used now; 130 stopped before it "
    "had caught up.",
    "check": "0 nothing is wrong, 1 a statement is, 2 wrong arguments or a file is not there, 4 there was no statement "
    "to check.",
    "test": "0 all tests passed, 1 one failed or a file is no test, 2 wrong arguments or a file is not there, 4 there "
    "was no test to carry out, 130 interrupted.",
    "import": "0 all rows are in, 1 a line could not be read or a statement failed, 2 wrong arguments or "
    "configuration, 3 not available now, 130 interrupted.",
    "export": _ONCE,
    "datagen": _ONCE,
    "config": "0 nothing is wrong, 2 a key or value is, or the file is not there.",
    "docs": "0 done, 2 there is no such page or word.",
    "completion": _NONE,
    "auth": _NONE,
    "demo": "0 every result was right, 1 one was not, 2 wrong arguments or configuration, 3 not available now.",
}

_ENVIRONMENT = """\
environment:
  SSQL_...                   any setting: SSQL_BATCH_MAX_ROWS is batch.max.rows (ssql docs settings)
  SSQL_VAR_NAME              the value of ${NAME} in files of server, run, check and test
  SSQL_USER, SSQL_PASSWORD   who asks the server
  SSQL_HISTORY               the file of the prompt's history; empty: none
  PAGER, VISUAL, EDITOR      what shows long answers, and edits statements
  SSQL_TRACEBACK=1           a failure that nobody expected is shown with its stack"""


class Help(argparse.HelpFormatter):
    """Fills paragraphs of one line; those of several stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        filled = super()._fill_text
        return "\n\n".join(part if "\n" in part else filled(part, width, indent) for part in text.split("\n\n"))


def explain(parser: argparse.ArgumentParser, name: str) -> None:
    """Give a parser what stands below its options."""
    parser.formatter_class = Help
    examples = "\n".join(["examples:", *(f"  {line}" for line in EXAMPLES[name])])
    parts = [examples, f"Exit codes: {EXIT_CODES[name]}"]
    if not name:
        parts.append(_ENVIRONMENT)
    parser.epilog = "\n\n".join(parts)
