"""The reference page of the HTTP API: the OpenAPI document that the server makes of itself, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from ssql import errors
from ssql.errors import SsqlError
from ssql.server.app import make_app
from ssql.server.openapi import document

if TYPE_CHECKING:
    from ssql.engine.api import Engine

Json = Mapping[str, Any]

#: Tag, heading; in the order of the page.
_PARTS = (
    ("sql", "SQL and subscriptions"),
    ("endpoints", "Endpoints"),
    ("ksqlDB", "ksqlDB's API"),
    ("about", "About the server"),
)

_HEAD = """\
# HTTP API: paths

What the server says of itself in `GET /openapi.json`, which also has the types of what comes back, and the endpoints
that are defined. How the paths are used: [the HTTP API](../http.md), [endpoints](../endpoints.md),
[subscriptions](../subscriptions.md); for ksqlDB's paths, [coming from
ksqlDB](../from-ksqldb.md).

*Right*: what a caller needs at least on a server with `auth.file`: READ, WRITE (has READ) or ADMIN (has both). A server
without it gives everybody ADMIN; one that a file of queries defines (`--queries`) gives nobody more than WRITE. Without
credentials every path answers 401. Where several content types are offered, the `Accept` header chooses; the first is
the default.
"""

_ERRORS = """\
## Statuses and their errors

An error before the first byte of an answer has one of these statuses, and a JSON body: `error_code` (a number, as
ksqlDB's clients know it), `message` (as ksqlDB words it), `code` (a name that stays), and where they are known `hint`,
`position` (`line` and `column`, from 1), `statementText` and `entities` (what the statements before it answered).
`summary` is the message without what ksqlDB puts before it. Beside what a path names, any may answer 405
(another method is needed) and 500. [Error codes](errors.md) says when each code comes.

| status | codes |
| --- | --- |
"""


def page() -> Iterator[str]:
    """The lines of the page."""
    # The routes are looked at, and nothing is asked of an engine.
    found = document(make_app(cast("Engine", None)), (), secured=True)
    yield from _HEAD.splitlines()
    for tag, heading in _PARTS:
        yield from ("", f"## {heading}")
        for path, operations in found["paths"].items():
            for method, operation in operations.items():
                if operation["tags"] == [tag]:
                    yield from _operation(f"{method.upper()} {path}", operation, found)
    yield ""
    yield from _ERRORS.splitlines()
    for status, codes in sorted(_codes().items()):
        yield f"| {status} | {', '.join(f'`{code}`' for code in sorted(codes))} |"


def _operation(title: str, operation: Json, found: Json) -> Iterator[str]:
    yield from ("", f"### {title}", "", operation["summary"] + ".")
    if more := operation.get("description"):
        yield from ("", *more.splitlines())
    yield ""
    if parameters := operation.get("parameters"):
        yield from ("| parameter | type | |", "| --- | --- | --- |")
        for given in parameters:
            yield _row(given["name"], given["schema"], given.get("description", ""), given["required"], found)
        yield ""
    if body := operation.get("requestBody"):
        yield from _body(body["content"], found)
    (status, answer), *failures = operation["responses"].items()
    kinds = _kinds(answer.get("content", {}))
    yield f"- Answer: {status}{', ' + kinds if kinds else ''}"
    yield f"- Right: {operation['x-right'].upper()}"
    if failures:
        yield f"- Errors: {', '.join(status for status, _ in failures)}"


def _body(content: Json, found: Json) -> Iterator[str]:
    schema = _resolved(next(iter(content.values()))["schema"], found)
    fields = schema.get("properties", {})
    if fields:
        yield from ("| field of the body | type | |", "| --- | --- | --- |")
        for name, field in fields.items():
            needed = name in schema.get("required", ())
            yield _row(name, field, field.get("description", ""), needed, found)
        yield ""
    yield f"- Body: {_kinds(content)}"


def _row(name: str, schema: Json, text: str, needed: bool, found: Json) -> str:
    said = [text] if text else []
    default = schema.get("default")
    if needed:
        said.append("Needed.")
    elif default not in (None, {}, []):
        said.append(f"Default: `{str(default).lower() if isinstance(default, bool) else default}`.")
    return f"| `{name}` | {_type(schema, found)} | {' '.join(said)} |"


def _type(schema: Json, found: Json) -> str:
    schema = _resolved(schema, found)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(each, found) for each in schema["anyOf"] if each != {"type": "null"})
    if schema.get("type") == "array":
        return f"array of {_type(schema['items'], found)}" if "items" in schema else "array"
    if schema.get("type") == "object" and "properties" in schema:
        return "object: " + ", ".join(f"`{name}`" for name in schema["properties"])
    return str(schema.get("type", "any"))


def _resolved(schema: Json, found: Json) -> Json:
    if "$ref" in schema:
        return cast("Json", found["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    return schema


def _kinds(content: Json) -> str:
    return ", ".join(f"`{kind}`" for kind in content)


def _codes() -> dict[int, set[str]]:
    """The codes of the errors that a server answers, by status."""
    found: dict[int, set[str]] = {}
    for name in errors.__all__:
        kind = getattr(errors, name)
        if not isinstance(kind, type) or not issubclass(kind, SsqlError) or kind is SsqlError:
            continue
        # What only clients and the command meet has modules of its own.
        if kind.__module__.rpartition(".")[2] not in ("clients", "prompt"):
            found.setdefault(kind.status, set()).add(kind.code)
    return found
