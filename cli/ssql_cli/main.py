"""Arguments -> one module of `commands/`; errors -> stderr and an exit code.

Nothing heavy is imported before a sub-command needs it: `ssql --help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence
from importlib.abc import MetaPathFinder

from ssql.errors import InternalError, SsqlError
from ssql_cli import arguments
from ssql_cli import help as help_texts
from ssql_cli.exits import Exit

#: The shapes of `ssql datagen`, which are not imported for the help.
DATAGEN = ("orders", "clickstream", "pageviews", "users", "sensors", "nexmark")
#: Set to anything, an unexpected failure is shown with its stack.
TRACEBACK_VARIABLE = "SSQL_TRACEBACK"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is one of `Exit`."""
    if arguments is None:
        sys.meta_path.insert(0, NoPandas())
    # What goes wrong is told once, as an error; a sub-command that has a log of its own sets it up.
    logging.getLogger("ssql").addHandler(logging.NullHandler())
    try:
        parser = make_parser()
        args = parser.parse_args(_with_server(sys.argv[1:] if arguments is None else arguments))
        _refuse_idle(parser, args)
        command = importlib.import_module(args.module)
        return int(command.run(args))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Who read our rows has gone (`| head`): no fault, and the interpreter shall not flush into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except SsqlError as error:
        from ssql_cli.problems import exit_code

        print(error.render(), file=sys.stderr)
        return exit_code(error)
    except Exception as bug:
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        print(InternalError(f"unexpected {type(bug).__name__}: {bug}").render(), file=sys.stderr)
        return Exit.FAILED


class NoPandas(MetaPathFinder):
    """Says that pandas is not there: a process that is the command has no use for it.

    pyarrow imports it with the first value that it converts, where it is installed, to know its frames: 0.3 s of a
    start that takes 1 s.
    """

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002 - the interface
        """Raises `ModuleNotFoundError` for pandas; knows nothing of other modules."""
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not used here", name=fullname)


def _with_server(arguments: Sequence[str]) -> list[str]:
    """The arguments with --server before an address that stands alone, as ksqlDB's command has it."""
    found: list[str] = []
    for argument in arguments:
        before = found[-1] if found else "--"
        if re.match(r"https?://", argument) and (before == "--" or not before.startswith("-") or "=" in before):
            if found and before == "--":
                found.pop()
            found.append("--server")
        found.append(argument)
    return found


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the command and of its sub-commands; `module` names what carries them out."""
    from ssql import __version__
    from ssql_cli.output import FORMATS

    parser = argparse.ArgumentParser(
        prog="ssql",
        description="Streaming SQL on a local directory or on Kafka. Without a sub-command: a prompt, or with -e or -f "
        "statements that are carried out at once. Rows go to stdout, everything else to stderr.",
    )
    parser.add_argument("--version", action="version", version=f"ssql {__version__}")
    parser.set_defaults(module="ssql_cli.commands.query")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--server", metavar="URL", help="work on this server, such as http://127.0.0.1:8088")
    place.add_argument("--data", metavar="DIR", help="work in this directory (default: ssql-data)")
    place.add_argument("--kafka", metavar="BOOTSTRAP", help="work on Kafka, without a server")
    text = parser.add_mutually_exclusive_group()
    text.add_argument("-e", "--execute", metavar="SQL", help="carry out these statements and end")
    text.add_argument("-f", "--file", metavar="FILE", help="carry out the statements of a file and end (-: stdin)")
    parser.add_argument(
        "-o",
        "--output",
        type=_form,
        choices=FORMATS,
        default="table",
        metavar="FORM",
        help="form of rows: " + ", ".join(FORMATS) + "; TABULAR is table",
    )
    parser.add_argument(
        "-d", "--define", metavar="NAME=VALUE", action="append", default=[], help="define a variable; may be repeated"
    )
    parser.add_argument("--config", "--config-file", metavar="FILE", help="configuration file (.toml, or .properties)")
    _asker(parser, None)
    parser.add_argument("--query-timeout", type=_positive, metavar="MS", help="end a query after so many milliseconds")
    parser.add_argument("--query-row-limit", type=_count, metavar="N", help="end a query after so many rows")

    commands = parser.add_subparsers(title="sub-commands", metavar="", dest="command")
    server = commands.add_parser("server", help="serve the REST API", description="Serve the REST API.")
    server.set_defaults(module="ssql_cli.commands.server")
    server.add_argument("--listen", metavar="HOST:PORT", help="address to answer at (default: 127.0.0.1:8088)")
    _place(server)
    server.add_argument("--queries", metavar="FILE", help="carry out a file of statements first")

    run = commands.add_parser("run", help="run files of queries, without a server")
    run.set_defaults(module="ssql_cli.commands.run")
    arguments.run(run)
    _place(run)

    check = commands.add_parser("check", help="say what is wrong with files of statements, without running them")
    check.set_defaults(module="ssql_cli.commands.check")
    arguments.check(check)

    test = commands.add_parser("test", help="tests of queries, without a broker")
    test.set_defaults(module="ssql_cli.commands.test")
    arguments.test(test)

    load = commands.add_parser(
        "import",
        help="a file of rows into a stream or table",
        description="Append the rows of a CSV, NDJSON or Parquet file to a stream or table, which is created with the "
        "types of the file if it is not there. Lines that cannot be read are told and left out (exit code 1).",
    )
    load.set_defaults(module="ssql_cli.commands.transfer")
    load.add_argument("file", metavar="FILE")
    load.add_argument("--into", metavar="NAME", help="the stream or table (default: the file's name)")
    load.add_argument("--key", metavar="COLUMN", help="the column that is the key of what is created")
    load.add_argument("--type", choices=("stream", "table"), default="stream", help="what is created (default: stream)")
    load.add_argument("--timestamp", metavar="COLUMN", help="the column that is the time of the rows")
    load.add_argument("--format", choices=("csv", "json", "parquet"), help="default: by the file's name")
    load.add_argument("--header", action=argparse.BooleanOptionalAction, help="the first line of a CSV has names")
    _place(load, server=True)

    store = commands.add_parser(
        "export",
        help="rows of a stream, a table or a query into a file",
        description="Write rows to a file: CSV, JSON lines, Markdown, Arrow or Parquet, by its name.",
    )
    store.set_defaults(module="ssql_cli.commands.transfer")
    store.add_argument("what", metavar="NAME|SELECT", help="a stream, a table, or a query in quotes")
    store.add_argument("file", metavar="FILE")
    store.add_argument("--format", choices=FORMATS, metavar="FORM", help="default: by the file's name")
    _place(store, server=True)

    made = commands.add_parser(
        "datagen",
        help="made-up rows: " + ", ".join(DATAGEN),
        description="Append made-up rows to streams that are created if they are not there: the same rows for the same "
        "seed, with event times that go forward. Without --rows until stopped, without --rate as fast as it goes.",
    )
    made.set_defaults(module="ssql_cli.commands.datagen")
    made.add_argument("shape", choices=DATAGEN, metavar="SHAPE", help=", ".join(DATAGEN))
    made.add_argument("--rate", type=_positive, metavar="N", help="rows a second")
    made.add_argument("--rows", type=int, metavar="N", help="how many rows")
    made.add_argument("--into", metavar="NAME", help="the stream or table (of several: what their names begin with)")
    made.add_argument("--seed", type=int, default=1, metavar="N", help="default: 1")
    _place(made, server=True)

    config = commands.add_parser(
        "config",
        help="check a configuration file",
        description="Tell of every key that no setting has, and of values that settings do not take.",
    )
    config.set_defaults(module="ssql_cli.commands.config")
    config.add_argument("what", choices=("check",))
    config.add_argument("file", metavar="FILE")

    docs = commands.add_parser(
        "docs",
        help="the documentation's pages",
        description="Print a page of the documentation, a section, or where a word stands; without a name the list.",
    )
    docs.set_defaults(module="ssql_cli.commands.docs")
    docs.add_argument("page", metavar="PAGE", nargs="?", help="a page, a link as pages have it, or a word")

    completion = commands.add_parser(
        "completion",
        help="completion for a shell",
        description="Print what a shell needs to complete arguments.",
    )
    completion.set_defaults(module="ssql_cli.commands.completion")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))

    auth = commands.add_parser(
        "auth",
        help="users and API keys for a server",
        description="Make a part for the file that the setting auth.file names.",
    )
    auth.set_defaults(module="ssql_cli.commands.auth")
    auth.add_argument("kind", choices=("user", "key"), help="a user has a password, a key gets a secret made for it")
    auth.add_argument("name", type=_bare_name, help="letters, digits, - and _")
    auth.add_argument("--right", choices=("read", "write", "admin"), default="read", help="default: read")

    demo = commands.add_parser(
        "demo", help="a year of flights through streaming SQL", description="Run a year of flights through ssql."
    )
    demo.set_defaults(module="ssql_cli.demo.command")
    _place(demo)
    demo.add_argument("--no-prompt", action="store_true", help="do not offer the prompt at the end")

    help_texts.explain(parser, "")
    for name, command in commands.choices.items():
        help_texts.explain(command, name)
    return parser


def _form(text: str) -> str:
    """A form of rows in any case; ksqlDB's name for tables too."""
    return "table" if text.lower() == "tabular" else text.lower()


