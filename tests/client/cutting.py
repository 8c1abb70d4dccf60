"""A line that is cut: passes bytes on to a server, and ends each connection after so many of its answer's."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class CuttingLine:
    """`lengths`: after how many bytes of answers each connection ends, one after the other; the last stay whole."""

    def __init__(self, url: str, lengths: Iterator[int]) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._lengths = lengths
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cuts = 0
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += (client, server)
                length = next(self._lengths, None)
                for way in ((client, server, None), (server, client, length)):
                    self._threads.append(threading.Thread(target=self._pass, args=way))
                    self._threads[-1].start()

    def _pass(self, source: socket.socket, target: socket.socket, left: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                part = data if left is None else data[:left]
                target.sendall(part)
                if left is not None:
                    left -= len(part)
                    if left <= 0:
                        self.cuts += 1
                        break
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for each in self._open:
            each.close()
