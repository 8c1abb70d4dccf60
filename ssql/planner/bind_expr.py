"""From the parser's trees to bound expressions: names resolved, types found, implicit conversions made explicit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as Number
from typing import Any, cast

from sqlglot import exp

from ssql.errors import InternalError, InvalidStatement, NoSuchSignature, NotSupportedYet, Span, SqlError, TypeMismatch
from ssql.functions import is_aggregate, is_table_function
from ssql.functions.api import ArgType, LambdaType, ScalarCall
from ssql.functions.operators import arithmetic, castable, negate
from ssql.functions.registry import lambda_parameters, resolve_aggregate, resolve_scalar, resolve_table
from ssql.planner import expr as e
from ssql.planner.coerce import coerced, common, converted, decimal_type, integer_type
from ssql.planner.expr_text import text_of
from ssql.planner.options import DEFAULTS, Options
from ssql.planner.scope import Scope
from ssql.planner.timestamps import partial_timestamp_ms
from ssql.sql.statements import TypeName
from ssql.sql.trees import cast_type, literal_value, span_of, without_parens
from ssql.sql.type_syntax import resolve_type
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Map,
    SqlType,
    Struct,
    is_numeric,
)

#: How ksqlDB calls the comparisons in its messages.
_COMPARISONS: dict[type[exp.Expr], tuple[e.Compare, str]] = {
    exp.EQ: ("=", "EQUAL"),
    exp.NEQ: ("<>", "NOT_EQUAL"),
    exp.LT: ("<", "LESS_THAN"),
    exp.LTE: ("<=", "LESS_THAN_OR_EQUAL"),
    exp.GT: (">", "GREATER_THAN"),
    exp.GTE: (">=", "GREATER_THAN_OR_EQUAL"),
    exp.NullSafeNEQ: ("IS DISTINCT FROM", "IS_DISTINCT_FROM"),
    exp.NullSafeEQ: ("IS NOT DISTINCT FROM", "IS_NOT_DISTINCT_FROM"),
}
_MIRRORED: dict[e.Compare, e.Compare] = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_ARITHMETIC: dict[type[exp.Expr], e.Operator] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.DPipe: "||",
}  # fmt: skip
_TEMPORAL = (DATE, TIME, TIMESTAMP)
_BOUNDS = ("WINDOWSTART", "WINDOWEND")
#: Functions whose first argument is a unit, written as a plain word.
_UNIT_FIRST = frozenset({"DATEADD", "DATESUB", "TIMEADD", "TIMESUB", "TIMESTAMPADD", "TIMESTAMPSUB"})
_UNITS = frozenset({"MILLISECONDS", "SECONDS", "MINUTES", "HOURS", "DAYS"})


class Binder:
    """Binds expressions of one clause against one scope.

    `clause` names it in messages (SELECT, WHERE, ...); `aggregates` and `tables` say whether aggregate and table
    functions may stand in it.
    """

    def __init__(
        self,
        scope: Scope,
        clause: str,
        *,
        aggregates: bool = False,
        tables: bool = False,
        options: Options = DEFAULTS,
    ) -> None:
        self.scope = scope
        self.clause = clause
        self.aggregates = aggregates
        self.tables = tables
        self.options = options
        self._lambdas: list[dict[str, e.Parameter]] = []
        self._inside: str | None = None  # the aggregate or table function whose arguments are being bound

    # --- entry -------------------------------------------------------------------------------------------------------

    def bind(self, node: exp.Expr) -> e.Expr:
        """The node, bound. Raises SqlError with the place of what is wrong."""
        node = without_parens(node)
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise InternalError(f"the binder does not know the node {type(node).__name__}")
        try:
            return handler(self, node)
        except SqlError as wrong:
            if wrong.span is None:
                wrong.span = span_of(node)
            raise

    def predicate(self, node: exp.Expr) -> e.Expr:
        """A condition: bound and checked to be BOOLEAN."""
        bound = self.bind(node)
        if bound.type is None:
            return e.Cast(BOOLEAN, bound, implicit=True, span=bound.span)
        if bound.type != BOOLEAN:
            raise TypeMismatch(
                f"Type error in {self.clause} expression: Should evaluate to boolean but is "
                f"{text_of(bound)} ({bound.type}) instead.",
                span=bound.span,
            )
        return bound

    def typed(self, node: exp.Expr) -> e.Expr:
        """A value whose type is known: the NULL literal alone is refused."""
        bound = self.bind(node)
        if bound.type is None:
            raise TypeMismatch(
                "Can't infer a type of null. Please explicitly cast it to a required type, e.g. CAST(null AS VARCHAR).",
                span=bound.span,
            )
        return bound

    # --- names and literals ------------------------------------------------------------------------------------------

    def column(self, node: exp.Column) -> e.Expr:
        name, source = str(node.this.this), node.args.get("table")
        if source is None:
            for known in reversed(self._lambdas):
                if name in known:
                    return known[name]
        qualifier = None if source is None else str(source.this)
        found = self.scope.resolve(name, qualifier, span_of(node), clause=self.clause)
        if self._inside is not None and found.column.pseudo in _BOUNDS and self.aggregates:
            raise InvalidStatement(
                f"Window bounds column {name} can only be used in the SELECT clause of windowed aggregations and can "
                "not be passed to aggregate functions.",
                span=span_of(node),
            )
        bound = found.column
        return e.Column(bound.type, bound.name, bound.pseudo, found.source, found.name, span=span_of(node))

    def literal(self, node: exp.Literal) -> e.Expr:
        value, span = literal_value(node), span_of(node)
        match value:
            case str():
                return e.Literal(STRING, value, span=span)
            case float():
                return e.Literal(DOUBLE, value, span=span)
            case Number():
                return e.Literal(decimal_type(value), value, span=span)
            case _:
                return e.Literal(integer_type(value), value, span=span)

    def boolean(self, node: exp.Boolean) -> e.Expr:
        return e.Literal(BOOLEAN, bool(node.this), span=span_of(node))

    def null(self, node: exp.Null) -> e.Expr:
        return e.Literal(None, None, span=span_of(node))

    def parameter(self, node: exp.Parameter) -> e.Expr:
        name = str(node.this)
        kind = self.options.parameters.get(name)
        if kind is None:
            raise InvalidStatement(f'parameter "${name}" has no value here', span=span_of(node))
        return e.Given(kind, name, span=span_of(node))

    # --- operators ---------------------------------------------------------------------------------------------------

    def arithmetic(self, node: exp.Binary) -> e.Expr:
        left, right = self.bind(node.this), self.bind(node.expression)
        op = _ARITHMETIC[type(node)]
        shown = text_of(e.Arithmetic(None, op, left, right))
        if op == "||":
            left, right = (
                x if x.type == STRING else coerced(x, STRING) if isinstance(x, e.Literal) else x for x in (left, right)
            )
        if left.type is None or right.type is None:
            given = " and ".join("null" if x.type is None else str(x.type) for x in (left, right))
            raise TypeMismatch(
                f"Error processing expression: {shown}. Arithmetic on types {given} are not supported.",
                span=span_of(node),
            )
        texts = left.type == right.type == STRING and op in ("+", "||")
        if not texts and not (is_numeric(left.type) and is_numeric(right.type) and op != "||"):
            given = " ".join(_base(x.type) for x in (left, right))
            raise TypeMismatch(
                self._in_clause(f"Error processing expression: {shown}. Unsupported arithmetic types. {given}"),
                span=span_of(node),
                hint="Use CAST on one side.",
            )
        _, result = arithmetic("+" if op == "||" else op, "a", left.type, "b", right.type, span=span_of(node))
        return e.Arithmetic(result, op, left, right, span=span_of(node))

    def negate(self, node: exp.Neg) -> e.Expr:
        operand = self.bind(node.this)
        _, result = negate("a", operand.type, span=span_of(node))
        return e.Negate(result, operand, span=span_of(node))

    def comparison(self, node: exp.Binary) -> e.Expr:
        op, word = _COMPARISONS[type(node)]
        return self.compare(op, word, self.bind(node.this), self.bind(node.expression), span_of(node))

    def compare(self, op: e.Compare, word: str, left: e.Expr, right: e.Expr, span: Span) -> e.Expr:
        """`left op right`, where ksqlDB lets the two be compared."""
        left, right = _time_literal(left, right), _time_literal(right, left)
        a, b = left.type, right.type
        if a is None or b is None:
            if "DISTINCT" in op:
                test = e.IsNull(BOOLEAN, left if b is None else right, span=span)
                return test if op == "IS NOT DISTINCT FROM" else e.Not(BOOLEAN, test, span=span)
            raise TypeMismatch(
                self._in_clause(
                    f"Comparison with NULL not supported: {'NULL' if a is None else a} {op} "
                    f"{'NULL' if b is None else b}\nUse 'IS NULL' or 'IS NOT NULL' instead."
                ),
                span=span,
                hint="Use IS NULL or IS NOT NULL.",
            )
        found = _comparable(op, left, right)
        if found is None:
            raise TypeMismatch(
                self._in_clause(f"Cannot compare {text_of(left)} ({a}) to {text_of(right)} ({b}) with {word}."),
                span=span,
                hint="Use CAST on one side.",
            )
        return e.Comparison(BOOLEAN, op, *found, span=span)

    def between(self, node: exp.Between) -> e.Expr:
        span = span_of(node)
        value = self.bind(node.this)
        low = self.compare(">=", "GREATER_THAN_OR_EQUAL", value, self.bind(node.args["low"]), span)
        high = self.compare("<=", "LESS_THAN_OR_EQUAL", value, self.bind(node.args["high"]), span)
        return e.Logical(BOOLEAN, "AND", low, high, span=span)

    def logical(self, node: exp.Connector) -> e.Expr:
        op = "AND" if isinstance(node, exp.And) else "OR"
        left, right = self.predicate(node.this), self.predicate(node.expression)
        return e.Logical(BOOLEAN, cast(Any, op), left, right, span=span_of(node))

    def negation(self, node: exp.Not) -> e.Expr:
        return e.Not(BOOLEAN, self.predicate(node.this), span=span_of(node))

    def is_null(self, node: exp.Is) -> e.Expr:
        return e.IsNull(BOOLEAN, self.bind(node.this), span=span_of(node))

    def in_list(self, node: exp.In) -> e.Expr:
        operand, *items = (self.bind(x) for x in (node.this, *node.expressions))
        items = [_time_literal(item, operand) for item in items]
        try:
            found = common([operand, *items])
        except TypeMismatch as wrong:
            hint = "" if wrong.hint is None else f"\nHint: {wrong.hint}"
            raise TypeMismatch(f"Invalid Predicate: {wrong.message}{hint}", span=wrong.span, hint=wrong.hint) from None
        if found is None:
            raise TypeMismatch("Invalid Predicate: all of the list is NULL", span=span_of(node))
        (first, *rest), _ = found
        return e.InList(BOOLEAN, first, tuple(rest), span=span_of(node))

    def like(self, node: exp.Like, escape: str | None = None) -> e.Expr:
        operand, pattern = self.bind(node.this), self.bind(node.expression)
        for side in (operand, pattern):
            if side.type not in (STRING, None):
                raise TypeMismatch(
                    f"The column type for Like condition must be VARCHAR. The column type is {side.type}",
                    span=side.span,
                )
        return e.Like(BOOLEAN, operand, pattern, escape, span=span_of(node))

    def escape(self, node: exp.Escape) -> e.Expr:
        text = str(node.expression.this)
        if len(text) != 1:
            raise InvalidStatement(
                f"For LIKE expressions, ESCAPE character must be a single character. Got: {text}",
                span=span_of(node.expression),
            )
        return self.like(node.this, text)

    def case(self, node: exp.Case) -> e.Expr:
        operand = None if node.this is None else self.bind(node.this)
        conditions, values = [], []
        for branch in node.args["ifs"]:
            if operand is None:
                conditions.append(self.predicate(branch.this))
            else:
                when = self.bind(branch.this)
                conditions.append(self.compare("=", "EQUAL", operand, when, span_of(branch.this)))
            values.append(self.bind(branch.args["true"]))
        default = node.args.get("default")
        if default is not None:
            values.append(self.bind(default))
        found = common(values)
        if found is None:
            raise TypeMismatch("Invalid Case expression. All case branches have NULL type", span=span_of(node))
        results, kind = found
        otherwise = results[-1] if default is not None else None
        branches = tuple(zip(conditions, results, strict=False))
        return e.Case(kind, branches, otherwise, span=span_of(node))

    def cast(self, node: exp.Cast) -> e.Expr:
        operand, target = self.bind(node.this), self.named_type(cast_type(node))
        if not castable(operand.type, target):
            raise TypeMismatch(
                f"{'Invalid Select: ' if self.clause == 'SELECT' else ''}"
                f"Cast of {operand.type} to {target} is not supported",
                span=span_of(node),
            )
        return e.Cast(target, operand, span=span_of(node))

    def named_type(self, written: SqlType | TypeName) -> SqlType:
        return resolve_type(written, self.options.types)

    # --- structure ---------------------------------------------------------------------------------------------------

    def subscript(self, node: exp.Bracket) -> e.Expr:
        base, index = self.bind(node.this), self.bind(node.expressions[0])
        if isinstance(base.type, Array):
            if index.type not in (INTEGER, BIGINT, None):
                raise TypeMismatch(f"an array's index is an INTEGER, not {index.type}", span=index.span)
            return e.Subscript(base.type.element, base, index, span=span_of(node))
        if isinstance(base.type, Map):
            return e.Subscript(base.type.value, base, coerced(index, base.type.key), span=span_of(node))
        raise TypeMismatch(f"{text_of(base)} is {base.type}: only arrays and maps have elements", span=span_of(node))

    def field(self, node: exp.Dot) -> e.Expr:
        base, name = self.bind(node.this), str(node.expression.this)
        if not isinstance(base.type, Struct):
            raise TypeMismatch(f"{text_of(base)} is {base.type}: only structs have fields", span=span_of(node))
        if name not in base.type.by_name:
            raise FieldNotFound(name, base.type, span_of(node.expression))
        return e.Field(base.type.by_name[name], base, name, span=span_of(node))

    def array(self, node: exp.Array) -> e.Expr:
        span = span_of(node)
        if not node.expressions:
            raise TypeMismatch(
                "Array constructor cannot be empty. Please supply at least one element (see "
                "https://github.com/confluentinc/ksql/issues/4239).",
                span=span,
            )
        found = common([self.bind(x) for x in node.expressions])
        if found is None:
            raise TypeMismatch("Cannot construct an array with all NULL elements", span=span)
        return e.ArrayOf(Array(found[1]), found[0], span=span)

    def map(self, node: exp.Map) -> e.Expr:
        span = span_of(node)
        keys, values = (common([self.bind(x) for x in node.args[part].expressions]) for part in ("keys", "values"))
        if not node.args["keys"].expressions:
            raise TypeMismatch(
                "Map constructor cannot be empty. Please supply at least one key value pair (see "
                "https://github.com/confluentinc/ksql/issues/4239).",
                span=span,
            )
        if keys is None:
            raise TypeMismatch("Cannot construct a map with all NULL keys", span=span)
        if values is None:
            raise TypeMismatch("Cannot construct a map with all NULL values", span=span)
        return e.MapOf(Map(keys[1], values[1]), keys[0], values[0], span=span)

    def struct(self, node: exp.Struct) -> e.Expr:
        names = [str(entry.this.this) for entry in node.expressions]
        values = [self.typed(entry.expression) for entry in node.expressions]
        if len(set(names)) < len(names):
            raise InvalidStatement("a struct has the same field twice", span=span_of(node))
        kind = Struct(tuple((n, _known(v)) for n, v in zip(names, values, strict=True)))
        return e.StructOf(kind, tuple(values), span=span_of(node))

    # --- calls -------------------------------------------------------------------------------------------------------

    def call(self, node: exp.Anonymous) -> e.Expr:
        name, span = str(node.this), span_of(node)
        arguments = list(node.expressions)
        if is_aggregate(name):
            return self._aggregate(name, arguments, span)
        if any(isinstance(a, exp.Star) for a in arguments):
            arguments = []
        if is_table_function(name):
            return self._table_function(name, arguments, span)
        args = self._arguments(name, arguments, span)
        args, call = _resolved(name, args, span)
        return e.Call(call.result, call.name, _cast_all(args, call.casts), call, span=span)

    def _arguments(self, name: str, nodes: list[exp.Expr], span: Span) -> list[e.Expr]:
        """The arguments, lambdas last: the types of their parameters follow from the others."""
        given: list[e.Expr | None] = []
        for at, node in enumerate(nodes):
            if isinstance(node, exp.Lambda):
                given.append(None)
            elif at == 0 and name in _UNIT_FIRST and _is_unit(node):
                given.append(e.Literal(STRING, str(node.this.this), span=span_of(node)))
            else:
                given.append(self.bind(node))
        for at, node in enumerate(nodes):
            if isinstance(node, exp.Lambda):
                types: list[ArgType] = [
                    LambdaType(len(n.expressions)) if g is None else _argument_type(g)
                    for n, g in zip(nodes, given, strict=True)
                ]
                given[at] = self._lambda(node, lambda_parameters(name, types, at, span=span))
        return [g for g in given if g is not None]

    def _lambda(self, node: exp.Lambda, types: tuple[SqlType, ...]) -> e.Lambda:
        depth = len(self._lambdas)
        names = [str(p.this) for p in node.expressions]
        # The arrow keeps a parameter apart from columns that rewrites may bring into the body.
        known = {n: e.Parameter(t, f"{n}=>{depth}") for n, t in zip(names, types, strict=True)}
        self._lambdas.append(known)
        body = self.bind(node.this)
        self._lambdas.pop()
        parameters = tuple((p.name, t) for p, t in zip(known.values(), types, strict=True))
        return e.Lambda(body.type, parameters, body, span=span_of(node))

    def _aggregate(self, name: str, nodes: list[exp.Expr], span: Span) -> e.Expr:
        if self._inside is not None and self.aggregates:
            raise InvalidStatement(f"Aggregate functions can not be nested: {self._inside}({name}())", span=span)
        if not self.aggregates:
            raise InvalidStatement(
                f"{self.clause} does not support aggregate functions: {name} is an aggregate function.", span=span
            )
        distinct = len(nodes) == 1 and isinstance(nodes[0], exp.Distinct)
        if distinct:
            nodes = list(nodes[0].expressions)
        if any(isinstance(n, exp.Star) for n in nodes):
            nodes = []
        if name == "COUNT" and distinct:
            name = "COUNT_DISTINCT"
        self._inside = name
        args = [self.bind(n) for n in nodes]
        self._inside = None
        literals = [a.value if isinstance(a, e.Literal) else None for a in args]
        written = [text_of(a) for a in args]
        limit = self.options.limits.get(name)
        types = [_argument_type(a) for a in args]
        call = resolve_aggregate(name, types, literals, limit=limit, written=written, span=span)
        if distinct and not call.distinct_argument:
            raise NotSupportedYet(f"DISTINCT in {name}", span=span)
        bound = _cast_all(args, call.casts)
        return e.AggregateOf(call.result_type, call.name, bound, call, distinct, span=span)

    def _table_function(self, name: str, nodes: list[exp.Expr], span: Span) -> e.Expr:
        if not self.tables:
            raise InvalidStatement(
                f"{self.clause} does not support table functions: {name} is a table function.", span=span
            )
        if self._inside is not None:
            raise InvalidStatement(f"Table functions can not be nested: {self._inside}({name}())", span=span)
        self._inside = name
        args = [self.bind(n) for n in nodes]
        self._inside = None
        call = resolve_table(name, [_argument_type(a) for a in args], span=span)
        return e.TableOf(call.result, call.name, _cast_all(args, call.casts), call, span=span)

    def unsupported(self, node: exp.Expr) -> e.Expr:
        what: dict[type[exp.Expr], str] = {exp.Window: "OVER", exp.AtTimeZone: "AT TIME ZONE", exp.Star: "* in a call"}
        raise NotSupportedYet(what.get(type(node), type(node).__name__), span=span_of(node))

    def _in_clause(self, message: str) -> str:
        return f"Error in {self.clause} expression: {message}" if self.clause in ("WHERE", "HAVING") else message


class FieldNotFound(SqlError):
    code = "field_not_found"

    def __init__(self, name: str, struct: Struct, span: Span) -> None:
        from ssql.errors import nearest

        close = nearest(name, struct.by_name)
        super().__init__(
            f'field "{name}" does not exist in {struct}', span=span, hint=f'Did you mean "{close}"?' if close else None
        )


def _base(t: SqlType | None) -> str:
    return "null" if t is None else str(t).partition("(")[0].partition("<")[0]


def _known(x: e.Expr) -> SqlType:
    if x.type is None:
        raise InternalError("an expression without a type")
    return x.type


def _is_unit(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and node.args.get("table") is None and str(node.this.this) in _UNITS


def _argument_type(x: e.Expr) -> ArgType:
    if isinstance(x, e.Lambda):
        return LambdaType(len(x.parameters), x.type)
    return x.type


def _cast_all(args: list[e.Expr], casts: tuple[SqlType | None, ...]) -> tuple[e.Expr, ...]:
    return tuple(
        a if to is None or to == a.type else e.Cast(to, a, implicit=True, span=a.span)
        for a, to in zip(args, casts, strict=True)
    )


def _resolved(name: str, args: list[e.Expr], span: Span) -> tuple[list[e.Expr], ScalarCall]:
    """The function for these arguments; text literals count as times where another argument is one."""
    try:
        return args, resolve_scalar(name, [_argument_type(a) for a in args], span=span)
    except NoSuchSignature:
        target = next((a.type for a in args if a.type in _TEMPORAL), None)
        if target is None:
            raise
        changed = [(converted(a, target) or a) if isinstance(a, e.Literal) else a for a in args]
        if changed == args:
            raise
        return changed, resolve_scalar(name, [_argument_type(a) for a in changed], span=span)


def _time_literal(x: e.Expr, other: e.Expr) -> e.Expr:
    """Text that is compared with ROWTIME or a window's bound is a (partial) date-time: its ms since the epoch."""
    if not (isinstance(other, e.Column) and other.pseudo in ("ROWTIME", *_BOUNDS)):
        return x
    if not (isinstance(x, e.Literal) and x.type == STRING):
        return x
    ms = partial_timestamp_ms(str(x.value))
    if ms is None:
        raise TypeMismatch(
            f"{text_of(x)} is not a date-time",
            span=x.span,
            hint="Write it like '2020-02-24T13:45:00.000+0100'; parts may be left out from the end.",
        )
    return e.Literal(BIGINT, ms, span=x.span)


