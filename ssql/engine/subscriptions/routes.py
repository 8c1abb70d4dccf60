"""The ways of entries to their readers: who wants the rows of one key has nothing to do with what is told of others."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ssql.engine.subscriptions.frames import Entry
from ssql.engine.subscriptions.wanted import Wanted


class Reader(Protocol):
    """A subscriber, as its feed knows it."""

    #: the tick of the last entry that it has taken
    tick: int

    @property
    def wanted(self) -> Wanted | None:
        """The rows that it wants; None: all."""

    @property
    def named(self) -> bool:
        """Whether it is listed under an id of its own."""

    def wake(self) -> None: ...


@dataclass(eq=False)
class Slot:
    """Who wants the rows of one hash, and the entries that have some of it."""

    readers: set[Reader] = field(default_factory=set)
    entries: deque[Entry] = field(default_factory=deque)
    #: the tick of the last of them that is no longer there
    dropped: int = 0


class Route:
    """The way of entries to those who want the rows of one key: what is told of a key costs only who follows it."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._slots: dict[int, Slot] = {}

    @property
    def leads_to_somebody(self) -> bool:
        return bool(self._slots)

    def admit(self, reader: Reader, wanted: Wanted, unread: Sequence[Entry], dropped: int) -> None:
        slot = self._slots.setdefault(int(wanted.hash), Slot(dropped=dropped))
        slot.readers.add(reader)
        known = {entry.tick for entry in slot.entries}
        missing = [e for e in unread if e.tick not in known and len(e.index(self._columns).places(wanted.hash))]
        if missing:
            slot.entries = deque(sorted([*slot.entries, *missing], key=lambda entry: entry.tick))

    def dismiss(self, reader: Reader, wanted: Wanted) -> None:
        slot = self._slots.get(int(wanted.hash))
        if slot is not None:
            slot.readers.discard(reader)
            if not slot.readers:
                del self._slots[int(wanted.hash)]

    def slot(self, reader: Reader, wanted: Wanted) -> Slot | None:
        found = self._slots.get(int(wanted.hash))
        return found if found is not None and reader in found.readers else None

    def put(self, entry: Entry) -> set[Reader]:
        """Take in an entry: the readers who want something of it."""
        found: set[Reader] = set()
        for slot in self._hit(entry):
            slot.entries.append(entry)
            found |= slot.readers
        return found

    def drop(self, entry: Entry) -> None:
        for slot in self._hit(entry):
            if slot.entries and slot.entries[0] is entry:
                slot.entries.popleft()
            slot.dropped = entry.tick

    def _hit(self, entry: Entry) -> list[Slot]:
        hashes = entry.index(self._columns).hashes
        if len(hashes) > len(self._slots):
            known = np.fromiter(self._slots, dtype=np.uint64, count=len(self._slots))
            hashes = known[np.isin(known, hashes)]
        return [slot for key in set(hashes.tolist()) if (slot := self._slots.get(key)) is not None]
