"""A real Kafka broker for the tests: one KRaft node on free local ports, under Java, from Maven artifacts.

`python -m tests.support.kafka_broker` prints its bootstrap address and keeps it running until it is ended.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from confluent_kafka.admin import AdminClient

from tests.support import java
from tests.support.java import ProgramFailedError

#: Any fixed id will do: the storage is made anew for each broker.
_CLUSTER = "c3NxbC10ZXN0LWNsdXN0ZQ"


def missing() -> str | None:
    """What this machine lacks to run a broker, or None."""
    lacks = java.lacks()
    return f"no Kafka: {' and '.join(lacks)} not found, and SSQL_TEST_KAFKA is not set" if lacks else None


def class_path() -> str:
    """Kafka's class path."""
    return f"{java.fetched('kafka', 'dependency:copy-dependencies', '-DincludeScope=runtime')}/*"


class Broker(java.Server):
    """One node, broker and controller in one."""

    kind = "broker"
    patience_s = 90.0

    #: Names and passwords of those who may come in by SASL/PLAIN; without any everybody may.
    users: Mapping[str, str] = {}

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        broker, controller, inner = java.free_ports(3)
        self.bootstrap = f"127.0.0.1:{broker}"
        #: For itself, and for who asks whether it is there: nobody has to say who they are.
        self._inner = f"127.0.0.1:{inner}"
        outside = "SASL_PLAINTEXT" if self.users else "PLAINTEXT"
        self._properties = directory / "server.properties"
        self._properties.write_text(
            "\n".join(
                [
                    "process.roles=broker,controller",
                    "node.id=1",
                    f"controller.quorum.voters=1@127.0.0.1:{controller}",
                    f"listeners=CLIENTS://127.0.0.1:{broker},INNER://{self._inner},CONTROLLER://127.0.0.1:{controller}",
                    f"advertised.listeners=CLIENTS://127.0.0.1:{broker},INNER://{self._inner}",
                    "controller.listener.names=CONTROLLER",
                    "inter.broker.listener.name=INNER",
                    f"listener.security.protocol.map=CLIENTS:{outside},INNER:PLAINTEXT,CONTROLLER:PLAINTEXT",
                    "listener.name.clients.sasl.enabled.mechanisms=PLAIN",
                    "listener.name.clients.plain.sasl.jaas.config="
                    "org.apache.kafka.common.security.plain.PlainLoginModule required "
                    + " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
                    + ";",
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

    @property
    def address(self) -> str:
        return self.bootstrap

    def command(self) -> Sequence[str]:
        return ("-cp", class_path(), "kafka.Kafka", str(self._properties))

    def asked(self) -> Callable[[], bool]:
        client = AdminClient({"bootstrap.servers": self._inner, "log_level": 0, "reconnect.backoff.max.ms": 100})
        return lambda: bool(client.list_topics(timeout=1).brokers)

    def _run(self, main: str, *arguments: str) -> None:
        command = ["java", *java.OPTIONS, "-cp", class_path(), main, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ProgramFailedError(f"{main} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(java.serve(Broker, missing()))
