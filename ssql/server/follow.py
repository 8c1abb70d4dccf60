"""A subscription to its client: frame by frame, each taken when the client has taken the one before.

What a client has yet to take stays with the engine, which has a bound for it; so a slow client holds up nobody. A frame
is rendered once for all who read it in the same form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from ssql.errors import ServerStopping, SubscriptionStartsOver
from ssql.server.failures import error_body, log_error
from ssql.server.pump import taken
from ssql.server.rendered import rendered
from ssql.server.state import STATE, in_thread

if TYPE_CHECKING:
    from ssql.engine.api import Frame, Subscription
    from ssql.server.frames import FrameForm

#: A client that took longer (s) than this for a frame is behind: what it gets next may take the engine a while to
#: make, and is asked for in a thread.
BEHIND_S = 0.1

SUBSCRIPTION_ENDED = "the query has ended"


class Follower:
    """One subscription and the client it goes to, in a form.

    Args:
        send: writes bytes of the form, and returns when the client has room for more.
        beat: called when nothing was sent for a while.
    """

    def __init__(
        self,
        request: web.Request,
        subscription: Subscription,
        form: FrameForm,
        send: Callable[[bytes], Awaitable[None]],
        beat: Callable[[], Awaitable[None]],
    ) -> None:
        self.request = request
        self.subscription = subscription
        self.form = form
        self.failed = self.stopping = False
        self._send = send
        self._beat = beat
        self._state = request.app[STATE]
        self._bell = self._state.bell()
        self._news = asyncio.Event()
        self._begun = False
        self._loop = asyncio.get_running_loop()
        self._said_at = self._loop.time()
        self._beat_due = False

    @property
    def query_id(self) -> str:
        return self.subscription.query_id

    def wake(self) -> None:
        """Look for a frame, or for the end. May be called from any thread, at any time."""
        self._bell.ring(self._news)

    async def close(self) -> None:
        """The server stops: the client gets the end of the stream."""
        self.stopping = True
        self.wake()

    async def run(self) -> bytes | None:
        """Send frames until the end; what is to be said last (None: the form cannot say it)."""
        self._state.pumps.add(self)
        self._clock = self._loop.call_later(self._state.heartbeat_s, self._look_at_clock)
        try:
            self.subscription.on_frame(self.wake)
            return await self._frames()
        finally:
            self._clock.cancel()
            self._state.pumps.discard(self)

    async def _frames(self) -> bytes | None:
        behind = True  # the first frame may be a large snapshot
        while not self.stopping:
            self._news.clear()  # before the look, so that a frame that comes after it is not missed
            frame = await self._take(behind)
            if frame is not None:
                if frame.snapshot and self._begun and not self.form.starts_over:
                    return self._error(SubscriptionStartsOver())
                self._begun = True
                behind = await self._sent(await self._rendered(frame))
            elif self.subscription.ended:
                if self.subscription.error is not None:
                    return self._error(self.subscription.error)
                return self.form.end(SUBSCRIPTION_ENDED)
            else:
                behind = not self._begun
                await self._wait()
        return self.form.end(ServerStopping().message)

    async def _take(self, behind: bool) -> Frame | None:
        subscription = self.subscription
        frame = await in_thread(self.request, subscription.take, 0) if behind else subscription.take(0)
        if frame is None and subscription.ended:
            return subscription.take(0)  # it may have come, and the end after it, since we looked
        return frame

    def _error(self, error: Exception) -> bytes | None:
        self.failed = True
        log_error(self.request, error)
        return self.form.error(error_body(error))

    async def _sent(self, text: bytes) -> bool:
        """Send it; whether the client took its time."""
        if not text:
            return False
        clock = self._loop.time
        begin = clock()
        await taken(self.request, self._send(text), len(text))
        self._said_at = clock()
        return clock() - begin > BEHIND_S

    async def _rendered(self, frame: Frame) -> bytes:
        """The frame in the form."""
        form, columns, rows = self.form, self.subscription.columns, frame.rows.num_rows
        return await rendered(self.request, frame.rendered, form.name, rows, lambda: form.frame(frame, columns))

    async def _wait(self) -> None:
        """Until there is news; the client hears from us now and then."""
        await self._news.wait()
        if not self._beat_due:
            return
        self._beat_due = False
        transport = self.request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        await taken(self.request, self._beat())
        self._said_at = self._loop.time()

    def _look_at_clock(self) -> None:
        """One timer for as long as it is followed: one a frame would cost as much as the frame."""
        heartbeat_s = self._state.heartbeat_s
        quiet_s = self._loop.time() - self._said_at
        if quiet_s >= heartbeat_s:
            self._beat_due = True
            self._news.set()
            quiet_s = 0.0
        self._clock = self._loop.call_later(heartbeat_s - quiet_s, self._look_at_clock)
