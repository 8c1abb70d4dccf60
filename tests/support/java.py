"""Programs that the tests run under Java: fetched with Maven once, and kept where they were put together."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
#: A small heap, and compiled only lightly: tests are short.
OPTIONS = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto")


class ProgramFailedError(Exception):
    """A program could not be fetched or started; the text says why."""


def lacks() -> list[str]:
    """What this machine lacks to run such programs."""
    return [program for program in ("java", "mvn") if shutil.which(program) is None]


def need(missing: str | None) -> None:
    """Skip the test where something is missing; under CI or SSQL_REQUIRE_KAFKA it fails instead."""
    if missing is None:
        return
    if os.environ.get("CI") or os.environ.get("SSQL_REQUIRE_KAFKA"):
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


def fetched(name: str, *goal: str, put_together: Callable[[Path], None] | None = None) -> Path:
    """The folder with what `tests/<name>/pom.xml` names; Maven fetches it, by `goal`, when the pom has changed.

    `put_together`: what is done to the folder once, such as to unpack an archive in it.
    """
    pom, cache = _ROOT / "tests" / name / "pom.xml", _ROOT / "target" / name
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / hashlib.sha256(pom.read_bytes()).hexdigest()[:16]
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            made = subprocess.run(
                ["mvn", "-q", "-B", "-f", str(pom), *goal, f"-DoutputDirectory={partial}"],
                capture_output=True,
                text=True,
                check=False,
            )
            if made.returncode != 0:
                raise ProgramFailedError(f"Maven could not fetch what {pom} names:\n{made.stdout}{made.stderr}")
            if put_together is not None:
                put_together(partial)
            partial.rename(folder)
    return folder


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
