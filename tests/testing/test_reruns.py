"""What a test passes by chance is found: by other orders of arrival, other epochs, and crashes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ssql.errors import InternalError
from ssql.runtime.frontier import Frontier, FrontierFile
from ssql.testing import arrivals, report
from ssql.testing.arrivals import (
    DIES_AFTER,
    DIES_BEFORE,
    EPOCHS,
    ONE_BY_ONE,
    RERUNS,
    REVERSED,
    SHUFFLED,
    Arrival,
    is_commit,
)
from ssql.testing.mortal import Hook
from ssql.testing.play import Start, carry_out

from .support import ORDERS, fails, passes, result_of, sql_test

JOIN = """
CREATE STREAM orders (id INT KEY, item STRING) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON');
CREATE TABLE items (item STRING PRIMARY KEY, price INT) WITH (KAFKA_TOPIC='items', VALUE_FORMAT='JSON');
CREATE STREAM priced AS SELECT o.id AS id, o.item AS item, i.price AS price
    FROM orders o LEFT JOIN items i ON o.item = i.item PARTITION BY o.id EMIT CHANGES;
"""
LAST = """
CREATE STREAM orders (id INT KEY, item STRING) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON');
CREATE TABLE last AS SELECT 1 AS one, LATEST_BY_OFFSET(item) AS item FROM orders GROUP BY 1 EMIT CHANGES;
INSERT INTO orders (ROWTIME, id, item) VALUES (1, 1, 'tea'), (1, 2, 'jam'), (1, 3, 'oil');
ASSERT TABLE last (item) VALUES ('oil');
"""


def test_a_test_that_depends_on_nothing_passes_in_every_way() -> None:
    result = result_of(ORDERS + "ASSERT TABLE sold (item, n) VALUES ('tea', 2), ('jam', 1);", reruns=RERUNS)
    assert (result.failure, result.runs) == (None, 1 + len(RERUNS))


def test_a_join_passes_in_every_way_when_times_say_what_came_first() -> None:
    passes(
        JOIN
        + """
        INSERT INTO items (ROWTIME, item, price) VALUES (10, 'tea', 3), (30, 'tea', 4);
        INSERT INTO orders (ROWTIME, id, item) VALUES (20, 1, 'tea'), (40, 2, 'tea');
        """
        + "ASSERT STREAM priced (id, price) VALUES (1, 4), (2, 4);",
    )
    passes(
        JOIN
        + """
        INSERT INTO items (ROWTIME, item, price) VALUES (10, 'tea', 3);
        INSERT INTO orders (ROWTIME, id, item) VALUES (20, 1, 'tea');
        INSERT INTO items (ROWTIME, item, price) VALUES (30, 'tea', 4);
        INSERT INTO orders (ROWTIME, id, item) VALUES (40, 2, 'tea');
        ASSERT STREAM priced (id, price) VALUES (1, 3), (2, 4);
        """,
        reruns=RERUNS,
    )


def test_a_join_that_looks_up_what_has_an_earlier_time_and_comes_later_is_caught() -> None:
    text = (
        JOIN
        + """
        INSERT INTO orders (ROWTIME, id, item) VALUES (20, 1, 'tea');
        INSERT INTO items (ROWTIME, item, price) VALUES (10, 'tea', 3);
        ASSERT STREAM priced (id, price) VALUES (1, NULL);
        """
    )
    passes(text)
    passes(text, reruns=[EPOCHS, DIES_AFTER, DIES_BEFORE])
    assert "stream PRICED: 1 different" in fails(text, reruns=[SHUFFLED])


def test_the_last_of_rows_at_one_time_is_caught() -> None:
    passes(LAST)
    assert "table LAST: 1 different" in fails(LAST, reruns=[REVERSED])


def test_a_test_that_means_its_order_says_so_with_a_reason() -> None:
    result = result_of("--@test: last\n--@once: the order of arrival is meant\n" + LAST, reruns=RERUNS)
    assert (result.failure, result.runs) == (None, 1)
    assert "once: the order of arrival is meant" in report.line(result)


def test_the_command_that_repeats_a_failure_is_told() -> None:
    result = result_of(LAST, reruns=[REVERSED], seed=77)
    told = report.failure_text(result)
    assert "it passes as it is written, and not with rows of different keys in reverse" in told
    assert "again: ssql test a.sql -k a --seed 77" in told
    assert "--@once: why" in told
    told = report.failure_text(result, {"PLACE": "the sea", "N": "1"})
    assert "again: ssql test a.sql -k a -d 'PLACE=the sea' -d N=1 --seed 77" in told


def test_the_same_seed_makes_the_same_choices() -> None:
    text = LAST.replace("(1, 3, 'oil')", "(1, 3, 'oil'), (1, 4, 'rye'), (1, 5, 'fig')").replace("'oil');", "'fig');")
    outcomes = [[result_of(text, reruns=[SHUFFLED], seed=s).passed for s in range(6)] for _ in range(2)]
    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0]) == {True, False}


@pytest.mark.parametrize("crash", [DIES_AFTER, DIES_BEFORE], ids=lambda arrival: arrival.name)
def test_rows_that_a_crash_repeats_are_caught(crash: Arrival, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that forgets how far it has read takes its input once more when it opens again."""
    read = FrontierFile.read

    def forgets(self: FrontierFile) -> Frontier:
        found = read(self)
        for dataflow in found.dataflows.values():
            dataflow.positions = [(topic, partition, 0) for topic, partition, _ in dataflow.positions]
        return found

    text = ORDERS + "ASSERT TABLE sold (item, n) VALUES ('tea', 2), ('jam', 1);"
    passes(text, reruns=[crash])
    monkeypatch.setattr(FrontierFile, "read", forgets)
    monkeypatch.setattr(arrivals, "LIVES", 12)
    passes(text)
    assert "table SOLD" in fails(text, reruns=[crash])
    assert "A crash must change nothing" in report.failure_text(result_of(text, reruns=[crash]))


