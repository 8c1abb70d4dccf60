"""Files of queries: carried out in order, with errors where they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ssql_cli.queries_file import Read, carry_out

from ssql.config import DATA_DIR, Config
from ssql.engine.engine import LocalEngine
from ssql.errors import SsqlError

STREAM = "CREATE STREAM s (id INT KEY) WITH (KAFKA_TOPIC='s', PARTITIONS=1, VALUE_FORMAT='JSON');\n"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    found = LocalEngine(Config().with_values({DATA_DIR.key: str(tmp_path / "data")}))
    yield found
    found.close()


def refused(engine: LocalEngine, path: Path, reads: list[Read] | None = None) -> str:
    with pytest.raises(SsqlError) as bad:
        carry_out(engine, str(path), reads=reads)
    return bad.value.render().replace(str(path.parent) + "/", "")


def test_an_error_has_the_file_and_line_of_the_script_that_it_is_in(engine: LocalEngine, tmp_path: Path) -> None:
    (tmp_path / "outer.sql").write_text(f"{STREAM}\nRUN SCRIPT '{tmp_path}/inner.sql';\n")
    (tmp_path / "inner.sql").write_text("-- a comment\nCREATE STREAM d AS\n  SELECT idd FROM s;\n")
    text = refused(engine, tmp_path / "outer.sql")
    assert text.startswith("inner.sql:3: error: ")
    assert "LINE 3:   SELECT idd FROM s;\n                 ^^^" in text
    (tmp_path / "inner.sql").write_text(f"RUN SCRIPT '{tmp_path}/none.sql';\n")
    assert refused(engine, tmp_path / "outer.sql").startswith('inner.sql:1: error: could not read "none.sql"')
    (tmp_path / "inner.sql").write_text(f"\nRUN SCRIPT '{tmp_path}/outer.sql';\n")
    assert refused(engine, tmp_path / "outer.sql").startswith("inner.sql:2: error: script ")


def test_what_only_reads_is_put_by_and_must_have_an_end(engine: LocalEngine, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(f"{STREAM}SELECT * FROM s;\n")
    reads: list[Read] = []
    assert refused(engine, tmp_path / "a.sql").startswith("a.sql:2: error: a SELECT is not answered here")
    carry_out(engine, str(tmp_path / "a.sql"), reads=reads)
    assert [read.piece.text for read in reads] == ["SELECT * FROM s;"]
    (tmp_path / "b.sql").write_text("\nSELECT * FROM s EMIT CHANGES;\n")
    assert refused(engine, tmp_path / "b.sql", reads).startswith("b.sql:2: error: a query with EMIT has no end")


def test_what_is_there_already_is_passed_over(engine: LocalEngine, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(f"{STREAM}CREATE STREAM d AS SELECT id, 1 AS one FROM s;\n")
    for _ in range(2):
        carry_out(engine, str(tmp_path / "a.sql"))
    [queries] = engine.execute("SHOW QUERIES;")
    assert len(queries["queries"]) == 1
