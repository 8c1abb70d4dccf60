"""Results as text: a line a test, what is wrong with those that failed, and the numbers."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from ssql.testing.rerun import Result


def line(result: Result) -> str:
    """One result in one line."""
    test = result.test
    how = f"{result.runs} runs" if result.runs > 1 else "1 run"
    once = f", once: {test.once}" if test.once and result.runs == 1 else ""
    return f"{'ok  ' if result.passed else 'FAIL'} {test.path}: {test.name} ({how}{once}, {result.seconds:.1f} s)"


def failure_text(result: Result, variables: Mapping[str, str] | None = None) -> str:
    """What is wrong: the place, what was expected and what there was, and how to see it again with these variables."""
    failure = result.failure
    assert failure is not None
    lines = [f"FAILED {result.test.path}: {result.test.name}"]
    if failure.run:
        lines.append(f"  it passes as it is written, and not with {failure.run}")
    lines += _indented(f"{failure.place}: {failure.message}", "  ")
    lines += _indented(failure.detail, "    ")
    if failure.run:
        lines.append(f"  again: {again(result, variables or {})}")
    if failure.hint:
        lines.append(f"  {failure.hint}")
    return "\n".join(lines)


def _indented(text: str, by: str) -> list[str]:
    return [f"{by}{line}".rstrip() for line in text.splitlines()]


def again(result: Result, variables: Mapping[str, str]) -> str:
    """The command that carries out this test as it was."""
    defined = [word for name, value in variables.items() for word in ("-d", f"{name}={value}")]
    return shlex.join(["ssql", "test", result.test.path, "-k", result.test.name, *defined, "--seed", str(result.seed)])


def summary(results: Sequence[Result], seconds: float) -> str:
    """The last line."""
    failed = sum(not r.passed for r in results)
    return f"{len(results) - failed} passed, {failed} failed in {seconds:.1f} s"
