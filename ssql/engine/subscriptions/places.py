"""Where a query that is followed begins to read: anew, or so that it goes on exactly behind a token.

A query without state goes on at the token's offsets. One with state, or over tables, is run again over what came
before, in silence, and tells changes from just there.
"""

from __future__ import annotations

import time as clock
from collections.abc import Hashable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property

from ssql.engine.subscriptions import tokens
from ssql.errors import TokenExpired
from ssql.log.api import Log
from ssql.planner import steps as s
from ssql.runtime.api import Offsets

#: Steps that keep something of a stream's rows: what they yield depends on where the stream was begun.
_REMEMBERS = (s.Aggregate, s.SessionAggregate, s.Regroup, s.Windowed, s.Final, s.StreamStreamJoin)

#: How long (ms) one look for records lasts.
_LOOK_MS = 200.0
#: When (s) others' transactions that do not end are given up.
_GIVE_UP_S = 10.0


@dataclass(frozen=True)
class Begin:
    """`offsets`: where each partition is read from; all before `quiet` is not told. `origin`: where streams were begun,
    for a query whose result depends on that. `own`: what the worker itself wrote before these is not read. `after`: the
    token that is gone on from. `ends`: where the topics ended when this was found out."""

    offsets: Offsets
    quiet: Offsets
    origin: Offsets
    own: Offsets = field(default_factory=dict)
    after: tokens.Token | None = None
    ends: Offsets = field(default_factory=dict)

    @cached_property
    def key(self) -> Hashable:
        """Queries alike that begin at the same place tell the same."""
        if self.after is not None:
            return self.after.text()
        return tuple(sorted(self.offsets.items())), tuple(sorted(self.quiet.items()))


class Places:
    """The places of one query's inputs. `writer`: the name under which the worker writes what it may also read."""

    def __init__(self, log: Log, plan: s.QueryPlan, *, writer: str) -> None:
        self._log = log
        self._writer = writer
        scans = [step for step in plan.steps if isinstance(step, s.Scan)]
        self._tables = {scan.relation.topic for scan in scans if scan.relation.kind == "TABLE"}
        self._topics = dict.fromkeys(scan.relation.topic for scan in scans)
        streams = any(topic not in self._tables for topic in self._topics)
        self.is_table = plan.kind == "TABLE"
        #: whether the result depends on where streams are begun
        self.remembers = streams and any(isinstance(step, _REMEMBERS) for step in plan.steps)

    def bounds(self) -> Mapping[tuple[str, int], tuple[int, int]]:
        """The first offset and the end of each partition that is read."""
        found = {name: self._log.topic(name) for name in self._topics}
        return {
            (name, number): self._log.bounds(name, number)
            for name, topic in found.items()
            if topic is not None
            for number in range(topic.partitions)
        }

    def anew(self, *, earliest: bool, history: bool = False) -> Begin:
        """From the beginning, or streams from their end. What a table's query makes of all that is there by now is not
        told, as it comes as one snapshot; with `history` it is."""
        bounds = self.bounds()
        offsets = {
            (topic, p): begin if earliest or topic in self._tables else end
            for (topic, p), (begin, end) in bounds.items()
        }
        ends = {place: end for place, (_, end) in bounds.items()}
        quiet = ends if self.is_table and not history else {}
        return Begin(offsets, quiet, self._streams(offsets) if self.remembers else {}, ends=ends)

    def behind(self, token: tokens.Token) -> Begin:
        """Just behind a token. Raises `TokenExpired` where that is no longer there."""
        bounds, silent = self.bounds(), bool(self._tables) or self.remembers
        frontier, own = tokens.unpacked(token.offsets), tokens.unpacked(token.own)
        for place, end in own.items():
            if place not in bounds or self._log.written(*place) < end:
                raise TokenExpired(place[0])
            if silent:
                frontier[place] = self._past_own(*place, frontier[place], end)
        for place, at in frontier.items():
            begin, end = bounds.get(place, (0, 0))
            if at < begin or (at > end and (place not in bounds or at > self._log.written(*place))):
                raise TokenExpired(place[0])
        origin = tokens.unpacked(token.origin)
        offsets = {
            place: begin if place[0] in self._tables else origin.get(place, frontier.get(place, begin))
            for place, (begin, _) in bounds.items()
        }
        ends = {place: end for place, (_, end) in bounds.items()}
        if silent:
            return Begin(offsets, frontier, origin, after=token, ends=ends)
        return Begin(offsets, {}, origin, own, token, ends)

    def _streams(self, offsets: Offsets) -> Offsets:
        return {place: at for place, at in offsets.items() if place[0] not in self._tables}

    def _past_own(self, topic: str, partition: int, at: int, end: int) -> int:
        """`end`, where all that is there from `at` on was written by the worker itself.

        Raises `TokenExpired` where others wrote in between: the result has what stands before and what stands behind
        their records, but not these.
        """
        deadline = clock.monotonic() + _GIVE_UP_S
        with closing(self._log.reader()) as reader:
            reader.assign(topic, partition, at, skip_writer=self._writer)
            while at < end:
                if clock.monotonic() > deadline:
                    raise TokenExpired(topic)
                for fetch in reader.poll(1, _LOOK_MS):
                    if fetch.batch.num_rows and fetch.batch.column("offset")[0].as_py() < end:
                        raise TokenExpired(topic)
                    at = end if fetch.batch.num_rows else fetch.next_offset
        return end
