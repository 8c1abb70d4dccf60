"""`ssql demo`: a year of flights through streaming SQL. It defines, feeds, reads and checks, and ends by itself."""

from __future__ import annotations

import argparse
import contextlib
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pyarrow as pa

from ssql.config import (
    AUTO_OFFSET_RESET,
    DATA_DIR,
    KAFKA_BOOTSTRAP,
    OUTPUT_TOPIC_PREFIX,
    SERVICE_ID,
    Config,
)
from ssql.engine.api import PullResult
from ssql.engine.engine import LocalEngine, open_log
from ssql.engine.lock import DirectoryLock
from ssql.errors import ConfigError, InternalError
from ssql_cli import settings
from ssql_cli.demo import feed, source
from ssql_cli.demo.checks import CHECKS, RawFiles
from ssql_cli.exits import Exit
from ssql_cli.local import LocalBackend, answer_columns, rows_of
from ssql_cli.output import Out, row_writer
from ssql_cli.pieces import split

#: Seconds that the queries may need to see all that was fed.
PATIENCE_S = 300.0
#: A push query that is shown while the flights go in: flights that left more than fifteen hours late.
LIVE_QUERY = """SELECT carrier, flight, origin, dest, dep_delay, airline
FROM flights_in_full
WHERE dep_delay >= 900
EMIT CHANGES;"""
#: Pull queries that are shown with their answers.
PULL_QUERIES = (
    "SELECT * FROM worst_delays;",
    "SELECT * FROM worst_delays WHERE origin = 'JFK';",
    """SELECT FORMAT_TIMESTAMP(FROM_UNIXTIME(WINDOWSTART), 'yyyy-MM-dd HH:mm') AS hour, flights, avg_delay, worst_delay
FROM delays_by_hour
WHERE carrier = 'AA' AND WINDOWSTART >= '2013-09-20T21:00:00' AND WINDOWSTART < '2013-09-21T00:00:00';""",
    """SELECT manufacturer, flights, seats, ROUND(avg_arr_delay, 1) AS avg_delay FROM seats_by_manufacturer
WHERE flights > 10000;""",
    "SELECT origin, hours, ROUND(avg_temp, 1) AS fahrenheit, ROUND(rain, 2) AS inches FROM climate;",
)


def run(args: argparse.Namespace) -> Exit:
    """Run the demo; exit 1 where an answer is not what DuckDB makes of the files. Raises `SsqlError`."""
    prompt = not args.no_prompt and sys.stdin.isatty() and sys.stdout.isatty()
    with contextlib.ExitStack() as stack:
        config = _config(args, stack)
        files = source.find_files()
        demo = stack.enter_context(contextlib.closing(Demo(config)))
        good = demo.run(files)
        if prompt and good:
            from ssql_cli.shell import Shell

            print("\nTry it yourself; Ctrl-D leaves.")
            Shell(demo.backend).run()
    return Exit.OK if good else Exit.FAILED


