"""`ssql docs`: the pages of the documentation, without a network."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ssql_cli.exits import Exit
from ssql_cli.pager import Paged
from ssql_cli.reference import PAGES, text_of

#: Where the pages are in a checkout. An installed package has those that it can make itself.
_CHECKOUT = Path(__file__).parents[3] / "docs"


def run(args: argparse.Namespace) -> Exit:
    """Print a page, or the list of all."""
    pages = _pages()
    if args.page is None:
        print("\n".join(pages))
        return Exit.OK
    if args.page not in pages:
        from ssql.errors import ConfigError, nearest

        close = nearest(args.page, pages)
        raise ConfigError(f'there is no page "{args.page}"' + (f'; there is "{close}"' if close else ""))
    if sys.stdout.isatty():
        with Paged(sys.stdout) as out:
            out.write(pages[args.page])
    else:
        sys.stdout.write(pages[args.page])
    return Exit.OK


def _pages() -> dict[str, str]:
    found = {path.removesuffix(".md"): text_of(make) for path, make in PAGES.items()}
    if (_CHECKOUT / "prompt.md").is_file():
        for path in _CHECKOUT.rglob("*.md"):
            found[path.relative_to(_CHECKOUT).with_suffix("").as_posix()] = path.read_text(encoding="utf-8")
    return dict(sorted(found.items()))
