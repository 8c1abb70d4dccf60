"""The compiled kernels of the formats: loaded once, in the background.

Compiling them takes seconds (a fraction of one from numba's cache), so no reader or writer ever waits for it: until
`warm_up` has returned, and for batches too small to gain from them, rows take the interpreted paths, which give the
same results.
"""

from __future__ import annotations

import importlib
import logging
import threading
from types import ModuleType

_MODULES = ("ssql.formats.json_kernel", "ssql.formats.json_writer_kernel")
_log = logging.getLogger(__name__)
_loaded: dict[str, ModuleType] = {}
_lock = threading.Lock()


def warm_up() -> None:
    """Compile or load all kernels. For a background thread; safe to call again and from several threads.

    Where they cannot be had (no place for numba's cache, a processor it does not know), that is logged, and everything
    goes on without them.
    """
    with _lock:
        for name in _MODULES:
            if name not in _loaded:
                try:
                    _loaded[name] = importlib.import_module(name)
                except Exception as trouble:
                    _log.warning("formats run uncompiled, and slower: kernel=%s reason=%s", name, trouble)
                    return


def ready() -> bool:
    """True once `warm_up` has loaded everything."""
    return len(_loaded) == len(_MODULES)


def kernel(name: str) -> ModuleType | None:
    """The module of kernels `ssql.formats.<name>`, or None while they are not ready."""
    return _loaded.get(f"ssql.formats.{name}") if ready() else None
