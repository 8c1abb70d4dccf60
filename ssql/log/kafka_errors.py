"""What an error of librdkafka means for whoever uses the log."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from ssql.errors import ConfigError, LogError, LogFenced, LogRefused, LogUnavailable, TopicNotFound

_UNAVAILABLE = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._RESOLVE,
        KafkaError._WAIT_COORD,
        KafkaError._RETRY,
        # What an aborted transaction still had to send.
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.KAFKA_STORAGE_ERROR,
    }
)
_FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
    }
)
_REFUSED = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED})
#: How long (s) one address is looked at.
_LOOK_S = 1.0
NO_TOPIC = frozenset({KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION})


def unavailable(detail: str) -> LogUnavailable:
    return LogUnavailable(f"Kafka could not be reached: {detail}", hint="It is tried again when the brokers answer.")


def not_there(bootstrap: str) -> LogUnavailable:
    """No broker answered when the first one was asked; each address is looked at to say why."""
    addresses = [a.strip().rpartition("//")[2] for a in bootstrap.split(",") if a.strip()]
    reasons = "; ".join(f"{address} {_why_not(address)}" for address in addresses)
    return LogUnavailable(
        f"Kafka could not be reached: {reasons}",
        hint="Start Kafka there, give another address (--kafka, bootstrap.servers), or leave it away to work in a "
        "directory.",
    )


def _why_not(address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]") or address, int(port)), _LOOK_S):
            return "answers, but not as a Kafka broker does"
    except TimeoutError:
        return "does not answer"
    except socket.gaierror:
        return "is not known: there is no host of that name"
    except OSError as trouble:
        return f"does not answer ({(trouble.strerror or str(trouble)).lower()})"
    except ValueError:
        return "is no address: write host:port"


def is_refusal(error: KafkaError) -> bool:
    """Whether one side does not trust the other: to try again changes nothing."""
    return error.code() in _REFUSED


def refused(error: KafkaError) -> LogRefused:
    # librdkafka puts the client and the broker before the words, and how long it took behind them.
    words = error.str().rpartition("]: ")[2] or error.str()
    return LogRefused(re.sub(r" \(after \d+ms.*\)$", "", words))


def fenced(name: str) -> LogFenced:
    return LogFenced(f'another process writes as "{name}" now', hint="Only one server may run with this name.")


def is_fencing(error: KafkaError) -> bool:
    return error.code() in _FENCED


def log_error(error: KafkaError, *, topic: str | None = None, writer: str | None = None) -> LogError:
    """The error as one of the log's; `topic` and `writer` name what was asked for."""
    code, detail = error.code(), error.str()
    if code in NO_TOPIC and topic is not None:
        return TopicNotFound(topic)
    if code in _FENCED and writer is not None:
        return fenced(writer)
    if code in _UNAVAILABLE or error.retriable():
        return unavailable(detail)
    return LogError(f"Kafka refused: {detail}")


@contextmanager
def translated(*, topic: str | None = None, writer: str | None = None) -> Iterator[None]:
    """Errors of librdkafka as errors of the log."""
    try:
        yield
    except KafkaException as failed:
        error = failed.args[0]
        if error.code() == KafkaError._INVALID_ARG and topic is None and writer is None:
            raise ConfigError(f"Kafka's client does not take the settings: {error.str()}") from failed
        raise log_error(error, topic=topic, writer=writer) from failed
