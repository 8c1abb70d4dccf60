"""The conformance corpus, where there is one: no case may fail that is not known to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conformance import known, pool, report
from tests.conformance.cases import load

FOLDER = Path(os.environ.get("SSQL_CONFORMANCE", Path(__file__).parents[2].parent / "shared" / "conformance"))
SEED = 1

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def corpus(request: pytest.FixtureRequest) -> Path:
    """The folder of the corpus; where it is not, one line says so."""
    if not FOLDER.is_dir():
        terminal = request.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.write_line(f"no conformance corpus at {FOLDER}: {request.node.name} is skipped")
        pytest.skip("no conformance corpus")
    return FOLDER


def _check(corpus: Path, suite: str, listed: str, seed: int | None = None) -> None:
    path = corpus / f"{suite}.jsonl"
    if not path.exists():
        pytest.skip(f"no {path.name}")
    verdicts = list(pool.run(load(path), jobs=2, seed=seed))
    new = known.unknown(known.FOLDER / listed, verdicts)
    shown = "\n".join(map(report.failure_text, new))
    assert not new, f"{len(new)} cases fail that are not known to ({report.summary(verdicts)}):\n{shown}"


@pytest.mark.parametrize("suite", ["qtt", "rqtt", "yatt"])
def test_no_case_fails_that_is_not_known_to(corpus: Path, suite: str) -> None:
    _check(corpus, suite, f"{suite}.txt")


def test_any_cut_into_epochs_ends_with_the_same_tables_and_streams(corpus: Path) -> None:
    _check(corpus, "qtt", "qtt_cuts.txt", SEED)
