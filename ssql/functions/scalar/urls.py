"""Parts of URLs, decoded; NULL for text that is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote, unquote, unquote_plus

from ssql.functions.registry import scalar
from ssql.functions.text import shortened

_URI = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?",
    re.DOTALL,
)
#: What RFC 2396 has no place for, or a % that no two digits follow.
_ILLEGAL = re.compile(r"[\x00-\x20\x7f\"<>\\^`{|}]|%(?![0-9A-Fa-f]{2})")
_AUTHORITY = re.compile(r"(?:[^@]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^:@]*)(?::(?P<port>\d*))?")


#: What text that is no URL is made of.
_NOTHING: dict[str, str | None] = dict.fromkeys(_URI.groupindex)


@lru_cache(maxsize=4096)
def _parts(text: str) -> dict[str, str | None]:
    found = _URI.fullmatch(text)
    return _NOTHING if found is None or _ILLEGAL.search(text) else found.groupdict()


def _decoded(part: str) -> Callable[[str], str | None]:
    def get(text: str) -> str | None:
        found = _parts(text)[part]
        return None if found is None else unquote(found)

    return get


def _host(text: str) -> str | None:
    authority = _AUTHORITY.fullmatch(_parts(text)["authority"] or "")
    return (authority["host"] or None) if authority else None


def _port(text: str) -> int | None:
    authority = _AUTHORITY.fullmatch(_parts(text)["authority"] or "")
    return int(authority["port"]) if authority and authority["port"] else None


def _parameter(text: str, name: str) -> str | None:
    query = _parts(text)["query"]
    for pair in (query or "").split("&"):
        key, has_value, value = pair.partition("=")
        if unquote(key) == name:
            return unquote(value) if has_value else ""
    return None


def _encode(text: str) -> str:
    return quote(text, safe="* ").replace("~", "%7E").replace(" ", "+")


def _decode(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(f"in {shortened(text)} a % has no two digits after it")
    return unquote_plus(text)


_U, _URL = "url", "http://user@www.acme.com:8080/a/b?q=1&r=x%20y#end"
for _name, _type, _python, _what, _expected in (
    ("URL_EXTRACT_PROTOCOL", "STRING", _decoded("scheme"), "scheme", "http"),
    ("URL_EXTRACT_HOST", "STRING", _host, "host", "www.acme.com"),
    ("URL_EXTRACT_PORT", "INT", _port, "port, if it is written,", "8080"),
    ("URL_EXTRACT_PATH", "STRING", _decoded("path"), "path", "/a/b"),
    ("URL_EXTRACT_QUERY", "STRING", _decoded("query"), "query", "q=1&r=x y"),
    ("URL_EXTRACT_FRAGMENT", "STRING", _decoded("fragment"), "fragment", "end"),
):
    scalar(
        f"{_name}(STRING) -> {_type}",
        python=_python,
        category=_U,
        doc=f"The {_what} of a URL.",
        examples={f"{_name}('{_URL}')": _expected},
    )
scalar(
    "URL_EXTRACT_PARAMETER(STRING, STRING) -> STRING",
    python=_parameter,
    category=_U,
    doc="The value of a parameter in a URL's query.",
    examples={f"URL_EXTRACT_PARAMETER('{_URL}', 'r')": "x y"},
)
scalar(
    "URL_ENCODE_PARAM(STRING) -> STRING",
    python=_encode,
    category=_U,
    doc="Text as it is written in a URL's query.",
    examples={"URL_ENCODE_PARAM('?foo $bar')": "%3Ffoo+%24bar"},
)
scalar(
    "URL_DECODE_PARAM(STRING) -> STRING",
    python=_decode,
    category=_U,
    doc="The inverse of URL_ENCODE_PARAM.",
    examples={"URL_DECODE_PARAM('a%20b+c')": "a b c"},
)
