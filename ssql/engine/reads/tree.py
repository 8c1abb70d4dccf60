"""DuckDB's tree of a SELECT (`json_serialize_sql`): the relations that it names, and what it may not say.

What a read may not do is not there by name: kinds of nodes and table functions that are not listed here are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ssql.errors import InvalidStatement
from ssql.errors import Span as _Span

Node = dict[str, Any]

#: DuckDB's way of saying that a node has no place.
_NOWHERE = 2**64 - 1

_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_TABLES = frozenset({"BASE_TABLE", "JOIN", "SUBQUERY", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT"})
#: Table functions that compute, and
_COMPUTING = frozenset({"generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest"})
#: those that read files: only where DuckDB lets them.
READERS = frozenset(
    (
        *("parquet_scan", "parquet_metadata", "parquet_schema", "parquet_file_metadata", "read_parquet"),
        *("read_csv", "read_csv_auto", "sniff_csv", "read_json", "read_json_auto", "read_json_objects"),
        *("read_json_objects_auto", "read_ndjson", "read_ndjson_auto", "read_ndjson_objects", "read_text", "glob"),
    )
)
#: Functions that look at the server, or change something in it.
_OF_THE_SERVER = frozenset(
    (
        *("current_query", "current_setting", "currval", "getenv", "getvariable", "json_execute_serialized_sql"),
        *("nextval", "query", "query_table", "setseed", "setval", "sleep_ms", "which_secret", "write_log"),
    )
)


@dataclass(frozen=True)
class Place:
    """A place as DuckDB counts it: bytes."""

    at: int
    length: int


@dataclass(frozen=True)
class Named:
    """A table that FROM names; `alias` is what it is called in the query. `place`: None where DuckDB does not say."""

    path: tuple[str, ...]
    alias: str
    place: Place | None


@dataclass(frozen=True)
class Literal:
    """A text, such as what a function which reads files is given as the name of one."""

    text: str
    place: Place | None


@dataclass(frozen=True)
class Call:
    """A call of a function by its name, with so many arguments."""

    name: str
    arguments: int
    place: Place


@dataclass
class Tree:
    """What a SELECT says.

    `tables`: what it names and does not define itself. `words`: whatever it says anywhere, upper-cased. `every_column`:
    it may use columns that it does not name. `natural`: a join is by all columns of the same name. `bare`: columns that
    it names without a qualifier, upper-cased. `calls`: of functions, wherever. `stars`: a star's place, and the tables
    whose columns it stands for. `compared`: columns, with their qualifiers, and the texts that they are compared with.
    """

    tables: list[Named] = field(default_factory=list)
    files: list[Literal] = field(default_factory=list)
    words: set[str] = field(default_factory=set)
    every_column: bool = False
    natural: bool = False
    bare: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    stars: list[tuple[Place, tuple[Named, ...]]] = field(default_factory=list)
    compared: list[tuple[tuple[str, ...], Literal]] = field(default_factory=list)


class Refused(Exception):
    """The SELECT says what a read may not; `what` is put into words by the one who knows the text."""

    def __init__(self, what: str, node: Mapping[str, Any]) -> None:
        super().__init__(what)
        self.what = what
        self.place = place_of(node)


def refused(what: str, span: _Span | None) -> InvalidStatement:
    """The error of something that reads may not say."""
    return InvalidStatement(f"a query may not use {what}", span=span, hint="A query only reads tables and streams.")


def place_of(node: Mapping[str, Any]) -> Place | None:
    at = node.get("query_location", _NOWHERE)
    return None if at == _NOWHERE else Place(at, max(1, node.get("query_location_length", 1)))


def look(serialized: Node) -> Tree:
    """What the one statement of a serialized text says. Raises Refused."""
    tree = Tree()
    _visit(serialized["node"], tree, frozenset())
    # A table's name where a column could stand is its whole row.
    tree.every_column |= any(named.alias.upper() in tree.bare for named in tree.tables)
    return tree


def _visit(node: Any, tree: Tree, defined: frozenset[str]) -> None:
    if isinstance(node, list):
        for item in node:
            _visit(item, tree, defined)
    elif isinstance(node, str):
        tree.words.add(node.upper())
    elif isinstance(node, dict):
        _check(node, tree, defined)
        for name, child in node.items():
            if name == "cte_map":
                defined = _visit_definitions(child["map"], tree, defined)
        _note_stars(node, tree, defined)
        for name, child in node.items():
            if name != "cte_map":
                _visit(child, tree, defined)


def _visit_definitions(entries: list[Node], tree: Tree, defined: frozenset[str]) -> frozenset[str]:
    """WITH: each query sees those before it; a recursive one itself too."""
    for entry in entries:
        name = entry["key"].upper()
        query = entry["value"].get("query_node") or {}
        recursive = query.get("type") == "RECURSIVE_CTE_NODE"
        _visit(entry["value"], tree, defined | {name} if recursive else defined)
        defined |= {name}
    return defined


def _check(node: Node, tree: Tree, defined: frozenset[str]) -> None:
    kind = node.get("type")
    if not isinstance(kind, str):
        return
    if kind.endswith("_NODE") and kind not in _QUERIES:
        raise Refused(kind.partition("_")[0], node)
    if "sample" in node and "alias" in node and "from_table" not in node:
        _check_table(kind, node, tree, defined)
    if kind in ("STAR", "POSITIONAL_REFERENCE"):
        tree.every_column = True
    if kind == "COLUMN_REF" and len(node["column_names"]) == 1:
        tree.bare.add(node["column_names"][0].upper())
    if kind.startswith("COMPARE_"):
        sides = [node.get(side) for side in ("left", "right", "input", "lower", "upper")] + (node.get("children") or [])
        columns = [tuple(s["column_names"]) for s in sides if s and s.get("type") == "COLUMN_REF"]
        texts = [text for s in sides if s and (text := _text(s)) is not None]
        tree.compared += [(column, text) for column in columns for text in texts]
    if node.get("class") in ("FUNCTION", "WINDOW"):
        name = node["function_name"].lower()
        if name in _OF_THE_SERVER or name.startswith(("duckdb_", "pragma_", "pg_")):
            raise Refused(f"the function {name.upper()}", node)
        place = place_of(node)
        if place is not None and not node.get("is_operator") and not any(a["name"] for a in node["arguments"]):
            tree.calls.append(Call(name.upper(), len(node["arguments"]), place))


def _check_table(kind: str, node: Node, tree: Tree, defined: frozenset[str]) -> None:
    if kind not in _TABLES:
        raise Refused(kind.partition("_")[0], node)
    if node.get("column_name_alias") or node.get("ref_type") == "NATURAL" or kind == "PIVOT":
        tree.every_column = True
    tree.natural |= node.get("ref_type") == "NATURAL"
    if kind == "BASE_TABLE" and not _is_defined(node, defined):
        tree.tables.append(_named(node))
    if kind == "TABLE_FUNCTION":
        function = node["function"]
        name = function["function_name"].lower()
        if name in READERS:
            tree.files += _texts(function["arguments"][:1])
        elif name not in _COMPUTING:
            raise Refused(f"the function {name.upper()}", node)


def _is_defined(node: Node, defined: frozenset[str]) -> bool:
    path = node["qualified_name"]["path"]
    return len(path) == 1 and path[0].upper() in defined


def _named(node: Node) -> Named:
    path = tuple(node["qualified_name"]["path"])
    return Named(path, node["alias"] or path[-1], place_of(node))


def _texts(arguments: list[Node]) -> Iterator[Literal]:
    """The texts among the arguments of a function, those in a list too."""
    for argument in arguments:
        node = argument["expression"]
        if (text := _text(node)) is not None:
            yield text
        elif node.get("class") in ("FUNCTION", "OPERATOR"):
            yield from _texts([a if "expression" in a else {"expression": a} for a in _children(node)])


def _text(node: Node) -> Literal | None:
    if node.get("type") == "VALUE_CONSTANT" and node["literal"].get("kind") == "STRING":
        return Literal(node["literal"]["text"], place_of(node))
    return None


def _children(node: Node) -> list[Node]:
    found: list[Node] = node.get("arguments") or node.get("children") or []
    return found


def _note_stars(node: Node, tree: Tree, defined: frozenset[str]) -> None:
    if node.get("type") != "SELECT_NODE":
        return
    tables = tuple(_direct(node["from_table"], defined))
    for item in node["select_list"]:
        place = place_of(item)
        plain = item.get("type") == "STAR" and not (
            item["columns"] or item["exclude_list"] or item["qualified_exclude_list"]
        )
        if plain and place is not None:
            of = item["relation_name"].upper()
            tree.stars.append((place, tuple(t for t in tables if not of or t.alias.upper() == of)))


def _direct(table: Node, defined: frozenset[str]) -> Iterator[Named]:
    """The tables whose columns a star over this stands for, as far as they are not defined in the query."""
    if table["type"] == "BASE_TABLE" and not _is_defined(table, defined):
        yield _named(table)
    elif table["type"] == "JOIN":
        yield from _direct(table["left"], defined)
        yield from _direct(table["right"], defined)
