"""A way to a server that breaks: connections through it are cut off in the middle of an answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class BreakingProxy:
    """Passes on what both sides say.

    Args:
        port: of the server, on this machine.
        after: bytes of the server's that a connection passes on before it is cut off; one entry a connection. Those
            that come later stay whole.
    """

    def __init__(self, port: int, after: list[int]) -> None:
        self._target = port
        self._after = list(after)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed: the end
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                room = self._after.pop(0) if self._after else None
                threading.Thread(target=self._pass_on, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, room), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, room: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if room is not None:
                    data, room = data[:room], room - len(data)  # the middle of an event, mostly
                target.sendall(data)
                if room is not None and room <= 0:
                    self.cut += 1
                    break
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def breaking(port: int, after: list[int]) -> Iterator[BreakingProxy]:
    proxy = BreakingProxy(port, after)
    try:
        yield proxy
    finally:
        proxy.close()
