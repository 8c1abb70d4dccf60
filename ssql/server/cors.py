"""Pages of other sites: what a browser lets them ask of the server (CORS, the Fetch standard, section 3.2).

Off unless `access.control.allow.origin` names origins; then every answer to a page of one of them says so, errors and
streams too, and what a browser asks beforehand (a preflight) is answered without credentials, as it carries none. No
page may use the credentials that a browser keeps.

Browsers do not ask before they open a WebSocket, or send a form or plain text, and let any page do it. So what comes
from a page of another origin is refused, but for reading by GET, unless that origin is named. And as a page's own name
may be made to lead to this machine (DNS rebinding), a server that asks for no credentials takes from browsers on its
own machine only names that are its own. Programs that are no browsers send none of what is looked at here.

A few lines of our own: aiohttp-cors is seldom released, wants every route added a second time, and does not see the
answers that middlewares give.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

from ssql.config import ALLOW_HEADERS, ALLOW_METHODS, ALLOW_ORIGIN, Config
from ssql.errors import HostRefused, OriginRefused
from ssql.server.websocket import is_upgrade

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: How long (s) a browser may remember the answer to a preflight.
REMEMBERED_S = 600

#: What pages of other origins may read of an answer's head, beside what every page may: what an error is reported
#: with, and what says when and how to ask again.
EXPOSED = "X-Request-Id, Retry-After, WWW-Authenticate, Allow"

#: What changes nothing.
_READING = frozenset({"GET", "HEAD", "OPTIONS"})

#: So every browser begins to say what it is.
_BROWSER = "Mozilla/"

#: Of an origin that names none.
_PORTS = {"http": 80, "https": 443}


class Cors:
    """What the settings allow. `open_to_all`: the server asks nobody for credentials."""

    def __init__(self, config: Config, *, open_to_all: bool = True) -> None:
        self._open_to_all = open_to_all
        self._origins = _listed(config[ALLOW_ORIGIN])
        self._methods = ", ".join(_listed(config[ALLOW_METHODS]))
        self._headers = ", ".join(_listed(config[ALLOW_HEADERS]))
        patterns = [".*".join(re.escape(part) for part in origin.split("*")) for origin in self._origins]
        self._pattern = re.compile("|".join(patterns), re.IGNORECASE)
        self.middlewares = (self._guard,)
        #: what marks answers, where some page may read them
        self.marks = (self.mark,) if self._origins else ()

    def allows(self, origin: str) -> bool:
        return bool(self._origins) and self._pattern.fullmatch(origin) is not None

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Say in an answer that the page which asked may read it."""
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if origin is not None and self.allows(origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED

    @property
    def _guard(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            headers = request.headers
            origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
            if origin is None and site is None and not headers.get("User-Agent", "").startswith(_BROWSER):
                return await handler(request)
            if origin is not None and request.method == "OPTIONS" and "Access-Control-Request-Method" in headers:
                return self._preflight() if self.allows(origin) else await handler(request)
            if origin is not None and self.allows(origin):
                return await handler(request)
            socket = is_upgrade(request)
            if (socket or request.method not in _READING) and not _is_own(request, origin, site):
                raise OriginRefused(origin, socket=socket)
            if self._open_to_all and _on_this_machine(request) and not self._is_our_name(request):
                raise HostRefused(request.host)
            return await handler(request)

        return guard

    def _is_our_name(self, request: web.Request) -> bool:
        name = _name_of(request.host)
        if name == "localhost" or name.endswith(".localhost") or _is_address(name):
            return True
        return self.allows(f"http://{request.host}") or self.allows(f"https://{request.host}")

    def _preflight(self) -> web.Response:
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": self._methods,
                "Access-Control-Allow-Headers": self._headers,
                "Access-Control-Max-Age": str(REMEMBERED_S),
            },
        )


def _on_this_machine(request: web.Request) -> bool:
    """Whether the client is on the machine of the server."""
    transport = request.transport
    at = None if transport is None else transport.get_extra_info("sockname")
    return isinstance(at, tuple) and _is_address(at[0]) and ip_address(at[0]).is_loopback


def _name_of(host: str) -> str:
    """The name or address in a Host header, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_own(request: web.Request, origin: str | None, site: str | None) -> bool:
    """Whether a page came from this server; what stands before it may have ended the encryption, or call it otherwise.
    `site`: what the browser says of it, which no page can say for it."""
    if site is not None and (origin is None or site == "same-origin"):
        return site in ("same-origin", "none")
    if origin is None:  # no page: browsers without `site` say an origin
        return True
    try:
        page, here = urlsplit(origin), urlsplit(f"//{request.host}")
        default = _PORTS.get(page.scheme)
        return (page.hostname, page.port or default) == (here.hostname, here.port or default)
    except ValueError:  # no port number
        return False
