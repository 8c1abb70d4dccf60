"""Tokens: a place in the results of a query, as text that a client keeps and gives back.

A token holds the offsets up to which records are in the result, and what tells a result from another one: which query
it is of, where that began to read streams, and of a table how many rows there were and a digest of them. It holds no
rows, so it is short, and needs nothing kept on the server's side.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

from ssql.errors import TokenRefused
from ssql.planner.steps import QueryPlan
from ssql.runtime.api import Offsets, Reached
from ssql.types import Column

VERSION = 1

#: [topic, [[partition, next offset], ...]]
_Places = list[tuple[str, list[tuple[int, int]]]]


class Token(msgspec.Struct, frozen=True, array_like=True):
    """`offsets`: the next record of each partition. `own`: of topics that the worker itself wrote, where what it had
    written ended: its own records before that are in the result too (see `Reached`). `origin`: where the query began to
    read streams, for one whose result depends on that. `rows`, `digest`: of a table's result."""

    version: int
    query: bytes
    offsets: _Places
    own: _Places = []
    origin: _Places = []
    rows: int = 0
    digest: int = 0

    def text(self) -> str:
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")


def read(text: str, query: bytes) -> Token:
    """The token that a query gave. Raises `TokenRefused`: it is none, or another query's."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        token = msgspec.msgpack.decode(data, type=Token)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as bad:
        raise TokenRefused from bad
    if token.version != VERSION or token.query != query:
        raise TokenRefused
    return token


def written(query: bytes, reached: Reached, *, origin: Offsets, rows: int, digest: int) -> str:
    """The token of a place in the results of a query."""
    return Token(VERSION, query, packed(reached.offsets), packed(reached.own), packed(origin), rows, digest).text()


def packed(offsets: Offsets) -> _Places:
    places: dict[str, list[tuple[int, int]]] = {}
    for (topic, partition), at in sorted(offsets.items()):
        places.setdefault(topic, []).append((partition, at))
    return list(places.items())


def unpacked(places: _Places) -> dict[tuple[str, int], int]:
    return {(topic, partition): at for topic, found in places for partition, at in found}


def fingerprint(plan: QueryPlan, columns: tuple[Column, ...]) -> bytes:
    """What two queries have in common that give the same rows: what they read and how, and what they make of it."""
    said = (plan.steps, plan.kind, sorted(plan.fatal), columns)
    return hashlib.blake2b(repr(said).encode(), digest_size=12).digest()
