"""The embedded log against a list, on a bad disk, and under upkeep."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql.errors import InternalError, LogError, LogFull
from ssql.log import segments as segment_files
from ssql.log.api import Fetch
from ssql.log.embedded import EmbeddedLog
from tests.log.support import drain, everything, numbered, numbers, offsets, records, values

#: Large enough for a segment file.
LARGE = 140_000


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    made = EmbeddedLog(tmp_path / "log")
    yield made
    made.close()


@dataclass
class Model:
    """A partition as a list: (offset, number) of each record, and the bounds."""

    rows: list[tuple[int, int]] = field(default_factory=list)
    first: int = 0
    past: int = 0

    def append(self, begin: int, end: int) -> None:
        for number in range(begin, end):
            self.rows.append((self.past, number))
            self.past += 1

    def truncate(self, before: int) -> None:
        self.first = min(max(self.first, before), self.past)
        self.rows = [row for row in self.rows if row[0] >= self.first]

    def after(self, offset: int) -> list[tuple[int, int]]:
        return [row for row in self.rows if row[0] >= offset]


SIZES = st.sampled_from([0, 0, 0, 30_000])
PARTS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6), SIZES), min_size=1, max_size=4)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), PARTS),
        st.tuples(st.just("commit"), PARTS),
        st.tuples(st.just("abort"), PARTS),
        st.tuples(st.just("truncate"), st.tuples(st.integers(0, 1), st.integers(0, 30))),
        st.tuples(st.just("poll"), st.integers(1, 12)),
        st.tuples(st.just("read"), st.tuples(st.integers(0, 1), st.integers(0, 30), st.integers(1, 5))),
        st.tuples(st.just("reopen"), st.none()),
        st.tuples(st.just("maintain"), st.none()),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_any_history_reads_like_a_list(actions: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        log = EmbeddedLog(directory)
        log.create_topic("t", 2)
        models = [Model(), Model()]
        at = [0, 0]
        number = 0
        reader, writer = log.reader(), log.writer("w")
        for partition in range(2):
            reader.assign("t", partition, 0)
        for action, given_ in actions:
            match action, given_:
                case "append", parts:
                    for partition, count, size in parts:
                        log.append("t", numbered(number, number + count, size), partition)
                        models[partition].append(number, number + count)
                        number += count
                case (("commit" | "abort"), parts):
                    writer.begin()
                    for partition, count, size in parts:
                        writer.append("t", numbered(number, number + count, size), partition)
                        if action == "commit":
                            models[partition].append(number, number + count)
                        number += count
                    writer.commit() if action == "commit" else writer.abort()
                case "truncate", (partition, before):
                    log.truncate("t", partition, before)
                    models[partition].truncate(before)
                case "poll", max_rows:
                    fetches = reader.poll(max_rows, 0)
                    assert sum(f.batch.num_rows for f in fetches) <= max_rows
                    check_poll(fetches, models, at)
                case "read", (partition, offset, max_rows):
                    model = models[partition]
                    fetch = log.read("t", partition, offset, max_rows)
                    got = list(zip(offsets([fetch]), numbers([fetch]), strict=True))
                    assert got == model.after(offset)[: len(got)]
                    assert bool(got) == bool(model.after(offset))
                    assert fetch.end_offset == model.past
                case "reopen", _:
                    reader.close()
                    log.close()
                    log = EmbeddedLog(directory)
                    reader, writer = log.reader(), log.writer("w")
                    for partition in range(2):
                        reader.assign("t", partition, at[partition])
                case _:
                    log.maintain()
        for partition, model in enumerate(models):
            assert log.bounds("t", partition) == (model.first, model.past)
            fetches = everything(log, "t", partition=partition, max_rows=7)
            assert list(zip(offsets(fetches), numbers(fetches), strict=True)) == model.rows
        while fetches := reader.poll(100, 0):
            check_poll(fetches, models, at)
        for partition, model in enumerate(models):
            assert at[partition] == max(model.past, model.first)
        reader.close()
        log.close()


def check_poll(fetches: list[Fetch], models: list[Model], at: list[int]) -> None:
    """What a poll gave is what comes next; records that were truncated meanwhile may be seen a little longer."""
    for fetch in fetches:
        model = models[fetch.partition]
        got = list(zip(offsets([fetch]), numbers([fetch]), strict=True))
        assert all(at[fetch.partition] <= offset < fetch.next_offset for offset, _ in got)
        kept = [row for row in got if row[0] >= model.first]
        assert kept == [row for row in model.after(at[fetch.partition]) if row[0] < fetch.next_offset]
        at[fetch.partition] = fetch.next_offset


def test_a_topic_made_again_is_empty(log: EmbeddedLog) -> None:
    other = EmbeddedLog(log.path)
    log.create_topic("t")
    log.append("t", numbered(0, 2))
    other.delete_topic("t")
    other.create_topic("t", 2)
    log.append("t", numbered(2, 3), 0)
    assert numbers(everything(log, "t")) == [2]
    assert other.bounds("t", 0) == (0, 1)
    other.close()


def test_the_id_stays_and_differs_from_others(tmp_path: Path) -> None:
    first, second = EmbeddedLog(tmp_path / "a"), EmbeddedLog(tmp_path / "b")
    again = EmbeddedLog(tmp_path / "a")
    assert first.cluster_id == again.cluster_id != second.cluster_id
    for log in (first, second, again):
        log.close()


def test_a_directory_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    EmbeddedLog(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LogError, match="format 99, and this version reads format 1"):
        EmbeddedLog(tmp_path)


def test_records_of_another_shape_are_refused(log: EmbeddedLog) -> None:
    log.create_topic("t")
    batch = numbered(0, 1)
    with pytest.raises(InternalError, match="must have the columns"):
        log.append("t", batch.drop_columns(["key"]))
    with pytest.raises(InternalError, match="must have the columns"):
        log.append("t", batch.set_column(0, "key", batch.column(0).cast("string")))


def test_a_partition_that_is_not_there_is_named(log: EmbeddedLog) -> None:
    log.create_topic("t", 2)
    for attempt in (
        lambda: log.bounds("t", 2),
        lambda: log.read("t", 2, 0, 1),
        lambda: log.append("t", numbered(0, 1), 2),
        lambda: log.reader().assign("t", 2, 0),
    ):
        with pytest.raises(LogError, match=r'"t" has (no partition 2|2 partitions: there is no partition 2)'):
            attempt()


# -- damaged files ---------------------------------------------------------------------------------------------


def flip(path: Path, position: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)
        file.seek(position)
        file.write(bytes([byte[0] ^ 1]))


def test_a_damaged_segment_file_is_named(log: EmbeddedLog) -> None:
    log.create_topic("t")
    log.append("t", numbered(0, 2, LARGE))
    log.append("t", numbered(2, 4, LARGE))
    (file,) = (log.path / "segments").iterdir()
    flip(file, file.stat().st_size - LARGE)
    assert numbers([log.read("t", 0, 0, 2)]) == [0, 1]
    with pytest.raises(
        LogError, match=rf'"t", partition 0, offset 2: file ".*{file.name}", position \d+: the checksum'
    ):
        log.read("t", 0, 2, 2)
    os.truncate(file, file.stat().st_size - LARGE)
    with pytest.raises(LogError, match="the file is too short"):
        log.read("t", 0, 2, 2)
    file.unlink()
    with pytest.raises(LogError, match="the file is missing"):
        log.read("t", 0, 0, 2)


def test_a_damaged_batch_in_the_index_is_named(log: EmbeddedLog) -> None:
    log.create_topic("t")
    log.append("t", numbered(0, 2))
    connection = sqlite3.connect(log.path / "log.db")
    connection.execute("UPDATE batches SET data = zeroblob(length(data))")
    connection.commit()
    connection.close()
    with pytest.raises(LogError, match=r'"t", partition 0, offset 0: file ".*log.db", .*the checksum does not match'):
        log.read("t", 0, 0, 2)


# -- a full disk -----------------------------------------------------------------------------------------------


def test_a_full_disk_is_said_and_nothing_is_half_written(log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.create_topic("a")
    log.create_topic("b")
    writer = log.writer("w")
    written = os.pwrite

    def full(fd: int, data: bytes, position: int) -> int:
        if position > 400_000:
            raise OSError(28, "No space left on device")
        return written(fd, data[: max(1, 400_001 - position)], position)

    monkeypatch.setattr(segment_files.os, "pwrite", full)
    writer.begin()
    writer.append("a", numbered(0, 1, LARGE))
    writer.append("b", numbered(1, 4, LARGE))
    with pytest.raises(LogFull, match="the disk of the log is full"):
        writer.commit()
    assert (log.bounds("a", 0), log.bounds("b", 0)) == ((0, 0), (0, 0))
    monkeypatch.undo()
    writer.begin()
    writer.append("a", numbered(4, 5, LARGE))
    writer.append("b", numbered(5, 8, LARGE))
    writer.commit()
    assert numbers(everything(log, "a") + everything(log, "b")) == [4, 5, 6, 7]
    (file,) = (log.path / "segments").iterdir()
    assert file.stat().st_size < 4.5 * LARGE


def test_a_full_index_is_said_and_works_again_later(log: EmbeddedLog) -> None:
    log.create_topic("t")
    (pages,) = log._writing.execute("PRAGMA page_count").fetchone()
    log._writing.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(LogFull):
        log.append("t", numbered(0, 2, 20_000))
    assert log.bounds("t", 0) == (0, 0)
    log._writing.execute("PRAGMA max_page_count = 100000")
    log.append("t", numbered(2, 4, 20_000))
    assert numbers(everything(log, "t")) == [2, 3]


def test_space_can_be_freed_on_a_full_disk(log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.create_topic("t")
    log.append("t", numbered(0, 2, 20_000))
    truncate, reserve = log._maintenance.truncate, log.path / "reserve"

    def full(topic: int, partition: int, before: int) -> list[str]:
        if reserve.exists():
            raise LogFull("the disk of the log is full")
        return truncate(topic, partition, before)

    monkeypatch.setattr(log._maintenance, "truncate", full)
    log.truncate("t", 0, 2)
    assert log.bounds("t", 0) == (2, 2)
    assert reserve.stat().st_size > 0


# -- upkeep ----------------------------------------------------------------------------------------------------


def test_truncation_frees_the_files_that_nothing_lies_in(log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", 100_000)
    log.create_topic("t")
    for n in range(4):
        log.append("t", numbered(n, n + 1, LARGE))
    assert len(log.segments.names()) == 4
    log.truncate("t", 0, 3)
    assert len(log.segments.names()) == 1
    assert numbers(everything(log, "t")) == [3]
    log.delete_topic("t")
    assert log.segments.names() == []


def test_what_a_crash_left_in_files_is_swept(log: EmbeddedLog) -> None:
    log.create_topic("t")
    log.append("t", numbered(0, 1, LARGE))
    (log.path / "segments" / "left-over.seg").write_bytes(b"x")
    log.maintain()
    assert len(log.segments.names()) == 1
    assert numbers(everything(log, "t")) == [0]


def test_records_older_than_the_retention_go(log: EmbeddedLog) -> None:
    log.create_topic("short", config={"retention.ms": "1000"})
    log.create_topic("long")
    for topic in ("short", "long"):
        for n in range(3):
            log.append(topic, records((b"k", b"%d" % n), at=1000 * n))
    log.maintain(now_ms=2500)
    assert (values(everything(log, "short")), log.bounds("short", 0)) == ([b"2"], (2, 3))
    assert values(everything(log, "long")) == [b"0", b"1", b"2"]
    log.maintain(now_ms=10_000)
    assert (values(everything(log, "short")), log.bounds("short", 0)) == ([], (3, 3))


@given(st.lists(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", None]), st.booleans()), min_size=1, max_size=5)))
@settings(max_examples=40, deadline=None)
def test_compaction_keeps_the_last_record_of_each_key(batches: list[list[tuple[bytes | None, bool]]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        log = EmbeddedLog(directory)
        log.create_topic("t", config={"cleanup.policy": "compact"})
        rows: list[tuple[int, bytes | None, bytes | None]] = []
        following = log.reader()
        following.assign("t", 0, 0)
        followed: list[Fetch] = []
        for batch in batches:
            made = [(key, None if dead else b"%d" % (len(rows) + n)) for n, (key, dead) in enumerate(batch)]
            rows += [(len(rows) + n, key, value) for n, (key, value) in enumerate(made)]
            log.append("t", records(*made))
            followed += following.poll(2, 0)
        open_from = len(rows) - len(batches[-1]) if batches else 0
        last = {key: offset for offset, key, _ in rows}
        live = [row for row in rows if row[1] is None or last[row[1]] == row[0] or row[0] >= open_from]
        for now_ms, expected in (
            (2000, live),
            (10**12, [row for row in live if row[2] is not None or row[0] >= open_from]),
        ):
            # The second round has nothing new to clean: force it.
            with log._write() as connection:
                connection.execute("UPDATE bounds SET cleaned = 0")
            log.maintain(now_ms=now_ms)
            fetches = everything(log, "t", max_rows=3)
            keys = [k for f in fetches for k in f.batch.column("key").to_pylist()]
            assert list(zip(offsets(fetches), keys, values(fetches), strict=True)) == expected
        assert log.bounds("t", 0) == (0, len(rows))
        log.append("t", records((b"z", b"end")))
        deadline = 1000
        while not followed or followed[-1].next_offset <= len(rows):
            followed += following.poll(2, 0)
            deadline -= 1
            assert deadline
        got = offsets(followed)
        assert got == sorted(set(got))
        assert {row[0] for row in expected} <= set(got)
        following.close()
        log.close()


def test_compaction_keeps_whose_record_it_is(log: EmbeddedLog) -> None:
    log.create_topic("t", config={"cleanup.policy": "compact"})
    ours = log.writer("ours")
    for n in range(4):
        ours.begin()
        ours.append("t", records((b"k%d" % n, b"ours"), (b"x", b"old")), mark=True)
        ours.commit()
        log.append("t", records((b"o%d" % n, b"other"), (b"x", b"old")))
    log.append("t", numbered(0, 1))
    log.maintain()
    reader = log.reader()
    reader.assign("t", 0, 0, skip_writer="ours")
    assert values(drain(reader, 6)) == [b"other"] * 4 + [b"old", b"0"]
    reader.close()


def test_the_last_batches_are_moved_out_of_files_that_are_nearly_dead(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", 1_000_000)
    log.create_topic("kept")
    log.create_topic("state")
    log.append("kept", numbered(0, 1, LARGE))
    log.append("state", numbered(1, 2, 900_000))
    old = set(log.segments.names())
    log.append("state", numbered(2, 3, LARGE))
    log.truncate("state", 0, 1)
    reader = log.reader()
    reader.assign("kept", 0, 0)
    log.maintain()
    assert old.isdisjoint(log.segments.names())
    assert numbers(drain(reader, 1)) == [0]
    assert numbers(everything(log, "kept") + everything(log, "state")) == [0, 2]
    reader.close()


def test_upkeep_runs_in_the_background(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path, maintain_s=0.01)
    log.create_topic("t", config={"retention.ms": "1000"})
    log.append("t", numbered(0, 1))
    reader = log.reader()
    while log.bounds("t", 0) == (0, 1):
        reader.poll(1, 1)
    log.close()
    assert log._keeper is not None
    assert not log._keeper.is_alive()
    reader.close()
