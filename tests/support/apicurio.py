"""A real schema registry for the tests: Apicurio Registry, under Java, with Confluent's REST API on a free local port.

`python -m tests.support.apicurio` prints its URL and keeps it running until it is ended.
"""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from confluent_kafka.schema_registry import SchemaRegistryClient

from tests.support import java


def missing() -> str | None:
    """What this machine lacks to run a registry, or None."""
    lacks = java.lacks()
    return f"no schema registry: {' and '.join(lacks)} not found" if lacks else None


def _unpack(folder: Path) -> None:
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()


class Registry(java.Server):
    kind = "registry"
    patience_s = 120.0

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        (self._port,) = java.free_ports(1)
        self.url = f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    @property
    def address(self) -> str:
        return self.url

    def command(self) -> Sequence[str]:
        (program,) = java.fetched("registry", "dependency:copy", put_together=_unpack).glob("*-runner.jar")
        settings = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": self._port,
            "quarkus.log.level": "WARN",
            "apicurio.datasource.url": f"jdbc:h2:file:{self.directory / 'schemas'}",
        }
        return (*(f"-D{name}={value}" for name, value in settings.items()), "-jar", str(program))

    def asked(self) -> Callable[[], bool]:
        def answers() -> bool:
            with SchemaRegistryClient({"url": self.url, "max.retries": 0, "timeout": 5}) as client:
                client.get_subjects()
            return True

        return answers


if __name__ == "__main__":
    sys.exit(java.serve(Registry, missing()))
