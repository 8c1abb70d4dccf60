"""Which rows and sessions belong together: gaps and islands, and the rows that come too late for theirs."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

import numpy as np

from ssql.runtime.delta import Indices, Int64s, Mask


@dataclass(frozen=True)
class Rows:
    """Rows in order, each of a group. For each: sessions that end before `closed` take no more rows, and sessions whose
    end is at or before `forgotten` are not found any more. Both never decrease.
    """

    group: Indices
    time: Int64s
    closed: Int64s
    forgotten: Int64s

    def take(self, mask: Mask) -> Rows:
        return Rows(self.group[mask], self.time[mask], self.closed[mask], self.forgotten[mask])


@dataclass(frozen=True)
class Sessions:
    """Sessions that are there before the rows come, each of a group."""

    group: Indices
    start: Int64s
    end: Int64s

    def take(self, mask: Mask) -> Sessions:
        return Sessions(self.group[mask], self.start[mask], self.end[mask])


@dataclass(frozen=True)
class Clusters:
    """Rows and sessions that make one session: the cluster of each, and each cluster's bounds.

    A late row has a cluster of its own, whose bounds are those of the closed session that it would have been in.
    """

    of_rows: Indices
    of_sessions: Indices
    start: Int64s
    end: Int64s
    late: Mask

    def without_late(self) -> Clusters:
        return replace(self, of_rows=self.of_rows[~self.late], late=self.late[~self.late])


def cluster(rows: Rows, sessions: Sessions, gap_ms: int) -> Clusters:
    """Cluster rows and sessions: within a group, what is no more than `gap_ms` apart.

    For most rows the order in which they come does not matter. Groups with a row that may be late, or may come after a
    session near it has been forgotten, are gone through row by row.
    """
    in_doubt = (rows.time < rows.closed) | (rows.time - gap_ms <= rows.forgotten)
    if not in_doubt.any():
        return _islands(rows, sessions, gap_ms)
    groups = np.unique(rows.group[in_doubt])
    careful, careful_sessions = np.isin(rows.group, groups), np.isin(sessions.group, groups)
    plain = _islands(rows.take(~careful), sessions.take(~careful_sessions), gap_ms)
    slow = _in_order(rows.take(careful), sessions.take(careful_sessions), gap_ms)
    of_rows, of_sessions = np.empty(len(careful), np.int64), np.empty(len(careful_sessions), np.int64)
    shift = len(plain.start)
    of_rows[~careful], of_rows[careful] = plain.of_rows, slow.of_rows + shift
    of_sessions[~careful_sessions], of_sessions[careful_sessions] = plain.of_sessions, slow.of_sessions + shift
    late = np.zeros(len(careful), dtype=np.bool_)
    late[careful] = slow.late
    bounds = np.concatenate([plain.start, slow.start]), np.concatenate([plain.end, slow.end])
    return Clusters(of_rows, of_sessions, *bounds, late)


def _islands(rows: Rows, sessions: Sessions, gap_ms: int) -> Clusters:
    """All at once: a span begins a cluster where it is more than the gap after all before it in its group."""
    n = len(rows.group)
    groups = np.concatenate([rows.group, sessions.group])
    starts, ends = np.concatenate([rows.time, sessions.start]), np.concatenate([rows.time, sessions.end])
    order = np.lexsort((starts, groups))
    by_end = np.lexsort((ends, groups))
    rank = np.empty(len(order), dtype=np.int64)
    rank[by_end] = np.arange(len(order))
    # Ranks grow from group to group, so the running greatest one starts anew with each group.
    reach = ends[by_end[np.maximum.accumulate(rank[order])]]
    new = np.ones(len(order), dtype=np.bool_)
    same_group = groups[order][1:] == groups[order][:-1]
    new[1:] = ~same_group | (starts[order][1:] > reach[:-1] + gap_ms)
    ids = np.empty(len(order), dtype=np.int64)
    ids[order] = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    last = np.flatnonzero(np.append(new[1:], True)) if len(new) else first
    return Clusters(ids[:n], ids[n:], starts[order][first], reach[last], np.zeros(n, dtype=np.bool_))


class _Group:
    """The sessions of one group that can be found, in order of time: starts, ends, and clusters."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.clusters: list[int] = []

    def forget(self, until: int) -> None:
        """Sessions that end at or before `until` are not found any more; as clusters they remain."""
        count = bisect_left(self.ends, until + 1)
        if count:
            del self.starts[:count], self.ends[:count], self.clusters[:count]

    def near(self, time: int, gap_ms: int) -> tuple[slice, int, int]:
        """The sessions that a row joins, and the bounds of them and the row."""
        low = high = time
        first = last = bisect_left(self.ends, time - gap_ms)
        while last < len(self.starts) and self.starts[last] <= time + gap_ms:
            low, high = min(low, self.starts[last]), max(high, self.ends[last])
            last += 1
        return slice(first, last), low, high


def _in_order(rows: Rows, sessions: Sessions, gap_ms: int) -> Clusters:
    """Row by row, as if each came alone."""
    found: dict[int, _Group] = {}
    start: list[int] = sessions.start.tolist()
    end: list[int] = sessions.end.tolist()
    into = list(range(len(start)))  # the cluster that a cluster has become part of
    groups: list[int] = sessions.group.tolist()
    for at in np.lexsort((sessions.start, sessions.group)).tolist():
        group = found.setdefault(groups[at], _Group())
        group.starts.append(start[at])
        group.ends.append(end[at])
        group.clusters.append(at)
    of_rows: list[int] = []
    late: list[bool] = []
    columns = (rows.group, rows.time, rows.closed, rows.forgotten)
    for name, time, closed, forgotten in zip(*(c.tolist() for c in columns), strict=True):
        group = found.setdefault(name, _Group())
        group.forget(forgotten)
        joined, low, high = group.near(time, gap_ms)
        late.append(high < closed)
        of_rows.append(len(start))
        start.append(low)
        end.append(high)
        into.append(of_rows[-1])
        if not late[-1]:
            for other in group.clusters[joined]:
                into[other] = of_rows[-1]
            group.starts[joined], group.ends[joined], group.clusters[joined] = [low], [high], [of_rows[-1]]
    # A cluster becomes part of a later one only, so one walk from the last to the first finds where each ends up.
    for number in range(len(into) - 1, -1, -1):
        into[number] = into[into[number]]
    ends = np.array(into, dtype=np.int64)
    of_all = ends[np.array(of_rows, dtype=np.int64)], ends[: len(groups)]
    return Clusters(*of_all, np.array(start, np.int64), np.array(end, np.int64), np.array(late, np.bool_))
