"""Statements and expressions back to text, in one canonical layout.

`parse_statement(print_statement(s))` equals `s`, but for places and text. Names come out quoted when they were written
so, or when they would not come back otherwise. Parentheses that a tree needs and does not have are added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlglot import exp

from ssql.errors import InternalError
from ssql.sql import statements as ast
from ssql.sql.expressions import ARITHMETIC, COMPARISONS
from ssql.sql.lexer import is_plain_name, quote_text
from ssql.sql.trees import TypeRef, cast_type
from ssql.types import Array, Map, SqlType, Struct, quote

# How tightly a node binds, loosest first; an operand that binds looser than its place asks is put in parentheses.
_OR, _AND, _NOT, _PREDICATE, _CONCAT, _SUM, _PRODUCT, _SIGN, _ZONE, _POSTFIX, _PRIMARY = range(11)

_BINARY: dict[type[exp.Expr], tuple[str, int]] = {
    exp.Or: ("OR", _OR),
    exp.And: ("AND", _AND),
    **{kind: (symbol, _PREDICATE) for symbol, kind in COMPARISONS.items() if symbol != "!="},
    exp.NullSafeNEQ: ("IS DISTINCT FROM", _PREDICATE),
    exp.NullSafeEQ: ("IS NOT DISTINCT FROM", _PREDICATE),
    exp.Like: ("LIKE", _PREDICATE),
    **{kind: (symbol, _CONCAT + level) for level, row in enumerate(ARITHMETIC) for symbol, kind in row.items()},
}


def print_statement(statement: ast.Statement) -> str:
    """The statement as text, with its semicolon."""
    return _statement(statement) + ";"


def print_query(query: ast.Query) -> str:
    """The query as text, a clause a line, without a semicolon."""
    return "\n".join(_clauses(query))


def print_expression(node: exp.Expr) -> str:
    """The expression as text, on one line."""
    return _print(node, _OR)


# --- names and types -------------------------------------------------------------------------------------------------


def _name(name: ast.Name) -> str:
    return quote(name.text) if name.quoted else _bare(name.text)


def _bare(name: str) -> str:
    return name if is_plain_name(name) else quote(name)


def _topic(name: ast.Name) -> str:
    """Topics are read as written, so that plain ones may be in lower case."""
    plain = not name.quoted and is_plain_name(name.text.upper())
    return name.text if plain else quote(name.text)


def _names(names: Iterable[ast.Name]) -> str:
    return ", ".join(map(_name, names))


def _type(type_: SqlType | ast.TypeName) -> str:
    match type_:
        case ast.TypeName(text):
            return text
        case Array(element):
            return f"ARRAY<{_type(element)}>"
        case Map(key, value):
            return f"MAP<{_type(key)}, {_type(value)}>"
        case Struct(fields):
            return "STRUCT<" + ", ".join(f"{_bare(name)} {_type(field)}" for name, field in fields) + ">"
    return str(type_)


# --- expressions -----------------------------------------------------------------------------------------------------


def _print(node: exp.Expr, place: int) -> str:
    text, level = _level(node)
    return f"({text})" if level < place else text


def _list(nodes: Iterable[exp.Expr]) -> str:
    return ", ".join(map(print_expression, nodes))


def _level(node: exp.Expr) -> tuple[str, int]:
    """The node as text, and how tightly it binds."""
    if (binary := _BINARY.get(type(node))) is not None:
        symbol, level = binary
        # Comparisons do not chain; the others group to the left.
        left = _print(node.args["this"], level + (level == _PREDICATE))
        return f"{left} {symbol} {_print(node.args['expression'], level + 1)}", level
    match node:
        case exp.Not():
            return _negated(node.this)
        case exp.Between() | exp.In() | exp.Is() | exp.Escape():
            return _predicate(node, ""), _PREDICATE
        case exp.Neg():
            operand = _print(node.this, _SIGN)
            # "--" would start a comment, and "-1" would be a literal.
            bare = operand[0] not in "-.0123456789"
            return f"-{operand}" if bare else f"-({operand})", _SIGN
        case exp.AtTimeZone():
            return f"{_print(node.this, _ZONE)} AT TIME ZONE {_print(node.args['zone'], _PRIMARY)}", _ZONE
        case exp.Bracket():
            return f"{_print(node.this, _POSTFIX)}[{_print(node.expressions[0], _CONCAT)}]", _POSTFIX
        case exp.Dot():
            return f"{_print(node.this, _POSTFIX)}->{print_expression(node.expression)}", _POSTFIX
    return _primary(node), _PRIMARY


def _negated(node: exp.Expr) -> tuple[str, int]:
    match node:
        case exp.Between() | exp.In() | exp.Is() | exp.Escape() | exp.Like():
            return _predicate(node, "NOT "), _PREDICATE
    return f"NOT {_print(node, _NOT)}", _NOT


def _predicate(node: exp.Expr, negation: str) -> str:
    match node:
        case exp.Escape():
            return f"{_predicate(node.this, negation)} ESCAPE {print_expression(node.expression)}"
        case exp.Is():
            return f"{_print(node.this, _CONCAT)} IS {negation}NULL"
        case exp.In():
            return f"{_print(node.this, _CONCAT)} {negation}IN ({_list(node.expressions)})"
        case exp.Like():
            return f"{_print(node.this, _CONCAT)} {negation}LIKE {_print(node.expression, _CONCAT)}"
    low, high = (_print(node.args[bound], _CONCAT) for bound in ("low", "high"))
    return f"{_print(node.this, _CONCAT)} {negation}BETWEEN {low} AND {high}"


def _primary(node: exp.Expr) -> str:
    match node:
        case exp.Paren():
            return f"({print_expression(node.this)})"
        case exp.Column():
            return _column_reference(node)
        case exp.Identifier():
            name = str(node.this)
            return quote(name) if name == "ARRAY" else _bare(name)  # ARRAY[1] is no subscript
        case exp.Literal():
            return quote_text(str(node.this)) if node.is_string else str(node.this)
        case exp.Boolean():
            return "TRUE" if node.this else "FALSE"
        case exp.Null():
            return "NULL"
        case exp.Star():
            return "*"
        case exp.Case():
            return _case(node)
        case exp.Cast():
            return f"CAST({print_expression(node.this)} AS {_type(cast_type(node))})"
        case TypeRef():
            return _type(node.args["this"])
        case exp.Array():
            return f"ARRAY[{_list(node.expressions)}]"
        case exp.Map():
            entries = zip(node.args["keys"].expressions, node.args["values"].expressions, strict=True)
            return f"MAP({', '.join(_assigned(key, value) for key, value in entries)})"
        case exp.Struct():
            return f"STRUCT({', '.join(_assigned(f.this, f.expression) for f in node.expressions)})"
        case exp.Anonymous():
            return f"{_function(str(node.this))}({_list(node.expressions)})"
        case exp.Distinct():
            return f"DISTINCT {_list(node.expressions)}"
        case exp.Lambda():
            return _lambda(node)
        case exp.Window():
            return _window_call(node)
    raise InternalError(f"no text for a {type(node).__name__} node")


def _column_reference(node: exp.Column) -> str:
    name, table = print_expression(node.this), node.args.get("table")
    if table is None:
        return name
    # ".1" would be a number.
    return f"{print_expression(table)}.{quote(node.name) if name[0].isdigit() else name}"


def _assigned(left: exp.Expr, right: exp.Expr) -> str:
    return f"{print_expression(left)} := {print_expression(right)}"


def _function(name: str) -> str:
    # A quoted name is no constructor, and LEFT and RIGHT are functions though reserved.
    if name in {"MAP", "STRUCT", "CAST"}:
        return quote(name)
    return name if name in {"LEFT", "RIGHT"} else _bare(name)


def _case(node: exp.Case) -> str:
    words = ["CASE"]
    if node.this is not None:
        words.append(_print(node.this, _CONCAT))
    for branch in node.args["ifs"]:
        words.append(f"WHEN {print_expression(branch.this)} THEN {print_expression(branch.args['true'])}")
    if (default := node.args.get("default")) is not None:
        words.append(f"ELSE {print_expression(default)}")
    return " ".join([*words, "END"])


def _lambda(node: exp.Lambda) -> str:
    names = [print_expression(name) for name in node.expressions]
    parameters = names[0] if len(names) == 1 else f"({', '.join(names)})"
    return f"{parameters} => {print_expression(node.this)}"


def _window_call(node: exp.Window) -> str:
    parts = []
    if partition := node.args.get("partition_by"):
        parts.append("PARTITION BY " + ", ".join(_print(key, _CONCAT) for key in partition))
    if order := node.args.get("order"):
        parts.append("ORDER BY " + ", ".join(_ordered(o.this, bool(o.args.get("desc"))) for o in order.expressions))
    if spec := node.args.get("spec"):
        start, end = _bound(spec, "start"), _bound(spec, "end")
        parts.append(f"{spec.args['kind']} BETWEEN {start} AND {end}")
    return f"{print_expression(node.this)} OVER ({' '.join(parts)})"


def _bound(spec: exp.Expr, which: str) -> str:
    bound, side = spec.args[which], spec.args.get(which + "_side")
    text = bound if isinstance(bound, str) else print_expression(bound)
    return f"{text} {side}" if side else text


def _ordered(node: exp.Expr, descending: bool) -> str:
    return _print(node, _CONCAT) + (" DESC" if descending else "")


# --- queries ---------------------------------------------------------------------------------------------------------


def _clauses(query: ast.Query) -> Iterable[str]:
    items = ", ".join(map(_item, query.items))
    yield f"SELECT {'DISTINCT ' if query.distinct else ''}{items}"
    yield f"FROM {_relation(query.source)}"
    if query.window is not None:
        yield f"WINDOW {_window(query.window)}"
    if query.where is not None:
        yield f"WHERE {print_expression(query.where)}"
    if query.group_by is not None:
        yield f"GROUP BY {_grouping(query.group_by)}"
    if query.partition_by is not None:
        yield f"PARTITION BY {_grouping(query.partition_by)}"
    if query.having is not None:
        yield f"HAVING {print_expression(query.having)}"
    if query.order_by:
        yield "ORDER BY " + ", ".join(_ordered(node, descending) for node, descending in query.order_by)
    if query.emit is not None:
        yield f"EMIT {query.emit}"
    if query.limit is not None:
        yield f"LIMIT {query.limit}"
    if query.offset is not None:
        yield f"OFFSET {query.offset}"


def _item(item: ast.SelectItem | ast.Star) -> str:
    if isinstance(item, ast.SelectItem):
        return print_expression(item.expression) + (f" AS {_name(item.alias)}" if item.alias else "")
    if item.struct is not None:
        return f"{_print(item.struct, _POSTFIX)}->*"
    return f"{_name(item.source)}.*" if item.source else "*"


def _grouping(nodes: tuple[exp.Expression, ...]) -> str:
    return ", ".join(_print(node, _CONCAT) for node in nodes) if nodes else "()"


def _relation(relation: ast.Relation) -> str:
    match relation:
        case ast.SourceRef(name, alias):
            return _name(name) + ("" if alias == name else f" AS {_name(alias)}")
        case ast.SubqueryRef(query, alias):
            return f"({' '.join(_clauses(query))}) AS {_name(alias)}"
        case ast.Join():
            within = f"WITHIN {_within(relation.within)} " if relation.within else ""
            kind = "" if relation.kind == "INNER" else relation.kind + " "
            right = _relation(relation.right)
            return f"{_relation(relation.left)}\n{kind}JOIN {right} {within}ON {print_expression(relation.on)}"


def _within(within: ast.Within) -> str:
    before, after = _interval(within.before), _interval(within.after)
    size = before if within.before == within.after else f"({before}, {after})"
    return size + (f" GRACE PERIOD {_interval(within.grace)}" if within.grace else "")


def _interval(interval: ast.Interval) -> str:
    return f"{interval.amount} {interval.unit}"


def _window(window: ast.Window) -> str:
    parts = [("" if window.kind == "SESSION" else "SIZE ") + _interval(window.size)]
    if window.advance is not None:
        parts.append(f"ADVANCE BY {_interval(window.advance)}")
    if window.retention is not None:
        parts.append(f"RETENTION {_interval(window.retention)}")
    if window.grace is not None:
        parts.append(f"GRACE PERIOD {_interval(window.grace)}")
    return f"{window.kind} ({', '.join(parts)})"


# --- statements ------------------------------------------------------------------------------------------------------


def _words(*words: str | bool | None) -> str:
    return " ".join(word for word in words if isinstance(word, str) and word)


def _columns(columns: tuple[ast.ColumnDef, ...]) -> str:
    return f"({', '.join(map(_column, columns))})" if columns else ""


def _column(column: ast.ColumnDef) -> str:
    role = "" if column.role == "value" else column.role.upper()
    if column.header is not None:
        role += f"({quote_text(column.header)})"
    return _words(_name(column.name), _type(column.type), role)


def _properties(properties: ast.Properties) -> str:
    if not properties:
        return ""
    return "WITH (" + ", ".join(f"{_bare(p.name)} = {_value(p.value)}" for p in properties.values()) + ")"


def _value(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return quote_text(value) if isinstance(value, str) else repr(value)


def _setting(name: str, value: str) -> str:
    return f"{quote_text(name)} = {quote_text(value)}"


def _timeout(timeout: ast.Interval | None) -> str:
    return f"TIMEOUT {_interval(timeout)}" if timeout else ""


def _row(row: tuple[exp.Expression, ...]) -> str:
    return f"({_list(row)})"


def _column_names(names: tuple[ast.Name, ...]) -> str:
    return f"({_names(names)})" if names else ""


def _if_not_exists(given: bool) -> str:
    return "IF NOT EXISTS" if given else ""


def _create_source(s: ast.CreateSource) -> str:
    return _words(
        *("CREATE", s.or_replace and "OR REPLACE", s.read_only and "SOURCE", s.kind, _if_not_exists(s.if_not_exists)),
        *(_name(s.name), _columns(s.columns), _properties(s.properties)),
    )


def _create_as(s: ast.CreateAs) -> str:
    head = _words(
        *("CREATE", s.or_replace and "OR REPLACE", s.kind, _if_not_exists(s.if_not_exists)),
        *(_name(s.name), _properties(s.properties), "AS"),
    )
    return f"{head}\n{print_query(s.query)}"


def _create_connector(s: ast.CreateConnector) -> str:
    properties = ", ".join(f"{quote_text(p.name)} = {_value(p.value)}" for p in s.properties.values())
    return _words(
        *("CREATE", s.kind, "CONNECTOR", _if_not_exists(s.if_not_exists), _name(s.name), f"WITH ({properties})")
    )


def _insert_into(s: ast.InsertInto) -> str:
    return _words("INSERT INTO", _name(s.target), _properties(s.properties)) + "\n" + print_query(s.query)


def _insert_values(s: ast.InsertValues) -> str:
    rows = ", ".join(map(_row, s.rows))
    return _words("INSERT INTO", _name(s.target), _column_names(s.columns), "VALUES", rows)


def _alter(s: ast.AlterSource) -> str:
    return _words("ALTER", s.kind, _name(s.name), ", ".join(f"ADD COLUMN {_column(c)}" for c in s.columns))


def _drop(what: str) -> Callable[[ast.DropSource | ast.DropType | ast.DropConnector], str]:
    return lambda s: _words("DROP", what, s.if_exists and "IF EXISTS", _name(s.name))


def _drop_source(s: ast.DropSource) -> str:
    return _words(_drop(s.kind)(s), s.delete_topic and "DELETE TOPIC")


def _create_endpoint(s: ast.CreateEndpoint) -> str:
    head = ("CREATE", s.or_replace and "OR REPLACE", "ENDPOINT", _if_not_exists(s.if_not_exists), _name(s.name))
    declared = f"({', '.join(map(_parameter, s.parameters))})" if s.parameters else ""
    return _words(*head, declared, "AS") + "\n" + s.query


def _parameter(p: ast.ParameterDef) -> str:
    default = "NULL" if p.default is None else quote_text(p.default)
    return _words("$" + p.name.text, _type(p.type), not p.required and f"DEFAULT {default}")


def _explain(s: ast.Explain) -> str:
    return "EXPLAIN " + (_name(s.query) if s.query else _statement(s.statement) if s.statement else "")


def _print_topic(s: ast.Print) -> str:
    return _words(
        *("PRINT", _topic(s.topic), s.from_beginning and "FROM BEGINNING"),
        *(s.interval is not None and f"INTERVAL {s.interval}", s.limit is not None and f"LIMIT {s.limit}"),
    )


def _describe(s: ast.Describe) -> str:
    what = "" if s.what == "SOURCE" else s.what
    return _words("DESCRIBE", what, _name(s.name) if s.name else "", s.extended and "EXTENDED")


def _assert_topic(s: ast.AssertTopic) -> str:
    negation = "" if s.exists else "NOT EXISTS"
    return _words("ASSERT", negation, "TOPIC", _topic(s.topic), _properties(s.properties), _timeout(s.timeout))


def _assert_schema(s: ast.AssertSchema) -> str:
    return _words(
        *("ASSERT", not s.exists and "NOT EXISTS", "SCHEMA"),
        *(s.subject is not None and f"SUBJECT {quote_text(s.subject)}", s.id is not None and f"ID {s.id}"),
        _timeout(s.timeout),
    )


def _assert_values(s: ast.AssertValues) -> str:
    head, row = ("ASSERT NULL VALUES", "KEY") if s.tombstone else ("ASSERT VALUES", "VALUES")
    return _words(head, _name(s.source), _column_names(s.columns), row, ", ".join(map(_row, s.rows)))


def _assert_rows(s: ast.AssertRows) -> str:
    if not s.rows:
        return _words("ASSERT", s.what, _name(s.source) if s.source else "", "IS EMPTY")
    rows = ", ".join(_words(row.deleted and "DELETED", _row(row.values)) for row in s.rows)
    return _words("ASSERT", s.what, _name(s.source) if s.source else "", _column_names(s.columns), "VALUES", rows)


def _assert_source(s: ast.AssertSource) -> str:
    return _words("ASSERT", s.kind, _name(s.name), _columns(s.columns), _properties(s.properties))


_PRINTERS: dict[type[ast.Statement], Callable[..., str]] = {
    ast.Select: lambda s: print_query(s.query),
    ast.CreateSource: _create_source,
    ast.CreateAs: _create_as,
    ast.InsertInto: _insert_into,
    ast.InsertValues: _insert_values,
    ast.AlterSource: _alter,
    ast.DropSource: _drop_source,
    ast.CreateType: lambda s: _words(
        "CREATE TYPE", _if_not_exists(s.if_not_exists), _name(s.name), "AS", _type(s.type)
    ),
    ast.DropType: _drop("TYPE"),
    ast.CreateConnector: _create_connector,
    ast.CreateEndpoint: _create_endpoint,
    ast.DropConnector: _drop("CONNECTOR"),
    ast.DropEndpoint: lambda s: _words("DROP ENDPOINT", s.if_exists and "IF EXISTS", _name(s.name)),
    ast.ChangeQuery: lambda s: f"{s.action} {_name(s.query) if s.query else 'ALL'}",
    ast.Explain: _explain,
    ast.Print: _print_topic,
    ast.Show: lambda s: _words("SHOW", s.all and "ALL", s.scope, s.what, s.extended and "EXTENDED"),
    ast.Describe: _describe,
    ast.SetProperty: lambda s: f"SET {_setting(s.name, s.value)}",
    ast.UnsetProperty: lambda s: f"UNSET {quote_text(s.name)}",
    ast.AlterSystem: lambda s: f"ALTER SYSTEM {_setting(s.name, s.value)}",
    ast.Define: lambda s: f"DEFINE {_name(s.name)} = {quote_text(s.value)}",
    ast.Undefine: lambda s: f"UNDEFINE {_name(s.name)}",
    ast.RunScript: lambda s: f"RUN SCRIPT {quote_text(s.path)}",
    ast.AssertTopic: _assert_topic,
    ast.AssertSchema: _assert_schema,
    ast.AssertValues: _assert_values,
    ast.AssertSource: _assert_source,
    ast.AssertRows: _assert_rows,
}


def _statement(statement: ast.Statement) -> str:
    return _PRINTERS[type(statement)](statement)
