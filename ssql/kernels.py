"""Compiled kernels, loaded in the background.

Compiling them takes seconds (a fraction of one from numba's cache), so nobody ever waits for it: until `warm_up` has
loaded a module of kernels, its users take their numpy or interpreted paths, which give the same results.
"""

from __future__ import annotations

import importlib
import threading
from types import ModuleType

#: Modules whose import compiles; in the order in which they matter.
MODULES = ("ssql.runtime.group_kernel",)

_loaded: dict[str, ModuleType] = {}
_lock = threading.Lock()


def warm_up() -> None:
    """Compile or load all kernels. For a background thread; safe to call again and from several threads."""
    with _lock:
        for name in MODULES:
            if name not in _loaded:
                _loaded[name] = importlib.import_module(name)


def ready() -> bool:
    """True once `warm_up` has loaded everything."""
    return len(_loaded) == len(MODULES)


def kernel(name: str) -> ModuleType | None:
    """The module of kernels of that full name, or None while it is not loaded."""
    return _loaded.get(name)
