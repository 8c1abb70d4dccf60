"""What people read about functions: DESCRIBE FUNCTION, SHOW FUNCTIONS, and the reference page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ssql.errors import Span
from ssql.functions import REGISTRY
from ssql.functions.registry import Kind

#: Category, heading; in the order of the page.
CATEGORIES = (
    ("math", "Math"),
    ("geo", "Geography"),
    ("conditional", "Choosing"),
    ("key", "Keys"),
    ("string", "Text and bytes"),
    ("conversion", "Numbers from bytes"),
    ("regexp", "Regular expressions"),
    ("json", "JSON"),
    ("array", "Arrays"),
    ("map", "Maps"),
    ("lambda", "Lambdas"),
    ("datetime", "Dates and times"),
    ("url", "URLs"),
    ("aggregate", "Aggregates"),
    ("table", "Table functions"),
)


@dataclass(frozen=True)
class Description:
    """What DESCRIBE FUNCTION shows."""

    name: str
    kind: Kind
    category: str
    description: str
    signatures: tuple[str, ...]
    examples: dict[str, str]
    deprecated: bool


def describe(name: str, *, span: Span | None = None) -> Description:
    """The description of a function; raises FunctionNotFound."""
    function = REGISTRY.find(name, span=span)
    return Description(
        function.name,
        function.kind,
        function.category,
        function.doc,
        function.signatures,
        function.examples,
        function.deprecated,
    )


def listing() -> list[Description]:
    """All functions by name, as SHOW FUNCTIONS lists them."""
    return [describe(name) for name in sorted(REGISTRY.functions)]


def page() -> Iterator[str]:
    """The lines of the reference page."""
    yield "# Functions"
    yield ""
    yield (
        "Names are read ignoring case. The overload that fits the arguments exactly is taken, else the one that the"
        " implicit conversions INT → BIGINT → DECIMAL → DOUBLE reach first. A function that fails for a row gives NULL"
        " for it, and mostly so does one with a NULL argument. `T...` stands for any number of arguments, `literal` for"
        " a constant."
    )
    by_category: dict[str, list[Description]] = {}
    for found in listing():
        by_category.setdefault(found.category, []).append(found)
    for category, heading in CATEGORIES:
        yield ""
        yield f"## {heading}"
        for found in by_category[category]:
            yield ""
            yield f"### {found.name}"
            yield ""
            yield found.description + (" Kept for old queries." if found.deprecated else "")
            yield ""
            yield "```"
            yield from found.signatures
            yield "```"
            if found.examples:
                yield ""
                yield from (f"- `{call}` is `{shown}`" for call, shown in found.examples.items())
