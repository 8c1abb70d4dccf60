"""Who asks, and what they may do: users with passwords and API keys, from one TOML file.

    [users.ada]
    password = "scrypt:16384:8:1:<salt>:<hash>"     # base64; `ssql auth user ada` makes such a part
    right = "admin"                                 # read, write or admin

    [keys.reports]
    secret = "sha256:<hash>"                        # `ssql auth key reports` makes it, and tells the secret once
    right = "read"

Both are given as HTTP Basic (as ksqlDB's clients do it), or as `Authorization: Bearer NAME:SECRET`. A password is
hashed slowly (scrypt, RFC 7914), so who was let in is remembered for as long as the server runs.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import tomllib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from aiohttp import web

from ssql.errors import ConfigError, Unauthorized, nearest
from ssql.rights import Right

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RIGHTS: Mapping[str, Right] = {right.name.lower(): right for right in Right}

#: scrypt's cost: about 50 ms and 16 MB.
_N, _R, _P = 16384, 8, 1
#: Who was let in last, by a hash of what they said.
_REMEMBERED = 1024
#: Passwords that are hashed at a time: who guesses must not take the processor from the others.
_AT_ONCE = 1

_RIGHT: web.RequestKey[Right] = web.RequestKey("right", Right)


def hash_password(password: str) -> str:
    """How a password stands in the file."""
    salt = secrets.token_bytes(16)
    found = _scrypt(password, salt, _N, _R, _P)
    return f"scrypt:{_N}:{_R}:{_P}:{_text(salt)}:{_text(found)}"


def new_secret() -> tuple[str, str]:
    """A secret for an API key, and how it stands in the file."""
    secret = secrets.token_urlsafe(32)
    return secret, _hash_secret(secret)


def _hash_secret(secret: str) -> str:
    # It has 256 bits of chance in it: there is nothing to guess, and no need to be slow.
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 << 20, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Credentials:
    """The users and keys of a file.

    Raises:
        ConfigError: the file cannot be read, or says something wrong; the text says where.
    """

    def __init__(self, path: Path) -> None:
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as bad:
            raise ConfigError(f'"{path}" cannot be read: {(bad.strerror or str(bad)).lower()}') from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as bad:
            raise ConfigError(f'"{path}" is no valid TOML: {bad}') from None
        self._known: dict[str, tuple[str, Right]] = {}
        for section, field in (("users", "password"), ("keys", "secret")):
            entries = content.pop(section, {})
            if not isinstance(entries, dict):
                raise ConfigError(f'"{path}": "{section}" is no table')
            for name, entry in entries.items():
                self._add(path, f"{section}.{name}", name, entry, field)
        if content:
            raise ConfigError(f'"{path}" has an unknown part "{next(iter(content))}"', hint="Use [users.*], [keys.*].")
        self._let_in: OrderedDict[bytes, Right] = OrderedDict()
        self._hashing = asyncio.Semaphore(_AT_ONCE)

    def _add(self, path: Path, place: str, name: str, entry: object, field: str) -> None:
        if not isinstance(entry, dict) or set(entry) != {field, "right"}:
            raise ConfigError(f'"{path}": "{place}" needs "{field}" and "right", and nothing else')
        if entry["right"] not in RIGHTS:
            hint = nearest(str(entry["right"]), RIGHTS)
            raise ConfigError(
                f'"{path}": "{place}" has no right "{entry["right"]}"',
                hint=f"Did you mean {hint}?" if hint else "It is read, write or admin.",
            )
        if ":" in name or name in self._known:
            raise ConfigError(f'"{path}": the name "{name}" is there twice, or has a colon in it')
        stored = str(entry[field])
        if not _well_formed(stored):
            raise ConfigError(f'"{path}": "{place}" has no hash that ssql knows', hint="Make one with ssql auth.")
        self._known[name] = (stored, RIGHTS[entry["right"]])

    async def right_of(self, name: str, secret: str) -> Right | None:
        """What somebody may do; None when the name or the secret is wrong."""
        said = hashlib.sha256(f"{name}:{secret}".encode()).digest()
        if (right := self._let_in.get(said)) is not None:
            self._let_in.move_to_end(said)
            return right
        stored, right = self._known.get(name, (None, None))
        if stored is not None and stored.startswith("sha256:"):
            fits = hmac.compare_digest(stored, _hash_secret(secret))
        else:
            async with self._hashing:  # for an unknown name too: the time it takes tells nothing
                fits = await asyncio.to_thread(_fits, stored or _NOBODY, secret)
        if not fits or right is None:
            return None
        self._let_in[said] = right
        if len(self._let_in) > _REMEMBERED:
            self._let_in.popitem(last=False)
        return right


def _fits(stored: str, password: str) -> bool:
    _, n, r, p, salt, expected = stored.split(":")
    found = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, base64.b64decode(expected))


def _well_formed(stored: str) -> bool:
    kind, *parts = stored.split(":")
    if kind == "sha256":
        return len(parts) == 1 and len(parts[0]) == 64
    try:
        n, r, p, salt, expected = parts
        return (
            kind == "scrypt"
            and int(n) * int(r) * int(p) * 128 <= 128 << 20
            and bool(base64.b64decode(salt, validate=True))
            and len(base64.b64decode(expected, validate=True)) == 32
        )
    except (ValueError, binascii.Error):
        return False


#: The password of no user.
_NOBODY = f"scrypt:{_N}:{_R}:{_P}:{_text(bytes(16))}:{_text(bytes(32))}"


def middleware(credentials: Credentials | None, most: Right) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Lets requests pass that carry the credentials of somebody; without `credentials` all pass.

    `most`: nobody may do more than that here.
    """

    @web.middleware
    async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
        right: Right | None = Right.ADMIN
        if credentials is not None:
            given = _given(request.headers.get("Authorization", ""))
            right = await credentials.right_of(*given) if given is not None else None
        if right is None:
            raise Unauthorized
        request[_RIGHT] = min(right, most)
        return await handler(request)

    return authorize


def right_of(request: web.Request) -> Right:
    """What who sent a request may do."""
    return request[_RIGHT]


def _given(header: str) -> tuple[str, str] | None:
    """The name and the secret of an Authorization header."""
    scheme, _, rest = header.partition(" ")
    match scheme.lower():
        case "basic":
            try:
                said = base64.b64decode(rest.strip(), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return None
        case "bearer":
            said = rest.strip()
        case _:
            return None
    name, colon, secret = said.partition(":")
    return (name, secret) if colon else None
