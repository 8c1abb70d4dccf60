"""The demo's data, and how it is fed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from ssql_cli.demo import feed, source

from ssql.errors import SsqlError
from ssql.log.embedded import EmbeddedLog


@pytest.fixture(scope="module")
def flights() -> source.Source:
    return source.flights(source.find_files())


def test_all_flights_are_there_in_order_of_time(flights: source.Source) -> None:
    times = flights.rows["_time"]
    assert flights.rows.num_rows == 336_776
    assert pc.all(pc.greater_equal(times[1:], times[:-1])).as_py()
    # 2013-01-01 05:15 to 2013-12-31 23:59 in New York
    assert (times[0].as_py(), times[-1].as_py()) == (1_357_035_300_000, 1_388_552_340_000)


def test_records_are_what_a_json_producer_would_write(flights: source.Source) -> None:
    [(position, records)] = feed.batches(flights, stop=1)
    assert position == 1
    assert records.to_pylist() == [
        {
            "key": b"UA",
            "value": b'{"FLIGHT":1545,"TAILNUM":"N14228","ORIGIN":"EWR","DEST":"IAH",'
            b'"DEP_DELAY":2,"ARR_DELAY":11,"AIR_TIME":227,"DISTANCE":1400}',
            "timestamp": 1_357_035_300_000,
            "headers": None,
        }
    ]


def test_several_key_columns_are_a_json_object() -> None:
    [weather] = [table for table in source.tables(source.find_files()) if table.name == "weather"]
    _, records = next(feed.batches(weather))
    assert records.column("key")[0].as_py() == b'{"ORIGIN":"EWR","OBSERVED":1357020000000}'


def test_a_feed_that_was_cut_goes_on_as_if_it_had_not_been(flights: source.Source, tmp_path: Path) -> None:
    whole, cut = EmbeddedLog(tmp_path / "whole"), EmbeddedLog(tmp_path / "cut")
    for log in (whole, cut):
        log.create_topic("t")
    assert list(feed.feed(whole, "t", flights, stop=1000, batch_rows=300)) == [300, 600, 900, 1000]
    some = feed.feed(cut, "t", flights, stop=1000, batch_rows=300)
    assert (next(some), next(some)) == (300, 600)
    list(feed.feed(cut, "t", flights, start=600, stop=1000, batch_rows=70))
    first, second = (pa.Table.from_batches([log.read("t", 0, 0, 2000).batch]) for log in (whole, cut))
    assert first.num_rows == 1000
    assert first.equals(second)
    whole.close()
    cut.close()


def test_without_the_data_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SsqlError, match=r"pip install 'ssql\[demo\]'"):
        source.find_files()
