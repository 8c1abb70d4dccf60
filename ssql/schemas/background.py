"""A registry that is asked in the background: who must not stand still asks, and has the answer now or later.

Schemas are needed where records are read and written, by one thread for all queries. A registry that is slow, or gone,
must not hold up queries that need nothing of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from ssql.errors import RegistryUnavailable
from ssql.schemas.api import Definition, Registered, SchemaRegistry

T = TypeVar("T")

#: How long (s) a call waits for its answer.
PATIENCE_S = 1.0
#: How long (s) "it is not there" and "it cannot be reached" are taken for an answer, before it is asked again.
KEEP_S = 1.0


class _Question:
    """One call, in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._answered = threading.Event()
        self._answer: Any = None
        self._error: Exception | None = None
        self.until = float("inf")  # when (s) the answer is too old
        threading.Thread(target=self._ask, name="ssql-registry", daemon=True).start()

    def _ask(self) -> None:
        try:
            self._answer = self._call()
        except Exception as error:
            self._error = error
        if self._error is not None or self._answer is None:
            self.until = time.monotonic() + KEEP_S
        self._answered.set()

    def answer(self, patience_s: float) -> Any:
        """What came back, which may be an exception.

        Raises:
            RegistryUnavailable: where nothing has come yet, too.
        """
        if not self._answered.wait(patience_s):
            raise RegistryUnavailable("the schema registry has not answered yet")
        if self._error is not None:
            raise self._error
        return self._answer


class BackgroundRegistry:
    """Another registry, never waited for longer than `patience_s` a call. Ids are asked for once: they never change."""

    def __init__(self, registry: SchemaRegistry, patience_s: float = PATIENCE_S) -> None:
        self._registry = registry
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._open: dict[Hashable, _Question] = {}
        self._definitions: dict[int, Definition] = {}

    def register(self, subject: str, definition: Definition) -> int:
        return self._ask(("register", subject, definition), lambda: self._registry.register(subject, definition))

    def lookup(self, subject: str, definition: Definition) -> Registered | None:
        return self._ask(("lookup", subject, definition), lambda: self._registry.lookup(subject, definition))

    def latest(self, subject: str) -> Registered | None:
        return self._ask(("latest", subject), lambda: self._registry.latest(subject))

    def version(self, subject: str, version: int) -> Registered | None:
        return self._ask(("version", subject, version), lambda: self._registry.version(subject, version))

    def by_id(self, schema_id: int) -> Definition | None:
        if schema_id not in self._definitions:
            found = self._ask(("id", schema_id), lambda: self._registry.by_id(schema_id))
            if found is None:
                return None
            self._definitions[schema_id] = found
        return self._definitions[schema_id]

    def subjects(self) -> Sequence[str]:
        return self._ask(("subjects",), self._registry.subjects)

    def delete_subject(self, subject: str) -> None:
        self._ask(("delete", subject), lambda: self._registry.delete_subject(subject))

    def check_compatibility(self, subject: str, definition: Definition) -> tuple[str, ...]:
        return self._ask(
            ("check", subject, definition), lambda: self._registry.check_compatibility(subject, definition)
        )

    def close(self) -> None:
        """Nothing: the other registry is its owner's."""

    def _ask(self, key: Hashable, call: Callable[[], T]) -> T:
        with self._lock:
            question = self._open.get(key)
            if question is None or question.until < time.monotonic():
                question = self._open[key] = _Question(call)
        answer: T = question.answer(self._patience_s)
        if question.until == float("inf"):  # it may be another one the next time
            with self._lock:
                self._open.pop(key, None)
        return answer
