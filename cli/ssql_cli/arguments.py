"""The arguments of the sub-commands that work on files of SQL, and what their help says.

They stand apart from what carries the commands out, which is heavy to import.
"""

from __future__ import annotations

import argparse
from pathlib import Path

_TEST = """\
Carry out tests of queries, each on a fresh engine with an empty log of its own: no broker, no server, nothing is kept.

A test is SQL with assertions. Files that ksqlDB's run-ksql-test takes are taken as they are:

  --@test: orders are summed by customer
  CREATE STREAM orders (customer STRING KEY, price INT) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON');
  CREATE TABLE spent AS SELECT customer, SUM(price) AS total FROM orders GROUP BY customer EMIT CHANGES;
  INSERT INTO orders (ROWTIME, customer, price) VALUES (1000, 'ada', 4), (2000, 'bob', 5), (3000, 'ada', 6);
  ASSERT TABLE spent (customer, total) VALUES ('ada', 10), ('bob', 5);

assertions:
  ASSERT VALUES s (..) VALUES (..), ..        the next records of a stream's or table's topic
  ASSERT NULL VALUES t (key) KEY (..), ..     the next ones are deletions
  ASSERT TABLE t (..) VALUES (..), ..         the rows of a table, in any order; ASSERT STREAM likewise
  ASSERT CHANGES t (..) VALUES (..), DELETED (key), ..    the changes since the last such assertion
  ASSERT ERRORS (..) VALUES (..), ..          new rows of SSQL_ERRORS; ASSERT LATE: of SSQL_LATE
  ASSERT TABLE t (id INT PRIMARY KEY, ..) WITH (..)       the definition of a table; ASSERT STREAM likewise
  .. IS EMPTY instead of columns and VALUES   no row at all

directives:
  --@test: name               starts a test; what stands before the first one is done at the start of each
  --@expected.error: code     the test ends with an error: an error's code, or a Java class of ksqlDB's
  --@expected.message: text   what the error says
  --@once: reason             carry the test out only as it is written

A test that passes is carried out again in other ways that must end the same: rows in transactions of random size, rows
spread over partitions and mixed between topics, a crash before and after each commit. A failure tells the seed.

A PATH is a file, or a folder that is searched for *.sql files. NAME.sql beside NAME.input.json (or input.json) and
NAME.output.json (or output.json) is a test as ksql-test-runner has it; -s, -i and -o name the three files.
"""


def run(parser: argparse.ArgumentParser) -> None:
    """Those of `ssql run`."""
    parser.description = (
        "Run the queries of files, in order, until stopped. A definition that is there already with the same text is "
        "passed over. Rows go to stdout, everything else to stderr."
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="statements that create sources and queries")
    _define(parser)
    parser.add_argument(
        "--until-caught-up",
        action="store_true",
        help="end once all that the topics hold now is processed; then the files' SELECTs are answered",
    )
    parser.add_argument("--export", metavar="DIR", help="when caught up, write each table that a query makes to a file")
    parser.add_argument("--export-format", choices=("csv", "json", "parquet"), default="csv", help="default: csv")
    parser.add_argument("-o", "--output", choices=("table", "json", "csv"), default="csv", help="form of rows")


def check(parser: argparse.ArgumentParser) -> None:
    """Those of `ssql check`."""
    parser.description = (
        "Say what is wrong with each statement of files, with its line, without running anything: definitions go into "
        "a catalog that is thrown away, over topics that are empty. Each file stands for itself. Files of tests are "
        "checked too."
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="statements")
    _define(parser)


def _define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-d", "--define", metavar="NAME=VALUE", action="append", default=argparse.SUPPRESS,
        help="the value of ${NAME}; may be repeated. SSQL_VAR_NAME in the environment gives one too",
    )  # fmt: skip


def test(parser: argparse.ArgumentParser) -> None:
    """Those of `ssql test`."""
    parser.description = _TEST
    parser.add_argument("paths", metavar="PATH", nargs="*", type=Path, help="a file of tests, or a folder of them")
    parser.add_argument("-k", metavar="TEXT", dest="select", default="", help="only tests with this in file or name")
    _define(parser)
    parser.add_argument("--quick", action="store_true", help="carry out each test only as it is written")
    parser.add_argument("--seed", type=int, metavar="N", help="repeat the choices of a run that told this seed")
    parser.add_argument("--jobs", type=_positive, default=2, metavar="N", help="processes (default: 2)")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the results as JUnit's XML too")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="S", help="seconds for a test (default: 120)")
    parser.add_argument("--watch", action="store_true", help="again whenever a file changes, until Ctrl-C")
    parser.add_argument("-s", "--sql-file", type=Path, metavar="FILE", help="statements of a test of three files")
    parser.add_argument("-i", "--input-file", type=Path, metavar="FILE", help="its input records")
    parser.add_argument("-o", "--output-file", type=Path, metavar="FILE", help="its output records")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return number
