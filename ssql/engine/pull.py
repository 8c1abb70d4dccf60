"""placeholder"""

from typing import Any

from ssql.engine.api import PullResult


def pull(request: Any, statement: Any) -> PullResult:
    raise NotImplementedError
