"""What schemathesis is to know of ksqlDB's content types: lines of text, and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import schemathesis


@schemathesis.serializer("application/vnd.ksqlapi.delimited.v1")
def lines(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.deserializer("application/vnd.ksql.v1+protobuf")
def rows(_: Any, response: Any) -> Any:
    return response.json()


@schemathesis.hook
def before_load_schema(_: Any, raw_schema: dict[str, Any]) -> None:
    """Without the types of rows' places: of an answer, schemathesis takes these for `items` and finds them wrong.
    `test_openapi.py` checks them."""
    for node in list(_nodes(raw_schema)):
        node.pop("prefixItems", None)


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)
