"""Each result against one DuckDB query over the raw files.

A check names what ssql answers (a pull query) and what it must be (over the views `flights`, `airlines`, ... of the
CSV files as they are). Rows are compared as multisets, whole; averages and sums of DOUBLE to nine digits. SUM and
AVG of no value are 0, as in ksqlDB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb
import pyarrow as pa

from ssql_cli.demo.source import Files


@dataclass(frozen=True)
class Check:
    """`ours` is ssql's SQL, `expected` DuckDB's; both give the same columns by position.

    `rounded`: columns of DOUBLE, whose last digits depend on the order of additions.
    """

    name: str
    ours: str
    expected: str
    rounded: tuple[str, ...] = ()


CHECKS = (
    Check(
        "DELAYS_BY_HOUR",
        "SELECT carrier, WINDOWSTART AS starts, flights, departed, total_delay, avg_delay, worst_delay"
        " FROM delays_by_hour;",
        """
        SELECT carrier, epoch_ms(time_hour) AS starts, count(*) AS flights, count(dep_delay) AS departed,
               coalesce(sum(dep_delay), 0) AS total_delay, coalesce(avg(dep_delay), 0) AS avg_delay,
               max(dep_delay) AS worst_delay
        FROM flights GROUP BY ALL
        """,
        rounded=("avg_delay",),
    ),
    Check(
        "FLIGHTS_IN_FULL",
        "SELECT tailnum, carrier, flight, origin, dest, dep_delay, arr_delay, airline, manufacturer, seats,"
        " ROWTIME AS departs FROM flights_in_full;",
        """
        SELECT f.tailnum, f.carrier, flight, origin, dest, dep_delay, arr_delay, a.name AS airline, p.manufacturer,
               p.seats, epoch_ms(time_hour) + minute * 60000 AS departs
        FROM flights f JOIN airlines a USING (carrier) LEFT JOIN planes p USING (tailnum)
        WHERE f.tailnum IS NOT NULL
        """,
    ),
    Check(
        "SEATS_BY_MANUFACTURER",
        "SELECT manufacturer, flights, seats, avg_arr_delay FROM seats_by_manufacturer;",
        """
        SELECT manufacturer, count(*) AS flights, sum(seats) AS seats, coalesce(avg(arr_delay), 0) AS avg_arr_delay
        FROM flights JOIN planes USING (tailnum) WHERE manufacturer IS NOT NULL AND dep_delay IS NOT NULL
        GROUP BY ALL
        """,
        rounded=("avg_arr_delay",),
    ),
    Check(
        "WORST_DELAYS",
        "SELECT origin, flights, worst FROM worst_delays;",
        """
        SELECT origin, count(*) AS flights, max(dep_delay, 5) AS worst FROM flights GROUP BY ALL
        """,
    ),
    Check(
        "DESTINATIONS",
        "SELECT airport, flights, cancelled FROM destinations;",
        """
        SELECT a.name AS airport, count(*) AS flights, count(*) FILTER (dep_delay IS NULL) AS cancelled
        FROM flights f JOIN airports a ON f.dest = a.faa GROUP BY ALL
        """,
    ),
    Check(
        "CLIMATE",
        "SELECT origin, hours, avg_temp, rain FROM climate;",
        "SELECT origin, count(*) AS hours, avg(temp) AS avg_temp, sum(precip) AS rain FROM weather GROUP BY ALL",
        rounded=("avg_temp", "rain"),
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What one comparison showed: rows compared, and one row that only one side has, if there is any."""

    name: str
    rows: int
    difference: str | None


class RawFiles:
    """DuckDB over the raw files: a view each."""

    def __init__(self, files: Files, flights_csv: Path) -> None:
        self._duckdb = duckdb.connect()
        for name in ("flights", "airlines", "planes", "airports", "weather"):
            path = flights_csv if name == "flights" else files.table(name)
            self._duckdb.execute(f"CREATE TABLE {name} AS SELECT * FROM read_csv('{path}', nullstr = ['NA', ''])")

    def compare(self, check: Check, pull: Callable[[str], pa.Table]) -> Outcome:
        """Run both sides of a check; `pull` answers ssql's."""
        answer = pull(check.ours)
        self._duckdb.register("answer", answer)
        names = [row[0] for row in self._duckdb.execute(f"DESCRIBE {check.expected}").fetchall()]
        columns = ", ".join(f"round({n}, 9) AS {n}" if n in check.rounded else n for n in names)
        ours = f"SELECT {columns} FROM (SELECT * FROM answer) AS t({', '.join(names)})"
        expected = f"SELECT {columns} FROM ({check.expected})"
        for side, first, second in (("only ssql has", ours, expected), ("ssql has not", expected, ours)):
            rows = self._duckdb.execute(f"({first}) EXCEPT ALL ({second}) LIMIT 1").fetchall()
            if rows:
                return Outcome(check.name, answer.num_rows, f"{side} {rows[0]}")
        return Outcome(check.name, answer.num_rows, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._duckdb.close()
