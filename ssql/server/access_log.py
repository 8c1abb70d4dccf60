"""One log line a request, when its answer has been sent."""

from __future__ import annotations

import logging

from aiohttp.abc import AbstractAccessLogger
from aiohttp.web import BaseRequest, StreamResponse

from ssql.server.identified import id_of


class AccessLog(AbstractAccessLogger):
    """Lines as `request done method=POST path=/ksql status=200 bytes=123 ms=4.5 remote=127.0.0.1 request_id=..`."""

    @property
    def enabled(self) -> bool:
        """Whether anybody reads the lines: else aiohttp makes none."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        self.logger.info(
            "request done method=%s path=%s status=%d bytes=%d ms=%.1f remote=%s request_id=%s",
            request.method,
            request.path,
            response.status,
            response.body_length,
            time * 1000,
            request.remote,
            id_of(request),
        )