class Demo:
    """One run on one log. Topics are named with a prefix of this run, so that a shared Kafka is left as it was."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.prefix = config[OUTPUT_TOPIC_PREFIX]
        self.log = open_log(config)
        self.engine = LocalEngine(config, log=self.log)
        self.backend = LocalBackend(config, {"prefix": self.prefix}, engine=self.engine)
        self.out = Indented(sys.stdout)

    def run(self, files: source.Files) -> bool:
        """All of it, told on stdout; whether every answer was right."""
        print("A year of flights from New York, as streaming SQL")
        self.define()
        self.feed(files)
        self.ask()
        return self.check(files)

    def define(self) -> None:
        """The statements of flights.sql."""
        _section("1. Streams, tables and queries (flights.sql)")
        for piece in split(definitions()):
            self.backend.execute(piece.text)
            head, is_query, _ = piece.text.partition(" AS\n")
            self.say(f"{head} AS SELECT ..." if is_query else head.split("(")[0].strip())

    def feed(self, files: source.Files) -> None:
        """The tables, then the flights; meanwhile a push query shows what it sees."""
        _section("2. The flights go in, in order of time; a push query looks on")
        for table in source.tables(files):
            self._feed(table)
        self._wait()
        flights = source.flights(files)
        self.say(LIVE_QUERY + "\n")
        live = self.engine.query(LIVE_QUERY, self.backend.session)
        if isinstance(live, PullResult):
            raise InternalError("a query with EMIT is not answered as a push query")
        writer = row_writer("table", self.out, answer_columns(live.columns), live=True)

        def show() -> None:
            while (batch := live.take(timeout_s=0)) is not None and batch.num_rows:
                writer.rows(rows_of(batch, live.columns))

        started = time.perf_counter()
        self._feed(flights, show)
        self._wait()
        elapsed = time.perf_counter() - started
        show()
        live.close()
        count, queries = flights.rows.num_rows, definitions().count("EMIT CHANGES")
        rate = f"{count / elapsed:,.0f} flights a second"
        self.say(f"\n{count:,} flights through {queries} queries in {elapsed:.1f} s: {rate}.")

    def ask(self) -> None:
        """Pull queries over the results."""
        _section("3. Pull queries read the results")
        for sql in PULL_QUERIES:
            self.say(sql + "\n")
            started = time.perf_counter()
            answer = self.backend.query(sql)
            rows = [row for some in answer for row in some]
            elapsed_ms = (time.perf_counter() - started) * 1000
            writer = row_writer("table", self.out, answer.columns)
            writer.rows(rows)
            writer.end()
            self.say(f"({len(rows)} {'row' if len(rows) == 1 else 'rows'}, {elapsed_ms:.1f} ms)\n")

    def check(self, files: source.Files) -> bool:
        """Every result against one DuckDB query over the raw files."""
        _section("4. Every result, compared with one DuckDB query over the raw files")
        with tempfile.TemporaryDirectory() as folder, RawFiles(files, files.unpack_flights(Path(folder))) as raw:
            outcomes = [raw.compare(check, self._pull) for check in CHECKS]
        for outcome in outcomes:
            verdict = "agrees" if outcome.difference is None else f"DIFFERS: {outcome.difference}"
            self.say(f"{outcome.name:<22} {outcome.rows:>9,} rows  {verdict}")
        wrong = sum(outcome.difference is not None for outcome in outcomes)
        if wrong:
            self.say(f"\n{wrong} of {len(outcomes)} results are not what DuckDB makes of the files.")
        else:
            self.say(f"\nAll {len(outcomes)} results agree, row for row.")
        return not wrong

    def say(self, text: str) -> None:
        """A line (or several) of the story."""
        self.out.write(text + "\n")
        self.out.flush()

    def close(self) -> None:
        """Stop; on Kafka, delete the topics of this run."""
        self.backend.close()
        if self.log.kind == "kafka":
            with contextlib.closing(open_log(self.config)) as log:
                for topic in log.topics():
                    if self.prefix in topic.name:
                        log.delete_topic(topic.name)

    def _feed(self, rows: source.Source, after_batch: Callable[[], None] = lambda: None) -> None:
        for _ in feed.feed(self.log, self.prefix + rows.name, rows):
            after_batch()

    def _pull(self, sql: str) -> pa.Table:
        result = self.engine.query(sql, self.backend.session)
        if not isinstance(result, PullResult):
            raise InternalError("a query without EMIT is not answered as a pull query")
        return result.rows

    def _wait(self) -> None:
        if not self.engine.caught_up(PATIENCE_S):
            raise InternalError(f"the queries have not seen everything after {PATIENCE_S:.0f} s")


class Indented:
    """Writes every line a little further in."""

    def __init__(self, out: Out) -> None:
        self._out = out

    def write(self, text: str) -> None:
        self._out.write("".join(line if line == "\n" else f"   {line}" for line in text.splitlines(keepends=True)))

    def flush(self) -> None:
        self._out.flush()


def definitions() -> str:
    """The text of flights.sql. Names of topics begin with the variable `prefix`."""
    return resources.files("ssql_cli.demo").joinpath("flights.sql").read_text("utf-8")


def _section(title: str) -> None:
    print(f"\n{title}\n{'-' * len(title)}", flush=True)


def _config(args: argparse.Namespace, stack: contextlib.ExitStack) -> Config:
    """Where this run works: a directory that is empty or (by default) temporary, or Kafka with names of its own."""
    config = settings.load(args.config, data=args.data, kafka=args.kafka).with_values(
        {AUTO_OFFSET_RESET.key: "earliest"}
    )
    if config[KAFKA_BOOTSTRAP]:
        run_id = f"ssql-demo-{secrets.token_hex(4)}-"
        return config.with_values({SERVICE_ID.key: run_id, OUTPUT_TOPIC_PREFIX.key: run_id})
    if args.data is None:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ssql-demo-"))
        config = config.with_values({DATA_DIR.key: folder})
    elif Path(args.data).is_dir() and any(Path(args.data).iterdir()):
        raise ConfigError(
            f'directory "{args.data}" is not empty',
            hint="Give a new one; or open what an earlier run has left with: ssql --data " + args.data,
        )
    stack.callback(DirectoryLock(Path(config[DATA_DIR])).release)
    return config
