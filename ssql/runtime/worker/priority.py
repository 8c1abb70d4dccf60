"""What the worker's thread leaves to others of the processor."""

from __future__ import annotations

import os
import sys
import threading


def yield_to_others(niceness: int) -> None:
    """Have this thread, and those that it starts, wait for others that want the processor: 0 not at all, 19 for nearly
    all. Linux alone has that for threads; elsewhere nothing happens."""
    if niceness and sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + niceness))
