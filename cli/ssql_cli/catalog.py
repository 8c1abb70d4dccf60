"""What is there to name: streams and tables with their columns, topics, queries, settings. Read in the background.

Completion looks here and never asks a server itself: a key stroke waits for nothing. `refresh` asks again in a thread;
until its answer is there, what was known before is offered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ssql.errors import ServerStarting, ServerUnavailable, SsqlError
from ssql_cli.backend import Backend


@dataclass(frozen=True)
class Names:
    """Names by what they are of. `columns`: of each stream and table."""

    streams: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    topics: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        return (*self.streams, *self.tables)


class Catalog:
    """The names that a backend has, as they were when it was last asked."""

    def __init__(self, backend: Callable[[], Backend]) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._running = self._again = False
        self._idle = threading.Event()
        self._idle.set()
        self._asked: float | None = None
        self.names = Names()

    def refresh(self, older_than_s: float = 0.0) -> None:
        """Ask again, in a thread, where the last time was so long ago; returns at once.

        A call during an answer has it asked once more after that.
        """
        now = time.monotonic()
        with self._lock:
            if self._asked is not None and now - self._asked < older_than_s:
                return
            self._asked = now
            self._again = True
            self._idle.clear()
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name="ssql-catalog", daemon=True).start()

    def wait(self, timeout_s: float) -> bool:
        """Whether all that `refresh` asked for is there, within that time."""
        return self._idle.wait(timeout_s)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._again:
                    self._running = False
                    self._idle.set()
                    return
                self._again = False
            try:
                self.names = read_names(self._backend())
            except Exception:
                # No catalog is no reason to disturb who types; the statement that they enter will say what is wrong.
                continue


def read_names(backend: Backend) -> Names:
    """Ask a backend for all names. What it refuses to tell is left out; raises `SsqlError` where it is away."""
    streams, tables = (_described(backend, f"DESCRIBE {kind};") for kind in ("STREAMS", "TABLES"))
    return Names(
        tuple(streams),
        tuple(tables),
        streams | tables,
        topics=_listed(backend, "SHOW TOPICS;", "topics", "name"),
        queries=_listed(backend, "SHOW QUERIES;", "queries", "id"),
        functions=_listed(backend, "SHOW FUNCTIONS;", "functions", "name"),
        properties=_listed(backend, "SHOW PROPERTIES;", "properties", "name"),
    )


def _described(backend: Backend, statement: str) -> dict[str, tuple[str, ...]]:
    return {
        str(source["name"]): tuple(str(column["name"]) for column in source.get("fields") or ())
        for source in _elements(backend, statement, "sourceDescriptions")
    }


def _listed(backend: Backend, statement: str, key: str, name: str) -> tuple[str, ...]:
    return tuple(str(element[name]) for element in _elements(backend, statement, key))


def _elements(backend: Backend, statement: str, key: str) -> list[dict[str, Any]]:
    try:
        entities = backend.execute(statement)
    except (ServerUnavailable, ServerStarting):
        raise
    except SsqlError:
        return []
    return [element for entity in entities for element in entity.get(key) or ()]
