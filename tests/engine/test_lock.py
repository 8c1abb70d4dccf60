"""One process at a time in a directory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ssql_cli.exits import Exit
from ssql_cli.problems import exit_code

from ssql.engine.lock import DirectoryLock, Holder, holder_of, take_or_find
from ssql.errors import DirectoryInUse, FileUnreadable

HOLD = """
import sys
from pathlib import Path
from ssql.engine.lock import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
lock.announce(sys.argv[2] or None)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(directory: Path, url: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another process holds the directory."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_directory_is_made_and_can_be_taken_again_after_its_release(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    first = DirectoryLock(directory)
    assert holder_of(directory) == Holder(os.getpid())
    first.release()
    DirectoryLock(directory).release()


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    with held(tmp_path) as process, pytest.raises(DirectoryInUse) as refused:
        take_or_find(tmp_path, patience_s=0)
    assert f"is in use by process {process.pid}" in refused.value.message
    assert exit_code(refused.value) is Exit.UNAVAILABLE


def test_a_server_in_the_directory_is_found(tmp_path: Path) -> None:
    with held(tmp_path, "http://127.0.0.1:9"):
        assert take_or_find(tmp_path) == "http://127.0.0.1:9"


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    with held(tmp_path, "http://127.0.0.1:9") as process:
        process.kill()
        process.wait()
        lock = take_or_find(tmp_path, patience_s=0)
        assert isinstance(lock, DirectoryLock)
        lock.release()


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileUnreadable):
        DirectoryLock(tmp_path / "file")
