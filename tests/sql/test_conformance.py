"""Every statement of the conformance cases parses, but those that must not; and comes back from its printed form."""

from __future__ import annotations

import pytest

from ssql.errors import SsqlError
from ssql.sql.parser import parse_script, parse_statement, span_of
from ssql.sql.printer import print_statement
from tests.sql.support import CONFORMANCE, bare, cases, expressions

pytestmark = pytest.mark.skipif(not CONFORMANCE.is_dir(), reason=f"no conformance cases in {CONFORMANCE}")


def test_what_must_parse_parses_and_what_must_not_does_not() -> None:
    wrong = []
    refused = 0
    for case in cases():
        expected = case["expected_exception"]
        try:
            parse_script("\n".join(case["statements"]), assertions=case["suite"] == "yatt")
        except SsqlError as error:
            refused += 1
            # Requests that carry no kind are refused for LIMIT -1, 2.5 and a word.
            if expected is None or expected["kind"] not in {"parse", None}:
                wrong.append(f"{case['id']}\n{error.render()}")
        else:
            if expected is not None and expected["kind"] == "parse":
                wrong.append(f"{case['id']}: parses")
    assert not wrong, "\n\n".join(wrong)
    assert refused > 20


def test_printed_statements_parse_to_what_they_were() -> None:
    wrong = []
    for case in cases():
        try:
            statements = parse_script("\n".join(case["statements"]), assertions=case["suite"] == "yatt")
        except SsqlError:
            continue
        for statement in statements:
            printed = print_statement(statement)
            again = parse_statement(printed, assertions=True)
            if bare(again) != bare(statement) or print_statement(again) != printed:
                wrong.append(f"{statement.text}\n{printed}")
    assert not wrong, "\n\n".join(wrong[:20])


def test_statements_and_their_expressions_are_where_they_say() -> None:
    for case in cases():
        text = "\n".join(case["statements"])
        try:
            statements = parse_script(text, assertions=True)
        except SsqlError:
            continue
        for statement in statements:
            assert text[statement.span.start : statement.span.end] == statement.text
            for node in expressions(statement):
                span = span_of(node)
                assert statement.span.start <= span.start < span.end <= statement.span.end
