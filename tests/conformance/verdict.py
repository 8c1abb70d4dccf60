"""One case carried out, with its verdict."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from ssql.errors import SsqlError
from ssql.testing.records import Mismatch
from ssql.testing.values import json_text
from tests.conformance import cuts, qtt, rqtt, yatt
from tests.conformance.cases import Case

SUITES: dict[str, Callable[[Case], None]] = {"qtt": qtt.run, "rqtt": rqtt.run, "yatt": yatt.run}
#: The longest (s) that one case may take.
LIMIT_S = 60
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Verdict:
    """How a case went. `reason` is a class of failures; `seconds` what the case took."""

    id: str
    outcome: str
    reason: str = ""
    what: str = ""
    expected: str = ""
    got: str = ""
    seconds: float = 0.0
    needs: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class _TooLong(Exception):
    pass


def _stop(signum: int, frame: object) -> None:
    raise _TooLong


def judge(case: Case, seed: int | None = None) -> Verdict:
    """Carry out a case (in the main thread); `seed`: all input at once, in epochs cut at random."""
    if not case.applicable:
        return Verdict(case.id, SKIPPED, needs=case.needs)
    before = signal.signal(signal.SIGALRM, _stop)
    signal.alarm(LIMIT_S)
    started = time.perf_counter()
    failure: Mismatch | None = None
    try:
        SUITES[case.suite](case) if seed is None or case.suite != "qtt" else cuts.run(case, seed)
    except Mismatch as mismatch:
        failure = mismatch
    except _TooLong:
        failure = Mismatch("timeout", f"the case took more than {LIMIT_S} s")
    except SsqlError as error:
        failure = Mismatch(f"refused: {error.code}", "the engine failed", got=error.render())
    except Exception as error:
        failure = Mismatch("crash", f"{type(error).__name__}: {error}", got=traceback.format_exc(limit=-8))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    seconds = round(time.perf_counter() - started, 3)
    if failure is None:
        return Verdict(case.id, PASSED, seconds=seconds, needs=case.needs)
    return Verdict(
        case.id,
        FAILED,
        failure.reason,
        failure.what,
        _text(failure.expected),
        _text(failure.got),
        seconds,
        case.needs,
    )


def _text(value: object) -> str:
    """A value as it is printed: rows of records one a line."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    try:
        return json_text(value)
    except TypeError:
        return repr(value)
