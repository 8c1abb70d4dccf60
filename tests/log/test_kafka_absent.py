"""Kafka that is not where it is said to be: what is told, and how soon."""

from __future__ import annotations

import socket
import time

import pytest

from ssql.errors import LogUnavailable
from ssql.log.kafka import KafkaLog

PATIENCE_S = 0.2


def refusal(bootstrap: str) -> str:
    """Why there is no log; it must be told soon after the time that was given."""
    begun = time.monotonic()
    with pytest.raises(LogUnavailable) as caught:
        KafkaLog(bootstrap, connect_timeout_s=PATIENCE_S)
    assert time.monotonic() - begun < 10
    assert "--kafka" in str(caught.value.hint)
    return caught.value.message.removeprefix("Kafka could not be reached: ")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        return int(nobody.getsockname()[1])


def test_an_address_where_nothing_listens() -> None:
    port = closed_port()
    assert refusal(f"127.0.0.1:{port}") == f"127.0.0.1:{port} does not answer (connection refused)"


def test_something_else_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert refusal(f"127.0.0.1:{port}") == f"127.0.0.1:{port} answers, but not as a Kafka broker does"


def test_every_address_has_its_reason() -> None:
    port = closed_port()
    assert refusal(f"127.0.0.1:{port}, PLAINTEXT://no-such-host.invalid:9092") == (
        f"127.0.0.1:{port} does not answer (connection refused); "
        "no-such-host.invalid:9092 is not known: there is no host of that name"
    )


def test_what_is_no_address() -> None:
    assert refusal("localhost:kafka") == "localhost:kafka is no address: write host:port"
