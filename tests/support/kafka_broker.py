"""A real Kafka broker for the tests: one KRaft node on free local ports, under Java, from Maven artifacts.

`python -m tests.support.kafka_broker` prints its bootstrap address and keeps it running until it is ended.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

_ROOT = Path(__file__).resolve().parents[2]
_POM = _ROOT / "tests" / "kafka" / "pom.xml"
_CACHE = _ROOT / "target" / "kafka"
#: Any fixed id will do: the storage is made anew for each broker.
_CLUSTER = "c3NxbC10ZXN0LWNsdXN0ZQ"
_START_S = 90.0


class BrokerFailedError(Exception):
    """The broker could not be fetched or started; the text says why."""


def missing() -> str | None:
    """What this machine lacks to run a broker, or None."""
    lacks = [program for program in ("java", "mvn") if shutil.which(program) is None]
    return f"no Kafka: {' and '.join(lacks)} not found, and SSQL_TEST_KAFKA is not set" if lacks else None


def class_path() -> str:
    """Kafka's class path; Maven fetches it when the pom has changed."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    libraries = _CACHE / hashlib.sha256(_POM.read_bytes()).hexdigest()[:16]
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not libraries.exists():
            partial = libraries.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            command = ["mvn", "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies"]
            made = subprocess.run(
                [*command, "-DincludeScope=runtime", f"-DoutputDirectory={partial}"],
                capture_output=True,
                text=True,
                check=False,
            )
            if made.returncode != 0:
                raise BrokerFailedError(f"Maven could not fetch Kafka:\n{made.stdout}{made.stderr}")
            partial.rename(libraries)
    return f"{libraries}/*"


class Broker:
    """One node, broker and controller in one, with its storage in `directory`. May be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        broker, controller = _free_ports(2)
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
        # A small heap, and compiled only lightly: tests are short.
        options = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto"]
        return ["java", *options, "-cp", class_path(), main, *arguments]

    def _run(self, main: str, *arguments: str) -> None:
        done = subprocess.run(self._java(main, *arguments), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BrokerFailedError(f"{main} failed:\n{done.stdout}{done.stderr}")

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
                raise BrokerFailedError(f"the broker ended:\n{self.log.read_text()[-4000:]}")
            try:
                if client.list_topics(timeout=1).brokers:
                    return
            except KafkaException:
                pass
            if time.monotonic() > deadline:
                self.stop()
                raise BrokerFailedError(f"the broker does not answer:\n{self.log.read_text()[-4000:]}")

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


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


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
    except BrokerFailedError as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
