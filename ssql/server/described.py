"""What a route takes and answers, said beside its handler: `openapi.py` makes the document of it.

    @described(body={JSON_TYPE: KsqlRequest}, answers={JSON_TYPE: list[Entity]}, errors=(400,))
    async def post_ksql(request): ...

A shape is a type that msgspec knows (a Struct, a TypedDict, `dict[str, int]`), or a JSON schema as it is. The text is
the handler's docstring.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

from ssql.rights import Right

#: A type that msgspec knows, or a JSON schema.
Shape = Any

Handler = TypeVar("Handler", bound=Callable[[web.Request], Awaitable[web.StreamResponse]])

#: Shapes of what is no JSON object: text in lines, and bytes.
TEXT: Shape = {"type": "string"}
BYTES: Shape = {"type": "string", "contentMediaType": "application/octet-stream"}


@dataclass(frozen=True)
class Query:
    """A parameter of the address."""

    shape: Shape
    text: str
    required: bool = False


@dataclass(frozen=True)
class Described:
    """One route: bodies and answers by content type, its parameters, and the errors that are its own.

    `errors`: statuses beside those that every route may have. `status`: that of `answers`. `right`: what a caller
    needs, at least.
    """

    answers: Mapping[str, Shape] = field(default_factory=dict)
    body: Mapping[str, Shape] = field(default_factory=dict)
    query: Mapping[str, Query] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    status: int = 200
    tag: str = "ksqlDB"
    right: Right = Right.READ


_DESCRIBED: dict[Any, Described] = {}


def described(
    *,
    answers: Mapping[str, Shape] | None = None,
    body: Mapping[str, Shape] | None = None,
    query: Mapping[str, Query] | None = None,
    path: Mapping[str, str] | None = None,
    errors: tuple[int, ...] = (),
    status: int = 200,
    tag: str = "ksqlDB",
    right: Right = Right.READ,
) -> Callable[[Handler], Handler]:
    """Say what a handler takes and answers; see `Described`."""

    def note(handler: Handler) -> Handler:
        _DESCRIBED[handler] = Described(answers or {}, body or {}, query or {}, path or {}, errors, status, tag, right)
        return handler

    return note


def description_of(handler: Any) -> Described | None:
    """What was said of a handler."""
    return _DESCRIBED.get(handler)


def text_of(handler: Any) -> str:
    """A handler's docstring."""
    return inspect.getdoc(handler) or ""
