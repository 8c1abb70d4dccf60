"""The properties of WITH, declared once: name, the statements that take it, and how its value is read.

`read(properties, on)` checks names and values and gives a `With`; `with_[RETENTION_MS]` is the typed value, or None
when the statement does not give it. Errors point at the name or at the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from ssql.errors import FormatError, InvalidProperty, Span, UnknownProperty, building
from ssql.formats.delimited import delimiter_of
from ssql.functions.java_time import compile_pattern
from ssql.sql.statements import Interval, Properties, Property

T = TypeVar("T")
On = Literal["CREATE", "AS", "INSERT", "ASSERT TOPIC"]


@dataclass(frozen=True)
class WithProperty(Generic[T]):
    """One property: where it may stand, and its parser (raises ValueError with what was expected)."""

    name: str
    on: frozenset[On]
    parse: Callable[[object], T]


PROPERTIES: dict[str, WithProperty[Any]] = {}


def _property(name: str, on: tuple[On, ...], parse: Callable[[object], T]) -> WithProperty[T]:
    if name in PROPERTIES:
        raise ValueError(f"property {name} is declared twice")
    entry = WithProperty(name, frozenset(on), parse)
    PROPERTIES[name] = entry
    return entry


# --- parsers -----------------------------------------------------------------


def _text(value: object) -> str:
    if not str(value).strip():
        raise ValueError("expected some text")
    return str(value)


def _topic(value: object) -> str:
    """A name that Kafka takes."""
    text = _text(value)
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", text) or text in (".", ".."):
        raise ValueError("a topic's name has letters, digits, . _ and -, at most 249 of them")
    return text


def _schema_name(value: object) -> str:
    """A name with or without a namespace. That there is one is for the format to say."""
    text = str(value)
    if text.strip() and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", text, re.ASCII):
        raise ValueError("expected a name such as com.example.Order")
    return text


def _time_pattern(value: object) -> str:
    compile_pattern(_text(value))
    return str(value)


def _upper(value: object) -> str:
    return _text(value).strip().upper()


def _whole(value: object, least: int) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise ValueError(f"expected a whole number of at least {least}")
    return number


def _count(value: object) -> int:
    return _whole(value, 1)


def _retention(value: object) -> int:
    return _whole(value, -1)


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise ValueError("expected true or false")


def _window_type(value: object) -> Literal["TUMBLING", "HOPPING", "SESSION"]:
    match _upper(value):
        case "TUMBLING":
            return "TUMBLING"
        case "HOPPING":
            return "HOPPING"
        case "SESSION":
            return "SESSION"
    raise ValueError("expected TUMBLING, HOPPING or SESSION")


_UNITS = ("MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY")


def _window_size(value: object) -> int:
    """'20 SECONDS' in ms."""
    words = _upper(value).split()
    if len(words) == 2 and words[0].isdigit() and int(words[0]) > 0 and words[1].removesuffix("S") in _UNITS:
        return Interval(int(words[0]), words[1]).ms
    raise ValueError("expected a size such as 20 SECONDS")


def _delimiter(value: object) -> str:
    try:
        delimiter_of(str(value))
    except FormatError as bad:
        raise ValueError(bad.message) from None
    return str(value)


def _identifier(value: object) -> str:
    """A column name as a statement would write it: upper-cased unless quoted."""
    text = _text(value).strip()
    for mark in '`"':
        if len(text) > 2 and text[0] == mark and text[-1] == mark:
            return text[1:-1].replace(mark * 2, mark)
    return text.upper()


def _query_id(value: object) -> str:
    text = _upper(value)
    reserved = ("CSAS_", "CTAS_", "CST_", "INSERTQUERY_", "TRANSIENT_")
    if not text.replace("_", "A").isalnum() or not text.isascii():
        raise ValueError("expected letters, digits and _")
    if text.startswith(reserved):
        raise ValueError(f"it must not start with {', '.join(reserved)}")
    return text


def _refused(_: object) -> object:
    raise ValueError("it cannot be set: streams have delete, tables compact, windowed tables both")


# --- the table ---------------------------------------------------------------

_BOTH: tuple[On, ...] = ("CREATE", "AS")

KAFKA_TOPIC = _property("KAFKA_TOPIC", _BOTH, _topic)
PARTITIONS = _property("PARTITIONS", (*_BOTH, "ASSERT TOPIC"), _count)
REPLICAS = _property("REPLICAS", (*_BOTH, "ASSERT TOPIC"), _count)
RETENTION_MS = _property("RETENTION_MS", _BOTH, _retention)
CLEANUP_POLICY = _property("CLEANUP_POLICY", _BOTH, _refused)
FORMAT = _property("FORMAT", _BOTH, _upper)
KEY_FORMAT = _property("KEY_FORMAT", _BOTH, _upper)
VALUE_FORMAT = _property("VALUE_FORMAT", _BOTH, _upper)
KEY_DELIMITER = _property("KEY_DELIMITER", _BOTH, _delimiter)
VALUE_DELIMITER = _property("VALUE_DELIMITER", _BOTH, _delimiter)
WRAP_SINGLE_VALUE = _property("WRAP_SINGLE_VALUE", _BOTH, _boolean)
TIMESTAMP = _property("TIMESTAMP", _BOTH, _identifier)
TIMESTAMP_FORMAT = _property("TIMESTAMP_FORMAT", _BOTH, _time_pattern)
WINDOW_TYPE = _property("WINDOW_TYPE", ("CREATE",), _window_type)
WINDOW_SIZE = _property("WINDOW_SIZE", ("CREATE",), _window_size)
SOURCE_CONNECTOR = _property("SOURCE_CONNECTOR", ("CREATE",), _text)
SOURCED_BY_CONNECTOR = _property("SOURCED_BY_CONNECTOR", ("CREATE",), _text)
QUERY_ID = _property("QUERY_ID", ("INSERT",), _query_id)

# What is registered, and under which names. That a name means something is for the format to say.
KEY_SCHEMA_ID = _property("KEY_SCHEMA_ID", _BOTH, _count)
VALUE_SCHEMA_ID = _property("VALUE_SCHEMA_ID", _BOTH, _count)
KEY_SCHEMA_FULL_NAME = _property("KEY_SCHEMA_FULL_NAME", _BOTH, _schema_name)
VALUE_SCHEMA_FULL_NAME = _property("VALUE_SCHEMA_FULL_NAME", _BOTH, _schema_name)
VALUE_AVRO_SCHEMA_FULL_NAME = _property("VALUE_AVRO_SCHEMA_FULL_NAME", _BOTH, _schema_name)
KEY_NULLABLE = _property("KEY_PROTOBUF_NULLABLE_REPRESENTATION", _BOTH, _upper)
VALUE_NULLABLE = _property("VALUE_PROTOBUF_NULLABLE_REPRESENTATION", _BOTH, _upper)


@dataclass(frozen=True)
class With:
    """The properties of one statement, read and checked."""

    values: Mapping[str, Any] = field(default_factory=dict)
    written: Properties = field(default_factory=dict)

    def __getitem__(self, entry: WithProperty[T]) -> T | None:
        value: T | None = self.values.get(entry.name)
        return value

    def span(self, *entries: WithProperty[Any]) -> Span | None:
        """Where the value of the first of these that is given stands."""
        return next((self.written[e.name].value_span for e in entries if e.name in self.written), None)

    def name_span(self, entry: WithProperty[Any]) -> Span | None:
        found = self.written.get(entry.name)
        return found.name_span if found else None


def read(written: Properties, on: On) -> With:
    """The properties of a statement, typed.

    Raises:
        UnknownProperty: with the nearest name that the statement takes.
        InvalidProperty: for a value that does not parse, or properties that exclude each other.
    """
    with building():
        return _read(written, on)


def _read(written: Properties, on: On) -> With:
    values = {name: _value(name, given, on) for name, given in written.items()}
    with_ = With(values, written)
    for half in (KEY_FORMAT, VALUE_FORMAT):
        if FORMAT.name in values and half.name in values:
            raise InvalidProperty(
                f"Cannot supply both '{half.name}' and 'FORMAT' properties, as FORMAT sets both key and value formats.",
                span=with_.name_span(half),
            )
    window, size = with_[WINDOW_TYPE], with_[WINDOW_SIZE]
    if window == "SESSION" and size is not None:
        raise InvalidProperty("WINDOW_SIZE cannot be given for SESSION windows", span=with_.span(WINDOW_SIZE))
    if window in ("TUMBLING", "HOPPING") and size is None:
        raise InvalidProperty(f"WINDOW_SIZE is needed for {window} windows", span=with_.span(WINDOW_TYPE))
    if window is None and size is not None:
        raise InvalidProperty("WINDOW_SIZE is of no use without WINDOW_TYPE", span=with_.name_span(WINDOW_SIZE))
    return with_


def _value(name: str, given: Property, on: On) -> Any:
    entry = PROPERTIES.get(name)
    if entry is None or on not in entry.on:
        names = [p.name for p in PROPERTIES.values() if on in p.on]
        raise UnknownProperty(name, span=given.name_span, candidates=names)
    try:
        return entry.parse(given.value)
    except ValueError as bad:
        raise InvalidProperty(f"Configuration {name} is invalid: {bad}", span=given.value_span) from None
