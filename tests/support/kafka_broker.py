"""A real Kafka broker for the tests: one KRaft node on free local ports, under Java, from Maven artifacts.

`python -m tests.support.kafka_broker` prints its bootstrap address and keeps it running until it is ended.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.support import java
from tests.support.java import ProgramFailedError

#: Any fixed id will do: the storage is made anew for each broker.
_CLUSTER = "c3NxbC10ZXN0LWNsdXN0ZQ"
_START_S = 90.0


def missing() -> str | None:
    """What this machine lacks to run a broker, or None."""
    lacks = java.lacks()
    return f"no Kafka: {' and '.join(lacks)} not found, and SSQL_TEST_KAFKA is not set" if lacks else None


def class_path() -> str:
    """Kafka's class path."""
    return f"{java.fetched('kafka', 'dependency:copy-dependencies', '-DincludeScope=runtime')}/*"


class Broker:
    """One node, broker and controller in one, with its storage in `directory`. May be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        broker, controller = java.free_ports(2)
        self.bootstrap = f"127.0.0.1:{broker}"
        self._properties = directory / "server.properties"
        self._properties.write_text(
            "\n".join(
                [
                    "process.roles=broker,controller",
                    "node.id=1",
                    f"controller.quorum.voters=1@127.0.0.1:{controller}",
                    f"listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
                    f"advertised.listeners=PLAINTEXT://127.0.0.1:{broker}",
                    "controller.listener.names=CONTROLLER",
                    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                    f"log.dirs={directory / 'data'}",
                    "num.partitions=1",
                    "auto.create.topics.enable=false",
                    "offsets.topic.num.partitions=1",
                    "offsets.topic.replication.factor=1",
                    "transaction.state.log.num.partitions=4",
                    "transaction.state.log.replication.factor=1",
                    "transaction.state.log.min.isr=1",
                    "share.coordinator.state.topic.replication.factor=1",
                    "share.coordinator.state.topic.min.isr=1",
                    "group.initial.rebalance.delay.ms=0",
                    # After a kill the node may register again when its old session has ended.
                    "broker.session.timeout.ms=1000",
                    "broker.heartbeat.interval.ms=200",
                    # The tests' records are of 1970.
                    "log.retention.ms=-1",
                    # Deleted records and aborted transactions are to be gone within a test's patience.
                    "log.initial.task.delay.ms=100",
                    "log.segment.delete.delay.ms=100",
                    "transaction.abort.timed.out.transaction.cleanup.interval.ms=200",
                ]
            )
        )
        self._run("kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(self._properties))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / "broker.log"

    def _java(self, main: str, *arguments: str) -> list[str]:
        return ["java", *java.OPTIONS, "-cp", class_path(), main, *arguments]

    def _run(self, main: str, *arguments: str) -> None:
        done = subprocess.run(self._java(main, *arguments), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ProgramFailedError(f"{main} failed:\n{done.stdout}{done.stderr}")

    def start(self) -> None:
        """Start it, and return when it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._properties)), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 100})
        deadline = time.monotonic() + _START_S
        while True:
            if self._process.poll() is not None:
                raise ProgramFailedError(f"the broker ended:\n{self.log.read_text()[-4000:]}")
            try:
                if client.list_topics(timeout=1).brokers:
                    return
            except KafkaException:
                pass
            if time.monotonic() > deadline:
                self.stop()
                raise ProgramFailedError(f"the broker does not answer:\n{self.log.read_text()[-4000:]}")

    def stop(self) -> None:
        """End it at once, as a crash would; the storage stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running() -> Iterator[Broker]:
    """A broker that runs while the block does."""
    with tempfile.TemporaryDirectory(prefix="ssql-kafka-") as directory:
        broker = Broker(Path(directory))
        try:
            broker.start()
            yield broker
        finally:
            broker.stop()


def main() -> int:
    lacks = missing()
    if lacks is not None:
        print(lacks, file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with running() as broker:
            print(broker.bootstrap, flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except ProgramFailedError as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
