"""Pages of other sites: what a browser lets them ask of the server (CORS, the Fetch standard, section 3.2).

Off unless `access.control.allow.origin` names origins; then every answer to a page of one of them says so, errors and
streams too, and what a browser asks beforehand (a preflight) is answered without credentials, as it carries none. No
page may use the credentials that a browser keeps.

Browsers do not ask before they open a WebSocket, and let any page do it: one that comes from a page of another origin
is refused unless that is named.

A few lines of our own: aiohttp-cors is seldom released, wants every route added a second time, and does not see the
answers that middlewares give.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from ssql.config import ALLOW_HEADERS, ALLOW_METHODS, ALLOW_ORIGIN, Config
from ssql.errors import OriginRefused
from ssql.server.websocket import is_upgrade

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: How long (s) a browser may remember the answer to a preflight.
REMEMBERED_S = 600

#: Of an origin that names none.
_PORTS = {"http": 80, "https": 443}


class Cors:
    """What the settings allow."""

    def __init__(self, config: Config) -> None:
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

    @property
    def _guard(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            origin = request.headers.get("Origin")
            if origin is not None:
                if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
                    if self.allows(origin):
                        return self._preflight()
                elif is_upgrade(request) and not self.allows(origin) and not _is_own(request, origin):
                    raise OriginRefused(origin)
            return await handler(request)

        return guard

    def _preflight(self) -> web.Response:
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": self._methods,
                "Access-Control-Allow-Headers": self._headers,
                "Access-Control-Max-Age": str(REMEMBERED_S),
            },
        )


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_own(request: web.Request, origin: str) -> bool:
    """Whether a page came from this server; what stands before it may have ended the encryption."""
    try:
        page, here = urlsplit(origin), urlsplit(f"//{request.host}")
        default = _PORTS.get(page.scheme)
        return (page.hostname, page.port or default) == (here.hostname, here.port or default)
    except ValueError:  # no port number
        return False