@pytest.mark.parametrize("crash", [DIES_AFTER, DIES_BEFORE], ids=lambda arrival: arrival.name)
def test_every_commit_is_a_moment_to_die(crash: Arrival) -> None:
    """As many lives as there are commits: each of them is the end of one, or of the one before it."""
    commits: list[str] = []
    test = sql_test(ORDERS)

    def counted(life: int) -> Hook:
        return lambda number, what, at: commits.append(what) if at == "after" and is_commit(what) else None

    undisturbed = replace(ONE_BY_ONE, hook=counted)
    assert carry_out(test, undisturbed, Start(1, 0)).error is None
    lives: list[int] = []

    def numbered(life: int) -> Hook:
        lives.append(life)
        assert crash.hook is not None
        return crash.hook(life)

    assert carry_out(test, replace(crash, hook=numbered), Start(1, 0)).error is None
    assert len(commits) > 5
    assert len(lives) >= len(commits)


def test_an_error_that_is_expected_must_come_each_time() -> None:
    text = "--@test: refused\n--@expected.error: column_not_found\n--@expected.message: NOPE\n" + ORDERS
    passes(text + "CREATE STREAM s AS SELECT nope FROM orders;", reruns=RERUNS)
    assert "there should have been an error" in fails(text)
    assert "another error was expected" in fails(text + "CREATE STREAM s AS SELECT nopi FROM orders;")
    assert InternalError.code not in fails(text + "CREATE STREAM s AS SELECT nopi FROM orders;")


def test_a_query_that_fails_fails_its_test() -> None:
    text = """
    SET 'ksql.timestamp.throw.on.invalid' = 'true';
    CREATE STREAM s (id INT KEY, t STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', TIMESTAMP='t',
        TIMESTAMP_FORMAT='yyyy-MM-dd');
    CREATE STREAM d AS SELECT * FROM s EMIT CHANGES;
    INSERT INTO s (id, t) VALUES (1, 'no day');
    ASSERT STREAM d IS EMPTY;
    """
    assert "CSAS_D_" in fails(text)


def test_records_of_a_registry_are_told_though_the_run_that_wrote_them_is_over() -> None:
    """Their schemas are in that run's log, which is closed by then."""
    avro = LAST.replace("CREATE TABLE last AS", "CREATE TABLE last WITH (VALUE_FORMAT='AVRO') AS")
    assert "'oil' | 1         <- expected" in fails(avro, reruns=(REVERSED,))
    passes(
        """
        CREATE STREAM orders (id INT KEY, item STRING) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON');
        CREATE STREAM copy WITH (VALUE_FORMAT='AVRO') AS SELECT * FROM orders EMIT CHANGES;
        INSERT INTO orders (ROWTIME, id, item) VALUES (1, 1, 'tea'), (2, 2, 'jam');
        ASSERT STREAM copy (id) VALUES (1), (2);
        """,
        reruns=(DIES_AFTER,),
    )


def test_rows_stay_where_they_are_for_a_query_that_asks_where() -> None:
    text = """
        CREATE STREAM s (id INT KEY, n INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
        CREATE STREAM d AS SELECT id, n, rowpartition AS place FROM s EMIT CHANGES;
        INSERT INTO s (ROWTIME, id, n) VALUES (1, 1, 1), (2, 2, 1), (3, 3, 1);
        ASSERT STREAM d (id, place) VALUES (1, 0), (2, 0), (3, 0);
        """
    result = result_of(text, reruns=(EPOCHS, SHUFFLED, REVERSED))
    assert (result.failure, result.runs) == (None, 2)
