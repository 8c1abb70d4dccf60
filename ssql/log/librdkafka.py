"""librdkafka's own C interface, from the library that confluent-kafka brings.

Only public functions, by ctypes. What is here is what whole batches need; all else goes through confluent-kafka.
Errors come out as confluent-kafka's `KafkaException`.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import logging
from collections.abc import Callable, Mapping
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

_LOGGER = logging.getLogger("ssql.log.kafka")

PRODUCER, CONSUMER = 0, 1
_NO_CONSUMER_CLOSE = 0x8
_EVENT_DELIVERY = 0x1
_ERROR_TEXT = 512

_ERROR_CALLBACK = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_void_p)


class Message(ctypes.Structure):
    """rd_kafka_message_t."""

    _fields_ = (
        ("err", c_int),
        ("topic", c_void_p),
        ("partition", c_int32),
        ("payload", c_void_p),
        ("length", c_size_t),
        ("key", c_void_p),
        ("key_length", c_size_t),
        ("offset", c_int64),
        ("private", c_void_p),
    )


class TopicPartition(ctypes.Structure):
    """rd_kafka_topic_partition_t."""

    _fields_ = (
        ("topic", c_char_p),
        ("partition", c_int32),
        ("offset", c_int64),
        ("metadata", c_void_p),
        ("metadata_size", c_size_t),
        ("opaque", c_void_p),
        ("err", c_int),
        ("private", c_void_p),
    )


#: name: (result, arguments), without "rd_kafka_"
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "conf_new": (c_void_p, ()),
    "conf_destroy": (None, (c_void_p,)),
    "conf_set": (c_int, (c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)),
    "conf_set_log_cb": (None, (c_void_p, c_void_p)),
    "conf_set_error_cb": (None, (c_void_p, _ERROR_CALLBACK)),
    "conf_set_events": (None, (c_void_p, c_int)),
    "new": (c_void_p, (c_int, c_void_p, c_char_p, c_size_t)),
    "destroy_flags": (None, (c_void_p, c_int)),
    "poll_set_consumer": (c_int, (c_void_p,)),
    "queue_get_consumer": (c_void_p, (c_void_p,)),
    "queue_get_main": (c_void_p, (c_void_p,)),
    "queue_poll": (c_void_p, (c_void_p, c_int)),
    "event_message_next": (POINTER(Message), (c_void_p,)),
    "event_destroy": (None, (c_void_p,)),
    "queue_destroy": (None, (c_void_p,)),
    "queue_yield": (None, (c_void_p,)),
    "consume_batch_queue": (c_int64, (c_void_p, c_int, c_void_p, c_size_t)),
    "topic_partition_list_new": (c_void_p, (c_int,)),
    "topic_partition_list_add": (POINTER(TopicPartition), (c_void_p, c_char_p, c_int32)),
    "topic_partition_list_destroy": (None, (c_void_p,)),
    "incremental_assign": (c_void_p, (c_void_p, c_void_p)),
    "incremental_unassign": (c_void_p, (c_void_p, c_void_p)),
    "get_watermark_offsets": (c_int, (c_void_p, c_char_p, c_int32, POINTER(c_int64), POINTER(c_int64))),
    "message_destroy": (None, (c_void_p,)),
    "message_errstr": (c_char_p, (c_void_p,)),
    "message_timestamp": (c_int64, (c_void_p, POINTER(c_int))),
    "message_headers": (c_int, (c_void_p, POINTER(c_void_p))),
    "header_cnt": (c_size_t, (c_void_p,)),
    "header_get_all": (
        c_int,
        (c_void_p, c_size_t, POINTER(c_char_p), POINTER(c_void_p), POINTER(c_size_t)),
    ),
    "topic_new": (c_void_p, (c_void_p, c_char_p, c_void_p)),
    "topic_name": (c_char_p, (c_void_p,)),
    "topic_destroy": (None, (c_void_p,)),
    "produceva": (c_void_p, (c_void_p, c_void_p, c_size_t)),
    "outq_len": (c_int, (c_void_p,)),
    "flush": (c_int, (c_void_p, c_int)),
    "purge": (c_int, (c_void_p, c_int)),
    "init_transactions": (c_void_p, (c_void_p, c_int)),
    "begin_transaction": (c_void_p, (c_void_p,)),
    "commit_transaction": (c_void_p, (c_void_p, c_int)),
    "abort_transaction": (c_void_p, (c_void_p, c_int)),
    "error_code": (c_int, (c_void_p,)),
    "error_string": (c_char_p, (c_void_p,)),
    "error_is_fatal": (c_int, (c_void_p,)),
    "error_is_retriable": (c_int, (c_void_p,)),
    "error_txn_requires_abort": (c_int, (c_void_p,)),
    "error_destroy": (None, (c_void_p,)),
}


class Library:
    """The functions, without their prefix: `library.poll(client, 0)`."""

    def __init__(self, path: str) -> None:
        loaded = ctypes.CDLL(path)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(loaded, f"rd_kafka_{name}")
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def address(self, name: str) -> int:
        """Where a function is, for compiled code."""
        return int(ctypes.cast(getattr(self, name), c_void_p).value or 0)

    def check(self, error: int | None) -> None:
        """Raise what an `rd_kafka_error_t *` says, and free it."""
        if not error:
            return
        raised = KafkaError(
            self.error_code(error),
            (self.error_string(error) or b"").decode(errors="replace"),
            bool(self.error_is_fatal(error)),
            bool(self.error_is_retriable(error)),
            bool(self.error_txn_requires_abort(error)),
        )
        self.error_destroy(error)
        raise KafkaException(raised)

    def check_code(self, code: int) -> None:
        if code:
            raise KafkaException(KafkaError(code))


@functools.cache
def library() -> Library | None:
    """The library that confluent-kafka itself uses, or None where it cannot be found or lacks a function."""
    package = Path(confluent_kafka.__file__).parent
    places = [package.parent / "confluent_kafka.libs", package / ".dylibs"]
    found = [str(path) for place in places for path in sorted(place.glob("librdkafka[-.]*"))]
    if not found:
        # Built from source, confluent-kafka uses the system's.
        system = ctypes.util.find_library("rdkafka")
        found = [system] if system else []
    for path in found:
        try:
            return Library(path)
        except (OSError, AttributeError):
            continue
    return None


def native_config(config: Mapping[str, object]) -> dict[str, str] | None:
    """The settings as librdkafka takes them, or None when one of them needs Python (a callback)."""
    native: dict[str, str] = {}
    for key, value in config.items():
        if key == "logger":
            continue
        if isinstance(value, bool):
            native[key] = "true" if value else "false"
        elif isinstance(value, (str, int, float)):
            native[key] = str(value)
        else:
            return None
    return native


class Client:
    """One librdkafka client.

    Args:
        kind: PRODUCER or CONSUMER.
        on_error: called with errors of the client as a whole, in the thread that polls.

    Raises:
        KafkaException: for settings that librdkafka refuses.
    """

    def __init__(
        self, functions: Library, kind: int, config: Mapping[str, str], on_error: Callable[[KafkaError], None]
    ) -> None:
        self.library = functions
        text = ctypes.create_string_buffer(_ERROR_TEXT)
        conf = functions.conf_new()
        for key, value in config.items():
            if functions.conf_set(conf, key.encode(), value.encode(), text, len(text)):
                functions.conf_destroy(conf)
                raise KafkaException(KafkaError(KafkaError._INVALID_ARG, text.value.decode(errors="replace")))

        def report(_client: int, code: int, reason: bytes, _opaque: int) -> None:
            error = KafkaError(code, reason.decode(errors="replace"))
            _LOGGER.warning("%s", error.str())
            on_error(error)

        # Kept: librdkafka has its address.
        self._report = _ERROR_CALLBACK(report)
        if kind == PRODUCER:
            # As events, not callbacks: `flush` then returns at the moment that the last record is delivered.
            functions.conf_set_events(conf, _EVENT_DELIVERY)
        functions.conf_set_log_cb(conf, None)
        functions.conf_set_error_cb(conf, self._report)
        self.handle = functions.new(kind, conf, text, len(text))
        if not self.handle:
            functions.conf_destroy(conf)
            raise KafkaException(KafkaError(KafkaError._FAIL, text.value.decode(errors="replace")))

    def close(self) -> None:
        if self.handle:
            self.library.destroy_flags(self.handle, _NO_CONSUMER_CLOSE)
            self.handle = None


def watermarks(client: Client, topic: str, partition: int) -> tuple[int, int]:
    """The first offset and the high watermark as last heard."""
    low, high = c_int64(-1), c_int64(-1)
    code = client.library.get_watermark_offsets(client.handle, topic.encode(), partition, byref(low), byref(high))
    client.library.check_code(code)
    return low.value, high.value
