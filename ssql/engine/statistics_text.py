"""Runtime statistics as DESCRIBE EXTENDED tells them: the texts and the list that ksqlDB's clients know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from ssql.config import LISTEN, Config
from ssql.engine.entities import Json
from ssql.runtime.api import Throughput, Traffic

#: Addresses that are all of a machine's: others do not reach it by these.
_ANY = ("0.0.0.0", "::")


def host(config: Config) -> str:
    """The process that holds the statistics, as `host:port`: ksqlDB's clients refuse any other form."""
    first = str(config[LISTEN]).split(",", maxsplit=1)[0].strip()
    parts = urlsplit(first if "://" in first else "//" + first)
    name = parts.hostname or ""
    # They cut it at its colon: an address of IPv6 would not be read.
    return f"{'localhost' if name in _ANY or ':' in name else name}:{parts.port}"


class Stat(NamedTuple):
    """One figure; `last_ms` is when what it counts was last."""

    name: str
    value: float
    last_ms: int

    def as_json(self, host: str) -> Json:
        return {"name": self.name, "host": host, "value": self.value, "timestamp": self.last_ms}

    def __str__(self) -> str:
        digits = 0 if self.value == round(self.value) else 2
        return f"{self.name:>16}:{self.value:>10.{digits}f}"


def messages(done: Throughput) -> list[Stat]:
    """What was written to a topic, and read of it; nothing of a way that nothing went."""
    return [*_ways(done.written, ""), *_ways(done.read, "consumer-")]


def _ways(traffic: Traffic, prefix: str) -> list[Stat]:
    if not traffic.records:
        return []
    figures = {
        "messages-per-sec": traffic.per_second,
        "total-messages": float(traffic.records),
        "total-bytes": float(traffic.bytes),
    }
    return [Stat(prefix + name, value, traffic.last_ms) for name, value in figures.items()]


def failures(done: Throughput) -> list[Stat]:
    """Records that could not be read or processed."""
    failed = done.failed
    if not failed.records:
        return []
    return [
        Stat("consumer-failed-messages", float(failed.records), failed.last_ms),
        Stat("consumer-failed-messages-per-sec", failed.per_second, failed.last_ms),
    ]


def line(stats: list[Stat], last: str) -> str:
    """All figures in one line, and when the last record was; empty where there is none."""
    if not stats:
        return ""
    at = max(stat.last_ms for stat in stats)
    return " ".join([*map(str, stats), f"{last:>16}: {time_text(at):>9}"])


def time_text(ms: int) -> str:
    """A time in ISO 8601, in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
