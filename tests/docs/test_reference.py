"""The reference says all that there is, and what the code knows is as the code has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ssql_cli.commands.docs import sections_of
from ssql_cli.reference import PAGES, about, error_classes, text_of

from ssql.config import SETTINGS
from ssql.engine.properties import PROPERTIES
from ssql.server.app import ROUTES
from ssql.sql.parser import STATEMENTS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("path", PAGES)
def test_generated_pages_are_as_the_code_has_it(path: str) -> None:
    assert (DOCS / path).read_text() == text_of(PAGES[path]), "python -m ssql_cli.reference docs"


def test_every_error_says_when_it_comes() -> None:
    assert [kind.__name__ for kind in error_classes() if not about(kind)] == []


def test_every_setting_says_what_it_does() -> None:
    assert [key for key, entry in SETTINGS.items() if not entry.doc.strip()] == []


def test_every_path_of_the_server_is_described() -> None:
    text = (DOCS / "reference" / "http-api.md").read_text()
    described = re.findall(r"^### (\S+ \S+)$", text, re.MULTILINE)
    assert sorted(described) == sorted(f"{route.method} {route.path}" for route in ROUTES)


def test_every_statement_and_property_is_described() -> None:
    text = (DOCS / "reference" / "statements.md").read_text()
    described = "\n".join(re.findall(r"```\n(.*?)```", text, re.DOTALL))
    first = set(re.findall(r"^([A-Z]+)", described, re.MULTILINE)) | set(re.findall(r"\| ([A-Z]+)", described))
    assert {*STATEMENTS, "SELECT"} - first == set()
    assert {name for name in PROPERTIES if f"`{name}`" not in text} == set()


def test_links_between_pages_lead_somewhere() -> None:
    anchors = {page: {s.anchor for s in sections_of("", page.read_text())} for page in DOCS.rglob("*.md")}
    dead = []
    for page in [*anchors, DOCS.parent / "README.md"]:
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]*))?\)", page.read_text()):
            other = (page.parent / target).resolve() if target else page
            if not other.exists() or (anchor and anchor not in anchors.get(other, ())):
                dead.append(f"{page.name}: {target}#{anchor}")
    assert not dead


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    for page in DOCS.rglob("*.md"):
        assert f"]({page.relative_to(DOCS).as_posix()})" in index or page.name == "README.md", page