def _comparable(op: e.Compare, left: e.Expr, right: e.Expr) -> tuple[e.Expr, e.Expr] | None:
    """Both sides in a form that DuckDB compares, or None where ksqlDB does not compare the types."""
    a, b = _known(left), _known(right)
    if is_numeric(a) and is_numeric(b):
        return left, right
    if a == b:
        ordered = not isinstance(a, Array | Map | Struct) and a != BOOLEAN
        return (left, right) if ordered or op in ("=", "<>") or "DISTINCT" in op else None
    for one, other, target in ((left, right, a), (right, left, b)):
        if target in (*_TEMPORAL, BYTES) and other.type == STRING and one is not other:
            if isinstance(other, e.Given):  # a literal is read, and refused, before anything runs
                return None
            changed = coerced(other, target) if isinstance(other, e.Literal) else e.Cast(target, other, implicit=True)
            return (left, changed) if other is right else (changed, right)
    if {a, b} == {DATE, TIMESTAMP}:
        sides = (x if x.type == TIMESTAMP else e.Cast(TIMESTAMP, x, implicit=True) for x in (left, right))
        first, second = sides
        return first, second
    return None


_HANDLERS: dict[type[exp.Expr], Callable[[Binder, Any], e.Expr]] = {
    exp.Column: Binder.column,
    exp.Literal: Binder.literal,
    exp.Boolean: Binder.boolean,
    exp.Parameter: Binder.parameter,
    exp.Null: Binder.null,
    **dict.fromkeys(_ARITHMETIC, Binder.arithmetic),
    **dict.fromkeys(_COMPARISONS, Binder.comparison),
    exp.Neg: Binder.negate,
    exp.Between: Binder.between,
    exp.And: Binder.logical,
    exp.Or: Binder.logical,
    exp.Not: Binder.negation,
    exp.Is: Binder.is_null,
    exp.In: Binder.in_list,
    exp.Like: Binder.like,
    exp.Escape: Binder.escape,
    exp.Case: Binder.case,
    exp.Cast: Binder.cast,
    exp.Bracket: Binder.subscript,
    exp.Dot: Binder.field,
    exp.Array: Binder.array,
    exp.Map: Binder.map,
    exp.Struct: Binder.struct,
    exp.Anonymous: Binder.call,
    exp.Window: Binder.unsupported,
    exp.AtTimeZone: Binder.unsupported,
    exp.Star: Binder.unsupported,
}
