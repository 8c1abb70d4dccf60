"""Whether an error is the one that a case expects."""

from __future__ import annotations

from ssql.errors import NotSupportedYet, SsqlError
from ssql.testing.records import Mismatch
from tests.conformance.cases import Case

_STATEMENT = "\nStatement:"


def texts(error: SsqlError) -> list[str]:
    """The error's text as clients see it: bare, and as its JSON body has it."""
    return [error.message, str(error.as_json()["message"])]


def check_error(case: Case, error: SsqlError) -> None:
    """Raise `Mismatch` unless the case expects this error."""
    wanted = case.failure
    if wanted is None:
        reason = "not supported yet" if isinstance(error, NotSupportedYet) else f"refused: {error.code}"
        raise Mismatch(reason, "a statement was refused", got=error.render())
    if wanted.status is not None and error.status != wanted.status:
        raise Mismatch("wrong error", "the HTTP status differs", expected=wanted.status, got=error.render())
    check_text(case, texts(error), error.render())


def check_text(case: Case, found: list[str], shown: str) -> None:
    """Raise `Mismatch` unless one of the texts contains what the expected error says."""
    wanted = case.failure
    assert wanted is not None
    if "msg:java" in case.needs:
        if not wanted.cause_message or any(wanted.cause_message in text for text in found):
            return
        raise Mismatch("wrong error", "the error's cause differs", expected=wanted.cause_message, got=shown)
    message = wanted.message or ""
    if "msg:statement_text" in case.needs:
        message = message.split(_STATEMENT, maxsplit=1)[0]
    if not any(message in text for text in found):
        raise Mismatch("wrong error", "the error's text differs", expected=message, got=shown)


def no_error(case: Case) -> Mismatch:
    assert case.failure is not None
    return Mismatch("no error", "there should have been an error", expected=case.failure.message)
