"""The loops over librdkafka's messages: compiled ones once they are loaded, until then plain ones."""

from __future__ import annotations

import importlib
import threading
from typing import Any

from ssql.log import kafka_plain

#: From so many messages at a time compiled loops are worth loading (they take 0.3 s, or 2 s the first time ever).
_WORTHWHILE = 500

_lock = threading.Lock()
_loading: threading.Thread | None = None
_loops: Any = kafka_plain


def loops(count: int) -> Any:
    """The loops for `count` messages; many of them have the compiled ones loaded, in the background."""
    global _loading  # noqa: PLW0603  # one for the process, as the compiled code is
    if count >= _WORTHWHILE and _loading is None:
        with _lock:
            if _loading is None:
                # Not a daemon: a compiler must not be cut off at exit.
                _loading = threading.Thread(target=load, name="ssql-kafka-kernel")
                _loading.start()
    return _loops


def load() -> None:
    """Load the compiled loops; for all that follows they are used."""
    global _loops  # noqa: PLW0603
    _loops = importlib.import_module("ssql.log.kafka_kernel")
