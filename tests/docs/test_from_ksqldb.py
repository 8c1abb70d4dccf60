"""The way over from ksqlDB, as its page goes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from ssql.config import DATA_DIR, OUTPUT_TOPIC_PREFIX, Config
from ssql.engine.api import PullResult, Session
from ssql.engine.engine import LocalEngine

from .pages import follow


@pytest.mark.slow
def test_the_way_over_is_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = follow("from-ksqldb.md", tmp_path)
    assert f"{OUTPUT_TOPIC_PREFIX.aliases[0]}=beside_" in files["beside.properties"]
    config = Config().with_values({DATA_DIR.key: "data", OUTPUT_TOPIC_PREFIX.key: "beside_"})
    with contextlib.closing(LocalEngine(config)) as engine:
        engine.execute(files["queries.sql"])
        engine.execute("INSERT INTO orders VALUES ('ada', 'tea', 4.5); INSERT INTO orders VALUES ('bob', 'pie', 1.25);")
        # What ksqlDB has written: it has not seen the second order yet.
        engine.execute("""
            CREATE TABLE theirs (customer STRING PRIMARY KEY, orders BIGINT, total DOUBLE)
                WITH (KAFKA_TOPIC = 'SPENT', VALUE_FORMAT = 'JSON', PARTITIONS = 1);
            INSERT INTO theirs VALUES ('ada', 1, 4.5);
        """)
        engine.execute(files["compare.sql"])
        assert engine.caught_up(10)
        assert {"SPENT", "beside_SPENT"} <= {t["name"] for t in engine.execute("SHOW TOPICS;")[0]["topics"]}
        differences = engine.query(files["differences.sql"], Session(full_sql=True))
        assert isinstance(differences, PullResult)
        assert [column.to_pylist() for column in differences.rows.columns] == [["bob"], [None], [1.25]]