def _count(text: str) -> int:
    """A whole number above zero."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("a whole number above zero")
    return int(text)


def _refuse_idle(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End with a message where an option before a sub-command is none of it: it would be passed over in silence."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below = action.choices.get(args.command or "")
    if below is None:
        return
    taken = {action.dest for action in below._actions}
    for action in parser._actions:
        given = getattr(args, action.dest, action.default) != action.default
        if action.option_strings and given and action.dest not in taken:
            parser.error(f"{action.option_strings[-1]} is not for ssql {args.command}")


def _positive(text: str) -> float:
    """A number above zero."""
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError("a number above zero")
    return number


def _bare_name(text: str) -> str:
    """A name that needs no quotes in TOML."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise argparse.ArgumentTypeError("letters, digits, - and _ only")
    return text


def _place(parser: argparse.ArgumentParser, *, server: bool = False) -> None:
    """Where a sub-command works; `server`: on one, too. What stands before its name counts as well."""
    place = parser.add_mutually_exclusive_group()

    def add(to: argparse._ActionsContainer, option: str, kind: str, text: str) -> None:
        to.add_argument(option, metavar=kind, default=argparse.SUPPRESS, help=text)

    if server:
        add(place, "--server", "URL", "work on this server")
    add(place, "--data", "DIR", "directory of the embedded log (default: ssql-data)")
    add(place, "--kafka", "BOOTSTRAP", "work on Kafka instead of the embedded log")
    add(parser, "--config", "FILE", "configuration file (.toml, or .properties)")
    if server:
        _asker(parser, argparse.SUPPRESS)


def _asker(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Who asks a server."""
    user, password = "who asks the server; SSQL_USER in the environment too", "SSQL_PASSWORD in the environment too"
    parser.add_argument("-u", "--user", metavar="NAME", default=default, help=user)
    parser.add_argument("-p", "--password", default=default, help=f"asked for if it is not given; {password}")
    parser.add_argument("-t", "--token", metavar="NAME:SECRET", default=default, help="an API key for the server")
