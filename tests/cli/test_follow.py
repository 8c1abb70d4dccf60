"""What the live view follows: tables, with their key or without, in this process and on a server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from ssql_cli.follow import Followed, follow
from ssql_cli.live import LiveRows
from ssql_cli.local import LocalBackend
from ssql_cli.remote import RemoteBackend

from ssql.config import DATA_DIR, Config

from .fake import serving

DEFINED = """
CREATE STREAM s (k STRING KEY, v INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE w AS SELECT k, COUNT(*) AS n, SUM(v) AS total FROM s WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY k;
INSERT INTO s (ROWTIME, k, v) VALUES (1000, 'b', 1), (2000, 'a', 2), (11000, 'a', 3);
"""


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBackend]:
    backend = LocalBackend(Config().with_values({DATA_DIR.key: str(tmp_path_factory.mktemp("data"))}))
    with contextlib.closing(backend):
        for statement in DEFINED.strip().split("\n"):
            backend.execute(statement)
        assert backend.engine.caught_up(20)
        yield backend


def shown(followed: Followed, backend: LocalBackend, change: str) -> tuple[list[list[object]], list[list[object]]]:
    """The rows of a view before and after a statement."""
    rows = LiveRows(followed.columns, followed.keys, whole=followed.whole)
    pictures: list[list[list[object]]] = []
    with contextlib.closing(followed):
        for step in followed:
            if step is None or not (step.rows or step.snapshot):
                continue
            rows.apply(step.rows, step.diffs, snapshot=step.snapshot, frontier=step.frontier, now=0.0)
            pictures.append([list(row) for row in rows.table(99)])
            if len(pictures) == 2:
                break
            backend.execute(change)
    return pictures[0], pictures[1]


@pytest.mark.parametrize("remote", [False, True])
def test_a_windowed_row_is_replaced_wherever_its_bounds_stand(local: LocalBackend, remote: bool) -> None:
    with serving(local.engine) if remote else contextlib.nullcontext("") as url:
        backend = RemoteBackend(url) if remote else local
        # The whole key, in any order; then a part of it; then nothing of it.
        followed = follow(backend, "SELECT n, WINDOWEND, k, WINDOWSTART FROM w EMIT CHANGES;")
        assert followed is not None
        assert (followed.whole, set(followed.keys)) == (True, {"K", "WINDOWSTART", "WINDOWEND"})
        before, after = shown(followed, local, "INSERT INTO s (ROWTIME, k, v) VALUES (3000, 'b', 1);")
        assert [row[0] for row in after] == [row[0] + (row[2] == "b") for row in before]  # type: ignore[operator]

        followed = follow(backend, "SELECT n, k FROM w EMIT CHANGES;")
        assert followed is not None
        assert (followed.whole, followed.keys) == (False, ("K",))
        before, after = shown(followed, local, "INSERT INTO s (ROWTIME, k, v) VALUES (3000, 'b', 1);")
        assert [row[1] for row in before] == [row[1] for row in after] == ["a", "a", "b"]
        assert after[2][0] == before[2][0] + 1  # type: ignore[operator]

        followed = follow(backend, "SELECT total FROM w EMIT CHANGES;")
        assert followed is not None
        assert (followed.whole, followed.keys) == (False, ())
        before, after = shown(followed, local, "INSERT INTO s (ROWTIME, k, v) VALUES (11000, 'a', 100);")
        assert len(before) == len(after) == 3
        assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize("remote", [False, True])
def test_a_stream_is_not_followed(local: LocalBackend, remote: bool) -> None:
    with serving(local.engine) if remote else contextlib.nullcontext("") as url:
        assert follow(RemoteBackend(url) if remote else local, "SELECT * FROM s EMIT CHANGES;") is None
