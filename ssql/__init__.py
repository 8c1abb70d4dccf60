"""ssql: a streaming SQL database.

Statements come in as text (`sql`), are bound and planned (`planner`, with `functions` and `formats`), run as one
dataflow that moves in epochs (`runtime`) over topics (`log`), are carried out and remembered (`engine`, `catalog`),
and are served over HTTP (`server`). `connect` and `connect_async` are the doors for programs (`client`):

    with ssql.connect("./data") as db:
        print(db.query("SELECT * FROM spent;").rows())
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssql.client import connect, connect_async
    from ssql.errors import SsqlError

__all__ = ["SsqlError", "__version__", "connect", "connect_async"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """What programs use is loaded when it is first asked for: `import ssql` alone costs nothing."""
    from importlib import import_module

    homes = {"connect": "ssql.client", "connect_async": "ssql.client", "SsqlError": "ssql.errors"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(homes[name]), name)
