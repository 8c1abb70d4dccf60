from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb
import pytest

from ssql.functions import REGISTRY

from .aggregation import connect
from .expressions import evaluate

EXAMPLES = [(call, shown) for f in REGISTRY.functions.values() for call, shown in f.examples.items()]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as opened:
        yield opened


@pytest.mark.parametrize(("call", "shown"), EXAMPLES)
def test_examples_show_what_the_functions_do(connection: duckdb.DuckDBPyConnection, call: str, shown: str) -> None:
    assert evaluate(connection, call) == shown


def test_every_function_is_described_and_scalars_have_examples() -> None:
    random = {"RANDOM"}
    for function in REGISTRY.functions.values():
        assert function.doc.endswith((".", '"')), function.name
        assert function.kind != "scalar" or function.examples or function.name in random, function.name
        assert all(re.match(rf"{function.name}\(", s) for s in function.signatures)
