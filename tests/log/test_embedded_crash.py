"""A process that writes the embedded log may be killed at any byte."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from ssql.log.embedded import EmbeddedLog
from tests.log.support import drain, everything, numbered, numbers, offsets

_ROUNDS = 25


@pytest.fixture(scope="module")
def processes() -> Iterator[ForkServerContext]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ssql.log.embedded", "tests.log.support"])
    return context


def write_for_ever(path: Path, begin: int, progress: Connection) -> None:
    """Transactions of one record in "left", and of two, in two partitions, in "right"; some are large."""
    log = EmbeddedLog(path)
    writer = log.writer("w")
    n = begin
    while True:
        padding = 200_000 if n % 4 == 3 else 10
        writer.begin()
        writer.append("left", numbered(n, n + 1, padding))
        writer.append("right", numbered(n, n + 1, 5), 0)
        writer.append("right", numbered(n, n + 1, padding), 1)
        writer.commit()
        progress.send(n)
        n += 1
        if n % 10 == 0:
            log.truncate("right", 1, 0)
            log.maintain()


def test_after_a_kill_there_are_whole_transactions_only(tmp_path: Path, processes: ForkServerContext) -> None:
    path = tmp_path / "log"
    log = EmbeddedLog(path)
    log.create_topic("left")
    log.create_topic("right", 2)
    log.close()
    chance = random.Random(7)
    done = 0
    for _ in range(_ROUNDS):
        receive, send = processes.Pipe(duplex=False)
        child = processes.Process(target=write_for_ever, args=(path, done, send), daemon=True)
        child.start()
        send.close()
        # Some transactions, and then some part of one.
        reported = done - 1
        for _ in range(chance.randrange(1, 8)):
            assert receive.poll(30)
            reported = receive.recv()
        until = time.perf_counter() + chance.random() * 0.006
        while time.perf_counter() < until:
            pass
        child.kill()
        child.join()
        while receive.poll():
            try:
                reported = receive.recv()
            except EOFError:
                break
        log = EmbeddedLog(path)
        places = (("left", 0), ("right", 0), ("right", 1))
        held = [numbers(everything(log, topic, partition=partition)) for topic, partition in places]
        done = len(held[0])
        assert reported < done <= reported + 2
        assert held == [list(range(done))] * 3
        assert offsets(everything(log, "left")) == list(range(done))
        log.close()


def test_garbage_after_the_last_batch_of_a_file_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = EmbeddedLog(path)
    log.create_topic("t")
    log.append("t", numbered(0, 3, 100_000))
    log.close()
    (file,) = (path / "segments").iterdir()
    with file.open("ab") as opened:
        opened.write(random.Random(1).randbytes(70_000))
    log = EmbeddedLog(path)
    log.append("t", numbered(3, 6, 100_000))
    assert numbers(everything(log, "t")) == [0, 1, 2, 3, 4, 5]
    log.close()


def append_numbered(path: Path, begin: int, end: int, padding: int) -> None:
    log = EmbeddedLog(path)
    for n in range(begin, end):
        log.append("t", numbered(n, n + 1, padding))
    log.close()


def echo(path: Path, rows: int) -> None:
    """Read "t", and append to "echo" what was read."""
    log = EmbeddedLog(path)
    reader = log.reader()
    reader.assign("t", 0, 0)
    log.append("echo", numbered(-1, 0))
    left = rows
    while left:
        for fetch in reader.poll(1000, 1000):
            log.append("echo", fetch.batch.drop_columns(["offset"]))
            left -= fetch.batch.num_rows
    log.close()


def test_several_processes_append_to_one_partition(tmp_path: Path, processes: ForkServerContext) -> None:
    path = tmp_path / "log"
    log = EmbeddedLog(path)
    log.create_topic("t")
    children = [
        processes.Process(target=append_numbered, args=(path, 100 * n, 100 * n + 30, 150_000 if n == 2 else 1))
        for n in range(3)
    ]
    for child in children:
        child.start()
    for n in range(300, 330):
        log.append("t", numbered(n, n + 1))
    for child in children:
        child.join()
        assert child.exitcode == 0
    fetches = everything(log, "t")
    assert offsets(fetches) == list(range(120))
    for n in range(4):
        assert [v for v in numbers(fetches) if v // 100 == n] == list(range(100 * n, 100 * n + 30))
    log.close()


def test_a_reader_sees_what_another_process_appends(tmp_path: Path, processes: ForkServerContext) -> None:
    path = tmp_path / "log"
    log = EmbeddedLog(path)
    log.create_topic("t")
    log.create_topic("echo")
    reader = log.reader()
    reader.assign("echo", 0, 0)
    child = processes.Process(target=echo, args=(path, 5))
    child.start()
    assert numbers(drain(reader, 1)) == [-1]
    for n in range(5):
        log.append("t", numbered(n, n + 1))
        assert numbers(drain(reader, 1)) == [n]
    child.join()
    assert child.exitcode == 0
    reader.close()
    log.close()
