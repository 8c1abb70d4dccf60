"""Compiled kernels: loaded once, in the background.

Compiling them takes seconds (a fraction of one from numba's cache), so nobody ever waits for it: until `warm_up` has
returned, and for batches too small to gain from them, rows take numpy or interpreted paths, which give the same
results.
"""

from __future__ import annotations

import importlib
import logging
import threading
from types import ModuleType

#: Modules whose import compiles, in the order in which they matter.
MODULES = (
    "ssql.formats.json_kernel",
    "ssql.formats.json_writer_kernel",
    "ssql.runtime.group_kernel",
    "ssql.formats.avro_kernel",
    "ssql.formats.avro_writer_kernel",
)

_log = logging.getLogger(__name__)
_loaded: dict[str, ModuleType] = {}
_lock = threading.Lock()


def warm_up() -> None:
    """Compile or load all kernels. For a background thread; safe to call again and from several threads.

    Where they cannot be had (no place for numba's cache, a processor it does not know), that is logged, and everything
    goes on without them.
    """
    with _lock:
        for name in MODULES:
            if name not in _loaded:
                try:
                    _loaded[name] = importlib.import_module(name)
                except Exception as trouble:
                    _log.warning("running uncompiled, and slower: kernel=%s reason=%s", name, trouble)
                    return


def ready() -> bool:
    """True once `warm_up` has loaded everything."""
    return len(_loaded) == len(MODULES)


def kernel(name: str) -> ModuleType | None:
    """The module of kernels of that full name, or None while they are not ready."""
    return _loaded.get(name) if ready() else None
