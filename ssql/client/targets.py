"""Which place the arguments of `connect` name."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import TYPE_CHECKING, TypedDict, Union
from urllib.parse import SplitResult, unquote, urlsplit

from ssql.config import DATA_DIR, KAFKA_BOOTSTRAP
from ssql.errors import BadTarget

if TYPE_CHECKING:
    from ssql.client.local import LocalBackend
    from ssql.engine.api import Engine

#: What is connected to: a URL, a directory, or an engine that is open already.
Target = Union[str, PathLike[str], "Engine"]

#: How a certificate is checked: True by the system's authorities, a path by those of a PEM file, False not at all.
Verify = bool | str | PathLike[str] | ssl.SSLContext


class Options(TypedDict, total=False):
    """What may be said of a place beside its name: `config` of an engine in this process, the others of a server."""

    #: Who asks.
    user: str | None
    password: str | None
    #: Who asks, in place of a user: `NAME:SECRET`, as `ssql auth key` told it.
    api_key: str | None
    verify: Verify
    #: Speak HTTP/2.
    http2: bool
    #: How long (s) the server may take to answer at all.
    connect_timeout_s: float
    #: Settings by key, over those of the environment.
    config: Mapping[str, object] | None


KAFKA_SCHEME = "kafka://"

#: Seconds until an address without an answer counts as unreachable.
CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Server:
    """A server, and how to speak to it."""

    url: str
    authorization: tuple[str, str] | str | None = field(default=None, repr=False)
    verify: Verify = True
    http2: bool = False
    connect_timeout_s: float = CONNECT_TIMEOUT_S


@dataclass(frozen=True)
class Local:
    """An engine in this process: on Kafka, or on a directory (which has `lock`)."""

    settings: Mapping[str, object]

    @property
    def directory(self) -> str | None:
        return None if KAFKA_BOOTSTRAP.key in self.settings else str(self.settings[DATA_DIR.key])


def opened(target: Target, options: Options) -> LocalBackend | Server:
    """An engine in this process, opened here, or the server to speak to.

    Raises:
        BadTarget: see `place_of`.
        DirectoryInUse: another process that is no server works in the directory.
        SsqlError: the engine cannot be opened.
    """
    place = place_of(target, options) if isinstance(target, str | PathLike) else target
    if isinstance(place, Server):
        return place
    from ssql.client.local import LocalBackend, open_local

    return open_local(place) if isinstance(place, Local) else LocalBackend(place)


def place_of(target: str | PathLike[str], options: Options) -> Server | Local:
    """The place that is named. `http://` and `https://` are servers, `kafka://` brokers, all else a directory.

    Raises:
        BadTarget: the address has no host, or an option is given that the place does not have.
    """
    text = fspath(target)
    server = "://" in text and not text.startswith(KAFKA_SCHEME)
    foreign = options.keys() & {"config"} if server else options.keys() - {"config"}
    if foreign:
        raise BadTarget(f'option "{min(foreign)}" does not go with "{text}"')
    if server:
        parts = _parts(text)
        return Server(
            _bare(parts),
            _authorization(parts, options.get("user"), options.get("password"), options.get("api_key")),
            options.get("verify", True),
            options.get("http2", False),
            options.get("connect_timeout_s", CONNECT_TIMEOUT_S),
        )
    settings = dict(options.get("config") or {})
    if text.startswith(KAFKA_SCHEME):
        settings[KAFKA_BOOTSTRAP.key] = text.removeprefix(KAFKA_SCHEME).rstrip("/")
    else:
        settings[DATA_DIR.key] = text
    return Local(settings)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        known = False
    if not known:
        raise BadTarget(f'"{url}" is no address of a server')
    return parts


def _bare(parts: SplitResult) -> str:
    """The address without what it says of who asks; ksqlDB's port where it names none and is not encrypted."""
    host = parts.netloc.rpartition("@")[2]
    port = ":8088" if parts.scheme == "http" and parts.port is None else ""
    return f"{parts.scheme}://{host}{port}"


def _authorization(
    parts: SplitResult, user: str | None, password: str | None, api_key: str | None
) -> tuple[str, str] | str | None:
    """A user and a password, or a key as `NAME:SECRET`."""
    if user is None and parts.username:
        user = unquote(parts.username)
        password = unquote(parts.password or "") if password is None else password
    if api_key is not None:
        if user is not None:
            raise BadTarget("a user and an API key are given: one of them is enough")
        return api_key
    if user is None:
        if password is not None:
            raise BadTarget("a password is given without a user")
        return None
    return user, password or ""
