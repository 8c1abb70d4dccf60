"""A real schema registry for the tests: Apicurio Registry, under Java, with Confluent's REST API on a free local port.

`python -m tests.support.apicurio` prints its URL and keeps it running until it is ended.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.schema_registry import SchemaRegistryClient

from tests.support import java
from tests.support.java import ProgramFailedError

_START_S = 120.0


def missing() -> str | None:
    """What this machine lacks to run a registry, or None."""
    lacks = java.lacks()
    return f"no schema registry: {' and '.join(lacks)} not found" if lacks else None


def _unpack(folder: Path) -> None:
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()


class Registry:
    """One registry with its storage in `directory`. May be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (self._port,) = java.free_ports(1)
        self.url = f"http://127.0.0.1:{self._port}/apis/ccompat/v7"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        folder = java.fetched("registry", "dependency:copy", put_together=_unpack)
        (program,) = folder.glob("*-runner.jar")
        settings = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": self._port,
            "quarkus.log.level": "WARN",
            "apicurio.datasource.url": f"jdbc:h2:file:{self.directory / 'schemas'}",
        }
        options = [f"-D{name}={value}" for name, value in settings.items()]
        log = self.directory / "registry.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                ["java", *java.OPTIONS, *options, "-jar", str(program)],
                cwd=folder,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + _START_S
        with SchemaRegistryClient({"url": self.url, "max.retries": 0, "timeout": 5}) as client:
            while True:
                if self._process.poll() is not None:
                    raise ProgramFailedError(f"the registry ended:\n{log.read_text()[-4000:]}")
                try:
                    client.get_subjects()
                except Exception as trouble:  # of whatever library the client uses
                    if time.monotonic() > deadline:
                        self.stop()
                        text = f"the registry does not answer ({trouble}):\n{log.read_text()[-4000:]}"
                        raise ProgramFailedError(text) from trouble
                    time.sleep(0.1)
                else:
                    return

    def stop(self) -> None:
        """End it at once, as a crash would; the storage stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running() -> Iterator[Registry]:
    """A registry that runs while the block does."""
    with tempfile.TemporaryDirectory(prefix="ssql-registry-") as directory:
        registry = Registry(Path(directory))
        try:
            registry.start()
            yield registry
        finally:
            registry.stop()


def main() -> int:
    lacks = missing()
    if lacks is not None:
        print(lacks, file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with running() as registry:
            print(registry.url, flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except ProgramFailedError as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
