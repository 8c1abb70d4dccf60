"""Calls of other threads, at the end of the worker."""

from __future__ import annotations

import threading
from typing import Any, cast

from ssql.runtime.worker.calls import Calls


def test_a_call_that_comes_after_the_end_is_not_waited_for() -> None:
    calls = Calls(cast("Any", None), threading.current_thread())
    calls.end()
    assert calls.call(lambda: 5) == 5
