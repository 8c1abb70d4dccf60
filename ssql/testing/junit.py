"""Results as JUnit's XML, which CI servers read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from junitparser import Attr, Failure, JUnitXml, TestCase, TestSuite

from ssql.testing.report import failure_text
from ssql.testing.rerun import Result

#: What XML cannot hold, not even as a reference.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Case(TestCase):
    """A case with its place, which pytest's files have and many CI servers link to."""

    file = Attr()
    line = Attr()


def write(path: Path, results: Sequence[Result]) -> None:
    """Write a file with a suite a file of tests."""
    xml = JUnitXml("ssql test")
    for file, found in groupby(results, key=lambda result: result.test.path):
        suite = TestSuite(_text(file))
        for result in found:
            suite.add_testcase(_case(result))
        xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]
    path.parent.mkdir(parents=True, exist_ok=True)
    xml.write(str(path), pretty=True)


def _case(result: Result) -> TestCase:
    case = _Case(_text(result.test.name), _text(result.test.path), round(result.seconds, 3))
    case.file = _text(result.test.path)
    case.line = str(result.test.line)
    if result.failure is not None:
        failure = Failure(_text(result.failure.message.splitlines()[0]), "failure")
        failure.text = _text(failure_text(result))
        case.result = [failure]
    return case


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
