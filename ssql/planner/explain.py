"""What EXPLAIN prints: the logical plan as a tree, and the dataflow with each step's SQL."""

from __future__ import annotations

from collections.abc import Iterator

from ssql.planner import expr as e
from ssql.planner import plan
from ssql.planner import steps as s
from ssql.planner.expr_text import text_of


def logical_text(root: plan.Node, *, sink: str | None, limit: int | None = None) -> str:
    """The plan, a node a line, inputs indented below it."""
    bound = "" if limit is None else f" limit {limit}"
    head = f"Output {'to the reader' if sink is None else f'into {sink}'}{bound}"
    return "\n".join([head, *_tree(root, 1)])


def _tree(node: plan.Node, depth: int) -> Iterator[str]:
    traits = node.changelog.value + (f", {node.window.type.lower()} window" if node.window else "")
    yield f"{'  ' * depth}{_line(node)}  [{traits}]"
    for child in node.inputs:
        yield from _tree(child, depth + 1)


def _shown(x: e.Expr) -> str:
    return text_of(x, qualified=True)


def _line(node: plan.Node) -> str:
    match node:
        case plan.Source():
            return f"Source {node.relation.name} ({', '.join(node.columns)})"
        case plan.Filter():
            return f"Filter {_shown(node.predicate)}"
        case plan.Project():
            return f"Project {', '.join(map(_item, node.items))}"
        case plan.FlatMap():
            return f"FlatMap {', '.join(f'{name} := {_shown(x)}' for name, x in node.items)}"
        case plan.Rekey():
            return f"Rekey by {', '.join(node.keys)}"
        case plan.Window():
            advance = f" advance {node.advance_ms} ms" if node.kind == "HOPPING" else ""
            return f"Window {node.kind.lower()} {node.size_ms} ms{advance} grace {node.grace_ms} ms"
        case plan.Aggregate():
            made = ", ".join(f"{name} := {_shown(a)}" for name, a in node.aggregates)
            how = "" if node.merges else " (computed again)"
            how += "" if node.final is None else " (final results)"
            return f"Aggregate by {', '.join(node.group) or 'nothing'}: {made}{how}"
        case plan.Join():
            on = ", ".join(f"{a} = {b}" for a, b in zip(node.left_on, node.right_on, strict=True))
            within = "" if node.within is None else f" within {node.within.before_ms} / {node.within.after_ms} ms"
            return f"Join {node.kind.lower()} on {on}{within}"
    return type(node).__name__


def _item(item: plan.Item) -> str:
    shown = _shown(item.expr)
    text = item.name if shown in (item.name, f"{item.name}") else f"{item.name} := {shown}"
    return f"{text} KEY" if item.key else text


def dataflow_text(query: s.QueryPlan) -> str:
    """The steps in order: id, inputs, what is special about the step, then its SQL."""
    lines: list[str] = []
    for step in query.steps:
        inputs = f" <- {', '.join(step.inputs)}" if step.inputs else ""
        lines.append(f"{step.id}{inputs}: {', '.join(f'{c.name} {c.type}' for c in step.schema.columns)}")
        lines.extend(f"    {detail}" for detail in _details(step))
    return "\n".join(lines)


def _details(step: s.Step) -> Iterator[str]:
    match step:
        case s.Scan():
            yield f"reads {step.relation.kind} {step.relation.name} (topic {step.relation.topic})"
            if step.time is not None:
                yield f"time: {step.time.sql}"
        case s.Map():
            yield from _statement("sql", step.statement)
        case s.Pick():
            pairs = zip(step.columns, step.schema.names, strict=True)
            yield f"columns: {', '.join(a if a == b else f'{a} as {b}' for a, b in pairs)}"
        case s.Require():
            yield f"not null: {', '.join(step.columns)}"
        case s.Exchange():
            yield f"by {', '.join(step.keys)}"
        case s.Windowed():
            yield f"{step.kind} size {step.size_ms} ms, advance {step.advance_ms} ms, grace {step.grace_ms} ms"
        case s.Aggregate():
            yield f"by {', '.join(step.keys) or 'nothing'}"
            if step.lifetime_ms is not None:
                yield f"groups are kept until {step.lifetime_ms} ms after their window's end"
            if step.distinct:
                yield f"distinct: {', '.join(d.column for d in step.distinct)}"
            yield from _statement("merge", step.merge)
            yield from _statement("result", step.result)
        case s.SessionAggregate():
            yield f"by {', '.join(step.keys) or 'nothing'}, gap {step.gap_ms} ms, grace {step.grace_ms} ms"
            yield f"sessions are kept until {step.lifetime_ms} ms after their end"
            yield from _statement("merge", step.merge)
            yield from _statement("combine", step.combine)
            yield from _statement("result", step.result)
        case s.Final():
            yield f"once a window, {step.after_ms} ms after its end"
        case s.Regroup():
            yield f"by {', '.join(step.keys) or 'nothing'}; rows by {', '.join(step.row_identity)}"
            yield from _statement("sql", step.statement)
        case s.StreamTableJoin() | s.TableTableJoin() | s.StreamStreamJoin():
            on = ", ".join(f"{a} = {b}" for a, b in zip(step.left_keys, step.right_keys, strict=True))
            yield f"{step.kind} on {on}"
            if isinstance(step, s.StreamStreamJoin):
                grace = "" if step.grace_ms is None else f", grace {step.grace_ms} ms"
                yield f"within {step.before_ms} ms before and {step.after_ms} ms after{grace}"
        case s.Sink():
            yield f"writes {step.relation.kind} {step.relation.name} (topic {step.relation.topic})"
            if step.timestamp is not None:
                yield f"time: {step.timestamp.sql}"
        case s.Emit():
            yield "to the reader"


def _statement(name: str, statement: s.Statement) -> Iterator[str]:
    yield f"{name}: {statement.sql}"
    if statement.careful is not None:
        yield f"careful: {statement.careful}"


def explain_text(query: s.QueryPlan) -> str:
    """The logical plan and the dataflow of a query."""
    return f"{query.logical}\n\n{dataflow_text(query)}\n"
