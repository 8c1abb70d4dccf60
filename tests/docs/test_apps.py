"""The page on apps, against a server."""

from __future__ import annotations

import contextlib
import runpy
import shutil
import sys
from pathlib import Path

import pytest

from ssql.config import DATA_DIR, Config
from ssql.engine.engine import LocalEngine
from tests.cli.fake import serving

from .pages import follow

ADDRESS = "localhost:8088"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl not found")
def test_the_page_works_from_rows_in_to_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(contextlib.closing(LocalEngine(Config().with_values({DATA_DIR.key: "data"}))))
        server = stack.enter_context(serving(engine))

        def begin(file: str, text: str) -> None:
            if file == "queries.sql":
                engine.execute(text)

        files = follow("apps.md", tmp_path, {ADDRESS: server.removeprefix("http://")}, begin)
    assert {"queries.sql", "spent.html", "shop.py", "test_shop.py"} == set(files)
    runpy.run_path("test_shop.py")["test_the_best_customers_come_first"](tmp_path / "other")
    sys.modules.pop("shop")
