"""Programs that the tests run under Java: fetched with Maven once, and kept where they were put together."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self

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


class Server(ABC):
    """A server under Java with its storage in `directory`. May be stopped and started again."""

    #: What people call it.
    kind: ClassVar[str]
    #: How long it may take to answer (s).
    patience_s: ClassVar[float]

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def address(self) -> str:
        """Where it answers."""

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Java's arguments."""

    @abstractmethod
    def asked(self) -> Callable[[], bool]:
        """What asks it for something, again and again until the answer is true; it may raise until then."""

    def start(self) -> None:
        """Start it, and return when it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["java", *OPTIONS, *self.command()],
                cwd=self.directory,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        answers = self.asked()
        deadline = time.monotonic() + self.patience_s
        trouble: Exception | None = None
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ProgramFailedError(f"the {self.kind} ended:\n{self._said()}")
            try:
                if answers():
                    return
            except Exception as raised:  # of whatever library the client uses
                trouble = raised
            time.sleep(0.1)
        self.stop()
        raise ProgramFailedError(f"the {self.kind} does not answer ({trouble}):\n{self._said()}") from trouble

    def _said(self) -> str:
        return self.log.read_text()[-4000:]

    def stop(self) -> None:
        """End it at once, as a crash would; the storage stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """One that runs while the block does."""
        with tempfile.TemporaryDirectory(prefix=f"ssql-{cls.kind}-") as directory:
            server = cls(Path(directory))
            try:
                server.start()
                yield server
            finally:
                server.stop()


def serve(server: type[Server], missing: str | None) -> int:
    """Run one until the process is ended, its address on stdout; the process's exit code."""
    if missing is not None:
        print(missing, file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with server.running() as running:
            print(running.address, flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except ProgramFailedError as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


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
