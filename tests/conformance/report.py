"""Verdicts as text for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.verdict import FAILED, PASSED, SKIPPED, Verdict


def failure_text(verdict: Verdict) -> str:
    """One failure: what was expected, and what there was."""
    lines = [f"FAILED {verdict.id}", f"  [{verdict.reason}] {verdict.what}"]
    for title, text in (("expected", verdict.expected), ("got", verdict.got)):
        if text:
            lines += [f"  {title}:", *(f"    {line}" for line in text.splitlines())]
    return "\n".join(lines)


def summary(verdicts: Sequence[Verdict]) -> str:
    """The last line."""
    count = Counter(v.outcome for v in verdicts)
    return f"{count[PASSED]} passed, {count[FAILED]} failed, {count[SKIPPED]} skipped"


def write(path: Path, verdicts: Sequence[Verdict]) -> None:
    """All verdicts, and how many failures have which reason."""
    reasons = Counter(v.reason for v in verdicts if v.outcome == FAILED)
    outcomes = Counter(v.outcome for v in verdicts)
    body = {
        "summary": dict(outcomes),
        "reasons": dict(reasons.most_common()),
        "cases": [v.as_json() for v in sorted(verdicts, key=lambda v: v.id)],
    }
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
