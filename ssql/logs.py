"""Log lines: text for people, or JSON for machines (`log.format`), an entry a line.

A line is a fragment and fields, as `request done method=%s status=%d`: as JSON the fields keep their types, under their
names. What is logged on behalf of a request carries its id.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import re
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import msgspec

from ssql.config import LOG_FORMAT, Config

#: The request on whose behalf we work, "" for none.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")

_FIELD = re.compile(r"(?:^|\s)([a-z_]+)=%[-+ #0-9.]*[a-z]")
_ANY = re.compile(r"%(?!%)")


def set_up(config: Config, *, level: int) -> None:
    """Write what is logged from `level` on to stderr, in the form of `log.format`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if config[LOG_FORMAT] == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=level)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Nothing is logged, by anybody in this process, for as long as this lasts."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class TextLines(logging.Formatter):
    """`2024-12-31 23:59:59,999 INFO ssql.server request done method=GET ... request_id=..`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        # What somebody sent must not look like a line of ours.
        line = super().formatMessage(record).replace("\n", "\\n")
        request_id = REQUEST_ID.get()
        return f"{line} request_id={request_id}" if request_id and "request_id=" not in line else line


class JsonLines(logging.Formatter):
    """`{"time","level","logger","message"}`, the fields of the line, `request_id`, and `error` with a trace."""

    def format(self, record: logging.LogRecord) -> str:
        message, fields = _parts(record)
        line: dict[str, Any] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        line |= {name: value for name, value in fields.items() if name not in line or name == "request_id"}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def _parts(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    """The fragment of a line, and its fields by name; a line that has other places for values is all fragment."""
    names = _names(str(record.msg)) if isinstance(record.args, tuple) else None
    if not names or not isinstance(record.args, tuple) or len(names) != len(record.args):
        return record.getMessage(), {}
    fragment = str(record.msg)[: _FIELD.search(str(record.msg)).start()]  # type: ignore[union-attr]
    return fragment, {name: _plain(value) for name, value in zip(names, record.args, strict=True)}


def _plain(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


@lru_cache(maxsize=1024)
def _names(template: str) -> tuple[str, ...] | None:
    """The names of a template's fields; None where a value stands without one."""
    names = _FIELD.findall(template)
    return tuple(names) if len(names) == len(_ANY.findall(template)) else None
