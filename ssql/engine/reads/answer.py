"""One read in full SQL, from its text to its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from ssql.catalog.catalog import Catalog
from ssql.config import FILES_DIRECTORY, PULL_QUERY_MAX_ROWS, PULL_TIMEOUT_S
from ssql.engine import planning
from ssql.engine.api import PullResult
from ssql.engine.context import Request
from ssql.engine.reads import calls, faults, files, moments, rows, tree
from ssql.engine.reads.database import Answer, Failed
from ssql.engine.reads.text import Text, read
from ssql.errors import PullTooLarge, SourceNotFound, Span, SqlError
from ssql.planner.relation import Relation
from ssql.sql.lexer import quote_text
from ssql.types import duck_quote


def answer(request: Request, script: str) -> PullResult:
    """The rows of a SELECT in DuckDB's SQL over streams, tables and files.

    Raises:
        SqlError: with its place in `script`.
    """
    try:
        return _answer(request, script)
    except SqlError as error:
        error.within(script)
        raise


def _answer(request: Request, script: str) -> PullResult:
    return carried_out(request, planned(request, script), request.core.reads.run)


@dataclass(frozen=True)
class Plan:
    """What DuckDB is asked, over which relations (by upper-cased name)."""

    text: Text
    wanted: Mapping[str, rows.Wanted]


def planned(request: Request, script: str) -> Plan:
    """What DuckDB is to be asked for the one SELECT of a script. Raises SqlError."""
    database = request.core.reads
    text = read(script, request.variables().values)
    found = database.tree(text.text)
    if found["error"]:
        raise faults.syntax_error(found, text)
    try:
        said = tree.look(found["statements"][0])
    except tree.Refused as refused:
        raise tree.refused(refused.what, _span(text, refused.place)) from None
    relations = _relations(request, said, text)
    # A natural join would be by ROWTIME too.
    how = {"every": said.every_column, "hidden": not said.natural}
    wanted = {name: rows.Wanted(r, rows.columns_wanted(r, said.words, **how)) for name, r in relations.items()}
    changes = [*_paths(request, said, text, relations), *_stars(said, text, wanted)]
    changes += [*calls.changes(said, text, database), *moments.changes(said, text, relations)]
    return Plan(text.edited(changes), wanted)


#: Carries out a text over relations, in so many seconds.
Run = Callable[[str, Mapping[str, pa.Table], float | None], Answer]


def carried_out(request: Request, plan: Plan, run: Run) -> PullResult:
    """The answer over the rows that there are now. Raises SqlError."""
    deadline = rows.deadline_in(request.config[PULL_TIMEOUT_S])
    tables = rows.rows_of(request, list(plan.wanted.values()), deadline)
    try:
        result = run(plan.text.text, tables, rows.left_until(deadline))
    except Failed as failed:
        found = (w.relation for w in plan.wanted.values())
        names = [column for r in found for column in (*rows.shown_of(r), *rows.hidden_of(r))]
        raise faults.translated(failed, plan.text, names, request.config[FILES_DIRECTORY]) from None
    limit = request.config[PULL_QUERY_MAX_ROWS]
    if limit and result.rows.num_rows > limit:
        raise PullTooLarge(limit)
    first = next(iter(tables), "SELECT")
    return PullResult(planning.query_id(first), result.columns, result.rows, mark_keys=False)


def _span(text: Text, place: tree.Place | None) -> Span | None:
    return None if place is None else text.written(text.span(place.at, place.length))


def _relations(request: Request, said: tree.Tree, text: Text) -> dict[str, Relation]:
    """What the query names in FROM, by upper-cased name; files are not among them."""
    found: dict[str, Relation] = {}
    for named in said.tables:
        name = ".".join(named.path)
        relation = _relation(request.catalog, name) if len(named.path) == 1 else None
        if relation is not None:
            found[name.upper()] = relation
        elif len(named.path) > 1 or not files.looks_like_file(name):
            raise SourceNotFound(name, span=_span(text, _name_of(named)), candidates=request.catalog.relation_names())
    return found


def _name_of(named: tree.Named) -> tree.Place | None:
    """The place of a table's name alone: DuckDB's goes on to the end of its alias."""
    if named.place is None or len(named.path) > 1:
        return named.place
    return tree.Place(named.place.at, min(named.place.length, len(named.path[0].encode())) or 1)


def _relation(catalog: Catalog, name: str) -> Relation | None:
    """The relation of that very name, or the only one that it is but for case."""
    if (exact := catalog.relation(name)) is not None:
        return exact
    alike = [n for n in catalog.relation_names() if n.upper() == name.upper()]
    return catalog.relation(alike[0]) if len(alike) == 1 else None


def _paths(request: Request, said: tree.Tree, text: Text, relations: dict[str, Relation]) -> list[tuple[Span, str]]:
    """Full paths for the names of files."""
    directory = request.config[FILES_DIRECTORY]
    changes = []
    for named in said.tables:
        (name, *more) = named.path
        if more or name.upper() in relations or named.place is None:
            continue
        place = text.span(named.place.at, named.place.length)
        quoted = _quoted_at(text.text, place)
        path = files.allowed(name, directory, text.written(quoted))
        changes.append((quoted, quote_text(path)))
    for literal in said.files:
        if literal.place is not None:
            place = text.span(literal.place.at, literal.place.length)
            changes.append((place, quote_text(files.allowed(literal.text, directory, text.written(place)))))
    return changes


def _quoted_at(text: str, span: Span) -> Span:
    """The quoted name that begins there, without an alias behind it."""
    quote = text[span.start]
    at = span.start + 1
    while at < len(text):
        if text[at] == quote:
            if text[at + 1 : at + 2] != quote:
                return Span(span.start, at + 1)
            at += 1
        at += 1
    return span


def _stars(said: tree.Tree, text: Text, wanted: dict[str, rows.Wanted]) -> list[tuple[Span, str]]:
    """A star does not show hidden columns: those that the query uses otherwise are taken off it."""
    changes = []
    for place, tables in said.stars:
        hidden = [
            f"{duck_quote(named.alias)}.{column}"
            for named in tables
            if (one := wanted.get(named.path[-1].upper())) is not None
            for column in one.columns
            if column in rows.hidden_of(one.relation)
        ]
        if hidden:
            start = text.span(place.at, place.length).start
            at = text.text.index("*", start) + 1
            changes.append((Span(at, at), f" EXCLUDE ({', '.join(hidden)})"))
    return changes
