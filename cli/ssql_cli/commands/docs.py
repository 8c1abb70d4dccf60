"""`ssql docs`: the pages of the documentation, without a network."""

from __future__ import annotations

import argparse
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ssql_cli.exits import Exit
from ssql_cli.pager import Paged

#: Where the pages are: in a wheel beside this package, in a checkout in the project's folder.
_PLACES = (Path(__file__).parents[1] / "pages", Path(__file__).parents[3] / "docs")
#: Found places of a word that are told, and letters of the line there.
_MOST, _WIDTH = 20, 80
_HEADING = re.compile(r"(#+) (.*)")


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it, up to the next heading of the same rank."""

    page: str
    title: str
    anchor: str
    text: str
    #: The same without the sections within it.
    own: str

    @property
    def name(self) -> str:
        return f"{self.page}#{self.anchor}" if self.anchor else self.page


def run(args: argparse.Namespace) -> Exit:
    """Print a page or a section, or where a word stands, or the list of all. Raises `PageNotFound`."""
    pages = read_pages()
    if args.page is None:
        width = max(map(len, pages))
        print("\n".join(f"{name:<{width}}  {_title(text)}" for name, text in pages.items()))
        return Exit.OK
    text = find(pages, args.page)
    if sys.stdout.isatty():
        with Paged(sys.stdout) as out:
            out.write(text)
    else:
        sys.stdout.write(text)
    return Exit.OK


def read_pages() -> dict[str, str]:
    """The texts of all pages by name (`http`, `reference/settings`), in the order of the index (`README`)."""
    folder = next(place for place in _PLACES if place.is_dir())
    found = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.md"))}
    texts = {name: path.read_text(encoding="utf-8") for name, path in found.items()}
    order = re.findall(r"\]\(([\w/-]+)\.md\)", texts["README"])
    return {name: texts[name] for name in sorted(texts, key=lambda name: order.index(name) if name in order else -1)}


def find(pages: Mapping[str, str], asked: str) -> str:
    """The page of that name, the section that a link leads to, or the sections in which a word stands.

    A link may be taken as it stands in a page: `http.md`, `../functions.md`, `reference/settings.md#settings`.

    Raises:
        PageNotFound: none of them; with the nearest name.
    """
    place, _, anchor = asked.partition("#")
    page = _page(pages, place)
    if page is not None and not anchor:
        return pages[page]
    sections = [section for name, text in pages.items() for section in sections_of(name, text)]
    if page is not None:
        for section in sections:
            if section.page == page and section.anchor == anchor:
                return section.text
    found = [] if anchor else _with(sections, asked)
    if not found:
        from ssql.errors import PageNotFound

        names = [*(s.name for s in sections if s.page == page)] if page else [*(s.title for s in sections), *pages]
        raise PageNotFound(asked, candidates=names)
    if len(found) == 1:
        return found[0].text
    width = max(len(section.name) for section in found[:_MOST])
    lines = [f"{section.name:<{width}}  {_line(section, asked)}" for section in found[:_MOST]]
    more = [f"... and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return "\n".join([*lines, *more, ""])


def sections_of(page: str, text: str) -> Iterator[Section]:
    """The sections of a page, the page itself as the first; with anchors as GitHub makes them."""
    lines = text.splitlines(keepends=True)
    heads: list[tuple[int, int, str]] = []
    code = False
    for number, line in enumerate(lines):
        code ^= line.startswith("```")
        if not code and (head := _HEADING.match(line)):
            heads.append((number, len(head[1]), head[2].strip()))
    seen: dict[str, int] = {}
    for at, (start, rank, title) in enumerate(heads):
        after = heads[at + 1 :]
        end = next((number for number, other, _ in after if other <= rank), len(lines))
        own_end = after[0][0] if after else len(lines)
        anchor = anchor_of(title)
        seen[anchor] = seen.get(anchor, -1) + 1
        if seen[anchor]:
            anchor += f"-{seen[anchor]}"
        whole = at == 0
        yield Section(page, title, "" if whole else anchor, "".join(lines[start:end]), "".join(lines[start:own_end]))


def anchor_of(title: str) -> str:
    """What GitHub makes of a heading for links to it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _page(pages: Mapping[str, str], place: str) -> str | None:
    """The page that a name or a link means."""
    name = posixpath.normpath(place.removesuffix(".md")).removeprefix("docs/")
    while name.startswith("../"):
        name = name.removeprefix("../")
    # A link from one page of a folder to another leaves the folder out.
    return next((p for p in pages if name in (p, posixpath.basename(p))), None)


def _with(sections: list[Section], word: str) -> list[Section]:
    """The sections with that word: in their title first, then in their own text."""
    said = re.compile(rf"(?<!\w){re.escape(word)}", re.IGNORECASE)
    titled = [section for section in sections if said.search(section.title)]
    exact = [section for section in titled if section.title.strip("`").lower() == word.lower()]
    # A row of a table that begins with the word says what it is.
    told = [s for s in sections if s not in titled and said.search(s.own)]
    return exact or [*titled, *sorted(told, key=lambda section: _row(section, word) is None)]


def _row(section: Section, word: str) -> str | None:
    """The row of a table in the section that is about the word."""
    begin = f"| `{word.lower()}`"
    return next((line for line in section.own.splitlines() if line.lower().startswith(begin)), None)


def _line(section: Section, word: str) -> str:
    """The row that is about the word, whole; else the first line that has it, else the section's title."""
    if (row := _row(section, word)) is not None:
        return "  ".join(cell.strip() for cell in row.replace("<br>", " ").strip("|").split(" | ") if cell.strip())
    lines = [line.strip() for line in section.own.splitlines()[1:] if word.lower() in line.lower()]
    text = lines[0] if lines else section.title
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _title(text: str) -> str:
    return text.splitlines()[0].lstrip("# ")
