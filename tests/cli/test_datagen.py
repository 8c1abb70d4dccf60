"""Made-up rows: the same for a seed, however they are cut, and in the proportions of their shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from ssql_cli.datagen.feed import batches, feed
from ssql_cli.datagen.shapes import SHAPES
from ssql_cli.local import LocalBackend
from ssql_cli.main import DATAGEN

from ssql.config import DATA_DIR, Config


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[LocalBackend]:
    found = LocalBackend(Config().with_values({DATA_DIR.key: str(tmp_path / "data")}))
    yield found
    found.close()


def made(shape: str, start: int, stop: int, seed: int = 1) -> dict[str, pa.RecordBatch]:
    return batches(shape, np.arange(start, stop, dtype=np.int64), 1_600_000_000_000, 100.0, seed)


def test_the_command_knows_every_shape() -> None:
    assert list(DATAGEN) == list(SHAPES)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_seed_gives_the_same_rows_however_they_are_cut(shape: str) -> None:
    whole = made(shape, 0, 500)
    parts = [made(shape, 0, 130), made(shape, 130, 131), made(shape, 131, 500)]
    for name, batch in whole.items():
        assert pa.Table.from_batches([part[name] for part in parts]).combine_chunks().to_batches() == [batch]
        times = batch.column("ROWTIME").to_numpy()
        assert (np.diff(times) >= 0).all()
        assert 1_600_000_000_000 <= times[0] <= times[-1] < 1_600_000_005_000
    assert any(not made(shape, 0, 500, seed=2)[name].equals(batch) for name, batch in whole.items())


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_goes_into_its_streams(shape: str, backend: LocalBackend) -> None:
    assert feed(backend, shape, rows=100, rate=None) == 100
    assert feed(backend, shape, rows=100, rate=None, into="MINE") == 100
    found = made(shape, 0, 100)
    for name, batch in found.items():
        into = "MINE" if len(found) == 1 else f"MINE_{name}"
        for target in (name, into):
            answer = backend.query(f"SELECT COUNT(*) FROM {target};")
            [[row]] = list(answer)
            keys = len(pc.unique(batch.column(0))) if SHAPES[shape].definitions[name][0] == "TABLE" else batch.num_rows
            assert row.values[0] == keys


def test_nexmark_has_the_proportions_and_ids_of_the_benchmark() -> None:
    found = made("nexmark", 0, 5000)
    assert {name: batch.num_rows for name, batch in found.items()} == {"PERSON": 100, "AUCTION": 300, "BID": 4600}
    assert found["PERSON"].column("ID").to_pylist() == list(range(1000, 1100))
    assert found["AUCTION"].column("ID").to_pylist() == list(range(1000, 1300))
    assert set(found["AUCTION"].column("CATEGORY").to_pylist()) == {10, 11, 12, 13, 14}
    assert pc.min(found["BID"].column("PRICE")).as_py() >= 100
    # Whatever is named is there by then.
    event = found["BID"].column("ROWTIME").to_numpy() - 1_600_000_000_000
    assert (found["BID"].column("AUCTION").to_numpy() - 1000 <= event / 10 // 50 * 3 + 2).all()
    assert (found["BID"].column("BIDDER").to_numpy() - 1000 <= event / 10 // 50).all()


def test_a_rate_is_kept_by_waiting(backend: LocalBackend) -> None:
    now, slept = [1_600_000_000.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    feed(backend, "orders", rows=50, rate=100.0, clock=lambda: now[0], sleep=sleep)
    assert sum(slept) == pytest.approx(0.49)
    assert len(slept) == 5
