"""What the handlers of one application share, under typed keys."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

import msgspec
from aiohttp import web

from ssql.config import HEARTBEAT_S, IDLE_TIMEOUT_S, Config
from ssql.engine.progress import Progress, opening_text
from ssql.errors import ServerStarting, ServerStopping, ServerTerminated
from ssql.server.doorbell import Doorbell

if TYPE_CHECKING:
    from ssql.engine.api import Engine
    from ssql.engine.opening import Opening

logger = logging.getLogger("ssql.server")

P = ParamSpec("P")
T = TypeVar("T")

#: Engine calls that run at the same time; more of them wait their turn.
ENGINE_THREADS = 32

#: Outcomes that /status still answers.
STATUSES_KEPT = 1000


class Open(Protocol):
    """A stream of rows that is under way."""

    @property
    def query_id(self) -> str: ...

    def wake(self) -> None:
        """Look whether there is something new."""

    async def close(self) -> None:
        """End it: the client gets its end."""


@dataclass
class ServerState:
    """The engine (None until it is open) and what is under way."""

    engine: Engine | None = None
    stopping: bool = False
    #: The cluster was ended (/ksql/terminate): nothing is answered any more.
    terminated: bool = False
    config: Config = field(default_factory=Config)
    #: What opening the engine is at, where that is known.
    opening: Opening | None = None
    #: Set when the engine is open, or could not be opened (then with the error).
    opened: asyncio.Future[None] | None = None
    pumps: set[Open] = field(default_factory=set)
    #: What is being rendered (see `rendered.py`).
    rendering: dict[tuple[int, Hashable], asyncio.Future[Any]] = field(default_factory=dict)
    _bell: Doorbell | None = None
    #: commandStatus by commandId, of the statements carried out last.
    statuses: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(ENGINE_THREADS, thread_name_prefix="ssql-engine-call")
    )

    @property
    def idle_timeout_s(self) -> float:
        """How long a client may take nothing of a row stream."""
        return self.config[IDLE_TIMEOUT_S]

    @property
    def heartbeat_s(self) -> float:
        """After how long without rows a subscriber is told that we are there."""
        return self.config[HEARTBEAT_S]

    def bell(self) -> Doorbell:
        """The event loop's."""
        if self._bell is None:
            self._bell = Doorbell()
        return self._bell

    def note_statuses(self, entities: list[dict[str, Any]]) -> None:
        """Remember the outcomes among the entities of a /ksql answer."""
        for entity in entities:
            if entity.get("@type") == "currentStatus" and entity.get("commandId"):
                command = str(entity["commandId"])
                self.statuses[command] = entity.get("commandStatus") or {}
                self.statuses.move_to_end(command)
        while len(self.statuses) > STATUSES_KEPT:
            self.statuses.popitem(last=False)


STATE: web.AppKey[ServerState] = web.AppKey("state", ServerState)


def engine_of(request: web.Request) -> Engine:
    """The open engine.

    Raises:
        ServerStarting: it is not open yet.
        ServerStopping: the server no longer takes requests.
        ServerTerminated: the cluster was ended.
    """
    state = request.app[STATE]
    if state.stopping:
        raise ServerStopping
    if state.terminated:
        raise ServerTerminated
    if state.engine is None:
        raise _starting(state.opening)
    return state.engine


def opening_of(request: web.Request) -> Progress | None:
    """How far the opening of the engine is; None where it is open, never will be, or nobody knows."""
    state = request.app[STATE]
    if state.engine is not None or state.opening is None or state.stopping or state.terminated:
        return None
    return state.opening.progress()


def _starting(opening: Opening | None) -> ServerStarting:
    """The error that says what the opening is at."""
    if opening is None:
        return ServerStarting()
    found = opening.progress().opening
    return ServerStarting(msgspec.to_builtins(found), opening_text(found, ", "))


async def in_thread(request: web.Request, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a call that may block (an engine call, a large rendering) outside the event loop, in this context."""
    threads = request.app[STATE].threads
    within = functools.partial(contextvars.copy_context().run, call, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(threads, within)


async def to_the_end(request: web.Request, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `in_thread`, for what a client that goes away must not take back: it is carried out all the same."""
    work = asyncio.ensure_future(in_thread(request, call, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        work.add_done_callback(_forget)
        raise


def _forget(done: asyncio.Future[Any]) -> None:
    """Take note of an error that nobody is left to be told of."""
    if not done.cancelled() and (error := done.exception()) is not None:
        logger.info("request failed after its client was gone error=%r", str(error))
